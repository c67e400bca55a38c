package detect

import (
	"errors"
	"strconv"
)

// Errors of the body scanner. None of them carries a byte of the body.
var (
	// ErrNotJSON: the bytes are not one JSON text as RFC 8259 defines it (the
	// error that is returned is a *SyntaxError, which says where).
	ErrNotJSON = errors.New("body is not valid JSON")
	// ErrNotObject: the bytes are valid JSON, but the root is not an object.
	ErrNotObject = errors.New("body is not a JSON object")
	// ErrOptionsType: a gateway option has a type that it must not have. From
	// ScanOptions it comes as an *OptionsTypeError, which says which.
	ErrOptionsType = errors.New("gateway option has the wrong type")
	// ErrTooManyOptions: providerOptions or its gateway object has more than
	// MaxOptions members. No real request comes near that.
	ErrTooManyOptions = errors.New("providerOptions has too many members")
)

// A SyntaxError says where a body stops being JSON. It wraps ErrNotJSON.
type SyntaxError struct {
	Offset int // of the first byte that cannot stand there; the length if the text ends early
}

func (e *SyntaxError) Error() string {
	return ErrNotJSON.Error() + " at offset " + strconv.Itoa(e.Offset)
}

// Unwrap returns ErrNotJSON.
func (e *SyntaxError) Unwrap() error { return ErrNotJSON }

// A DuplicateError names a key that stands twice in one object. JSON parsers
// differ on which of the two wins (RFC 8259 section 4), so the body could mean
// one thing to sidekey and another to the gateway: it must be refused.
type DuplicateError struct {
	// Key is the path of the key: "model", "providerOptions.gateway.only". A
	// key that sidekey does not know is not repeated here, since it is the
	// client's text; the path ends in "*" then.
	Key string
}

func (e *DuplicateError) Error() string { return e.Key + " stands twice in the body" }

// An OptionsTypeError names a gateway option of the wrong type. It wraps
// ErrOptionsType.
type OptionsTypeError struct {
	Path string // "providerOptions" or "providerOptions.gateway"
}

func (e *OptionsTypeError) Error() string { return e.Path + " is not an object" }

// Unwrap returns ErrOptionsType.
func (e *OptionsTypeError) Unwrap() error { return ErrOptionsType }
