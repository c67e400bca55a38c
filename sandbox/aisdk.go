package sandbox

import (
	"strings"
	"time"
)

// specification is the language model specification that the client speaks: by
// its header, else by the path. Version 2 has flat usage and finish reasons,
// later ones objects (the packages' provider types).
func (c *call) specification() string {
	if v := c.r.Header.Get("Ai-Language-Model-Specification-Version"); v != "" {
		return v
	}
	switch version := strings.TrimPrefix(strings.SplitN(c.path, "/", 3)[1], "v"); version {
	case "1":
		return "2"
	default:
		return version
	}
}

// ending is the finish reason, usage and metadata of a language reply.
func (c *call) ending(r reply, spec string) object {
	reason := "stop"
	if r.tool != "" {
		reason = "tool-calls"
	}
	if spec == "2" {
		return c.with("providerMetadata", object{"finishReason": reason, "usage": object{
			"inputTokens": r.input, "outputTokens": r.output, "totalTokens": r.input + r.output,
		}})
	}
	return c.with("providerMetadata", object{
		"finishReason": object{"unified": reason, "raw": reason},
		"usage": object{
			"inputTokens":  object{"total": r.input, "noCache": r.input, "cacheRead": 0, "cacheWrite": 0},
			"outputTokens": object{"total": r.output, "text": r.output, "reasoning": 0},
		},
	})
}

func toolCallPart(r reply) object {
	return object{"type": "tool-call", "toolCallId": r.callID, "toolName": r.tool, "input": r.args}
}

// serveAILanguage answers the AI SDK's language kind, JSON or stream.
func serveAILanguage(c *call) *apiError {
	r, spec := c.reply(), c.specification()
	o := c.ending(r, spec)
	if c.stream {
		c.streamAILanguage(r, o)
		return nil
	}
	o["content"] = []object{{"type": "text", "text": r.text}}
	if r.tool != "" {
		o["content"] = []object{toolCallPart(r)}
	}
	o["warnings"] = []any{}
	o["response"] = object{"id": c.id, "timestamp": c.started.UTC().Format(time.RFC3339Nano), "modelId": c.out.model}
	return c.ok(o)
}

// streamAILanguage sends the stream parts; the metadata is on the finish part.
// The [DONE] after it is skipped by the SDK's parser (provider-utils,
// parseJsonEventStream); a reader must get along with and without it.
func (c *call) streamAILanguage(r reply, finish object) {
	e := c.events()
	send := func(kind string, o object) {
		o["type"] = kind
		e.send("", o)
	}
	send("stream-start", object{"warnings": []any{}})
	send("response-metadata", object{
		"id": c.id, "timestamp": c.started.UTC().Format(time.RFC3339Nano), "modelId": c.out.model,
	})
	if r.tool != "" {
		send("tool-input-start", object{"id": r.callID, "toolName": r.tool})
		half := len(r.args) / 2
		for _, part := range []string{r.args[:half], r.args[half:]} {
			send("tool-input-delta", object{"id": r.callID, "delta": part})
		}
		send("tool-input-end", object{"id": r.callID})
		send("tool-call", toolCallPart(r))
	} else {
		send("text-start", object{"id": "0"})
		e.tokens(r.text, func(token string) { send("text-delta", object{"id": "0", "delta": token}) })
		send("text-end", object{"id": "0"})
	}
	send("finish", finish)
	e.done()
}

// serveAIDecision answers every question with its first option.
func serveAIDecision(c *call) *apiError {
	answers := object{}
	questions, _ := c.doc["questions"].(object)
	for name, v := range questions {
		q, _ := v.(object)
		switch q["type"] {
		case "choice":
			criteria, _ := q["criteria"].(object)
			answers[name] = object{"type": "choice", "choice": firstName(criteria)}
		case "score":
			answers[name] = object{"type": "score", "score": 0}
		default:
			answers[name] = object{"type": "boolean", "probability": 0.5}
		}
	}
	return c.ok(c.with("providerMetadata", object{
		"answers": answers, "model": c.out.model, "usage": object{"inputTokens": 5, "outputTokens": 1}, "warnings": []any{},
	}))
}

// firstName is the first name in alphabetical order: decoding has lost the
// document's order.
func firstName(o object) (first string) {
	for name := range o {
		if first == "" || name < first {
			first = name
		}
	}
	return first
}
