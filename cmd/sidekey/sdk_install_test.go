package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sidekey/sidekey/sandbox/npmtest"
)

// sdkFiles is where package.json, its lock and the scripts are.
const sdkFiles = "testdata/sdk"

// sdkSet is the SDK clients.
func sdkSet() *npmtest.Set {
	return &npmtest.Set{Name: "sdk", Loss: "WHAT SDK CLIENTS MAKE OF SIDEKEY", Files: os.DirFS(sdkFiles)}
}

// sdkScripts returns a folder with the scripts, from which they find the SDKs:
// modules are looked up beside the script, and nowhere else.
func sdkScripts(t *testing.T, installed string) string {
	t.Helper()
	dir := t.TempDir()
	scripts, err := filepath.Glob(filepath.Join(sdkFiles, "*.mjs"))
	if err != nil || len(scripts) == 0 {
		t.Fatalf("got %d scripts and error %v", len(scripts), err)
	}
	for _, s := range scripts {
		copyFile(t, s, filepath.Join(dir, filepath.Base(s)))
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestSDKsAreNotInTheRepository(t *testing.T) {
	if _, err := os.Stat(filepath.Join(sdkFiles, "node_modules")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("node_modules lies in the repository; remove it")
	}
}
