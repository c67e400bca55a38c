package wire

import "os"

// TimeoutError says which limit of Config ended a wait: each sends an operator
// to another place. errors.Is(err, os.ErrDeadlineExceeded) holds for it.
type TimeoutError struct{ what string }

func (e *TimeoutError) Error() string { return e.what }

// Timeout is true: the error is one for os.IsTimeout.
func (e *TimeoutError) Timeout() bool { return true }

// Unwrap makes it comparable with os.ErrDeadlineExceeded.
func (e *TimeoutError) Unwrap() error { return os.ErrDeadlineExceeded }

var (
	errDialLimit  = &TimeoutError{"no connection within the limit for dialling"}
	errTLSLimit   = &TimeoutError{"no TLS handshake within the limit for dialling"}
	errWriteLimit = &TimeoutError{"the upstream took no byte of the request within the limit for writing"}
	errHeadLimit  = &TimeoutError{"no reply head within the limit for waiting"}
	errIdleLimit  = &TimeoutError{"the upstream sent nothing within the limit for idle streams"}
)
