package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// The steps of an exam. Each says what the peer does that is another job than
// that of the others.

// post sends a body of a length with a caller's own credential, which must not
// go on.
func (e *exam) post(ctx context.Context, body io.Reader, length int) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+e.Listen+"/v1/chat/completions", body)
	if err != nil {
		return nil, err
	}
	q.ContentLength = int64(length)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Authorization", "Bearer of-the-caller")
	return e.client.Do(q)
}

// ask sends one request and reads its reply.
func (e *exam) ask(ctx context.Context, body string) (reply string, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.yard.patience)
	defer cancel()
	rep, err := e.post(ctx, strings.NewReader(body), len(body))
	if err != nil {
		return "", fmt.Errorf("it does not answer a request: %w", err)
	}
	defer rep.Body.Close()
	text, err := io.ReadAll(rep.Body)
	switch {
	case err != nil:
		return "", fmt.Errorf("it breaks its reply off: %w", err)
	case rep.StatusCode != http.StatusOK:
		return "", fmt.Errorf("it answers a request with status %d: %.200q", rep.StatusCode, text)
	}
	return string(text), nil
}

// request looks at what reaches the upstream, and at what comes back.
func (e *exam) request(ctx context.Context) error {
	body := judgeBody(chatSize, "")
	reply, err := e.ask(ctx, body)
	if err != nil {
		return err
	}
	if reply != judgeReply && (!e.rewrites || !strings.Contains(reply, `"content":"judged"`)) {
		return fmt.Errorf("it alters the reply: %.200q", reply)
	}
	seen, _ := e.judge.take()
	if len(seen) != 1 {
		return fmt.Errorf("of one request the upstream saw %d", len(seen))
	}
	return e.passed(seen[0], body)
}

// chatSize is about that of scenario chat.
const chatSize = 2 << 10

// passed compares a request that came out of the peer with what went in.
func (e *exam) passed(got judged, body string) error {
	switch want := []string{"Bearer " + Credential}; {
	case got.err != nil:
		return fmt.Errorf("the upstream could not read its request: %w", got.err)
	case !slices.Equal(got.authorization, want):
		return fmt.Errorf("the upstream saw Authorization %q, want %q", got.authorization, want)
	case got.proto != "HTTP/1.1":
		return fmt.Errorf("it speaks %s to the upstream, want HTTP/1.1", got.proto)
	case !e.rewrites && string(got.body) != body:
		return fmt.Errorf("it alters the request's body: %d bytes became %d", len(body), len(got.body))
	case !strings.Contains(string(got.body), e.carries):
		return errors.New("the request's body does not carry what it should upstream")
	}
	return nil
}

// checkReuse is how many requests follow each other on one connection.
const checkReuse = 20

// reuse asks several times: who connects anew for each does more work.
func (e *exam) reuse(ctx context.Context) error {
	body := judgeBody(chatSize, "")
	for range checkReuse {
		if _, err := e.ask(ctx, body); err != nil {
			return err
		}
	}
	// More than one, for Go's transport dials when a request comes before the last
	// connection is back; fewer than one for each.
	if _, n := e.judge.take(); n > checkReuse/2 {
		return fmt.Errorf("it keeps no connections to the upstream: %d for %d requests in a row", n, checkReuse)
	}
	if n := e.dials.Load(); n > checkReuse/2 {
		return fmt.Errorf("it keeps no connections to clients: %d for %d requests in a row", n, checkReuse+1)
	}
	return nil
}

// stream lets each event out only when the one before has come through.
func (e *exam) stream(ctx context.Context) error {
	late, cancel := context.WithTimeout(ctx, e.yard.patience)
	defer cancel()
	held := func(i int, err error) error {
		if late.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("it holds events back: number %d of a stream did not come through while the stream was open", i+1)
		}
		return fmt.Errorf("event %d of a stream: %w", i+1, err)
	}
	release := func() {
		select {
		case e.judge.next <- struct{}{}:
		case <-late.Done():
		}
	}
	go release() // the first event, since a peer may wait for it; ends with it, or when it is late
	body := judgeBody(chatSize, judgeStream+",")
	rep, err := e.post(late, strings.NewReader(body), len(body))
	if err != nil {
		return held(0, err)
	}
	defer rep.Body.Close()
	if kind := rep.Header.Get("Content-Type"); rep.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
		return fmt.Errorf("it answers a stream with status %d and %q", rep.StatusCode, kind)
	}
	events := bufio.NewReader(rep.Body)
	for i := range judgeEvents {
		if i > 0 {
			release()
		}
		if text, err := nextEvent(events); err != nil || !strings.Contains(text, fmt.Sprintf("event %d.", i)) {
			return held(i, errors.Join(err, fmt.Errorf("got %.100q", text)))
		}
	}
	rest, err := io.ReadAll(events)
	if err != nil {
		return fmt.Errorf("it breaks a stream off: %w", err)
	}
	if string(rest) != "data: [DONE]\n\n" {
		return fmt.Errorf("it does not end a stream as the upstream did: %.100q", rest)
	}
	seen, _ := e.judge.take()
	if len(seen) != 1 || !slices.Equal(seen[0].authorization, []string{"Bearer " + Credential}) {
		return errors.New("a stream's request reaches the upstream without the header, or not once")
	}
	return nil
}

// nextEvent reads up to the end of an event.
func nextEvent(r *bufio.Reader) (string, error) {
	var text strings.Builder
	for {
		line, err := r.ReadString('\n')
		text.WriteString(line)
		if err != nil || line == "\n" {
			return text.String(), err
		}
	}
}

// uploadSize is that of the check's large body. Half of it is more than the
// buffers of all that lies between.
const uploadSize = 1 << 20

// upload sends the second half of a large body when the first has come through.
func (e *exam) upload(ctx context.Context) error {
	if e.holds {
		return nil
	}
	late, cancel := context.WithTimeout(ctx, e.yard.patience)
	defer cancel()
	body := judgeBody(uploadSize, judgeUpload+",")
	half := &halves{first: body[:len(body)/2], second: body[len(body)/2:], gate: e.judge.arrived, late: late.Done()}
	rep, err := e.post(late, half, len(body))
	if err != nil {
		if half.stuck.Load() {
			return errors.New("it holds large bodies back: the first half of one did not come through before the second was sent")
		}
		return fmt.Errorf("a large body: %w", err)
	}
	defer rep.Body.Close()
	if _, err := io.Copy(io.Discard, rep.Body); err != nil {
		return fmt.Errorf("it breaks the reply to a large body off: %w", err)
	}
	if rep.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers a large body with status %d", rep.StatusCode)
	}
	seen, _ := e.judge.take()
	if len(seen) != 1 {
		return fmt.Errorf("of one large body the upstream saw %d", len(seen))
	}
	return e.passed(seen[0], body)
}

// halves is a body whose second half waits for a gate.
type halves struct {
	first, second string
	gate, late    <-chan struct{}
	stuck         atomic.Bool
}

func (h *halves) Read(b []byte) (int, error) {
	if h.first == "" && h.gate != nil {
		select {
		case <-h.gate:
			h.gate = nil
		case <-h.late:
			h.stuck.Store(true)
			return 0, context.DeadlineExceeded
		}
	}
	if h.first != "" {
		n := copy(b, h.first)
		h.first = h.first[n:]
		return n, nil
	}
	n := copy(b, h.second)
	h.second = h.second[n:]
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// refusal finds out whether the peer talks to an upstream for which nobody that
// it trusts vouches.
func (e *exam) refusal(ctx context.Context) error {
	_, err := e.ask(ctx, judgeBody(chatSize, ""))
	if seen, _ := e.judge.take(); err == nil || len(seen) > 0 {
		return errors.New("it does not verify who answers: an upstream with a stranger's certificate got its request")
	}
	return ctx.Err()
}
