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
	resp, err := w.client.Post(w.url+"/v1/audio/transcriptions", contentType, strings.NewReader(body))
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
