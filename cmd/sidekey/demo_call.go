package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// A demo is one run: the world, and what came out so far.
type demo struct {
	world  *demoWorld
	out    io.Writer
	rows   []demoRow
	failed int
}

// A demoCall is one request of a chatbot.
type demoCall struct {
	chatbot, account string
	model            string
	prompt           string
	stream           bool
}

// A demoRow is what became of one call.
type demoRow struct {
	demoCall
	status     int
	errorCode  string        // of sidekey, "" if it made none
	credential string        // as sidekey says
	paid       sandbox.Entry // as the gateway's ledger says; zero if it saw nothing
	text       string
	events     int           // of a stream
	added      time.Duration // by the sidecar
}

// call sends a chat completion through the sidecar and looks it up in the
// gateway's ledger and the sidecar's log.
func (d *demo) call(ctx context.Context, c demoCall) (row demoRow, err error) {
	row.demoCall = c
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	before := len(d.world.gateway.Ledger())
	req, err := d.request(ctx, c)
	if err != nil {
		return row, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return row, errors.New("the sidecar did not answer")
	}
	defer resp.Body.Close()
	row.status = resp.StatusCode
	row.credential = resp.Header.Get("x-sidekey-credential")
	row.errorCode = resp.Header.Get("x-sidekey-error")
	if c.stream && row.status == http.StatusOK {
		err = d.readStream(resp.Body, &row)
	} else {
		err = readReply(resp.Body, &row)
	}
	if err != nil {
		return row, err
	}
	if entries := d.world.gateway.Ledger(); len(entries) > before {
		row.paid = entries[len(entries)-1]
	}
	if row.added, err = d.world.log.added(ctx); err != nil {
		return row, err
	}
	d.rows = append(d.rows, row)
	return row, nil
}

func (d *demo) request(ctx context.Context, c demoCall) (*http.Request, error) {
	token, err := d.world.token(c.chatbot, c.account)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]any{
		"model": c.model, "stream": c.stream,
		"messages": []map[string]string{{"role": "user", "content": c.prompt}},
	})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.world.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	return req, nil
}

// readReply reads a reply that comes whole: a completion or an error.
func readReply(body io.Reader, row *demoRow) error {
	var reply struct {
		Choices []struct{ Message struct{ Content string } }
		Error   struct{ Message string }
	}
	if err := json.NewDecoder(body).Decode(&reply); err != nil {
		return fmt.Errorf("the reply is not JSON: %w", err)
	}
	row.text = reply.Error.Message
	if len(reply.Choices) > 0 {
		row.text = reply.Choices[0].Message.Content
	}
	return nil
}

// readStream prints the words of a stream as they come.
func (d *demo) readStream(body io.Reader, row *demoRow) error {
	fmt.Fprint(d.out, "   ")
	defer fmt.Fprintln(d.out)
	for lines := bufio.NewScanner(body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if data == "[DONE]" {
			return nil
		}
		var event struct {
			Choices []struct{ Delta struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return fmt.Errorf("an event is not JSON: %w", err)
		}
		if len(event.Choices) > 0 && event.Choices[0].Delta.Content != "" {
			row.events++
			row.text += event.Choices[0].Delta.Content
			fmt.Fprint(d.out, event.Choices[0].Delta.Content)
		}
	}
	return errors.New("the stream ended without its last event")
}

// added waits for the access line of the call just made: a reply may end
// before its line is written.
func (l demoLog) added(ctx context.Context) (time.Duration, error) {
	for {
		select {
		case <-ctx.Done():
			return 0, errors.New("the sidecar wrote no access line")
		case line := <-l:
			var entry struct {
				Message string `json:"message"`
				Added   int64  `json:"added_us"`
			}
			if json.Unmarshal(line, &entry) == nil && entry.Message == "request" {
				return time.Duration(entry.Added) * time.Microsecond, nil
			}
		}
	}
}
