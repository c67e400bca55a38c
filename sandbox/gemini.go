package sandbox

// geminiModel is the model in a Gemini-native path.
func geminiModel(c *call) string {
	return "google/" + geminiPath().FindStringSubmatch(c.path)[1]
}

// serveGemini answers Gemini's own generateContent and streamGenerateContent
// (as with ?alt=sse, the form that its SDKs use).
func serveGemini(c *call) *apiError {
	r := c.reply()
	chunk := func(part object, finish string) object {
		candidate := object{"index": 0, "content": object{"role": "model", "parts": []object{part}}}
		o := object{"candidates": []object{candidate}, "modelVersion": c.out.model, "responseId": c.id}
		if finish != "" {
			candidate["finishReason"] = finish
			o["usageMetadata"] = object{
				"promptTokenCount": r.input, "candidatesTokenCount": r.output, "totalTokenCount": r.input + r.output,
			}
			c.with("providerMetadata", o)
		}
		return o
	}
	last := object{"text": r.text}
	if r.tool != "" {
		last = object{"functionCall": object{"name": r.tool, "args": rawJSON(r.args)}}
	}
	if !c.stream {
		return c.ok(chunk(last, "STOP"))
	}
	e := c.events()
	if r.tool == "" {
		e.tokens(r.text, func(token string) { e.send("", chunk(object{"text": token}, "")) })
		last = object{"text": ""}
	}
	e.send("", chunk(last, "STOP"))
	return nil
}
