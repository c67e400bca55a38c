package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/sidekey/sidekey/credstore"
)

// An outage of a minute and a second with a thousand busy chatbots, each of
// which fails every four seconds, and one replay in it.
func TestOutageWritesALineForEachReasonInTenSeconds(t *testing.T) {
	var out logBuffer
	c := newComplaints(zerolog.New(&out))
	failures := 0
	synctest.Test(t, func(t *testing.T) {
		for second := range 61 {
			for i := second % 4; i < 1000; i += 4 {
				c.note(fmt.Sprintf("bot-%d", i), fmt.Errorf("%w: read tcp 127.0.0.1:%d: reset", credstore.ErrUnreachable, 30000+i))
				failures++
			}
			time.Sleep(time.Second)
		}
	})
	c.note("bot", fmt.Errorf("the settings of chatbot bot are malformed"))
	lines, told := 0, 0
	for text := range strings.Lines(out.String()) {
		var line struct {
			Chatbot, Error, Message string
			Unlogged                int
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Chatbot == "" || line.Error == "" || line.Message != "keys could not be loaded" {
			t.Fatalf("a line that does not say what failed for whom: %s", text)
		}
		lines++
		told += 1 + line.Unlogged
	}
	if lines != 7+1 {
		t.Errorf("%d lines, want 7 and one for the other reason", lines)
	}
	if want := failures - 249 + 1; told != want { // those after the last line wait for the next
		t.Errorf("the lines account for %d failures, want %d of %d", told, want, failures)
	}
}
