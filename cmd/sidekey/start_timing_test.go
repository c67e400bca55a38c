package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkServeToReady starts the real program, built as a release is, until
// /readyz answers 200: the time of a whole process. AWS need not be there.
//
// "bare" is the yardstick: a Go program that does nothing but answer /readyz.
// What it takes is the machine's and Go's; on one where a page fault is dear
// (virtual machines) or that is busy, compare with it. Page faults and CPU time
// until it is killed say more than time there.
//
//	go test ./cmd/sidekey -run xxx -bench ServeToReady -benchtime 50x
func BenchmarkServeToReady(b *testing.B) {
	binary, bare := buildSidekey(b), buildBare(b)
	for _, kind := range []struct{ name, binary, store string }{
		{"bare", bare, ""},
		{"local", binary, ""},
		{"aws", binary, "store: {kind: aws, aws: {region: eu-central-1}}\n"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var took, cpu, faults []float64
			for b.Loop() {
				ready, used := startOnce(b, kind.binary, kind.store)
				took = append(took, ready.Seconds()*1000)
				cpu = append(cpu, float64(used.Utime.Nano()+used.Stime.Nano())/1e6)
				faults = append(faults, float64(used.Minflt))
			}
			at := func(of []float64, part float64) float64 {
				slices.Sort(of)
				return of[int(part*float64(len(of)-1))]
			}
			b.ReportMetric(at(took, 0), "min-ms")
			b.ReportMetric(at(took, 0.5), "median-ms")
			b.ReportMetric(at(took, 0.9), "p90-ms")
			b.ReportMetric(at(cpu, 0.5), "cpu-ms")
			b.ReportMetric(at(faults, 0.5), "faults")
		})
	}
}

const bareProgram = `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "{\"message\":\"serving\",\"admin\":%q}\n", ln.Addr().String())
	http.Serve(ln, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}
`

func buildBare(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	source := writeFile(b, filepath.Join(dir, "bare.go"), bareProgram)
	path := filepath.Join(dir, "bare")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, source).CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// startOnce measures from the start of a process until it is ready, and what
// the process has used when it is killed right after.
func startOnce(b *testing.B, binary, store string) (ready time.Duration, used *syscall.Rusage) {
	b.Helper()
	dir := b.TempDir()
	writeFile(b, filepath.Join(dir, "sidekey.yaml"),
		"listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nlog: {format: json}\ngateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n"+store)
	cmd := exec.Command(binary, "serve")
	cmd.Dir, cmd.Env = dir, []string{"KEY=" + canary, "HOME=" + dir}
	log, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ready = untilReady(b, bufio.NewScanner(log), began)
	cmd.Process.Kill()
	cmd.Wait()
	return ready, cmd.ProcessState.SysUsage().(*syscall.Rusage)
}

func untilReady(b *testing.B, log *bufio.Scanner, began time.Time) time.Duration {
	b.Helper()
	for log.Scan() {
		var line struct{ Message, Admin string }
		if json.Unmarshal(log.Bytes(), &line) != nil || line.Message != "serving" {
			continue
		}
		rep, err := http.Get("http://" + line.Admin + "/readyz")
		if err != nil {
			b.Fatal(err)
		}
		rep.Body.Close()
		if rep.StatusCode == http.StatusOK {
			return time.Since(began)
		}
	}
	b.Fatal("it ended before it was ready")
	return 0
}
