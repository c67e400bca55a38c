// Package awstest gives tests a DynamoDB and a KMS to talk to: a real dynalite
// and the stand-in of package sandbox, behind one address, which sees every
// call. Only tests may import it.
//
//	w := awstest.Start(t)
//	cfg := w.SDK()                  // for clients in this process
//	cmd.Env = append(..., w.Env()...) // for others
//	w.Fault(func(c awstest.Call) awstest.Fault { ... })
//	w.Count("dynamodb:Query")
//
// One dynalite serves all tests of a test binary, so each test takes a table
// of its own (World.Table). Each World has its own KMS and its own counts.
package awstest

import (
	"bufio"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sidekey/sidekey/sandbox"
	"github.com/sidekey/sidekey/sandbox/npmtest"
)

//go:embed dynalite/package.json dynalite/package-lock.json dynalite/.npmrc dynalite/server.mjs
var files embed.FS

// Alias is the one KMS key that each World has.
const Alias = "alias/sidekey"

// Region is where everything is.
const Region = "us-east-1"

// A World is one test's AWS.
type World struct {
	URL   string // of both services
	KMS   *sandbox.KMS
	Table string // a name that no other test uses; no such table is made

	mu     sync.Mutex
	counts map[string]int
	fault  func(Call) Fault
	allow  func(Call) bool
	ahead  *time.Duration // of this machine's clock; nil: no matter
	skews  int
	server *http.Server // nil: down
	front  http.Handler

	retention retention
}

var tables atomic.Int64

// Start returns a World with a KMS key and no table. It ends with the test.
func Start(t testing.TB) *World {
	t.Helper()
	kms, err := sandbox.NewKMS(sandbox.KMSConfig{Aliases: []string{Alias}})
	if err != nil {
		t.Fatal(err)
	}
	w := &World{KMS: kms, counts: map[string]int{}}
	w.Table = fmt.Sprintf("t%d-%d", os.Getpid(), tables.Add(1))
	w.front = w.newFront(start(t))
	if err := w.listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Down)
	return w
}

// SDK returns a configuration for clients of this World, with the credentials
// that Env has as well.
func (w *World) SDK() aws.Config { return w.As("local") }

// As is SDK for another principal: Call.Who is the access key's id.
func (w *World) As(who string) aws.Config {
	return aws.Config{
		Region: Region, BaseEndpoint: aws.String(w.URL),
		Credentials: credentials.NewStaticCredentialsProvider(who, "local", ""),
	}
}

// Env returns the environment by which another process finds this World.
func (w *World) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.URL, "AWS_ENDPOINT_URL_KMS=" + w.URL,
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull,
	}
}

// A server is the dynalite of this test binary.
var server struct {
	sync.Mutex
	url   string
	stdin io.Closer // never closed: dynalite lives until this process ends
}

// start returns the address of a running dynalite. It is a child that ends
// when this process does: its standard input is a pipe from here.
func start(t testing.TB) string {
	t.Helper()
	server.Lock()
	defer server.Unlock()
	if server.url != "" {
		return server.url
	}
	sub, err := fs.Sub(files, "dynalite")
	if err != nil {
		t.Fatal(err)
	}
	set := &npmtest.Set{Name: "dynalite", Loss: "THE AWS STORE", Files: sub}
	node, dir := set.Node(t), set.Install(t)
	script, err := fs.ReadFile(sub, "server.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// As an argument, the script looks for its modules in the working folder.
	cmd := exec.Command(node, "--input-type=module", "--eval", string(script))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if server.stdin, err = cmd.StdinPipe(); err != nil { // kept, for the garbage collector would close it
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	var at struct{ Port int }
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &at) != nil || at.Port == 0 {
		t.Fatalf("dynalite did not start: %q", lines.Text())
	}
	server.url = fmt.Sprintf("http://127.0.0.1:%d", at.Port)
	return server.url
}

// service finds out of whom and for what a request asks.
func service(r *http.Request) string {
	target := r.Header.Get("X-Amz-Target")
	name, op, _ := strings.Cut(target, ".")
	if strings.HasPrefix(name, "DynamoDB_") {
		return "dynamodb:" + op
	}
	return "kms:" + op
}
