package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/provider"
)

// An app is the program with its surroundings, so that a test can give it
// others.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	lookup         func(string) (string, bool)
	environ        func() []string
	// notify delivers the process's signals, as signal.Notify does.
	notify func(c chan<- os.Signal, sig ...os.Signal)
	// client and providerURL are how keys are tested (provider.Checker).
	client      *http.Client
	providerURL func(slug provider.Slug, real string) string
	// sdk is what serve uses in the place of the SDK's own findings
	// (credstore.AWSConfig.SDK). nil: the SDK looks for itself.
	sdk *aws.Config
	// memory is what serve tells the garbage collector.
	memory memory
	// settle and poll are the watcher's pace (watch.go).
	settle, poll time.Duration

	configFlag string
	jsonFlag   bool
}

func newApp(stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{
		stdin: stdin, stdout: stdout, stderr: stderr,
		lookup: os.LookupEnv, environ: os.Environ, notify: signal.Notify,
		client: &http.Client{Timeout: 15 * time.Second},
		memory: memory{lookup: os.LookupEnv, cgroup: memlimit.FromCgroup},
		settle: 100 * time.Millisecond, poll: 30 * time.Second,
	}
}

// errUsage marks a wrong command line: exit status 2.
type errUsage struct{ err error }

func (e errUsage) Error() string { return e.err.Error() }
func (e errUsage) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

// errSilent is a failure that has been told already: exit status 1.
var errSilent = errors.New("refused")

func (a *app) run(ctx context.Context, args []string) int {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	a.memory.ease()
	defer a.memory.settle()
	root := a.commandFor(args)
	root.PersistentPreRun = func(c *cobra.Command, _ []string) {
		if c.Name() != "serve" { // which settles when it is ready
			a.memory.settle()
		}
	}
	root.SetArgs(args)
	root.SetContext(ctx)
	err := root.ExecuteContext(ctx)
	var wrong errUsage
	var config *ConfigError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(a.stderr, "sidekey: %v\nRun sidekey help for the commands, and any command with --help for its flags.\n", err)
		return 2
	case errors.As(err, &config):
		fmt.Fprintf(a.stderr, "sidekey: the configuration cannot be used:\n%v\n", err)
	case !errors.Is(err, errSilent):
		fmt.Fprintf(a.stderr, "sidekey: %v\n", err)
	}
	return 1
}

// interruptible returns a context that ends with the first signal to stop, for
// commands that do one thing. serve has its own way (serve.go).
func (a *app) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 1)
	a.notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() { // ends with the context
		defer close(done)
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(); <-done }
}

// loader reads the configuration named by --config.
func (a *app) loader() *loader {
	return &loader{flag: a.configFlag, lookup: a.lookup, environ: a.environ}
}

// config loads the file for a command that needs no secret from it.
func (a *app) config() (*loaded, error) {
	ld, problems := a.loader().load()
	if len(problems) > 0 {
		return nil, &ConfigError{problems}
	}
	return ld, nil
}

// storeConfig loads the file for a command that opens the store, with the
// store's own secret.
func (a *app) storeConfig() (*loaded, error) {
	l := a.loader()
	ld, problems := l.load()
	if reference := ld.Config.Store.Local.Keyset; len(problems) == 0 && reference != "" {
		r := &resolver{lookup: l.lookup, sum: sha256.New()}
		secret, _, err := r.read(reference)
		if err != nil {
			problems = ld.locate([]Problem{problemOf("store.local.keyset", err)}, nil)
		}
		ld.Secrets["store.local.keyset"] = secret
	}
	if len(problems) > 0 {
		return nil, &ConfigError{problems}
	}
	return ld, nil
}

// printJSON writes one value for programs.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// withJSON gives a command the flag --json.
func (a *app) withJSON(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.jsonFlag, "json", false, "write JSON, for programs")
	return c
}

// jsonLine is v as one line of JSON.
func jsonLine(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	return append(line, '\n'), err
}
