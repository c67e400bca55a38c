package console

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidekey/sidekey/credstore"
)

// Sizes of a page of a list.
const (
	usualPage = 50
	maxPage   = 200
	maxSearch = 200 // bytes of q
)

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

// A chatbotReply is one chatbot with all that may be shown of it.
type chatbotReply struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Account   string     `json:"account"`
	BYOK      bool       `json:"byok_enabled"`
	BYOI      *byoiReply `json:"byoi"`
	ETag      string     `json:"etag"`
	UpdatedAt time.Time  `json:"updated_at"`
	Keys      []keyReply `json:"keys"`
	InUse     *inUse     `json:"in_use,omitempty"`
}

type byoiReply struct {
	URL        string `json:"url"`
	AuthHeader string `json:"auth_header"`
}

// A page is a part of a list.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"` // "": this was the last
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

func chatbotOf(info *credstore.ChatbotInfo) *chatbotReply {
	c := &chatbotReply{ID: info.Chatbot, Name: info.Name, Account: info.Account, BYOK: info.BYOK,
		ETag: etag(info.Version), UpdatedAt: info.UpdatedAt.UTC(), Keys: []keyReply{}}
	if info.BYOIURL != "" {
		c.BYOI = &byoiReply{info.BYOIURL, info.BYOIHeader}
	}
	for i := range info.Keys {
		c.Keys = append(c.Keys, *keyOf(&info.Keys[i]))
	}
	return c
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

// find loads the chatbot of the path, if the caller may see it.
func (k *call) find() (*credstore.ChatbotInfo, error) {
	id, err := k.chatbot()
	if err != nil {
		return nil, err
	}
	info, err := k.c.cfg.Owner.List(k.ctx(), id, k.who.scope())
	if err != nil {
		return nil, err
	}
	// A record without settings has no account, so it is no owner's.
	if scope := k.who.scope(); scope != "" && info.Account != scope {
		return nil, errNoChatbot
	}
	return &info, nil
}

func (k *call) showChatbot() (*reply, error) {
	info, err := k.find()
	if err != nil {
		return nil, err
	}
	out := chatbotOf(info)
	return &reply{status: http.StatusOK, body: out, etag: out.ETag}, nil
}

// changed answers a change of a chatbot with what it is now.
func (k *call) changed(id string) (*reply, error) {
	info, err := k.c.cfg.Owner.List(k.ctx(), id, k.who.scope())
	if err != nil {
		return nil, err
	}
	k.c.cfg.Directory.Note(credstore.ChatbotName{Chatbot: id, Account: info.Account, Name: info.Name}, false)
	out := chatbotOf(&info)
	out.InUse = k.c.inUse(k.ctx(), id)
	return &reply{status: http.StatusOK, body: out, etag: out.ETag}, nil
}

func (k *call) createChatbot() (*reply, error) {
	var name string
	var id, account *string
	if err := k.read(map[string]any{"id": &id, "name": &name, "account": &account}); err != nil {
		return nil, err
	}
	forAccount := k.who.scope()
	if account != nil && *account != "" {
		if !credstore.ValidID(*account) {
			return nil, invalid(fieldError{"account", idRule})
		}
		if forAccount != "" && *account != forAccount {
			return nil, errNotYours
		}
		forAccount = *account
	} else if forAccount == "" {
		forAccount = k.who.account // an operator's own, if the token names one
	}
	made := newChatbotID()
	if id != nil && *id != "" {
		if made = *id; !credstore.ValidID(made) {
			return nil, invalid(fieldError{"id", idRule})
		}
	}
	if err := k.owner().Create(k.ctx(), made, strings.TrimSpace(name), forAccount); err != nil {
		return nil, err
	}
	k.made = made
	out, err := k.changed(made)
	if err != nil {
		return nil, err
	}
	out.status, out.location = http.StatusCreated, api+"/chatbots/"+made
	return out, nil
}

const idRule = "must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -"

// newChatbotID makes an id that nobody has: 100 bits.
func newChatbotID() string { return "bot-" + strings.ToLower(rand.Text()[:20]) }

func (k *call) renameChatbot() (*reply, error) {
	id, version, err := k.target()
	if err != nil {
		return nil, err
	}
	var name string
	if err := k.read(map[string]any{"name": &name}); err != nil {
		return nil, err
	}
	if err := at(k.owner(), version).Rename(k.ctx(), id, strings.TrimSpace(name), k.who.scope()); err != nil {
		return nil, k.staleChatbot(err, id)
	}
	return k.changed(id)
}

func (k *call) removeChatbot() (*reply, error) {
	id, version, err := k.target()
	if err == nil {
		err = k.empty()
	}
	if err != nil {
		return nil, err
	}
	info, err := k.find()
	if err != nil {
		return nil, err
	}
	if err := at(k.owner(), version).Remove(k.ctx(), id, k.who.scope()); err != nil {
		return nil, k.staleChatbot(err, id)
	}
	k.c.cfg.Directory.Note(credstore.ChatbotName{Chatbot: id, Account: info.Account}, true)
	k.c.inUse(k.ctx(), id)
	return &reply{status: http.StatusNoContent}, nil
}

// target returns which chatbot a change is about, and which version of it. A
// chatbot that the caller may not see is not there, whatever is asked of it.
func (k *call) target() (id string, version int64, err error) {
	info, err := k.find()
	if err != nil {
		return "", 0, err
	}
	version, err = k.ifMatch()
	return info.Chatbot, version, err
}

// staleChatbot adds the chatbot's present etag to a refusal.
func (k *call) staleChatbot(err error, id string) error {
	if !errors.Is(err, credstore.ErrStale) {
		return err
	}
	info, lost := k.c.cfg.Owner.List(k.ctx(), id, k.who.scope())
	if lost != nil {
		return lost
	}
	return stale(err, etag(info.Version))
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
