package proxy

import (
	"bytes"
	"io"
	"mime/multipart"
	"strings"
	"testing"

	"github.com/sidekey/sidekey/sandbox"
)

// largeForm is a transcription whose model stands behind a large file.
func largeForm(t *testing.T, size int, models ...string) (body, header string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	file, err := m.CreateFormFile("file", "a.wav")
	must(t, err)
	file.Write(bytes.Repeat([]byte("sound"), size/5))
	for _, model := range models {
		must(t, m.WriteField("model", model))
	}
	must(t, m.Close())
	return b.String(), m.FormDataContentType()
}

func (w *world) form(body, contentType string) answer {
	w.t.Helper()
	return w.formTo("/v1/audio/transcriptions", body, contentType)
}

func (w *world) formTo(path, body, contentType string) answer {
	w.t.Helper()
	resp, err := w.client.Post(w.url+path, contentType, strings.NewReader(body))
	must(w.t, err)
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(content), err, resp.ContentLength, resp.Status}
}

// Large forms are not held in memory, and judged all the same: the platform's
// go through to the last byte, an owner's cannot carry a key.
func TestLargeFormsAreJudgedByTheirModel(t *testing.T) {
	w := newLargeWorld(t, false, 64<<10)
	for _, size := range []int{10 << 10, 500 << 10} {
		body, header := largeForm(t, size, "elevenlabs/scribe_v1")
		a := w.form(body, header)
		seen := w.arrived()
		if a.status != 200 || len(seen) != 1 || string(seen[0].Body) != body || a.header.Get("x-sidekey-credential") != "system" {
			t.Errorf("%d bytes for the platform: got %d %s, %d requests seen", size, a.status, a.header.Get("x-sidekey-error"), len(seen))
		}
		body, header = largeForm(t, size, "openai/whisper-1")
		w.form(body, header).refusedWith(t, codeUnsupported)
		body, header = largeForm(t, size, "elevenlabs/scribe_v1", "openai/whisper-1")
		w.form(body, header).refusedWith(t, codeModelAmbiguous)
		body, header = largeForm(t, size, "elevenlabs/scribe_v1")
		w.form(strings.TrimSuffix(body, "--\r\n"), header).refusedWith(t, codeModelUndetermined)
		if seen := w.arrived(); len(seen) != 0 {
			t.Errorf("%d refused forms went upstream", len(seen))
		}
		for _, p := range w.paid() {
			if p.Credential == sandbox.BYOK {
				t.Error("the owner's key paid for a form")
			}
		}
	}
}

// Where the gateway reads a form field, the owner's key goes in as one, in
// front of the client's form, which stays as it is. It is refused by default.
func TestOwnerPaysForAFormWhereTheGatewayReadsIt(t *testing.T) {
	for _, overTLS := range []bool{false, true} {
		w := newLargeWorld(t, overTLS, 64<<10)
		refused := w.cfg
		w.cfg.Gateway.Multipart = MultipartField
		for _, size := range []int{10, 10 << 10, 500 << 10, 20 << 20} {
			body, header := largeForm(t, size, "openai/whisper-1")
			must(t, w.handler.Reload(refused))
			w.form(body, header).refusedWith(t, codeUnsupported)
			must(t, w.handler.Reload(w.cfg))
			a := w.form(body, header)
			seen, paid := w.arrived(), w.paid()
			if a.status != 200 || a.header.Get("x-sidekey-credential") != "owner" || len(seen) != 1 || len(paid) != 1 {
				t.Fatalf("%d bytes: got %d %s, %d requests seen", size, a.status, a.header.Get("x-sidekey-error"), len(seen))
			}
			front, ok := strings.CutSuffix(string(seen[0].Body), body)
			if !ok || strings.Count(front, "\r\n") != 4 || seen[0].Header.Get("Content-Type") != header {
				t.Errorf("%d bytes: the client's form was changed", size)
			}
			// The stand-in was not told to read it: as the real one may not.
			if paid[0].Credential != sandbox.System {
				t.Errorf("%d bytes: paid by %s", size, paid[0].Credential)
			}
		}
	}
	for path, model := range map[string]string{"/v1/audio/transcriptions": "openai/whisper-1", "/v1/images/edits": "openai/gpt-image-1"} {
		w := newWorld(t, func(c *Config, box *sandbox.Config) {
			c.Limits.ScanWindow, c.Gateway.Multipart, box.AcceptMultipartOptions = 16<<10, MultipartField, true
		})
		w.keep("shop", "openai", openaiCanary)
		for i, size := range []int{10, 100 << 10} {
			body, header := largeForm(t, size, model)
			a := w.formTo(path, body, header)
			paid := w.paid()
			if a.status != 200 || len(paid) != 1 || paid[0].Credential != sandbox.BYOK || paid[0].KeyID != "openai#1" || len(paid[0].Attempts) != 1 {
				t.Errorf("%s, %d bytes: got %d, paid by %+v", path, size, a.status, paid)
			}
			if i == 0 {
				w.keep("shop", "anthropic", anthropicCanary) // a second key changes nothing
			}
		}
	}
}

// A form that has options of its own, under any name that some parser takes for
// them, or that two parsers read in two ways, does not go out with a key.
func TestFormsCannotEscapeThePin(t *testing.T) {
	w := newWorld(t, func(c *Config, box *sandbox.Config) {
		c.Limits.ScanWindow, c.Gateway.Multipart, box.AcceptMultipartOptions = 16<<10, MultipartField, true
	})
	w.keep("shop", "openai", openaiCanary)
	for name, c := range map[string]code{
		"providerOptions": codeOptionNotAllowed, "ProviderOptions": codeOptionNotAllowed, "provider_options": codeOptionNotAllowed,
		"providerOptions[gateway][byok][openai][0][apiKey]": codeOptionNotAllowed, "models": codeOptionNotAllowed, "models[]": codeOptionNotAllowed,
		"model": codeModelAmbiguous, "model[]": codeModelUndetermined, "_charset_": codeModelUndetermined,
	} {
		for _, size := range []int{10, 50 << 10} {
			var b bytes.Buffer
			m := multipart.NewWriter(&b)
			must(t, m.WriteField("model", "openai/whisper-1"))
			file, err := m.CreateFormFile("file", "a.wav")
			must(t, err)
			file.Write(make([]byte, size))
			must(t, m.WriteField(name, `{"gateway":{"only":["azure"]}}`))
			must(t, m.Close())
			w.form(b.String(), m.FormDataContentType()).refusedWith(t, c)
		}
	}
	body, header := largeForm(t, 10, "openai/whisper-1")
	w.form("preamble\r\n"+body, header).refusedWith(t, codeModelUndetermined)
	w.form(body+"epilogue", header).refusedWith(t, codeModelUndetermined)
	w.form(strings.ReplaceAll(body, "\r\n", "\n"), header).refusedWith(t, codeModelUndetermined)
	w.do("POST", "/v1/audio/transcriptions", body, "Content-Type: "+header).refusedWith(t, codeMalformed) // beside do's own
	if len(w.arrived()) != 0 {
		t.Error("a refused form went upstream")
	}
}
