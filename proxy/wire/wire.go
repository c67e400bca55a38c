// Package wire moves HTTP/1.1 bytes between one client and one upstream.
//
// It is for package proxy, which decides who asks and which credential is
// used. wire knows connections, strictness, at-most-once, truncation and
// relay; it knows nothing about keys. Nothing in it prints a header or a body.
//
// The rule of use, in the order of a request:
//
//	srv := wire.NewServer(handler, wire.ServerOptions{...})
//	ln, err := wire.Listen("127.0.0.1:8787")
//	go srv.Serve(wire.WrapListener(ln))
//
//	// in the handler
//	lines, err := wire.HeadOf(ctx, &room)          // refuse what is ambiguous
//	head, err := wire.AppendHead(head, ..., lines) // strip first,
//	head, err = wire.AppendLine(head, name, value) // inject last
//	err = transport.Do(&req, &rep, wire.ClientConn(ctx))
//	wire.Relay(ctx, &rep, tap)
//
// and for a WebSocket CheckUpgrade, Transport.Upgrade and Tunnel.Join.
//
// What holds whatever the two sides do:
//
//   - No byte of a client counts that a second parser could take differently:
//     the gate follows line ends and framing as they come, Head.Read judges
//     the head, and what goes upstream is written anew in one reading.
//   - A request is written a second time only if not one byte of the first
//     attempt was written, or the upstream's kernel proves that it took none
//     (untouched_linux.go; Error.Written says so for every failure).
//   - A body that was cut, in either direction, is never passed on as complete:
//     the receiving side sees its connection break, never a terminal chunk.
//   - A socket is used again only if the reply on it ended where its framing
//     says, with no byte left over, and the upstream allows it.
//   - A client that has left is noticed without waiting for the next byte (on
//     Linux), and the upstream connection that works for it is closed.
//   - No deadline is absolute for a stream; each wait has its own limit
//     (Config), re-armed lazily, see lazyDeadline.
//
// The danger: a Reply belongs to its caller and must not be reused before its
// Body is closed. Relay closes it when the client has the last byte.
//
// Why an own transport instead of fasthttp's HostClient: that one retries
// silently, cannot say whether a byte was written, ends a chunked reply that
// was cut at a chunk boundary as if it were complete, holds chunk data back
// until the chunk's CRLF arrives, and keeps its read deadline armed, absolute,
// while the body streams. Its AcquireConn and ReleaseConn carry an unexported
// type. A pool, a head check and a chunk decoder are less code than the
// work-arounds.
package wire
