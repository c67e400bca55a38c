package sandbox

import (
	"encoding/json"
	"maps"
)

func rawJSON(s string) json.RawMessage { return json.RawMessage(s) }

// serveResponses answers POST /v1/responses.
func serveResponses(c *call) *apiError {
	r, response, item := c.response()
	if !c.stream {
		return c.ok(c.with("provider_metadata", response))
	}
	c.streamResponse(c.events(), r, response, item)
	return nil
}

// serveResponsesEvents answers one response.create of a WebSocket.
func serveResponsesEvents(c *call, e *events) {
	r, response, item := c.response()
	c.streamResponse(e, r, response, item)
}

// response makes the answer and its one output item.
func (c *call) response() (r reply, response, item object) {
	r = c.reply()
	id := func(prefix string) string { return prefix + c.id[len("gen_"):] }
	item = object{
		"id": id("msg_"), "type": "message", "role": "assistant", "status": "completed",
		"content": []object{{"type": "output_text", "text": r.text, "annotations": []object{}, "logprobs": []object{}}},
	}
	if r.tool != "" {
		item = object{
			"id": id("fc_"), "type": "function_call", "status": "completed",
			"call_id": r.callID, "name": r.tool, "arguments": r.args,
		}
	}
	response = object{
		"id": c.id, "object": "response", "created_at": c.started.Unix(), "status": "completed", "model": c.out.model,
		"error": nil, "incomplete_details": nil, "instructions": nil, "metadata": object{},
		"output": []object{item}, "parallel_tool_calls": true, "tool_choice": "auto", "tools": []object{},
		"temperature": 1, "top_p": 1,
		"usage": object{
			"input_tokens": r.input, "input_tokens_details": object{"cached_tokens": 0},
			"output_tokens": r.output, "output_tokens_details": object{"reasoning_tokens": 0},
			"total_tokens": r.input + r.output,
		},
	}
	return r, response, item
}

// streamResponse sends response.created to response.completed; the metadata is
// in the response of the last.
func (c *call) streamResponse(e *events, r reply, response, item object) {
	seq := 0
	send := func(kind string, o object) {
		o["type"], o["sequence_number"] = kind, seq
		seq++
		e.send(kind, o)
	}
	begun := maps.Clone(response)
	begun["status"], begun["output"], begun["usage"] = "in_progress", []object{}, nil
	send("response.created", object{"response": begun})
	send("response.in_progress", object{"response": begun})

	open := maps.Clone(item)
	open["status"] = "in_progress"
	at := func(o object) object {
		o["item_id"], o["output_index"] = item["id"], 0
		return o
	}
	if r.tool != "" {
		open["arguments"] = ""
		send("response.output_item.added", object{"output_index": 0, "item": open})
		send("response.function_call_arguments.delta", at(object{"delta": r.args}))
		send("response.function_call_arguments.done", at(object{"arguments": r.args, "name": r.tool}))
	} else {
		open["content"] = []object{}
		send("response.output_item.added", object{"output_index": 0, "item": open})
		part := func(text string) object {
			return object{"type": "output_text", "text": text, "annotations": []object{}, "logprobs": []object{}}
		}
		send("response.content_part.added", at(object{"content_index": 0, "part": part("")}))
		e.tokens(r.text, func(token string) {
			send("response.output_text.delta", at(object{"content_index": 0, "delta": token, "logprobs": []object{}}))
		})
		send("response.output_text.done", at(object{"content_index": 0, "text": r.text, "logprobs": []object{}}))
		send("response.content_part.done", at(object{"content_index": 0, "part": part(r.text)}))
	}
	send("response.output_item.done", object{"output_index": 0, "item": item})
	send("response.completed", object{"response": c.with("provider_metadata", response)})
}
