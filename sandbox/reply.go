package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// reply is what the model says, before it has a surface's shape.
type reply struct {
	text   string
	tool   string // name of the tool called; empty: text
	args   string // its arguments, as JSON
	callID string
	input  int // tokens
	output int
}

// reply makes up the answer: a few words with the model's name, or, when the
// request has tools and its last user message says "call the tool" (or the tool
// choice demands it), a call of the first tool, or, when it wants JSON, a value
// after its schema. No header or key is in it.
func (c *call) reply() reply { return c.replyTo(c.doc, c.out) }

func (c *call) replyTo(doc object, out *outcome) reply {
	said, isUser := lastTurn(doc)
	r := reply{input: len(said)/4 + 1, callID: fmt.Sprintf("call_%024d", c.seq)}
	name, schema := firstTool(doc)
	asked := strings.Contains(strings.ToLower(said), "call the tool") || toolDemanded(doc)
	if name != "" && isUser && asked {
		args, _ := json.Marshal(sample(schema, 0))
		r.tool, r.args, r.output = name, string(args), len(args)/4+1
		return r
	}
	if r.text = structured(doc); r.text != "" {
		r.output = len(r.text)/4 + 1
		return r
	}
	words := strings.Fields("Hello from the sandbox: " + out.model + " answers by way of " + out.provider.slug + ".")
	if n := c.g.config.Tokens; n > 0 {
		for i := 1; len(words) < n; i++ {
			words = append(words, fmt.Sprintf("word%d", i))
		}
		words = words[:n]
	}
	r.text, r.output = strings.Join(words, " "), len(words)
	return r
}

// lastTurn is the text of the last message, wherever the surface keeps its
// messages, and whether it is a user's (and not a tool's result).
func lastTurn(doc object) (text string, user bool) {
	for _, name := range []string{"messages", "input", "prompt", "contents"} {
		switch v := doc[name].(type) {
		case string:
			return v, true
		case []any:
			if len(v) == 0 {
				return "", false
			}
			last, ok := v[len(v)-1].(object)
			if !ok {
				return "", false
			}
			content := last["content"]
			if content == nil {
				content = last["parts"]
			}
			if s, ok := content.(string); ok {
				return s, str(last["role"]) == "user"
			}
			text, result := partsText(content)
			return text, str(last["role"]) == "user" && !result
		}
	}
	return "", false
}

// partsText joins the texts of content parts; result reports a tool result
// among them.
func partsText(content any) (text string, result bool) {
	parts, _ := content.([]any)
	for _, p := range parts {
		o, _ := p.(object)
		text += str(o["text"])
		result = result || o["type"] == "tool_result" || o["functionResponse"] != nil
	}
	return text, result
}

// firstTool is the name and schema of the request's first callable tool.
func firstTool(doc object) (name string, schema any) {
	tools, _ := doc["tools"].([]any)
	for _, v := range tools {
		t, _ := v.(object)
		if f, ok := t["function"].(object); ok { // chat completions
			t = f
		}
		if list, ok := t["functionDeclarations"].([]any); ok && len(list) > 0 { // Gemini
			t, _ = list[0].(object)
		}
		for _, field := range []string{"parameters", "input_schema", "inputSchema", "parametersJsonSchema"} {
			if s, ok := t[field].(object); ok && str(t["name"]) != "" {
				return str(t["name"]), s
			}
		}
	}
	return "", nil
}

// toolDemanded reads the tool choice: "required", "any", or one named tool.
func toolDemanded(doc object) bool {
	choice := doc["tool_choice"]
	if choice == nil {
		choice = doc["toolChoice"]
	}
	if o, ok := choice.(object); ok {
		choice = o["type"]
	}
	return slices.Contains([]any{"required", "any", "function", "tool"}, choice)
}

// sample is a value that a JSON schema accepts.
func sample(schema any, depth int) any {
	s, _ := schema.(object)
	if list, ok := s["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	kind := s["type"]
	if list, ok := kind.([]any); ok && len(list) > 0 {
		kind = list[0]
	}
	switch strings.ToLower(str(kind)) {
	case "string":
		return "sandbox"
	case "number", "integer":
		return 1
	case "boolean":
		return true
	case "array":
		return []any{}
	case "null":
		return nil
	}
	o := object{}
	if props, ok := s["properties"].(object); ok && depth < 8 {
		for name, p := range props {
			o[name] = sample(p, depth+1)
		}
	}
	return o
}
