package console

import (
	"context"
	"net/http"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// A route is one method of one path. openapi.json describes each of them, and a
// test holds the two lists against each other.
type route struct {
	method, path string
	public       bool // no sign-in is needed
	changes      bool // something, so a forged request would do harm
	handle       func(*call) (*reply, error)
}

const api = "/api/v1"

func routes() []*route {
	const (
		bot = api + "/chatbots/{id}"
		key = bot + "/keys/{provider}"
	)
	return []*route{
		{method: "POST", path: api + "/session", public: true, handle: (*call).openSession},
		{method: "GET", path: api + "/session", handle: (*call).showSession},
		{method: "DELETE", path: api + "/session", changes: true, handle: (*call).closeSession},
		{method: "GET", path: api + "/openapi.json", public: true, handle: (*call).showOpenAPI},
		{method: "GET", path: api + "/providers", handle: (*call).listProviders},
		{method: "GET", path: api + "/chatbots", handle: (*call).listChatbots},
		{method: "POST", path: api + "/chatbots", changes: true, handle: (*call).createChatbot},
		{method: "GET", path: bot, handle: (*call).showChatbot},
		{method: "PATCH", path: bot, changes: true, handle: (*call).renameChatbot},
		{method: "DELETE", path: bot, changes: true, handle: (*call).removeChatbot},
		{method: "PUT", path: bot + "/byok", changes: true, handle: (*call).switchBYOK},
		{method: "PUT", path: bot + "/byoi", changes: true, handle: (*call).setBYOI},
		{method: "DELETE", path: bot + "/byoi", changes: true, handle: (*call).clearBYOI},
		{method: "PUT", path: key, changes: true, handle: (*call).putKey},
		{method: "PATCH", path: key, changes: true, handle: (*call).labelKey},
		{method: "DELETE", path: key, changes: true, handle: (*call).deleteKey},
		{method: "POST", path: key + "/test", changes: true, handle: (*call).testKey},
		{method: "GET", path: bot + "/audit", handle: (*call).showTrail},
	}
}

// A call is one request on its way through its handler.
type call struct {
	c   *Console
	r   *http.Request
	w   http.ResponseWriter
	who *principal // nil before authenticate, and where none is needed

	made string // the id of a chatbot that the call has made
}

func (k *call) ctx() context.Context { return k.r.Context() }

// chatbotID is the id in the path, "" if there is none or it is no id.
func (k *call) chatbotID() string {
	if id := k.r.PathValue("id"); credstore.ValidID(id) {
		return id
	}
	return k.made
}

// chatbot returns the id in the path. What can be no id is no chatbot.
func (k *call) chatbot() (string, error) {
	if id := k.chatbotID(); id != "" {
		return id, nil
	}
	return "", errNoChatbot
}

// provider returns the slug in the path. A name that is not known is not
// repeated: it may be a key in the wrong place.
func (k *call) provider() (*provider.Provider, error) {
	if p, ok := provider.Lookup(provider.Slug(k.r.PathValue("provider"))); ok {
		return p, nil
	}
	return nil, refuse(http.StatusNotFound, "unknown_provider", "sidekey knows no provider of that name; "+api+"/providers lists them")
}

// owner is the write side, in the name of who called.
func (k *call) owner() *credstore.Owner {
	log := k.c.cfg.Log
	return k.c.cfg.Owner.As(credstore.Actor{Name: k.who.name, Role: k.who.role, Opens: k.c.decrypts(), Lost: func(chatbot string, c credstore.Change, err error) {
		log.Error().Err(err).Str("chatbot", chatbot).Time("at", c.At).Str("actor", c.Actor).Str("role", c.Role).
			Str("action", c.Action).Str("item", c.Item).Str("detail", c.Detail).
			Msg("a change was made and could not be written to the trail: this line is its only record")
	}})
}

// A reply is what a handler answers with.
type reply struct {
	status   int
	body     any // nil: none
	raw      []byte
	etag     string
	location string
}

func ok(body any) *reply { return &reply{status: http.StatusOK, body: body} }
