package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/sidekey/sidekey/credstore"
)

// maxSecretBytes bounds what is read as a secret: a service account's JSON has
// about 2,400 bytes.
const maxSecretBytes = 64 << 10

// readSecret reads a secret from standard input, or, where that is a terminal,
// asks for it without showing it. Blanks and line ends around it are dropped:
// they come from editors, never from providers.
func (a *app) readSecret(ctx context.Context, what string) (credstore.Secret, error) {
	var secret credstore.Secret
	data, err := a.secretBytes(ctx, what)
	if err != nil {
		return secret, err
	}
	defer clear(data)
	trimmed := bytes.TrimSpace(data)
	switch {
	case len(trimmed) == 0:
		return secret, errors.New("no secret came on standard input; write it there, for example: sidekey keys set ... < key.txt")
	case len(data) > maxSecretBytes:
		return secret, fmt.Errorf("what came on standard input is longer than %s and is no key", Size(maxSecretBytes))
	}
	return credstore.NewSecret(trimmed), nil
}

func (a *app) secretBytes(ctx context.Context, what string) ([]byte, error) {
	f, isFile := a.stdin.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return io.ReadAll(io.LimitReader(bufio.NewReader(a.stdin), maxSecretBytes+1))
	}
	// Without the saved state a signal would leave the terminal mute.
	state, err := term.GetState(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	fmt.Fprintf(a.stderr, "%s (not shown): ", what)
	type answer struct {
		data []byte
		err  error
	}
	// The read cannot be broken off; the goroutine ends with the line, or
	// with the process.
	typed := make(chan answer, 1)
	go func() {
		data, err := term.ReadPassword(int(f.Fd()))
		typed <- answer{data, err}
	}()
	select {
	case got := <-typed:
		fmt.Fprintln(a.stderr)
		return got.data, got.err
	case <-ctx.Done():
		term.Restore(int(f.Fd()), state)
		fmt.Fprintln(a.stderr)
		return nil, errors.New("interrupted, nothing was stored")
	}
}
