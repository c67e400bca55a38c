package deploy_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A dockerfile is its instructions in order, continued lines joined.
type dockerfile []instruction

type instruction struct{ name, rest string }

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	var out dockerfile
	text := string(read(t, "../Dockerfile"))
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			out = append(out, instruction{name, rest})
		}
	}
	return out
}

// run is the RUN instruction that has a text in it.
func (d dockerfile) run(t *testing.T, with string) string {
	t.Helper()
	for _, i := range d {
		if i.name == "RUN" && strings.Contains(i.rest, with) {
			return i.rest
		}
	}
	t.Fatalf("the Dockerfile has no RUN with %s", with)
	return ""
}

// last is the last instruction of a name: the one that counts.
func (d dockerfile) last(name string) string {
	for _, i := range slices.Backward(d) {
		if i.name == name {
			return i.rest
		}
	}
	return ""
}

// arguments reads the form ["a", "b"].
func arguments(t *testing.T, text string) (out []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("%s is not a list of words: an image without a shell cannot run it", text)
	}
	return out
}

func TestImageHoldsOneStaticProgram(t *testing.T) {
	file, err := elf.Open(program(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a loader and libraries, and the image has none")
		}
	}
	if status, out, _ := sidekey(t, nil, "--version"); status != 0 || !strings.HasPrefix(out, "sidekey "+builtVersion+" go") {
		t.Errorf("--version: got %d %q, want the version given to the build", status, out)
	}
	d := readDockerfile(t)
	if from := d.last("FROM"); from != "scratch" {
		t.Errorf("FROM %s, want scratch", from)
	}
	if user := d.last("USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s, want numbers, and not root's", user)
	}
	runs(t, "Dockerfile", arguments(t, d.last("CMD")))
}

// What a developer's folder holds besides the program does not get into the
// build, and what the program is made of does.
func TestBuildContext(t *testing.T) {
	var patterns []string
	for line := range strings.Lines(string(read(t, "../.dockerignore"))) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	ignored := func(path string) bool {
		for _, pattern := range patterns {
			first, _, _ := strings.Cut(path, "/")
			if ok, _ := filepath.Match(pattern, first); ok {
				return true
			}
			anywhere, is := strings.CutPrefix(pattern, "**/")
			if is && slices.ContainsFunc(strings.Split(path, "/"), func(part string) bool { ok, _ := filepath.Match(anywhere, part); return ok }) {
				return true
			}
		}
		return false
	}
	for _, secret := range []string{".git/config", "sidekey-data/keyset.json", "sidekey.yaml", "sidekey"} {
		if !ignored(secret) {
			t.Errorf("%s gets into the build", secret)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f",
		`{{if .Module}}{{if .Module.Main}}{{$d := .Dir}}{{range .GoFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$d}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`, "./cmd/sidekey")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	if len(files) < 200 {
		t.Fatalf("the program is made of %d files", len(files))
	}
	for _, file := range files {
		if path := strings.TrimPrefix(file, top+"/"); ignored(path) {
			t.Errorf("%s is part of the program, and .dockerignore leaves it out", path)
		}
	}
}

// The image without Docker: a root folder with what the Dockerfile copies there,
// of which the user may write to what the VOLUMEs name and to nothing else.
func TestImageServesAndChecksItself(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("needs root on Linux, to change the root folder")
	}
	d := readDockerfile(t)
	root := imageRoot(t, d)
	inside := func(stdin string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir, cmd.Stdin = d.last("WORKDIR"), strings.NewReader(stdin)
		cmd.Env = []string{"SIDEKEY_LISTEN=unix:/tmp/proxy.sock", "SIDEKEY_ADMIN_LISTEN=unix:/tmp/admin.sock"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	entry := arguments(t, d.last("ENTRYPOINT"))
	health := arguments(t, strings.SplitN(d.last("HEALTHCHECK"), "CMD ", 2)[1])
	keys := append(slices.Clone(entry), "keys", "set", "--chatbot", "demo", "--provider", "openai")
	if out, err := inside("sk-made-up-0123456789", keys...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", keys, err, out)
	}
	if err := inside("", health...).Run(); err == nil {
		t.Error("healthy, and nothing runs")
	}
	var log bytes.Buffer
	serve := inside("", append(entry, arguments(t, d.last("CMD"))...)...)
	serve.Stderr = &log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { serve.Process.Kill() })
	for deadline := time.Now().Add(20 * time.Second); inside("", health...).Run() != nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("not healthy within 20 s")
			break
		}
	}
	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("serve: %v\n%s", err, log.String())
	}
	onlyIn(t, root, arguments(t, d.last("VOLUME")))
}

// imageRoot makes the root folder as the Dockerfile does.
func imageRoot(t *testing.T, d dockerfile) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	folders := exec.Command("sh", "-ec", "umask 022; "+strings.ReplaceAll(d.run(t, "mkdir"), "/out", root))
	if out, err := folders.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, i := range d {
		if owner, ok := strings.CutPrefix(i.rest, "--from=build --chown=65532:65532 /out"); ok && i.name == "COPY" {
			if err := os.Chown(filepath.Join(root, strings.Fields(owner)[0]), 65532, 65532); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Link(program(t), filepath.Join(root, "sidekey")); err != nil {
		content := read(t, program(t))
		if err := os.WriteFile(filepath.Join(root, "sidekey"), content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// onlyIn sees to it that the user's files are in the folders that are theirs.
func onlyIn(t *testing.T, root string, folders []string) {
	t.Helper()
	written := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != 65532 {
			return err
		}
		written++
		if !slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(path, root+f) }) {
			t.Errorf("%s was written, and is in no VOLUME", strings.TrimPrefix(path, root))
		}
		return nil
	})
	if err != nil || written == 0 {
		t.Errorf("%d files of the user, %v", written, err)
	}
}
