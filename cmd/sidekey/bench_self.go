package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/sidekey/sidekey/bench"
	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
)

// What the sidekey that is measured holds. Nobody's key: both are made up, and
// only bench's own upstream ever sees them.
const (
	benchChatbot  = "bench"
	benchOwnerKey = "sk-bench-owner-0123456789"
)

// benchSelf is this very program as a peer among those of bench.
func benchSelf() (bench.Self, error) {
	program, err := os.Executable()
	if err != nil {
		return bench.Self{}, err
	}
	return bench.Self{Program: program, Version: bench.Version(), Prepare: prepareBenchStore, OwnerKey: benchOwnerKey}, nil
}

// prepareBenchStore makes what bench/peers/sidekey.yaml names: a store in which
// one chatbot's owner has an OpenAI key, and the gateway's credential.
func prepareBenchStore(ctx context.Context, dir string) (err error) {
	store, err := credstore.OpenLocal(credstore.LocalConfig{Dir: filepath.Join(dir, "store"), Create: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	secret := credstore.NewSecret([]byte(benchOwnerKey))
	if _, err := credstore.NewOwner(store.Backend()).Set(ctx, benchChatbot, provider.OpenAI, secret, credstore.SetOptions{}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "gateway.key"), []byte(bench.Credential), 0o600)
}
