package proxy

import (
	"errors"
	"io"
	"os"
	"sync"

	"github.com/sidekey/sidekey/detect"
)

// A largeBody is a body that is longer than limits.scan_window. What is held
// of it is its beginning, in exchange.buf, and the few members that decide who
// pays, in scan. There are two ways to send it:
//
//   - It is streamed if nothing that can still come could turn its plan into
//     another one, but only into a refusal (see settled). The scanner reads
//     along. A second model, an option that is not allowed or broken JSON ends
//     the upload with an error, in front of its last byte: the gateway never
//     has the whole request, and the client gets the same refusal as for a
//     small body.
//   - Else it is written to a file, which nobody but this process can open,
//     until all of it is known, and sent from there.
//
// Either way the plan is made by the code that plans small bodies, from a
// small JSON object that holds the members found: there is one judgement.
type largeBody struct {
	x      *exchange
	scan   detect.Window
	found  []byte // what scan has found, as JSON; room
	watch  bool   // scan is to be fed
	src    io.Reader
	file   *os.File // of a body that is spooled
	length int64    // of the client's body, -1 if chunked

	// The one edit: text takes the place of cut.
	pin     bool // an owner's key is to be put in
	known   bool // cut and text are known
	done    bool // text is sent
	cut     detect.Span
	text    [][]byte
	reserve int // by how much the announced length is longer than the client's, perhaps negative

	made applied // instead of the one edit: what a direct call changes
	kept []byte  // of a direct call: read, but not passed on yet

	off   int // bytes of the client's body that were dealt with
	queue [][]byte
	side  []byte // the piece that the queue refers to
	err   error
}

var largeBodies = sync.Pool{New: func() any { return new(largeBody) }}

// openLarge prepares for a body that is longer than the window.
func (x *exchange) openLarge() {
	l := largeBodies.Get().(*largeBody)
	x.large = l
	x.tail = limited{r: &x.upload, left: x.snap.limits.Body - int64(len(x.buf))}
	l.x, l.src, l.length = x, &x.tail, x.upload.Length()
	l.watch = x.watched()
	held := 0
	if x.owned() {
		held = int(x.snap.limits.ScanWindow)
	}
	l.scan.Reset(held)
}

// watched says whether the members of a large body matter to its plan.
func (x *exchange) watched() bool {
	if x.form() || x.owned() && x.batchStart() {
		return false
	}
	return x.surface.JSONBody() || x.surface.ModelPlace() == detect.InMultipart || x.surface == detect.Other && x.owned()
}

// form says that the body may be a multipart form and not JSON.
func (x *exchange) form() bool {
	if x.surface != detect.Transcriptions && x.surface != detect.ImageEdits {
		return false
	}
	const form = "multipart/"
	t := x.header.Peek("Content-Type")
	return len(t) >= len(form) && equalFold(t[:len(form)], form)
}

// owned says that the chatbot's owner has keys in use.
func (x *exchange) owned() bool {
	o := x.owner()
	return o.byok && len(o.keys) > 0 && !o.byoi
}

// detectLarge reads what is asked for from the body's beginning, or from all of
// it if that does not suffice.
func (x *exchange) detectLarge() *refusal {
	l := x.large
	if (x.form() || x.batchStart()) && x.owned() {
		return x.examineSpooled()
	}
	if !l.watch {
		x.model = modelNone
		return nil
	}
	err := l.scan.Feed(x.buf)
	x.judge(err)
	if err == nil && !x.early() && openWindows.Load() < windowsAtOnce {
		var r *refusal
		if r, err = x.readWindow(); r != nil {
			return r
		}
	}
	if x.owned() && err == nil && !x.settled() {
		var r *refusal
		if r, err = x.spool(); r != nil {
			return r
		}
		x.judge(err)
	}
	// Without owner keys a body that is no JSON is none of our business.
	l.watch = err == nil && l.file == nil
	return nil
}

// early says that the request may begin before the window is full, which saves
// the window: with 16 uploads of 5 MB at once, 8 MB of memory. What it rules out
// would be right as well, but less good. The window may name the options that
// decide between two keys, which else are looked for on disk; a direct call
// leaves blanks where members go that come after its beginning; and a system
// call is counted under its model, if the window shows it.
func (x *exchange) early() bool {
	if !x.owned() {
		return x.large.scan.Body().Model.Found()
	}
	return x.foreseen() && !x.snap.directory.used
}

// windowsAtOnce bounds how many windows may be open for one more to be filled
// for a body that will not fit it: fifty took 50 MiB. Of others the beginning
// must do.
const windowsAtOnce = 8

// readWindow fills the window and judges again. wrong is what is wrong with it.
func (x *exchange) readWindow() (r *refusal, wrong error) {
	l, judged := x.large, len(x.buf)
	if r := x.fill(x.snap.limits.ScanWindow, l.length); r != nil {
		return r, nil
	}
	x.tail.left -= int64(len(x.buf) - judged)
	wrong = l.scan.Feed(x.buf[judged:])
	x.judge(wrong)
	return nil, wrong
}

// judge fills in the facts from the members found so far, or from what is
// wrong with the body. It may be called again when there are more.
func (x *exchange) judge(wrong error) {
	l, surface, exposed := x.large, x.surface, x.exposed
	x.facts.reset()
	x.surface, x.exposed = surface, exposed
	l.found = l.scan.AppendFound(l.found[:0])
	x.examine(l.found, wrong)
}

// settled says that whatever follows the window can only turn the plan into a
// refusal. Then the request may begin before its body has been read.
func (x *exchange) settled() bool {
	return x.foreseen() && (!x.snap.directory.used || x.directSettled())
}

// foreseen is settled, as far as the plan is concerned.
func (x *exchange) foreseen() bool {
	found, o := x.large.scan.Body(), x.owner()
	place := x.surface.ModelPlace()
	switch {
	case place == detect.InBody || place == detect.InMultipart || x.surface == detect.Other:
		if !found.Model.Found() {
			return false
		}
	case x.model == modelNone:
		return true // a batch call that has no model, and no options either
	}
	switch {
	case x.model != modelKnown:
		return true // it will not become clearer
	case !x.surface.JSONBody():
		return true // options are not read there
	case len(o.keys) == 1 && o.has(x.provider):
		return true // options cannot name another key
	}
	return found.ProviderOptions.Found() && found.Models.Found()
}

// A lateRefusal ends an upload that had begun.
type lateRefusal struct{ *refusal }

func (r lateRefusal) Error() string { return "the body's end refuses the request: " + string(r.code) }

var errUnjudged = errors.New("the body cannot be read, and yet no rule refuses it")

// again judges a body that is being sent, after more of it is known.
func (x *exchange) again(wrong error) error {
	x.judge(wrong)
	o := x.owner()
	p := decide(&o, &x.request, &x.snap.policy)
	switch {
	case p.Route == RouteNone:
		return lateRefusal{p.Refusal}
	case wrong != nil && x.owned():
		return errUnjudged
	case p.Route != x.plan.Route || !sameSlugs(p.Slugs, x.creds):
		// settled has ruled it out. If it has not: never another key than planned.
		return lateRefusal{refused(codeModelUndetermined)}
	}
	return nil
}

// close ends the use of the file and forgets the body. Done by exchange.wipe.
func (l *largeBody) close() {
	if l.file != nil {
		l.file.Close()
	}
	clear(l.text)
	clear(l.queue)
	clear(l.side) // the key may have passed through
	keep := largeBody{scan: l.scan, found: l.found[:0], text: l.text[:0], queue: l.queue[:0], side: l.side[:0]}
	if cap(keep.found) > keepScratch {
		keep.found = nil
	}
	keep.scan.Reset(0)
	*l = keep
	largeBodies.Put(l)
}
