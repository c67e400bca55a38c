package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/sidekey/sidekey/detect"
)

// An editList is the edits of one body, in order. Those of a body that is held
// in memory are as well: it is bounded by limits.scan_window. Those of a
// spooled body stand in its file, behind it, so that a batch of any number of
// items costs the memory of one. They are places, and hold no key.
type editList struct {
	held  []edit
	file  *os.File
	from  int64 // where the edits begin in the file
	out   *bufio.Writer
	err   error
	count [pinKinds]int64
	cut   int64 // bytes that the edits take away
}

const (
	editRecord = 8 + 8 + 1 // start, end, text
	editBuffer = 16 << 10
)

func (l *editList) spoolTo(file *os.File, from int64) {
	l.file, l.from = file, from
	l.out = bufio.NewWriterSize(io.NewOffsetWriter(file, from), editBuffer)
}

func (l *editList) add(edits ...edit) {
	for _, e := range edits {
		l.count[e.text]++
		l.cut += int64(e.cut.End - e.cut.Start)
		if l.out == nil {
			l.held = append(l.held, e)
			continue
		}
		record := binary.LittleEndian.AppendUint64(l.out.AvailableBuffer(), uint64(e.cut.Start))
		record = append(binary.LittleEndian.AppendUint64(record, uint64(e.cut.End)), byte(e.text))
		l.out.Write(record) // an error comes back from flush
	}
}

// flush completes the list. What went wrong is in err.
func (l *editList) flush() {
	if l.out != nil {
		l.err = l.out.Flush()
		l.out = nil
	}
}

// walk returns a function that yields one edit after the other, io.EOF behind
// the last.
func (l *editList) walk() func() (edit, error) {
	if l.file == nil {
		rest := l.held
		return func() (edit, error) {
			if len(rest) == 0 {
				return edit{}, io.EOF
			}
			e := rest[0]
			rest = rest[1:]
			return e, nil
		}
	}
	var n int64
	for _, c := range l.count {
		n += c
	}
	in := bufio.NewReaderSize(io.NewSectionReader(l.file, l.from, n*editRecord), editBuffer)
	return func() (e edit, err error) {
		record, err := in.Peek(editRecord)
		if err != nil {
			return edit{}, err
		}
		defer in.Discard(editRecord)
		e.cut = detect.Span{Start: int(binary.LittleEndian.Uint64(record)), End: int(binary.LittleEndian.Uint64(record[8:]))}
		e.text = pinText(record[16])
		return e, nil
	}
}

var errBatchTooLarge = errors.New("the keys make the batch longer than this sidecar sends")

// pinBatch makes the body of a batch: the client's, as a stream that is edited
// on the way.
func (x *exchange) pinBatch() error {
	b := x.batch
	if err := b.render(x.creds); err != nil {
		return err
	}
	size, src := int64(len(x.buf)), io.Reader(bytes.NewReader(x.buf))
	if x.large != nil {
		size = x.large.length
		src = bufio.NewReaderSize(spooled{io.NewSectionReader(x.large.file, 0, size)}, editBuffer)
	}
	length := size - b.edits.cut
	for i, n := range b.edits.count {
		length += n * int64(len(b.texts[i]))
	}
	if length > maxGrowth*x.snap.limits.Body {
		return errBatchTooLarge
	}
	x.req.Body, x.req.Length, x.req.NoBody = nil, length, false
	x.req.Stream = &batchReader{src: src, texts: &b.texts, edits: b.edits.walk()}
	return nil
}

// render makes the texts that the edits name. Each has a buffer of its own,
// which never grows: a smaller one would be left behind with keys in it.
func (b *batch) render(creds []ownerCredential) error {
	for i, n := range b.edits.count {
		text := pinText(i)
		if n == 0 {
			continue
		}
		buf, ok := reserveSplice(nil, creds)
		if !ok {
			return errNotPinned
		}
		if kind := text &^ pinComma; kind != pinInherited && kind != pinInheritedValue {
			b.texts[i] = appendPin(buf, text, creds)
			continue
		}
		value, err := b.inherited(buf, creds)
		if err != nil {
			return err
		}
		head := ""
		switch text {
		case pinInherited:
			head = `"providerOptions":`
		case pinInherited | pinComma:
			head = `,"providerOptions":`
		}
		b.texts[i] = append(append(make([]byte, 0, len(head)+len(value)), head...), value...)
		clear(value)
	}
	return nil
}

// inherited renders the value of the root's options with the pin in it.
func (b *batch) inherited(buf []byte, creds []ownerCredential) ([]byte, error) {
	var body detect.Body
	var options detect.Options
	if err := detect.ScanBody(b.root, &body); err != nil {
		return nil, err
	}
	if err := detect.ScanOptions(b.root, body.ProviderOptions, &options); err != nil {
		return nil, err
	}
	pieces, scratch, n := splice(nil, buf, b.root, &body, &options, creds)
	if n == 0 {
		return nil, errNotPinned
	}
	whole := make([]byte, 0, n)
	for _, p := range pieces {
		whole = append(whole, p...)
	}
	clear(scratch)
	return whole[body.ProviderOptions.Start : n-1], nil // without the braces around it
}

// wipe overwrites the texts.
func (b *batch) wipe() {
	for i := range b.texts {
		clear(b.texts[i])
	}
}

// A batchReader is a body with its edits made.
type batchReader struct {
	src   io.Reader
	texts *[pinKinds][]byte
	edits func() (edit, error)
	next  edit
	state readState
	off   int // in the client's body
	text  []byte
}

type readState uint8

const (
	betweenEdits readState = iota // the next edit is not known
	beforeEdit
	behindEdits
)

// Read implements io.Reader. It fills p, however short the items are.
func (r *batchReader) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if len(r.text) > 0 {
			k := copy(p[n:], r.text)
			r.text, n = r.text[k:], n+k
			continue
		}
		room := p[n:]
		switch r.state {
		case betweenEdits:
			r.state = beforeEdit
			if r.next, err = r.edits(); err == io.EOF {
				r.state, err = behindEdits, nil
			}
			continue
		case beforeEdit:
			room = room[:min(len(room), r.next.cut.Start-r.off)]
			if len(room) == 0 {
				err = r.edit()
				continue
			}
		}
		var k int
		k, err = r.src.Read(room)
		n, r.off = n+k, r.off+k
	}
	if n > 0 && err == io.EOF {
		err = nil // it comes again
	}
	if err == io.EOF && r.state != behindEdits {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// edit puts the next text in the place of what it cuts.
func (r *batchReader) edit() error {
	e := r.next
	if n := e.cut.End - e.cut.Start; n > 0 { // most edits put in, and cut nothing
		if _, err := io.CopyN(io.Discard, r.src, int64(n)); err != nil {
			return err
		}
	}
	r.text, r.off, r.state = r.texts[e.text], e.cut.End, betweenEdits
	return nil
}
