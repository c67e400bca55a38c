package credstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sidekey/sidekey/sandbox/awstest"
)

// openAWS opens a store of its own in a World, with its table made.
func openAWS(t testing.TB, w *awstest.World, adjust ...func(*aws.Config)) *AWS {
	t.Helper()
	a := awsClient(t, w, adjust...)
	must(t, a.CreateTable(context.Background()))
	return a
}

// awsClient opens a store as another process would.
func awsClient(t testing.TB, w *awstest.World, adjust ...func(*aws.Config)) *AWS {
	t.Helper()
	sdk := w.SDK()
	for _, f := range adjust {
		f(&sdk)
	}
	a, err := OpenAWS(context.Background(), AWSConfig{Table: w.Table, KMSKey: awstest.Alias, SDK: &sdk})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A bridge is an HTTP client for the inside of a synctest bubble. Its
// connections live outside: their goroutines wait for the network, which
// synctest does not count as idle, so that virtual time would never move on. A
// caller inside waits on channels from outside, which is not idle either: time
// stands still while a call is under way. What a network costs in time is
// added by delay, inside.
type bridge struct {
	lines chan *line // idle ones

	mu    sync.Mutex
	delay time.Duration // virtual, of every call
	down  error         // of every call
}

// A line carries one call at a time to the outside.
type line struct {
	ask    chan *http.Request
	answer chan bridged
}

type bridged struct {
	reply *http.Response
	err   error
}

// newBridge must be called outside the bubble. Its goroutines end with the test.
func newBridge(t *testing.T, lines int) *bridge {
	b := &bridge{lines: make(chan *line, lines)}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: lines}}
	var all sync.WaitGroup
	for range lines {
		l := &line{make(chan *http.Request), make(chan bridged)}
		b.lines <- l
		all.Go(func() {
			for r := range l.ask {
				l.answer <- fetch(client, r)
			}
		})
		t.Cleanup(func() { close(l.ask) })
	}
	t.Cleanup(client.CloseIdleConnections)
	return b
}

// fetch makes the call, and reads the whole reply.
func fetch(client *http.Client, r *http.Request) bridged {
	reply, err := client.Do(r)
	if err != nil {
		return bridged{nil, err}
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	reply.Body = io.NopCloser(bytes.NewReader(body))
	return bridged{reply, err}
}

// Do implements the SDK's HTTP client, inside the bubble.
func (b *bridge) Do(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	delay, down := b.delay, b.down
	b.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if down != nil {
		return nil, down
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	out, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body)) // without the bubble's context
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	l := <-b.lines
	l.ask <- out
	got := <-l.answer
	b.lines <- l
	return got.reply, got.err
}

func (b *bridge) slow(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay = d
}

func (b *bridge) breaks(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

// client makes the SDK use the bridge.
func (b *bridge) client(c *aws.Config) { c.HTTPClient = b }

var errRefused = errors.New("dial tcp 127.0.0.1:4567: connect: connection refused")
