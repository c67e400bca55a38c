package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// A watcher notices that files may have changed. It watches their folders, not
// the files: a file that is deleted and made anew, or swapped under a symbolic
// link as Kubernetes does with a ConfigMap, is another file, and a watch on
// the old one would say nothing ever again (pitfalls section 3).
//
// It only ever says "look". Whether anything changed is decided by the bytes
// that are read then (reload.go), so that a missed or surplus event does no
// harm.
type watcher struct {
	files func() []string
	look  func()
	// settle is how long the folder must be quiet before it is looked at, so
	// that a file is not read between its truncation and its last byte.
	settle time.Duration
	// poll is how often it is looked at without any event: network file
	// systems send none, and watches are a limited resource.
	poll time.Duration
	log  zerolog.Logger
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.Warn().Err(err).Dur("poll_ms", w.poll).
			Str("remedy", "raise fs.inotify.max_user_instances and max_user_watches; until then POST /-/reload after a change, or wait").
			Msg("files cannot be watched, they are looked at from time to time")
		fs = &fsnotify.Watcher{} // its nil channels never deliver
	} else {
		defer fs.Close()
	}
	w.follow(fs)
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	quiet := time.NewTimer(w.settle)
	defer quiet.Stop()
	first := time.Now() // of the events since the last look
	waiting := true     // what happened before the first watch was set is looked at once
	for {
		select {
		case <-ctx.Done():
			return
		case <-fs.Events:
		case <-fs.Errors: // an overflow lost events: look
		case <-poll.C:
		case <-quiet.C:
			waiting = false
			w.look()
			if !w.follow(fs) {
				continue
			}
			// A folder is new. What happened in it before its watch was set
			// was told by no event: look again.
		}
		now := time.Now()
		if !waiting {
			waiting, first = true, now
		}
		// A folder that is never quiet is looked at all the same.
		if now.Sub(first) < 10*w.settle {
			quiet.Reset(w.settle)
		}
	}
}

// follow sets a watch on each folder that matters and drops the others; it
// reports whether one is new. Setting one again is harmless, and mends one that
// ended because the folder itself was removed and made anew.
func (w *watcher) follow(fs *fsnotify.Watcher) (grown bool) {
	if fs.Events == nil {
		return false
	}
	want, watched := folders(w.files()), fs.WatchList()
	for _, dir := range watched {
		if !slices.Contains(want, dir) {
			fs.Remove(dir)
		}
	}
	for _, dir := range want {
		// A folder that is missing is found by the poll.
		if err := fs.Add(dir); err == nil && !slices.Contains(watched, dir) {
			grown = true
		}
	}
	return grown
}

// folders lists the folders in which a change can change one of the files:
// its own, and that of each link on the way to it.
func folders(files []string) []string {
	var out []string
	add := func(path string) {
		if dir := filepath.Dir(path); !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	for _, file := range files {
		add(file)
		for range 10 { // links may form a circle
			target, err := os.Readlink(file)
			if err != nil {
				break
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(file), target)
			}
			file = target
			add(file)
		}
		if real, err := filepath.EvalSymlinks(file); err == nil {
			add(real)
		}
	}
	return out
}
