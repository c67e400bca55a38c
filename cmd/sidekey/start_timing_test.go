package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkServeToReady starts the real program, built as a release is, until
// /readyz answers 200: the time of a whole process. AWS need not be there.
//
//	go test ./cmd/sidekey -run xxx -bench ServeToReady -benchtime 50x
func BenchmarkServeToReady(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "sidekey")
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for kind, store := range map[string]string{"local": "", "aws": "store: {kind: aws, aws: {region: eu-central-1}}\n"} {
		b.Run(kind, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				took = append(took, startOnce(b, binary, store))
			}
			slices.Sort(took)
			at := func(part float64) float64 { return took[int(part*float64(len(took)-1))].Seconds() * 1000 }
			b.ReportMetric(at(0), "min-ms")
			b.ReportMetric(at(0.5), "median-ms")
			b.ReportMetric(at(0.9), "p90-ms")
		})
	}
}

// startOnce measures from the start of a process until it is ready.
func startOnce(b *testing.B, binary, store string) time.Duration {
	b.Helper()
	dir := b.TempDir()
	config := filepath.Join(dir, "sidekey.yaml")
	lines := "listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:0}\nlog: {format: json}\ngateway: {url: 'http://127.0.0.1:9', key: env:KEY}\n" + store
	if err := os.WriteFile(config, []byte(lines), 0o600); err != nil {
		b.Fatal(err)
	}
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
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for scan := bufio.NewScanner(log); scan.Scan(); {
		var line struct{ Message, Admin string }
		if json.Unmarshal(scan.Bytes(), &line) != nil || line.Message != "serving" {
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
