package wire

import "github.com/valyala/fasthttp"

// Relay makes rep the answer to ctx. Call it before setting own reply headers:
// it replaces the header that ctx has. tap, if not nil, sees every body byte
// (decoded from chunks) before it is written; it must not keep or change p.
// Relay takes over rep.Body and closes it after the handler has returned.
func Relay(ctx *fasthttp.RequestCtx, rep *Reply, tap func(p []byte)) {}
