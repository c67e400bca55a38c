package console

import _ "embed"

// openAPI describes the API to programs, and is what the tests hold its answers
// against.
//
//go:embed openapi.json
var openAPI []byte

func (k *call) showOpenAPI() (*reply, error) { return &reply{status: 200, raw: openAPI}, nil }
