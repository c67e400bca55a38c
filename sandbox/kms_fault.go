package sandbox

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// strike carries the fault out and reports whether the call ends with it.
func (f KMSFault) strike(w http.ResponseWriter, r *http.Request) bool {
	if f.Delay > 0 && sleep(r.Context(), f.Delay) != nil {
		f.Drop = true // the client has left
	}
	switch {
	case f.Drop:
		(&Fault{}).hangUp(w, nil)
	case f.Status != 0 || f.Code != "":
		code := cmp.Or(f.Code, "KMSInternalException")
		writeKMSError(w, &kmsError{status: cmp.Or(f.Status, statusOfKMSCode(code)), code: code, message: "the sandbox was told to refuse this call"})
	default:
		return false
	}
	return true
}

// orderedFaults are those asked for over HTTP, by operation; "" is for every
// operation that has none of its own.
type orderedFaults struct {
	mu   sync.Mutex
	byOp map[string]*orderedFault
}

// orderedFault is a fault and how often it still happens; negative: always.
type orderedFault struct {
	KMSFault
	left int
}

func (o *orderedFaults) put(op string, f orderedFault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byOp == nil {
		o.byOp = map[string]*orderedFault{}
	}
	o.byOp[op] = &f
}

func (o *orderedFaults) clear() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byOp = nil
}

// take is the fault that this call of op suffers.
func (o *orderedFaults) take(op string) (KMSFault, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range []string{op, ""} {
		f := o.byOp[name]
		if f == nil {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		if f.left == 0 {
			delete(o.byOp, name)
		}
		return f.KMSFault, true
	}
	return KMSFault{}, false
}

var codePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z]+$`) })

// faultQuery reads the query of PUT /sandbox/kms/fault:
//
//	op=Decrypt                 the operation; without it, every operation
//	status=400                 and
//	code=ThrottlingException   make the reply an error, see KMSFault
//	delay=2s                   passes first
//	drop=true                  closes the connection without a reply
//	times=3                    how many calls; without it, until DELETE
func faultQuery(q url.Values) (op string, f orderedFault, err error) {
	for name := range q {
		switch name {
		case "op", "status", "code", "delay", "drop", "times":
		default:
			return "", f, errors.New("the query takes op, status, code, delay, drop and times")
		}
	}
	if op = q.Get("op"); op != "" && kmsOps[op] == nil {
		return "", f, errors.New("op names no operation that the stand-in has")
	}
	if s := q.Get("status"); s != "" {
		if f.Status, err = strconv.Atoi(s); err != nil || f.Status < 400 || f.Status > 599 {
			return "", f, errors.New("status must be 400-599")
		}
	}
	if f.Code = q.Get("code"); f.Code != "" && (len(f.Code) > 64 || !codePattern().MatchString(f.Code)) {
		return "", f, errors.New("code must be the name of an error, such as ThrottlingException")
	}
	if s := q.Get("delay"); s != "" {
		if f.Delay, err = time.ParseDuration(s); err != nil || f.Delay < 0 {
			return "", f, errors.New("delay must be a duration, such as 2s")
		}
	}
	if s := q.Get("drop"); s != "" {
		if f.Drop, err = strconv.ParseBool(s); err != nil {
			return "", f, errors.New("drop must be true or false")
		}
	}
	f.left = -1
	if s := q.Get("times"); s != "" {
		if f.left, err = strconv.Atoi(s); err != nil || f.left < 1 {
			return "", f, errors.New("times must be 1 or more")
		}
	}
	if f.KMSFault == (KMSFault{}) {
		return "", f, errors.New("say what goes wrong: status, code, delay or drop")
	}
	return op, f, nil
}
