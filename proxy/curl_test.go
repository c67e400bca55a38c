package proxy

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// curl announces a large upload with "Expect: 100-continue" and waits for the
// answer, here for longer than the test does. Whoever is known is invited at
// once; a stranger gets the final 401 and sends no byte of the body.
func TestCurlIsInvitedOrToldAtOnce(t *testing.T) {
	path, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("SKIPPED: curl is not installed, so the expectation was not checked with it")
	}
	w := newWorld(t, tokenMode)
	body := chatBody + strings.Repeat(" ", 1<<20)
	for _, friend := range []bool{true, false} {
		auth := "Authorization: Bearer nobody"
		want := "401 0"
		if friend {
			auth = w.bearer("shop", "")
			want = fmt.Sprintf("200 %d", len(body))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, path, "-q", "-s", "-v", "--noproxy", "*", "--expect100-timeout", "60", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}",
			"-H", "Expect: 100-continue", "-H", "Content-Type: application/json", "-H", auth, "--data-binary", "@-", w.url+"/v1/chat/completions")
		var out, talk bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(body), &out, &talk
		err := cmd.Run()
		cancel()
		if got := out.String(); got != want || err != nil {
			t.Errorf("friend %v: curl got %q, %v; want %q", friend, got, err, want)
		}
		if invited := strings.Contains(talk.String(), "< HTTP/1.1 100 Continue"); invited != friend {
			t.Errorf("friend %v: told to continue: %v", friend, invited)
		}
	}
	if seen := w.arrived(); len(seen) != 1 || seen[0].Header.Get("Expect") != "" {
		t.Errorf("%d requests upstream, want the friend's, without Expect", len(seen))
	}
}
