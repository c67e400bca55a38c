// Command sidekey is the sidecar and its tools: it serves, checks its
// configuration, names providers, and lets operators and owners manage keys.
//
// This package decides which command runs, which configuration holds, what is
// wired to what, and how all of it stops. It is the only one that knows all
// the others. No command takes a secret from its arguments, where every user
// of the machine could read it, and none prints one.
package main

import (
	"context"
	"io"
	"os"

	_ "github.com/sidekey/sidekey/cmd/sidekey/firstheap"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit status: 0 done, 1 refused
// or failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newApp(stdin, stdout, stderr).run(ctx, args)
}
