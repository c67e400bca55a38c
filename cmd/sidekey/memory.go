package main

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// A memory decides what serve tells Go's garbage collector. It says little,
// because there is little to be collected. Measured on two shared cores
// (GODEBUG=gctrace=1, local store, guard strict, owner's key):
//
//	64 connections, 2 KB requests, 7,600/s       1 collection in 6 s
//	200 streams, 50 events/s each                2 in 6 s
//	5,000 streams of 20 s                        8 in 30 s
//	a new connection for each request, 4,000/s   1.3 a second, 1 % of the CPU time
//	a new chatbot for each request, 3,000/s      1.3 a second, 1 %
//
// So a larger GOGC, a ballast, or a goroutine that tunes GOGC after each
// collection could win 1 % in the worst of these, and would cost memory in all
// of them: with 5,000 streams 219 MB at GOGC=50 and at 100, 223 at 400 (each
// of them kept its request's read buffer then; now see tidying). GOGC
// stays what it is, but for the start.
//
// The start: initialising packages takes 2.1 MB, and wiring passes the 4 MB at
// which Go collects for the first time, when nobody is served yet and nearly all
// is still in use. That collection was 200 of 1,750 page faults and 5 of 60 ms
// CPU of a start. So it waits until serve is ready, and has told so to who waits
// for that: see settlePause.
//
// The limit: Go does not know how much memory the cgroup allows, and would let
// garbage grow until the kernel kills the process. With a soft limit it
// collects earlier when it comes near. That has its price where nearly all is in
// use, since each collection also empties the pools of buffers: 1,000 streams,
// which hold 40 MB, took 22 % of a CPU without a limit, 35 % with 64 MiB, and
// 141 % with 40 MiB, which cannot be kept (Go gives the collector half of the
// CPU time at most, and then exceeds the limit). So it is not lower than it must
// be.
//
// What the operator has set in GOMEMLIMIT or GOGC stays as it is. (GOMAXPROCS
// needs nothing of us: Go follows the cgroup's CPU limit by itself.)
type memory struct {
	lookup func(string) (string, bool)
	// cgroup finds the hard limit. Nested groups, bind mounts and version 1
	// have more corners than a page of our own would see to; the library has
	// them all in its tests, and it initialises nothing. A look takes 0.4 ms, and
	// waits like the first collection.
	cgroup memlimit.Provider

	tidying *tidying // nil: by the clock and the heap of this process
}

const (
	// startPercent lets the heap grow to 16 MB (4 MB times it) before the first
	// collection. A start takes 4 to 6.
	startPercent = 400
	// usualPercent is Go's own.
	usualPercent = 100

	// The share of the cgroup's limit that is left to Go. The rest, twice what is
	// usual, is for what is counted there and not by Go: two sockets for each
	// stream, of 3.7 KB each (/proc/slabinfo: TCP, sock_inode_cache, filp,
	// dentry, eventpoll_epi) and what waits in them, and pages of files.
	softNumerator, softDenominator = 4, 5
	// softLeast is twice what Go holds when sidekey is idle. A limit below it
	// would be a collector that never rests; it is better to be killed, and
	// to be given more.
	softLeast = 24 << 20
)

// ease puts off the first collection, until settle. The tree of commands alone
// takes a start to it.
func (m *memory) ease() { m.collectAt(startPercent) }

// settlePause is how long the first probe has the processors for itself: the
// collection that settle sets off took 300 page faults and 4 ms CPU beside it.
const settlePause = 50 * time.Millisecond

// serving is what is done for a process that serves, until ctx ends.
func (m *memory) serving(ctx context.Context, log zerolog.Logger) {
	select {
	case <-time.After(settlePause):
	case <-ctx.Done():
	}
	m.settle()
	m.bound(log)
	m.tidy(ctx)
}

func (m *memory) settle() { m.collectAt(usualPercent) }

func (m *memory) collectAt(percent int) {
	if !m.set("GOGC") {
		debug.SetGCPercent(percent)
	}
}

func (m *memory) set(name string) bool {
	value, _ := m.lookup(name)
	return value != "" // Go, too, takes an empty one for none
}

// bound sets the soft limit, and logs what is in force and where it is from.
func (m *memory) bound(log zerolog.Logger) {
	event := log.Info()
	from, err := m.derive()
	if err != nil {
		event = log.Warn().Err(err).Str("remedy", "set GOMEMLIMIT if there is a limit; without it the kernel may end the process at that limit")
	}
	limit := "none"
	if n := debug.SetMemoryLimit(-1); n != math.MaxInt64 {
		limit = Size(n).String()
	}
	event.Str("soft_limit", limit).Str("from", from).Msg("memory")
}

func (m *memory) derive() (from string, err error) {
	if m.set("GOMEMLIMIT") {
		return "GOMEMLIMIT", nil
	}
	hard, err := m.cgroup()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
		return "no cgroup limit", nil
	case err != nil:
		return "the cgroup limit cannot be read: set GOMEMLIMIT if there is one", err
	}
	hard = min(hard, math.MaxInt64)
	debug.SetMemoryLimit(soft(int64(hard)))
	return "cgroup limit " + Size(hard).String(), nil
}

// soft is the limit for Go under a hard one, in whole MiB.
func soft(hard int64) int64 {
	const mib = 1 << 20
	return max(hard/softDenominator*softNumerator/mib*mib, softLeast)
}
