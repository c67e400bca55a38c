package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestLogLevelAndFormatChangeUnderALogger(t *testing.T) {
	var out bytes.Buffer
	logs := NewLogs(&out, Log{Level: "warn", Format: "auto"})
	log := logs.Logger.With().Str("from", "before").Logger()
	log.Info().Msg("unseen")
	if out.Len() > 0 {
		t.Errorf("got %q at level warn, want nothing", out.String())
	}
	logs.Set(Log{Level: "debug", Format: "json"})
	log.Debug().Msg("seen")
	if !strings.HasPrefix(out.String(), `{"level":"debug"`) {
		t.Errorf("got %q, want a JSON line", out.String())
	}
	out.Reset()
	logs.Set(Log{Level: "info", Format: "console"})
	log.Info().Msg("for people")
	if got := out.String(); !strings.Contains(got, "INF for people from=before") {
		t.Errorf("got %q, want a line for people", got)
	}
}

// One event is one write, so that lines of several writers never mix.
func TestAnEventIsOneWrite(t *testing.T) {
	writes := 0
	logs := NewLogs(writerFunc(func(p []byte) (int, error) { writes++; return len(p), nil }), Log{Level: "info", Format: "json"})
	logs.Logger.Info().Str("a", "b").Msg("c")
	if writes != 1 {
		t.Errorf("got %d writes, want 1", writes)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
