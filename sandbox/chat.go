package sandbox

// serveChat answers POST /v1/chat/completions.
func serveChat(c *call) *apiError {
	r := c.reply()
	usage := object{
		"prompt_tokens": r.input, "completion_tokens": r.output, "total_tokens": r.input + r.output,
		"prompt_tokens_details": object{"cached_tokens": 0}, "completion_tokens_details": object{"reasoning_tokens": 0},
	}
	if c.stream {
		c.streamChat(r, usage)
		return nil
	}
	message := c.with("provider_metadata", object{"role": "assistant", "content": r.text, "refusal": nil})
	finish := "stop"
	if r.tool != "" {
		finish, message["content"] = "tool_calls", nil
		message["tool_calls"] = []object{{
			"id": r.callID, "type": "function", "function": object{"name": r.tool, "arguments": r.args},
		}}
	}
	return c.ok(object{
		"id": c.id, "object": "chat.completion", "created": c.started.Unix(), "model": c.out.model,
		"choices": []object{{"index": 0, "message": message, "finish_reason": finish, "logprobs": nil}},
		"usage":   usage,
	})
}

// streamChat sends the chunks: the role, the tokens, the finish reason with
// the metadata, the usage where asked for, [DONE].
func (c *call) streamChat(r reply, usage object) {
	e := c.events()
	chunk := func(choices []object, usage any) {
		o := object{
			"id": c.id, "object": "chat.completion.chunk", "created": c.started.Unix(), "model": c.out.model,
			"choices": choices,
		}
		if usage != nil {
			o["usage"] = usage
		}
		e.send("", o)
	}
	delta := func(d object, finish any) {
		chunk([]object{{"index": 0, "delta": d, "finish_reason": finish, "logprobs": nil}}, nil)
	}
	delta(object{"role": "assistant", "content": ""}, nil)
	finish := "stop"
	if r.tool != "" {
		finish = "tool_calls"
		delta(object{"tool_calls": []object{{
			"index": 0, "id": r.callID, "type": "function", "function": object{"name": r.tool, "arguments": ""},
		}}}, nil)
		half := len(r.args) / 2
		for _, part := range []string{r.args[:half], r.args[half:]} {
			delta(object{"tool_calls": []object{{"index": 0, "function": object{"arguments": part}}}}, nil)
		}
	} else {
		e.tokens(r.text, func(token string) { delta(object{"content": token}, nil) })
	}
	delta(c.with("provider_metadata", object{}), finish)
	if options, _ := c.doc["stream_options"].(object); options["include_usage"] == true {
		chunk([]object{}, usage)
	}
	e.done()
}
