package sandbox

import "encoding/json"

// structuredFormats are the places at which the surfaces ask for an answer in
// JSON: the format, and in it the schema.
var structuredFormats = []struct{ format, schema []string }{
	{[]string{"response_format"}, []string{"json_schema", "schema"}}, // chat completions
	{[]string{"text", "format"}, []string{"schema"}},                 // responses
	{[]string{"output_config", "format"}, []string{"schema"}},        // messages
	{[]string{"responseFormat"}, []string{"schema"}},                 // AI SDK
}

// structured is the answer to a request that wants JSON, made after its
// schema; "" where plain words will do.
func structured(doc object) string {
	for _, f := range structuredFormats {
		format, _ := inside(doc, f.format).(object)
		switch format["type"] {
		case "json_schema", "json_object", "json":
			text, _ := json.Marshal(sample(inside(format, f.schema), 0))
			return string(text)
		}
	}
	return ""
}

// inside follows names into nested objects; nil where they lead nowhere.
func inside(o object, names []string) any {
	var v any = o
	for _, name := range names {
		inner, _ := v.(object)
		v = inner[name]
	}
	return v
}
