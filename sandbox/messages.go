package sandbox

// serveMessages answers POST /v1/messages (Anthropic Messages).
func serveMessages(c *call) *apiError {
	r := c.reply()
	stop := "end_turn"
	block := object{"type": "text", "text": r.text}
	if r.tool != "" {
		stop, block = "tool_use", object{"type": "tool_use", "id": r.callID, "name": r.tool, "input": rawJSON(r.args)}
	}
	usage := object{
		"input_tokens": r.input, "output_tokens": r.output,
		"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
	}
	message := object{
		"id": c.id, "type": "message", "role": "assistant", "model": c.out.model,
		"content": []object{block}, "stop_reason": stop, "stop_sequence": nil, "usage": usage,
	}
	if !c.stream {
		return c.ok(c.with("provider_metadata", message))
	}
	c.streamMessage(r, message, usage)
	return nil
}

// streamMessage sends message_start to message_stop; the metadata is on the
// message_delta.
func (c *call) streamMessage(r reply, message, usage object) {
	e := c.events()
	send := func(kind string, o object) {
		o["type"] = kind
		e.send(kind, o)
	}
	stop := message["stop_reason"]
	message["content"], message["stop_reason"] = []object{}, nil
	message["usage"] = object{
		"input_tokens": r.input, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
	}
	send("message_start", object{"message": message})
	if r.tool != "" {
		send("content_block_start", object{"index": 0, "content_block": object{
			"type": "tool_use", "id": r.callID, "name": r.tool, "input": object{},
		}})
		half := len(r.args) / 2
		for _, part := range []string{r.args[:half], r.args[half:]} {
			send("content_block_delta", object{"index": 0, "delta": object{"type": "input_json_delta", "partial_json": part}})
		}
	} else {
		send("content_block_start", object{"index": 0, "content_block": object{"type": "text", "text": ""}})
		send("ping", object{})
		e.tokens(r.text, func(token string) {
			send("content_block_delta", object{"index": 0, "delta": object{"type": "text_delta", "text": token}})
		})
	}
	send("content_block_stop", object{"index": 0})
	send("message_delta", c.with("provider_metadata", object{
		"delta": object{"stop_reason": stop, "stop_sequence": nil}, "usage": usage,
	}))
	send("message_stop", object{})
}
