package console

import (
	"strconv"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

// A trailRow is one change in the answer.
type trailRow struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Role   string    `json:"role"`
	Action string    `json:"action"`
	Item   string    `json:"item"`
	Detail string    `json:"detail"`
}

// showTrail answers with who changed what and when, newest first.
func (k *call) showTrail() (*reply, error) {
	info, err := k.find()
	if err != nil {
		return nil, err
	}
	limit, err := pageLimit(k.r.URL.Query().Get("limit"))
	if err != nil {
		return nil, err
	}
	var before int64
	if at, err := readCursor(k.r.URL.Query().Get("cursor")); err != nil {
		return nil, errCursor
	} else if at != "" {
		if before, err = strconv.ParseInt(at, 10, 64); err != nil || before < 1 {
			return nil, errCursor
		}
	}
	changes, err := k.c.cfg.Owner.Changes(k.ctx(), info.Chatbot, k.who.scope(), before, limit+1)
	if err != nil {
		return nil, err
	}
	return ok(trailPage(changes, limit)), nil
}

func trailPage(changes []credstore.Change, limit int) page[trailRow] {
	out := page[trailRow]{Items: []trailRow{}}
	for i, c := range changes {
		if i == limit {
			out.Next = cursor(strconv.FormatInt(changes[i-1].Number, 10))
			break
		}
		out.Items = append(out.Items, trailRow{c.At.UTC(), c.Actor, c.Role, c.Action, c.Item, c.Detail})
	}
	return out
}
