// Package deploy_test holds the recipes to the program: what they configure
// passes sidekey check, what they run exists, and the times that they allow are
// enough for what the program does in them. It builds the program once, by the
// Dockerfile's own line. There is no package deploy; these are files for
// operators.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// An object is a YAML mapping or a JSON object.
type object = map[string]any

// built is the program as the Dockerfile builds it, in a folder that lasts as
// long as the tests.
var built struct {
	once sync.Once
	path string
	err  error
}

// builtVersion is given to the build as VERSION.
const builtVersion = "v0.0.0-recipes"

func TestMain(m *testing.M) {
	status := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(status)
}

func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "sidekey-recipes-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "sidekey")
		line := readDockerfile(t).run(t, "go build")
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(line, "/out/sidekey", built.path))
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "TARGETOS=", "TARGETARCH=", "VERSION="+builtVersion)
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%s: %w\n%s", line, err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// sidekey runs one command line with an environment of its own.
func sidekey(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &errs
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// secretFile finds references to secrets, and files of certificates.
var secretFile = regexp.MustCompile(`file:(/[^\s"',}]+)`)

// A setup is one sidekey of a recipe: its file and its variables.
type setup struct {
	name   string
	config string            // "": none
	env    map[string]string // as the recipe gives it
	mounts []string          // folders in which secrets may be; nil: anywhere
}

// check runs sidekey check on it, with a made-up value behind each reference. It
// returns the configuration that is in force, by path.
func (s *setup) check(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for _, match := range secretFile.FindAllStringSubmatch(s.config, -1) {
		if s.mounts != nil && !slices.ContainsFunc(s.mounts, func(m string) bool { return strings.HasPrefix(match[1], m+"/") }) {
			t.Errorf("%s: %s is in no folder that is mounted: %v", s.name, match[1], s.mounts)
		}
		write(t, filepath.Join(dir, match[1]), "a-made-up-secret-of-32-bytes-or-more")
	}
	env := maps.Clone(s.env)
	if env == nil {
		env = map[string]string{}
	}
	known := variables(t)
	for name, value := range env {
		if strings.HasPrefix(name, "SIDEKEY_") && !slices.Contains(slices.Collect(maps.Values(known)), name) {
			t.Errorf("%s: there is no variable %s", s.name, name)
		}
		if secret, ok := strings.CutPrefix(value, "env:"); ok {
			if _, there := env[secret]; !there {
				t.Errorf("%s: %s refers to %s, which nothing sets", s.name, name, secret)
			}
		}
	}
	file := write(t, filepath.Join(dir, "sidekey.yaml"), secretFile.ReplaceAllString(s.config, "file:"+dir+"$1"))
	args := []string{"check", "--json", "--config", file}
	if s.config == "" {
		args = args[:2]
	}
	status, out, stderr := sidekey(t, env, args...)
	var report struct{ Problems, Warnings []object }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%s: sidekey check: %v: %s%s", s.name, err, out, stderr)
	}
	if status != 0 || len(report.Problems)+len(report.Warnings) > 0 {
		t.Errorf("%s: sidekey check has %d: %s", s.name, status, out)
	}
	return s.values(t, known)
}

// values reads the defaults, the file and the variables, in this order.
func (s *setup) values(t *testing.T, known map[string]string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, text := range []string{string(read(t, "../config.example.yaml")), s.config} {
		leaves(decode(t, text), "", func(path string, v any) { values[path] = fmt.Sprint(v) })
	}
	for path, name := range known {
		if v := s.env[name]; v != "" {
			values[path] = v
		}
	}
	return values
}

// span reads one of its durations.
func span(t *testing.T, values map[string]string, path string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(values[path])
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}

// variables are the names of all overrides, by path. The program's own tests
// see to it that the example has each key.
var variables = func() func(*testing.T) map[string]string {
	var once sync.Once
	out := map[string]string{}
	return func(t *testing.T) map[string]string {
		t.Helper()
		once.Do(func() {
			leaves(decode(t, string(read(t, "../config.example.yaml"))), "", func(path string, _ any) {
				out[path] = "SIDEKEY_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
			})
		})
		return out
	}
}()

// leaves calls f for each value that is no section.
func leaves(o object, prefix string, f func(path string, v any)) {
	for name, v := range o {
		if below, ok := v.(object); ok {
			leaves(below, prefix+name+".", f)
			continue
		}
		f(prefix+name, v)
	}
}

// understood remembers which command lines were.
var understood sync.Map // joined words -> what is wrong with them, "" if nothing

// understands asks the program whether a command line exists, with its flags.
func understands(t *testing.T, args []string) (wrong string) {
	t.Helper()
	key := strings.Join(args, " ")
	if known, ok := understood.Load(key); ok {
		return known.(string)
	}
	// help knows the commands and --help the flags.
	words := args
	if i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") }); i >= 0 {
		words = args[:i]
	}
	for _, ask := range [][]string{append([]string{"help"}, words...), append(slices.Clone(args), "--help")} {
		if status, _, stderr := sidekey(t, nil, ask...); status != 0 && wrong == "" {
			wrong = stderr
		}
	}
	understood.Store(key, wrong)
	return wrong
}

// runs sees to it that a command line of a recipe exists.
func runs(t *testing.T, name string, args []string) {
	t.Helper()
	if len(args) == 0 {
		t.Errorf("%s runs nothing", name)
		return
	}
	if wrong := understands(t, args); wrong != "" {
		t.Errorf("%s: sidekey %s: %s", name, strings.Join(args, " "), wrong)
	}
}

// has reports whether the program has a command.
func has(t *testing.T, command string) bool {
	t.Helper()
	return understands(t, []string{command}) == ""
}

// A test that takes every command for one would show nothing.
func TestWrongCommandsAreFound(t *testing.T) {
	for _, args := range [][]string{{"serv"}, {"keys", "sett"}, {"serve", "--configuration", "x"}, {"health", "--admin", "x"}} {
		if understands(t, args) == "" {
			t.Errorf("sidekey %v was taken for a command", args)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write makes a private file and the folders above it, and returns its path.
func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// decode reads one YAML document.
func decode(t *testing.T, text string) object {
	t.Helper()
	all := decodeAll(t, text)
	switch len(all) {
	case 0:
		return object{}
	case 1:
		return all[0]
	}
	t.Fatalf("%d documents, want one", len(all))
	return nil
}

// decodeAll reads YAML documents, and leaves empty ones out.
func decodeAll(t *testing.T, text string) []object {
	t.Helper()
	var out []object
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o object
		err := dec.Decode(&o)
		if err != nil && err.Error() == "EOF" {
			return out
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(o) > 0 {
			out = append(out, o)
		}
	}
}

// at walks into nested objects; nil if there is nothing.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(object)
			v = o[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

// list is what stands at a path, as objects.
func list(v any, path ...any) []object {
	items, _ := at(v, path...).([]any)
	var out []object
	for _, item := range items {
		if o, ok := item.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

// words is what stands at a path, as texts.
func words(v any, path ...any) []string {
	items, _ := at(v, path...).([]any)
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = fmt.Sprint(item)
	}
	return out
}
