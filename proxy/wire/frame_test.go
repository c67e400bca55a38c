package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// A heard is what a frameReader made of a client's bytes.
type heard struct {
	messages, controls []string
	wrong              string
}

// hear feeds b in pieces of the sizes given, the last one for all the rest.
func hear(b []byte, limit int, sizes ...int) (h heard) {
	r := frameReader{max: limit}
	var waiting []byte
	for i := 0; len(b) > 0; i++ {
		n := min(len(b), max(1, sizes[min(i, len(sizes)-1)]))
		waiting, b = append(waiting, b[:n]...), b[n:]
		for {
			used, control, done, wrong := r.next(waiting)
			switch {
			case wrong != nil:
				h.wrong = wrong.reason
				return h
			case control != nil:
				h.controls = append(h.controls, string(control))
			case done:
				h.messages = append(h.messages, string(r.message))
			}
			waiting = waiting[used:]
			if control == nil && !done {
				break
			}
		}
	}
	return h
}

// frames makes one masked frame of each text; those in front of the last are
// fragments.
func frames(op byte, texts ...string) (b []byte) {
	for i, text := range texts {
		mask := [4]byte{byte(i), 0xff, 7, 0x80}
		head := appendFrameHead(nil, op, len(text), &mask)
		if i > 0 {
			head[0] &^= 0xf
		}
		if i < len(texts)-1 {
			head[0] &^= 0x80
		}
		b = appendMasked(append(b, head...), []byte(text), mask, 0)
	}
	return b
}

func TestFramesAreReadWhereverTheyAreCut(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 5000)
	b := slices.Concat(frames(opText, "a", "", "bc"), frames(opPing, "p"), frames(opText, ""), frames(opText, long[:126]), frames(opText, long),
		frames(opPong, ""), frames(opText, long[:200], long[200:70_000]))
	want := []string{"abc", "", long[:126], long, long[:70_000]}
	for _, size := range []int{1, 2, 3, 7, 4096, len(b)} {
		if h := hear(b, 80_000, size); h.wrong != "" || !slices.Equal(h.messages, want) || len(h.controls) != 2 {
			t.Errorf("in steps of %d: %d messages, %d control frames, %q", size, len(h.messages), len(h.controls), h.wrong)
		}
	}
	head := b[:100]
	for at := range head {
		if h := hear(head, 80_000, at, len(head)); len(h.messages) != 2 || h.wrong != "" {
			t.Errorf("cut at %d: %d messages, %q", at, len(h.messages), h.wrong)
		}
	}
}

// FuzzFrames: where the bytes are cut changes nothing; no message is longer
// than allowed; and what is heard can be said again in one frame.
func FuzzFrames(f *testing.F) {
	f.Add(frames(opText, "hello", " ", "world"), 3, 5)
	f.Add(slices.Concat(frames(opText, "a")[:7], frames(opPing, "x"), frames(opClose, "\x03\xe8")), 1, 1)
	f.Add(frames(opBinary, "x"), 1, 100)
	f.Add([]byte{0x81, 0xfe, 0, 5, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 4, 2)
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4}, 4, 2)
	f.Add(bytes.Repeat(frames(opText, strings.Repeat("x", 60), "y"), 9), 11, 64)
	f.Fuzz(func(t *testing.T, b []byte, first, second int) {
		const limit = 100
		whole, cut, bytewise := hear(b, limit, len(b)), hear(b, limit, first, second), hear(b, limit, 1)
		for _, other := range []heard{cut, bytewise} {
			if whole.wrong != other.wrong || !slices.Equal(whole.messages, other.messages) || !slices.Equal(whole.controls, other.controls) {
				t.Fatalf("%x: got %+v in pieces, %+v as a whole", b, other, whole)
			}
		}
		for _, m := range whole.messages {
			if len(m) > limit {
				t.Fatalf("%x: a message of %d bytes", b, len(m))
			}
			if again := hear(frames(opText, m), limit, 3); len(again.messages) != 1 || again.messages[0] != m {
				t.Fatalf("%q is heard as %+v", m, again)
			}
		}
	})
}

// FuzzFrameTracker: where the bytes are cut changes neither where frames end
// nor what is seen of the messages.
func FuzzFrameTracker(f *testing.F) {
	unmasked := func(op byte, text string) []byte {
		return append(appendFrameHead(nil, op, len(text), nil), text...)
	}
	f.Add(slices.Concat(unmasked(opText, "hello"), unmasked(opPing, ""), unmasked(opText, strings.Repeat("x", 200)), unmasked(opClose, "\x03\xe8")), 3)
	f.Add(append([]byte{0x01, 2, 'a', 'b', 0x89, 0, 0x80, 1, 'c'}, unmasked(opBinary, "no")...), 1)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		if len(b) > 4<<10 || size > len(b) {
			return // more of the same, and in steps of one byte it takes its time
		}
		track := func(size int) (ends []int, seen string, last frameTracker) {
			var tr frameTracker
			for at := 0; at < len(b); {
				n := tr.next(b[at:min(len(b), at+max(1, size))], func(part []byte, last bool) {
					seen += string(part)
					if last {
						seen += "\x00END"
					}
				})
				if at += n; n == 0 {
					t.Fatalf("%x: stands still at %d", b, at)
				}
				if tr.between() {
					ends = append(ends, at)
				}
			}
			return ends, seen, tr
		}
		ends, seen, tr := track(len(b))
		otherEnds, otherSeen, other := track(size)
		if !slices.Equal(ends, otherEnds) || seen != otherSeen || tr.begun != other.begun || tr.closed != other.closed {
			t.Fatalf("%x: %v %q, in steps of %d: %v %q", b, ends, seen, size, otherEnds, otherSeen)
		}
	})
}
