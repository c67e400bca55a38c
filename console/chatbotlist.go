package console

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidekey/sidekey/credstore"
)

// Lists that are turned page by page, and that of chatbots.

// Sizes of a page of a list.
const (
	usualPage = 50
	maxPage   = 200
	maxSearch = 200 // bytes of q
)

// A page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"` // "": this was the last
}

// A chatbotRow is one line of the list.
type chatbotRow struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Account   string    `json:"account"`
	BYOK      bool      `json:"byok_enabled"`
	BYOI      bool      `json:"byoi"`
	Providers []string  `json:"providers"`
	UpdatedAt time.Time `json:"updated_at"`
}

func rowOf(info *credstore.ChatbotInfo) chatbotRow {
	row := chatbotRow{ID: info.Chatbot, Name: info.Name, Account: info.Account, BYOK: info.BYOK, BYOI: info.BYOIURL != "",
		Providers: []string{}, UpdatedAt: info.UpdatedAt.UTC()}
	for _, k := range info.Keys {
		if n := len(row.Providers); n == 0 || row.Providers[n-1] != string(k.Slug) {
			row.Providers = append(row.Providers, string(k.Slug))
		}
		if k.UpdatedAt.After(row.UpdatedAt) {
			row.UpdatedAt = k.UpdatedAt.UTC()
		}
	}
	return row
}

// listChatbots answers from the Directory, so that turning a page does not read
// the table. Each row then comes from its record, which decides whose it is.
func (k *call) listChatbots() (*reply, error) {
	q := k.r.URL.Query()
	account := k.who.scope()
	if asked := q.Get("account"); asked != "" {
		if !credstore.ValidID(asked) {
			return nil, invalid(fieldError{"account", "is not an account id"})
		}
		if account != "" && asked != account {
			return nil, errNotYours
		}
		account = asked
	}
	limit, err := pageLimit(q.Get("limit"))
	if err != nil {
		return nil, err
	}
	after, err := readCursor(q.Get("cursor"))
	if err != nil || after != "" && !credstore.ValidID(after) {
		return nil, errCursor
	}
	word := strings.TrimSpace(q.Get("q"))
	if len(word) > maxSearch {
		return nil, invalid(fieldError{"q", "is longer than 200 bytes"})
	}
	names, more, err := k.c.cfg.Directory.Page(k.ctx(), account, word, after, limit)
	if account == "" && credstore.Denied(err) {
		return nil, errNoScan
	}
	if err != nil {
		return nil, err
	}
	rows, err := k.rows(names, account)
	if err != nil {
		return nil, err
	}
	out := page[chatbotRow]{Items: rows}
	if more {
		out.Next = cursor(names[len(names)-1].Chatbot)
	}
	return ok(out), nil
}

// errNoScan is for a console at AWS whose role may not list the whole table.
var errNoScan = refuse(http.StatusConflict, "list_not_permitted",
	"this console may list the chatbots of one account at a time; name one: "+api+"/chatbots?account=ID")

// rowReaders is how many records of a page are read at a time.
const rowReaders = 16

// rows loads the records of a page. What is gone by now, or another account's,
// is left out.
func (k *call) rows(names []credstore.ChatbotName, account string) ([]chatbotRow, error) {
	found := make([]*credstore.ChatbotInfo, len(names))
	group, ctx := errgroup.WithContext(k.ctx())
	group.SetLimit(rowReaders)
	for i, n := range names {
		group.Go(func() error {
			info, err := k.c.cfg.Owner.List(ctx, n.Chatbot, account)
			switch {
			case errors.Is(err, credstore.ErrNotFound), errors.Is(err, credstore.ErrAccount):
				return nil
			case err != nil:
				return err
			}
			if account == "" || info.Account == account {
				found[i] = &info
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	rows := []chatbotRow{}
	for _, info := range found {
		if info != nil {
			rows = append(rows, rowOf(info))
		}
	}
	return rows, nil
}

// pageLimit reads limit.
func pageLimit(s string) (int, error) {
	if s == "" {
		return usualPage, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalid(fieldError{"limit", "must be a number from 1 to 200"})
	}
	return n, nil
}

var errCursor = invalid(fieldError{"cursor", "is not one that this list gave out; leave it out to begin anew"})

// A cursor is where a page ended. It is wrapped so that nobody takes it apart.
func cursor(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func readCursor(s string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	return string(b), err
}
