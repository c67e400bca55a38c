package detect

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// feed gives a body to a Window in pieces of the given sizes, over and over.
func feed(w *Window, b []byte, max int, sizes ...int) error {
	w.Reset(max)
	for k := 0; len(b) > 0; k++ {
		n := min(max1(sizes[k%len(sizes)]), len(b))
		piece := append([]byte(nil), b[:n]...) // a Window must keep nothing of it
		if err := w.Feed(piece); err != nil {
			return err
		}
		clear(piece)
		b = b[n:]
	}
	return w.End()
}

func max1(n int) int { return max(n, 1) }

// checkWindow compares a Window's verdict with ScanBody's.
func checkWindow(t *testing.T, b []byte, sizes ...int) {
	t.Helper()
	var w Window
	var want Body
	gotErr, wantErr := feed(&w, b, 1<<20, sizes...), ScanBody(b, &want)
	var held *HeldError
	var twice *DuplicateError
	switch {
	case errors.As(gotErr, &held) && held.Key == "model":
		return // the one limit that such short bodies can meet
	case errors.As(gotErr, &twice) && errors.Is(wantErr, ErrNotJSON):
		return // the key was met before the text went wrong
	case !reflect.DeepEqual(gotErr, wantErr):
		t.Fatalf("%.300q in pieces of %v: got %v, want %v", b, sizes, gotErr, wantErr)
	case wantErr != nil:
		return
	case *w.Body() != want:
		t.Fatalf("%.300q in pieces of %v: got %+v, want %+v", b, sizes, *w.Body(), want)
	}
	found := w.AppendFound(nil)
	var short Body
	if err := ScanBody(found, &short); err != nil {
		t.Fatalf("%.300q: the members found are %q: %v", b, found, err)
	}
	for _, s := range [][2]Span{{want.Model, short.Model}, {want.Models, short.Models}, {want.ProviderOptions, short.ProviderOptions}} {
		if string(s[0].Of(b)) != string(s[1].Of(found)) {
			t.Fatalf("%.300q: a member is held as %q", b, s[1].Of(found))
		}
	}
	if want.Stream.Is(b, "true") != short.Stream.Is(found, "true") {
		t.Fatalf("%.300q: stream is held as %q", b, short.Stream.Of(found))
	}
}

func TestWindowAgreesWithTheScannerWhereverTheBodyIsCut(t *testing.T) {
	for _, s := range nasty {
		b := []byte(s)
		for size := 1; size <= min(len(b)+1, 40); size++ {
			checkWindow(t, b, size)
		}
		for at := 1; at < len(b); at++ {
			checkWindow(t, b, at, len(b))
		}
	}
}

func TestWindowNestsAsDeepAsTheScanner(t *testing.T) {
	for depth := maxDepth - 2; depth <= maxDepth+1; depth++ {
		body := `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"model":"m"}`
		checkWindow(t, []byte(body), 4000, 61)
		checkWindow(t, []byte(strings.Repeat("[", depth)+strings.Repeat("]", depth)), 977)
		checkWindow(t, []byte(strings.Repeat(`{"a":[`, depth/2)+strings.Repeat("]}", depth/2)), 977)
	}
}

func FuzzWindow(f *testing.F) {
	for i, s := range nasty {
		f.Add([]byte(s), uint8(i), uint8(i/3))
	}
	f.Fuzz(func(t *testing.T, b []byte, first, second uint8) {
		checkWindow(t, b, int(first), int(second))
		checkWindow(t, b, 1)
		checkWindow(t, b, len(b))
	})
}

// A duplicate breaks off what was sent: it counts from the key on.
func TestWindowReportsASecondKeyAtOnce(t *testing.T) {
	for _, key := range []string{"model", "models", "stream", "providerOptions"} {
		var w Window
		w.Reset(1000)
		err := w.Feed([]byte(`{"` + key + `":null,"x":{"` + key + `":1},"` + `\u00` + fmt.Sprintf("%02x", key[0]) + key[1:]))
		if err != nil {
			t.Fatalf("%s: %v before the key is complete", key, err)
		}
		var twice *DuplicateError
		if err = w.Feed([]byte(`"`)); !errors.As(err, &twice) || twice.Key != key {
			t.Errorf("%s: got %v, want a duplicate", key, err)
		}
		if again := w.Feed([]byte(`:1}`)); again != err || w.End() != err {
			t.Errorf("%s: the error is not final: %v, %v", key, again, w.End())
		}
	}
}

func TestWindowHoldsNoMoreThanItMay(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, c := range []struct{ body, key string }{
		{`{"model":"` + strings.Repeat("x", MaxHeldModel-2) + `"}`, ""},
		{`{"model":"` + strings.Repeat("x", MaxHeldModel-1) + `"}`, "model"},
		{`{"models":["` + long + `"],"model":"m"}`, ""},
		{`{"models":["` + long + long + `"]}`, "models"},
		{`{"models":["` + long + `"],"providerOptions":{"a":"` + long + `"}}`, "providerOptions"},
		{`{"stream":"` + long + long + `","` + long + long + `":1,"model":"m"}`, ""},
	} {
		for _, size := range []int{1, 7, 64, 5000} {
			var w Window
			err := feed(&w, []byte(c.body), 1000, size)
			var held *HeldError
			if got := errors.As(err, &held); got != (c.key != "") || got && held.Key != c.key || !got && err != nil {
				t.Errorf("%.40s in pieces of %d: got %v, want %q too long", c.body, size, err, c.key)
			}
			if len(w.held) > 1000+MaxHeldModel {
				t.Errorf("%.40s: %d bytes are held", c.body, len(w.held))
			}
		}
	}
}

func TestWindowOfNoSizeStillSeesASecondModel(t *testing.T) {
	long := strings.Repeat("x", 2*MaxHeldModel)
	for _, model := range []string{"m", long} {
		body := `{"models":["` + long + `"],"model":"` + model + `","providerOptions":{"a":"b"},"stream":true`
		for _, size := range []int{1, 100, 100_000} {
			var w Window
			if err := feed(&w, []byte(body+"}"), 0, size); err != nil || len(w.held) > MaxHeldModel+len("true") {
				t.Errorf("got %v, %d bytes held", err, len(w.held))
			}
			want := `{"models":null,"model":"m","providerOptions":null,"stream":true}`
			if got := string(w.AppendFound(nil)); got != want && got != strings.Replace(want, `"m"`, "null", 1) {
				t.Errorf("got %.200s, want %s", got, want)
			}
			var twice *DuplicateError
			if err := feed(&w, []byte(body+`,"model":1}`), 0, size); !errors.As(err, &twice) {
				t.Errorf("got %v, want a duplicate", err)
			}
		}
	}
}

// What may be sent on ends where a later byte can still change what is sent.
func TestWindowSaysWhatMayBeSentOn(t *testing.T) {
	const body = ` {"model":"m","providerOptions" : {"a":1} , "x":2} `
	start, end := strings.Index(body, `{"a"`), strings.Index(body, ` , "x"`)
	var w Window
	w.Reset(1000)
	for i := range len(body) {
		if err := w.Feed([]byte(body[i : i+1])); err != nil {
			t.Fatal(err)
		}
		want := i + 1
		if i >= start && i < end-1 {
			want = start
		}
		if got := w.Safe(); got != want {
			t.Errorf("after %q: got %d, want %d", body[:i+1], got, want)
		}
		if got := w.Closed(); got != (i >= strings.LastIndex(body, "}")) {
			t.Errorf("after %q: closed is %v", body[:i+1], got)
		}
	}
	if w.End() != nil || w.Found() != 2 {
		t.Errorf("got %v and %d members, want nil and 2", w.End(), w.Found())
	}
}

func TestWindowIsUsedAgain(t *testing.T) {
	var w Window
	for _, s := range []string{`{"a":[{"b":[`, `{"model":"m","model"`, `{"model":`, `{"stream":{"x":1},"model":"m"}`} {
		_ = feed(&w, []byte(s), 100, 3)
		if err := feed(&w, []byte(`{"model":"n"}`), 100, 5); err != nil || w.Body().Model != (Span{9, 12}) || w.Found() != 1 {
			t.Errorf("after %s: got %v, %+v", s, err, *w.Body())
		}
	}
}
