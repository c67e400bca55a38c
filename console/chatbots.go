package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sidekey/sidekey/credstore"
)

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
