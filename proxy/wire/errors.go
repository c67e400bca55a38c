package wire

import (
	"errors"
	"fmt"
	"io"
)

// Kind says what went wrong with a request, so that a caller can choose a
// status. It never says more than what the bytes on the wire prove.
type Kind uint8

// The kinds of Error.
const (
	// Unreachable: no connection (address, dial, TLS). Nothing was written.
	Unreachable Kind = iota + 1
	// TimedOut: the request could not be written in Config.Write, or no
	// reply head came in Config.HeaderWait.
	TimedOut
	// BrokeOff: the upstream closed, reset, or sent something that is not a
	// reply head, before a usable head was there.
	BrokeOff
	// Overloaded: Config.MaxConns connections are in use.
	Overloaded
	// ClientGone: the client left while its reply was awaited.
	ClientGone
	// UploadBroken: the client's body ended badly. The upstream never had a
	// complete request.
	UploadBroken
	// BadRequest: the Request itself contradicts itself (a caller's mistake).
	BadRequest
)

var kindNames = [...]string{
	Unreachable:  "upstream unreachable",
	TimedOut:     "upstream timed out",
	BrokeOff:     "upstream broke off",
	Overloaded:   "no upstream connection free",
	ClientGone:   "client went away",
	UploadBroken: "request body broke off",
	BadRequest:   "bad outgoing request",
}

// String returns a fixed phrase without any detail of the request.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown failure"
}

// Error is the only error type Transport.Do returns.
type Error struct {
	Kind Kind
	// Written reports whether any byte of the request may have reached the
	// upstream. Only if it is false may the request be sent again.
	Written bool
	Err     error // the cause, for the log; never header or body bytes
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Kind.String()
	}
	return e.Kind.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HeadError refuses a request head. Status is what the client gets; Reason is
// a fixed phrase that quotes no byte of the request, so it may be logged and
// shown.
type HeadError struct {
	Status int
	Reason string
}

func (e *HeadError) Error() string { return e.Reason }

// TruncatedError reports a body that ended before its framing said so.
// errors.Is(err, io.ErrUnexpectedEOF) holds for it.
type TruncatedError struct {
	Where string // a fixed phrase: where the body was cut
	Err   error  // what the connection said; io.EOF for a plain close
}

func (e *TruncatedError) Error() string {
	return fmt.Sprintf("upstream reply cut off %s: %v", e.Where, e.Err)
}

// Unwrap returns what the connection said.
func (e *TruncatedError) Unwrap() error { return e.Err }

// Is makes a truncated body comparable with io.ErrUnexpectedEOF.
func (e *TruncatedError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ClientLeft reports whether a request ended because its client did not wait
// for the end of the reply, or took no more of it. It is for the error that
// Reply.Done gets.
func ClientLeft(err error) bool {
	var e *Error
	return errors.Is(err, errAbandoned) || errors.As(err, &e) && e.Kind == ClientGone
}

var (
	errClosed        = errors.New("transport is closed")
	errHeadTooLarge  = errors.New("reply head exceeds the limit")
	errBadReplyHead  = errors.New("malformed reply head")
	errInformational = errors.New("too many informational replies")
	errAbandoned     = errors.New("reply body was not read to its end")
	errLineByte      = errors.New("header line has a byte that would change its meaning (CR, LF, NUL)")
)
