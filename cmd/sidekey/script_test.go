package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sidekey/sidekey/provider"
)

// The scripts run this test binary as sidekey: real processes, with real exit
// statuses and signals. Only where a provider is asked, FAKE_PROVIDER leads to
// a stand-in.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sidekey": func() {
			a := newApp(os.Stdin, os.Stdout, os.Stderr)
			if fake := os.Getenv("FAKE_PROVIDER"); fake != "" {
				a.providerURL = func(slug provider.Slug, _ string) string { return fake + "/" + string(slug) }
			}
			os.Exit(a.run(context.Background(), os.Args[1:]))
		},
	})
}

// scriptDeadline ends a script that hangs. On a busy machine with the race
// detector a script of forty processes takes more than a minute.
const scriptDeadline = 5 * time.Minute

func TestScripts(t *testing.T) {
	fake := fakeProviders(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptDeadline),
		Setup: func(e *testscript.Env) error {
			e.Setenv("FAKE_PROVIDER", fake)
			return nil
		},
	})
}

// What owners do is one set of scripts for both kinds of stores. In a script the
// condition [aws] tells them apart.
func TestStoreScripts(t *testing.T) {
	fake := fakeProviders(t)
	const dir = "testdata/script/store"
	run := func(t *testing.T, aws bool, setup func(*testscript.Env) error) {
		testscript.Run(t, testscript.Params{
			Dir: dir, RequireExplicitExec: true, Deadline: time.Now().Add(scriptDeadline),
			Condition: func(name string) (bool, error) {
				if name != "aws" {
					return false, fmt.Errorf("no condition %s", name)
				}
				return aws, nil
			},
			Setup: func(e *testscript.Env) error {
				e.Setenv("FAKE_PROVIDER", fake)
				return setup(e)
			},
		})
	}
	t.Run("local", func(t *testing.T) {
		run(t, false, func(*testscript.Env) error { return nil })
	})
	t.Run("aws", func(t *testing.T) {
		scripts, err := filepath.Glob(dir + "/*.txtar")
		if err != nil || len(scripts) == 0 {
			t.Fatalf("no scripts: %v", err)
		}
		worlds := make(chan *awsRig, len(scripts)) // one for each
		for range scripts {
			worlds <- awsWorld(t)
		}
		run(t, true, func(e *testscript.Env) error {
			r := <-worlds
			e.Vars = append(e.Vars, r.w.Env()...)
			return os.WriteFile(filepath.Join(e.WorkDir, "sidekey.yaml"), []byte(r.storeConfig()), 0o600)
		})
	})
}

// fakeProviders answers the free check calls by what the key says of itself.
func fakeProviders(t *testing.T) string {
	return testServer(t, func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Authorization") + r.Header.Get("X-Api-Key") + r.Header.Get("X-Goog-Api-Key")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.Contains(key, "good"):
			w.Write([]byte(`{"data":[]}`))
		case strings.Contains(key, "poor"):
			w.WriteHeader(402)
			w.Write([]byte(`{"error":{"message":"Insufficient Balance"}}`))
		case strings.Contains(key, "slow"):
			w.WriteHeader(429)
			w.Write([]byte(`{"error":{"message":"Too many requests"}}`))
		default:
			w.WriteHeader(401)
			w.Write([]byte(`{"error":{"message":"Incorrect API key provided: ` + strings.TrimPrefix(key, "Bearer ") + `","code":"invalid_api_key"}}`))
		}
	})
}
