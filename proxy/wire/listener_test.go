package wire

import (
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestUnixSocketIsPrivateAndRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	ln, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("socket: got %v, %v; want mode 0660", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".s*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := Listen("unix:" + path); err == nil {
		t.Error("a second listener took a socket that is in use")
	}
	ln.Close()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("after Close: got %v, want the socket gone", err)
	}
}

func TestStaleSocketIsReplacedAndOtherFilesAreNot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	ln, err := Listen("unix:" + path)
	if err != nil {
		t.Fatalf("stale socket: %v", err)
	}
	ln.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("regular file: got %v, want a refusal", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("the file was touched")
	}
	if _, err := Listen("unix:relative"); err == nil {
		t.Error("a relative path was accepted")
	}
}

func TestClosingAnOldListenerLeavesItsSuccessorsSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	old, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	next, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the successor's socket: %v", err)
	}
}

// TLS towards the client and a unix socket towards the upstream, with the
// checks that depend on the connection wrapper.
func TestTLSClientAndUnixUpstream(t *testing.T) {
	dir := t.TempDir()
	up, err := net.Listen("unix", filepath.Join(dir, "up.sock"))
	if err != nil {
		t.Fatal(err)
	}
	plain := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		w.Write(b)
	})}
	go plain.Serve(up)
	defer plain.Close()
	g := newGateway(t, Config{Address: "unix:" + filepath.Join(dir, "up.sock")})
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, trusting := testTLS(t)
	state := make(chan bool, 10)
	srv := NewServer(func(ctx *fasthttp.RequestCtx) {
		state <- ClientConn(ctx).TLSState() != nil
		g.serve(ctx)
	}, ServerOptions{})
	go srv.Serve(WrapTLSListener(ln, server))
	defer ln.Close()
	hc := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting}}
	defer hc.CloseIdleConnections()
	for _, body := range []string{"hello", strings.Repeat("x", 1<<20)} {
		resp, err := hc.Post("https://"+ln.Addr().String()+"/", "text/plain", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != body || err != nil {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(body))
		}
		if !<-state {
			t.Error("TLSState: got nil")
		}
	}
	// A TLS client that ends between two chunks with a close_notify.
	c := dialClient(t, ln.Addr().String())
	tc := tlsClient(c.Conn, trusting)
	io.WriteString(tc, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	tc.CloseWrite()
	io.Copy(io.Discard, tc)
	if e := g.lastError(); e == nil || e.Kind != UploadBroken {
		t.Errorf("cut upload over TLS: got %v, want UploadBroken", e)
	}
}
