package main

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

func init() {
	// zerolog knows one format for the process; seconds would be too coarse to
	// put two requests in order.
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
}

// Logs is where log events go. Its level and format change with the
// configuration while the loggers made from it stay.
//
// Events are written at once, one write each: a buffer would lose the last
// lines of a crash, which are the ones that matter.
type Logs struct {
	Logger zerolog.Logger
	stderr io.Writer
	level  atomic.Int32
	out    atomic.Pointer[io.Writer]
}

// NewLogs returns Logs that write to stderr.
func NewLogs(stderr io.Writer, cfg Log) *Logs {
	l := &Logs{stderr: stderr}
	l.Set(cfg)
	l.Logger = zerolog.New(writer{l}).Sample(gate{l}).With().Timestamp().Logger()
	return l
}

// Set puts a level and a format in force.
func (l *Logs) Set(cfg Log) {
	level, err := zerolog.ParseLevel(cfg.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	out := l.stderr
	if cfg.Format == "console" || cfg.Format == "auto" && isTerminal(l.stderr) {
		out = zerolog.ConsoleWriter{Out: l.stderr, TimeFormat: time.TimeOnly, NoColor: !isTerminal(l.stderr)}
	}
	l.level.Store(int32(level))
	l.out.Store(&out)
}

// A gate drops events below the level before they are built. It is a sampler
// because a logger's own level cannot change after it was handed out.
type gate struct{ l *Logs }

func (g gate) Sample(level zerolog.Level) bool { return int32(level) >= g.l.level.Load() }

// A writer writes to what is in force at the moment.
type writer struct{ l *Logs }

func (w writer) Write(p []byte) (int, error) { return (*w.l.out.Load()).Write(p) }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
