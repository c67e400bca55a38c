package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sidekey/sidekey/credstore"
)

// maxRefBytes bounds what a reference may hold. A JWKS of many keys fits.
const maxRefBytes = 256 << 10

// showable reports whether the name of a variable may be repeated in a message:
// a key pasted behind "env:" has dashes or small letters and is not shown.
func showable(name string) bool {
	return envName(name) && len(name) <= 64 && name == strings.ToUpper(name)
}

// envName reports whether s can be the name of an environment variable.
func envName(s string) bool { return madeOf(s, letters+digits+"_") && !strings.Contains(digits, s[:1]) }

// file returns the path of a file reference.
func (r Ref) file() (string, bool) {
	path, ok := strings.CutPrefix(string(r), "file:")
	return path, ok && filepath.IsAbs(path)
}

// form says what is wrong with the reference as it is written. The text itself
// is never repeated: it may be the secret.
func (r Ref) form() (wrong, fix string) {
	const fix1 = "write env:NAME or file:/path, and put the value there"
	if name, ok := strings.CutPrefix(string(r), "env:"); ok {
		if !envName(name) {
			return "what follows env: is not the name of a variable", "write for example env:AI_GATEWAY_API_KEY"
		}
		return "", ""
	}
	if strings.HasPrefix(string(r), "file:") {
		if _, ok := r.file(); !ok {
			return "what follows file: is not an absolute path", "write for example file:/run/secrets/gateway-key"
		}
		return "", ""
	}
	return "secrets are not written into the configuration", fix1
}

// A resolver reads what references point at. Everything that it reads goes
// into sum, so that a changed secret counts as a changed configuration.
type resolver struct {
	lookup func(string) (string, bool)
	sum    hash.Hash
	files  []string
}

// secrets reads every secret of the configuration that serve needs. Those of the
// console are not among them: a sidecar that held them could sign anybody in.
func (r *resolver) secrets(ld *loaded) []Problem {
	return r.secretsOf(ld, func(path string) bool { return !strings.HasPrefix(path, "console.") })
}

// secretsOf reads the secrets at the places that are needed.
func (r *resolver) secretsOf(ld *loaded, needed func(path string) bool) []Problem {
	var problems []Problem
	for _, leaf := range schema().leaves() {
		reference, _ := leaf.value(&ld.Config).(Ref)
		if reference == "" || !needed(leaf.path) {
			continue
		}
		secret, warning, err := r.read(reference)
		if err != nil {
			// So that a file that appears, or changes its mode, counts as a
			// change.
			fmt.Fprintf(r.sum, "%s %v\n", leaf.path, err)
			problems = append(problems, problemOf(leaf.path, err))
			continue
		}
		if warning != "" && !strings.HasSuffix(leaf.path, ".public_keys") {
			ld.Warnings = append(ld.Warnings, ld.place(problemOf(leaf.path, errors.New(warning))))
		}
		ld.Secrets[leaf.path] = secret
	}
	return problems
}

// problemOf makes a problem of an error whose text is "wrong; fix".
func problemOf(path string, err error) Problem {
	wrong, fix, _ := strings.Cut(err.Error(), "; ")
	return Problem{Path: path, Wrong: wrong, Fix: fix}
}

// read returns the secret behind a reference.
func (r *resolver) read(ref Ref) (secret credstore.Secret, warning string, err error) {
	if wrong, fix := ref.form(); wrong != "" {
		return secret, "", errors.New(wrong + "; " + fix)
	}
	data, warning, err := r.bytes(ref)
	if err != nil {
		return secret, "", err
	}
	defer clear(data)
	fmt.Fprintf(r.sum, "%s %x\n", ref.name(), sha256.Sum256(data))
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 {
		return secret, "", fmt.Errorf("what %s holds is empty; put the secret there", ref.name())
	}
	return credstore.NewSecret(trimmed), warning, nil
}

func (r *resolver) bytes(ref Ref) (data []byte, warning string, err error) {
	path, isFile := ref.file()
	if !isFile {
		value, ok := r.lookup(strings.TrimPrefix(string(ref), "env:"))
		if !ok {
			return nil, "", fmt.Errorf("%s is not set; set it in the environment of sidekey", ref.name())
		}
		return []byte(value), "", nil
	}
	r.files = append(r.files, path)
	return readRegular(path, maxRefBytes)
}

// name shows a reference that cannot be a secret itself.
func (r Ref) name() string {
	if path, ok := r.file(); ok {
		return path
	}
	if name := strings.TrimPrefix(string(r), "env:"); showable(name) {
		return "the variable " + name
	}
	return "the variable named there"
}

// readRegular reads a file of at most limit bytes, and warns if others than
// its owner can read it. Pipes and devices would block a reload and are
// refused.
func readRegular(path string, limit int64) (data []byte, warning string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, "", readWords(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%s is not a regular file; name one that is", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", readWords(path, err)
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, "", readWords(path, err)
	}
	if int64(len(data)) > limit {
		clear(data)
		return nil, "", fmt.Errorf("%s is larger than %s; name the right file", path, Size(limit))
	}
	if tooOpen(info, os.Geteuid()) {
		warning = fmt.Sprintf("%s can be read by others (mode %04o); chmod 600 it", path, info.Mode().Perm())
	}
	return data, warning, nil
}

// tooOpen reports whether others than the user can read a file. One of root's
// that a user reads by its group is as private as it can be: so Kubernetes mounts
// secrets (fsGroup), and nobody could follow the advice.
func tooOpen(info fs.FileInfo, user int) bool {
	open := info.Mode().Perm() & 0o077
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == 0 && user != 0 {
		open &^= 0o040
	}
	return open != 0
}

func readWords(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist; create it or correct the path", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s cannot be read by this user; change its owner or mode", path)
	}
	return fmt.Errorf("cannot be read; look at the file: %w", err)
}
