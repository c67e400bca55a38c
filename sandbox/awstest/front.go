package awstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Call is one request to AWS as it arrived, before anything is decided.
type Call struct {
	Op      string // dynamodb:Query, kms:Decrypt
	N       int    // which one of its kind, from 1
	Who     string // the id of the access key
	Token   string // the session token of temporary credentials
	Table   string
	Index   string
	Key     string            // KMS: as it was named
	Context map[string]string // KMS: the encryption context
	Body    []byte            // JSON
}

// A Fault is what happens to a call instead of an answer. The zero Fault lets
// it through.
type Fault struct {
	Status int // with Code: the answer
	Code   string
	Delay  time.Duration // before anything else; ends when the caller leaves
	Drop   bool          // close the connection, no answer
	After  bool          // carry it out, and only then answer so or drop
}

// Fault lets f decide about each call from now on. nil: all are well.
func (w *World) Fault(f func(Call) Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
}

// FaultOn is Fault for the calls of some kinds: "kms:Decrypt", or "dynamodb:"
// for all of them.
func (w *World) FaultOn(op string, f Fault) {
	w.Fault(func(c Call) Fault {
		if strings.HasPrefix(c.Op, op) {
			return f
		}
		return Fault{}
	})
}

// Allow lets f decide who may do what, as IAM does. nil: everybody everything.
func (w *World) Allow(f func(Call) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.allow = f
}

// Count returns how many calls of a kind came: "kms:Decrypt". Attempts that
// the SDK makes again count as well.
func (w *World) Count(op string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts[op]
}

// Ops lists the kinds of calls that came, sorted.
func (w *World) Ops() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var ops []string
	for op := range w.counts {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	return ops
}

// ResetCounts begins to count anew.
func (w *World) ResetCounts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.counts)
}

// note counts a call and asks the hooks about it.
func (w *World) note(c *Call) (f Fault, allowed bool) {
	w.mu.Lock()
	w.counts[c.Op]++
	c.N = w.counts[c.Op]
	fault, allow := w.fault, w.allow
	w.mu.Unlock()
	if fault != nil {
		f = fault(*c)
	}
	return f, allow == nil || allow(*c)
}

// newFront makes what judges each call and hands it on.
func (w *World) newFront(dynalite string) http.Handler {
	u, err := url.Parse(dynalite)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	db := httputil.NewSingleHostReverseProxy(u)
	db.ModifyResponse = func(r *http.Response) error { r.Header.Del("Date"); return nil } // the front's holds
	db.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) }
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		c, err := read(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		fault, allowed := w.note(c)
		skewed := w.skewed(rw, r)
		if fault.Delay > 0 {
			select {
			case <-time.After(fault.Delay):
			case <-r.Context().Done():
				panic(http.ErrAbortHandler)
			}
		}
		next := w.pick(c, db)
		if !allowed {
			answer(rw, http.StatusBadRequest, "AccessDeniedException",
				"User: arn:aws:iam::000000000000:user/"+c.Who+" is not authorized to perform: "+c.Op)
			return
		}
		if skewed {
			answer(rw, http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
			return
		}
		if fault.Drop || fault.Code != "" {
			if fault.After {
				next.ServeHTTP(discard{http.Header{}}, r)
			}
			if fault.Drop {
				panic(http.ErrAbortHandler)
			}
			answer(rw, fault.Status, fault.Code, "injected by a test")
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func (w *World) pick(c *Call, db http.Handler) http.Handler {
	switch {
	case strings.HasPrefix(c.Op, "kms:"):
		return w.KMS
	case w.retention.knows(c.Op):
		return w.retention.handler(c, db)
	}
	return db
}

// read takes the call apart and leaves the request as it was.
func read(r *http.Request) (*Call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := &Call{Op: service(r), Token: r.Header.Get("X-Amz-Security-Token"), Body: body}
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		c.Who, _, _ = strings.Cut(rest, "/")
	}
	var named struct {
		TableName, IndexName, KeyId string
		EncryptionContext           map[string]string
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return nil, err
	}
	c.Table, c.Index, c.Key, c.Context = named.TableName, named.IndexName, named.KeyId, named.EncryptionContext
	return c, nil
}

func answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

// discard takes an answer that nobody shall see.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
