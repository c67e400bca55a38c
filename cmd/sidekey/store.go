package main

import (
	"context"

	"github.com/sidekey/sidekey/credstore"
)

// The kinds of stores.
const (
	storeLocal = "local"
	storeAWS   = "aws"
)

// An openStore is a store that the configuration names.
type openStore struct {
	credstore.Backend
	local *credstore.Local // nil: it is on AWS
	aws   *credstore.AWS   // nil: it is local
}

// open opens the store of the given kind. create makes a local one where none
// is; the table and the key of AWS are made by store init only. told is called
// when a local store cannot be read any more, and when it can again.
func (ld *loaded) open(ctx context.Context, kind string, create bool, told func(error)) (*openStore, error) {
	if kind == storeAWS {
		a, err := ld.openAWS(ctx)
		if err != nil {
			return nil, err
		}
		return &openStore{Backend: a.Backend(), aws: a}, nil
	}
	c := ld.localConfig()
	c.Create, c.OnError = create, told
	l, err := credstore.OpenLocal(c)
	if err != nil {
		return nil, err
	}
	return &openStore{Backend: l.Backend(), local: l}, nil
}

// Err returns why the store cannot be read at present, nil if it can, or if
// nobody has asked it yet.
func (s *openStore) Err() error {
	if s.aws != nil {
		return s.aws.Err()
	}
	return s.local.Err()
}

// Watch calls fn with the chatbots whose records changed, until ctx ends. On
// AWS nobody tells: there changes are in force within cache.ttl, or at once
// after /-/invalidate.
func (s *openStore) Watch(ctx context.Context, fn func(changed []string)) {
	if s.local != nil {
		s.local.Watch(ctx, fn)
	}
}

// Close ends what watches a local store.
func (s *openStore) Close() error {
	if s.local != nil {
		return s.local.Close()
	}
	return s.aws.Close()
}
