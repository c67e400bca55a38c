package proxy

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// A gateway that compresses although it was asked not to is read all the same,
// and the client gets its bytes.
func TestGuardReadsCompressedReplies(t *testing.T) {
	for _, coding := range []string{"gzip", "deflate"} {
		for _, key := range []int{200, 401} {
			w := newGuarded(t, keyFails(key), func(_ *Config, box *sandbox.Config) {
				box.Fault = func(*http.Request, int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.FaultEncode, Type: coding} }
			})
			for _, c := range allCarrying() {
				a := w.send(c, "Accept-Encoding: gzip, br")
				w.settled()
				seen := w.arrived()
				if got := seen[0].Header["Accept-Encoding"]; len(got) != 1 || got[0] != "identity" {
					t.Errorf("%s: the gateway was asked for %q, want identity", c.name, got)
				}
				if key == 200 || c.streamed() {
					plain, err := decoded(coding, a.body)
					if a.status != 200 || a.header.Get("Content-Encoding") != coding || err != nil || !strings.Contains(plain, "rovider") {
						t.Errorf("%s, %s: got %d, coding %q, %v", c.name, coding, a.status, a.header.Get("Content-Encoding"), err)
					}
				} else {
					a.failedWith(t, codeOwnerKeyFailed, 401)
				}
				if want := map[int]string{200: "owner", 401: "system"}[key]; !strings.Contains(w.lastLine(), `"paid":"`+want+`"`) {
					t.Errorf("%s, %s: the access line does not say that %s paid", c.name, coding, want)
				}
				w.handler.ClearGuard("", "")
			}
		}
	}
}

func decoded(coding, body string) (string, error) {
	var r io.Reader
	var err error
	if coding == "gzip" {
		r, err = gzip.NewReader(strings.NewReader(body))
	} else {
		r, err = zlib.NewReader(strings.NewReader(body))
	}
	if err != nil {
		return "", err
	}
	plain, err := io.ReadAll(r)
	return string(plain), err
}

// Without the guard the client's own Accept-Encoding goes through.
func TestAcceptEncodingStaysWithoutTheGuard(t *testing.T) {
	w := newGuarded(t, inMode(GuardOff))
	w.send(carrying[0], "Accept-Encoding: gzip, br")
	w.do("POST", "/v1/chat/completions", `{"model":"mistral/x"}`, "Accept-Encoding: gzip, br")
	w.cfg.BYOK.Guard = GuardStrict
	must(t, w.handler.Reload(w.cfg))
	w.do("POST", "/v1/chat/completions", `{"model":"mistral/x"}`, "Accept-Encoding: gzip, br")
	for i, s := range w.arrived() {
		if got := s.Header.Get("Accept-Encoding"); got != "gzip, br" {
			t.Errorf("call %d: the gateway was asked for %q", i, got)
		}
	}
}

// Raw deflate, bombs, rubbish and halves.
func TestDecoder(t *testing.T) {
	text := `{"providerMetadata":` + routing(false, "openai byok ok") + `}`
	pack := func(w interface {
		io.WriteCloser
	}, s string) {
		io.WriteString(w, s)
		w.Close()
	}
	var raw, zip, bomb bytes.Buffer
	f, err := flate.NewWriter(&raw, 9)
	must(t, err)
	pack(f, text)
	pack(gzip.NewWriter(&zip), text)
	pack(gzip.NewWriter(&bomb), `{"a":"`+strings.Repeat("x", 80<<20)+`",`+text[1:])
	for _, c := range []struct {
		name, coding string
		in           []byte
		owner, bad   bool
	}{
		{"raw deflate", "deflate", raw.Bytes(), true, false},
		{"gzip", "x-gzip", zip.Bytes(), true, false},
		{"half", "gzip", zip.Bytes()[:zip.Len()/2], false, true},
		{"bomb", "gzip", bomb.Bytes(), false, true},
		{"rubbish", "gzip", []byte("rubbish"), false, true},
		{"empty", "gzip", nil, false, true},
	} {
		for _, step := range []int{1, 7, 1 << 30} {
			if step < 100 && len(c.in) > 10_000 {
				continue
			}
			var j judge
			j.begin(formJSON)
			d := newDecoder([]byte(c.coding), &j)
			for in := c.in; len(in) > 0; in = in[min(step, len(in)):] {
				d.feed(in[:min(step, len(in))])
			}
			d.close(true)
			if j.end(); j.found.owner != c.owner || d.bad != c.bad {
				t.Errorf("%s, %d at a time: owner %v, bad %v", c.name, step, j.found.owner, d.bad)
			}
			d = newDecoder([]byte(c.coding), &j)
			d.feed(c.in)
			d.close(false) // its client left: it must not wait for more
		}
	}
}

// Whatever a gateway claims to have compressed, reading it ends, and ends the
// same however it is cut.
func FuzzDecoder(f *testing.F) {
	for _, coding := range []string{"gzip", "deflate"} {
		for _, text := range []string{"", `{"providerMetadata":` + routing(false, "openai byok ok") + `}`} {
			var b bytes.Buffer
			var w io.WriteCloser = gzip.NewWriter(&b)
			if coding == "deflate" {
				w = zlib.NewWriter(&b)
			}
			io.WriteString(w, text)
			w.Close()
			f.Add(coding == "gzip", b.Bytes(), uint16(9))
		}
	}
	f.Fuzz(func(t *testing.T, zip bool, in []byte, at uint16) {
		coding := []byte("deflate")
		if zip {
			coding = []byte("gzip")
		}
		read := func(pieces ...[]byte) (counts, bool) {
			var j judge
			j.begin(formJSON)
			d := newDecoder(coding, &j)
			for _, p := range pieces {
				d.feed(p)
			}
			d.close(true)
			j.end()
			return j.found, d.bad
		}
		i := int(at) % (len(in) + 1)
		found, bad := read(in)
		if again, worse := read(in[:i], in[i:]); again != found || worse != bad {
			t.Errorf("cut at %d: %+v, bad %v; whole: %+v, bad %v", i, again, worse, found, bad)
		}
	})
}
