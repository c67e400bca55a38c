package proxy

import (
	"time"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/proxy/trace"
)

// Observe has f told of each generation when its reply has ended, and of what is
// refused in its place; nil ends that. f must not wait, nor keep what it is
// given. Calls without a model, such as the list of models, are not told.
//
// It costs some allocations for each request; without it there are none.
func (h *Handler) Observe(f func(*trace.Call)) {
	if f == nil {
		h.observer.Store(nil)
		return
	}
	h.observer.Store(&f)
}

// observed is what must be kept of a request for whoever observes it: the rest is
// wiped when it has been sent.
type observed struct{ parent, state, model string }

// note keeps it.
func (x *exchange) note() *refusal {
	if x.h.observer.Load() != nil && operations[x.target.Surface] != "" {
		x.noted = &observed{
			parent: string(x.header.Peek("traceparent")), state: string(x.header.Peek("tracestate")), model: string(x.target.Model),
		}
	}
	return nil
}

// tell is called at the request's end.
func (x *exchange) tell(err error) {
	f := x.h.observer.Load()
	if f == nil {
		return
	}
	a := &x.account
	c := trace.Call{
		Start: a.start, End: a.start.Add(a.total), Added: a.added,
		Parent: x.noted.parent, State: x.noted.state, Model: x.noted.model,
		Chatbot: x.caller.chatbot, Account: x.keys.Account(), Operation: operations[x.target.Surface], Surface: x.surface.String(),
		Provider: string(x.paidTo()), Credential: x.plan.Route.String(), PaidBy: string(x.guard.paid), Status: a.status, Error: x.failure(err),
		Tokens: trace.Tokens{Input: a.tokens.Input, Output: a.tokens.Output, Cached: a.tokens.Cached, Reasoning: a.tokens.Reasoning}, TokensKnown: a.tokens.Any(),
	}
	if a.relayed {
		c.FirstByte, c.Stream = max(a.first, time.Nanosecond), a.kind == replyStream
	}
	(*f)(&c)
}

// failure names what went wrong, in words of ours.
func (x *exchange) failure(err error) string {
	a := &x.account
	switch {
	case a.refusal != "":
		return string(a.refusal)
	case a.aborted != "":
		return "client_left"
	case err != nil && cutOff(err):
		return "reply_cut_off"
	case err != nil:
		return "reply_broken_off"
	}
	return ""
}

// operations are the values of gen_ai.operation.name, and sidekey's own where
// the conventions have none.
var operations = [detect.Surfaces]string{
	detect.Chat: "chat", detect.Responses: "chat", detect.ResponsesSocket: "chat", detect.Messages: "chat", detect.Language: "chat",
	detect.GeminiNative: "generate_content",
	detect.Embeddings:   "embeddings", detect.AIEmbedding: "embeddings",
	detect.Images: "image", detect.ImageEdits: "image", detect.AIImage: "image", detect.AIVideo: "video",
	detect.Rerank: "rerank", detect.AIRerank: "rerank",
	detect.Speech: "speech", detect.AISpeech: "speech", detect.Transcriptions: "transcription", detect.AITranscription: "transcription",
	detect.Decisions: "decision", detect.AIDecision: "decision",
}
