//go:build linux && !race

package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox"
)

// The race detector multiplies memory; .ci/run runs this without it.

// residentLimit is what fifty large uploads at a time may take, in KiB, besides
// the pages of the program itself: those are the same for one upload, and grew
// by a third with the AWS SDK.
const residentLimit = 100 << 10

// uploadChild tells this test binary to be the sidecar, and where its gateway
// is.
const uploadChild = "SIDEKEY_TEST_UPLOAD_GATEWAY"

// Fifty uploads of 20 MB at a time, in a process of its own so that its memory
// can be told: streamed for the owner, streamed for the platform, and spooled.
func TestAllocLargeUploadsStayUnder100MB(t *testing.T) {
	if up := os.Getenv(uploadChild); up != "" {
		serveUploads(t, up)
		return
	}
	up := listen(t, func(conn net.Conn) {
		br := bufio.NewReaderSize(conn, 64<<10)
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			n, err := io.Copy(io.Discard, req.Body)
			if err != nil {
				return
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d", len(strconv.FormatInt(n, 10)), n)
		}
	})
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAllocLargeUploadsStayUnder100MB$", "-test.timeout=90s")
	child.Env = append(os.Environ(), uploadChild+"="+up, "TMPDIR="+t.TempDir())
	in, err := child.StdinPipe() // its end ends the child
	must(t, err)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	defer child.Wait()
	defer in.Close()
	url, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	url = strings.TrimSpace(url)
	program := memory(t, child.Process.Pid, "RssFile")

	const text = 20 << 20
	filler := `"messages":["` + strings.Repeat("x", text) + `"]`
	form, formType := largeForm(t, text, "elevenlabs/scribe_v1")
	owned, ownedType := largeForm(t, text, "openai/whisper-1")
	batch := batchItem("1", 1000, "") + ","
	batch = `{"requests":[` + strings.TrimSuffix(strings.Repeat(batch, text/len(batch)), ",") + `]}`
	for _, c := range []struct {
		name, body string
		chunked    bool
	}{
		{"owner's, streamed", `{` + modelMember + `,` + filler + `}`, false},
		{"owner's, streamed in chunks", `{` + modelMember + `,` + filler + `,"providerOptions":{"a":{}}}`, true},
		{"the platform's, streamed", `{"model":"cohere/command-a","providerOptions":{},"models":[],` + filler + `}`, false},
		{"owner's, spooled", `{` + filler + `,` + modelMember + `}`, false},
		{"a form", form, false},
		{"owner's form", owned, false},
		{"owner's batch", batch, false},
	} {
		began := time.Now()
		path, contentType := "/v1/chat/completions", "application/json"
		if c.body == form {
			path, contentType = "/v1/audio/transcriptions", formType
		}
		if c.body == owned {
			path, contentType = "/v1/audio/transcriptions", ownedType
		}
		if c.body == batch {
			path = "/v4/ai/batch/start"
		}
		uploadAtOnce(t, url+path, contentType, c.body, c.chunked)
		peak := memory(t, child.Process.Pid, "VmHWM") - program
		t.Logf("%s: %d MiB at most so far, %v", c.name, peak>>10, time.Since(began).Round(time.Millisecond))
		if peak > residentLimit {
			t.Fatalf("%s: %d KiB resident, want at most %d", c.name, peak, residentLimit)
		}
	}
}

// uploadAtOnce sends fifty bodies side by side, each in two halves with all of
// the others' first halves between them.
func uploadAtOnce(t *testing.T, url, contentType, body string, chunked bool) {
	t.Helper()
	const n = 50
	var halves, all sync.WaitGroup
	halves.Add(n)
	for range n {
		all.Go(func() {
			first := true
			pause := readerFunc(func([]byte) (int, error) {
				if first {
					first = false
					halves.Done()
					halves.Wait()
				}
				return 0, io.EOF
			})
			half := len(body) / 2
			req, err := http.NewRequest("POST", url, io.MultiReader(strings.NewReader(body[:half]), pause, strings.NewReader(body[half:])))
			if err != nil {
				t.Error(err)
				return
			}
			if !chunked {
				req.ContentLength = int64(len(body))
			}
			req.Header.Set("Connection", "close")
			req.Header.Set("Content-Type", contentType)
			if strings.HasSuffix(url, "/batch/start") {
				req.Header.Set("ai-model-id", batchModel)
			}
			resp, err := (&http.Client{Timeout: 60 * time.Second}).Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if count, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || len(count) != len("20971520") {
				t.Errorf("got %d %.100s", resp.StatusCode, count)
			}
		})
	}
	all.Wait()
}

// memory returns one of the figures of a process's status, in KiB (proc(5)).
func memory(t *testing.T, pid int, name string) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			must(t, err)
			return n
		}
	}
	t.Fatal("no " + name)
	return 0
}

// serveUploads is the child: a sidecar with a key of the owner's for openai.
func serveUploads(t *testing.T, up string) {
	w := newWorld(t, func(c *Config, _ *sandbox.Config) {
		c.Gateway.URL, c.Limits.Body, c.Limits.ScanWindow = up, 64<<20, 0
		c.Gateway.Multipart = MultipartField
		c.BYOK.Guard = GuardReport          // a strict one refuses batches
		c.Timeouts.ClientBody = time.Minute // the halves wait for each other, on a busy machine for long
	})
	w.keep("shop", "openai", openaiCanary)
	fmt.Println(w.url)
	io.Copy(io.Discard, os.Stdin)
}
