package main

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/proxy"
	"github.com/sidekey/sidekey/proxy/trace"
)

const (
	// maxConfigBytes bounds the file. The example with all its comments is a
	// hundredth of that.
	maxConfigBytes = 1 << 20
	// delimiter cannot occur in a key of ours. Viper's own, the dot, would cut
	// keys such as gpt-4.1 in two.
	delimiter = "::"
)

// searchPath is where the file is looked for without --config.
var searchPath = [...]string{"./sidekey.yaml", "/etc/sidekey/sidekey.yaml"}

// A loader finds, reads and checks the configuration. Every load starts from
// nothing: what a load before has seen cannot leak into the next.
type loader struct {
	flag   string // --config
	lookup func(string) (string, bool)
	// environ is the whole environment, only to notice misspelt overrides.
	environ func() []string
}

// A loaded configuration has passed every check of the file itself. Secrets
// are read by loadAll, because most commands need none.
type loaded struct {
	Config   Config
	File     string // "" if there is none and all is default
	Warnings []Problem
	Secrets  map[string]credstore.Secret // by path
	TLS      *tls.Config                 // of the listener, nil for plain
	RootCAs  []byte                      // of gateway.ca_file, PEM
	Proxy    proxy.Config
	Trace    *trace.Config // nil: nothing is told
	// Files are all that the configuration was read from.
	Files []string
	// Sum changes when any byte of the file or of a secret changes.
	Sum [sha256.Size]byte

	source map[string]string // path -> where it was set
	lines  map[string]int
	data   []byte
	sdk    *aws.Config // app.sdk, for open
}

// find returns the file to read, "" if there is none.
func (l *loader) find() (string, error) {
	if l.flag != "" {
		return l.flag, nil
	}
	for _, path := range searchPath {
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", readWords(path, err)
		}
	}
	return "", nil
}

// candidates are the files that may be found, as absolute paths.
func (l *loader) candidates() []string {
	paths := searchPath[:]
	if l.flag != "" {
		paths = []string{l.flag}
	}
	var out []string
	for _, path := range paths {
		if abs, err := filepath.Abs(path); err == nil {
			out = append(out, abs)
		}
	}
	return out
}

// loadAgain returns the loader of a running process. Once a file has been
// found it is always that one: while it is being replaced it does not exist
// for a moment, and that must not mean "all defaults".
func (l *loader) loadAgain(first *loaded) func() (*loaded, []Problem) {
	l.flag = first.File
	return func() (*loaded, []Problem) {
		ld, problems := l.loadAll()
		if len(problems) == 0 {
			l.flag = ld.File
		}
		return ld, problems
	}
}

// load reads the file and the environment and checks every value's form. It
// returns what was loaded also with problems, so that its files can be watched
// until they are mended.
func (l *loader) load() (*loaded, []Problem) {
	ld := &loaded{source: map[string]string{}, lines: map[string]int{}, Secrets: map[string]credstore.Secret{}}
	file, err := l.find()
	if err != nil {
		ld.File = searchPath[0]
		return ld, []Problem{problemOf("", err)}
	}
	read := &reading{values: map[string]any{}}
	ld.Files = l.candidates()
	if file != "" {
		ld.File = file
		ld.data, _, err = readRegular(file, maxConfigBytes)
		if err != nil {
			return ld, []Problem{problemOf("", err)}
		}
		read = readYAML(file, ld.data)
	}
	problems := read.problems
	for path, line := range read.lines {
		ld.source[path], ld.lines[path] = file, line
	}
	overrides := l.overrides(ld)
	problems = append(problems, overrides.problems...)
	if err := decode(&ld.Config, read.values, overrides.values); err != nil {
		problems = append(problems, Problem{Wrong: err.Error()})
	}
	problems = append(problems, ld.locate(validate(&ld.Config), problems)...)
	sortProblems(problems)
	return ld, problems
}

// loadAll is load, and then everything that serving needs: secrets,
// certificates, and the proxy's own opinion. The problems of all these come
// together.
func (l *loader) loadAll() (*loaded, []Problem) {
	ld, problems := l.load()
	if ld.File != "" && ld.data == nil {
		ld.Sum = sha256.Sum256([]byte((&ConfigError{problems}).Error()))
		return ld, problems // there is nothing to be checked
	}
	r := &resolver{lookup: l.lookup, sum: sha256.New()}
	r.sum.Write(ld.data)
	problems = append(problems, ld.locate(r.secrets(ld), problems)...)
	problems = append(problems, ld.locate(r.certificates(ld), problems)...)
	problems = append(problems, ld.locate(r.authorities(ld), problems)...)
	proxyConfig, more := compile(ld)
	problems = append(problems, ld.locate(more, problems)...)
	ld.Proxy = proxyConfig
	traceConfig, more := compileTrace(ld)
	problems = append(problems, ld.locate(more, problems)...)
	ld.Trace = traceConfig
	ld.Files = append(ld.Files, r.files...)
	r.sum.Sum(ld.Sum[:0])
	sortProblems(problems)
	return ld, problems
}

// decode merges defaults, file and environment, in this order of rising
// weight, through a fresh viper.
func decode(cfg *Config, file, env map[string]any) error {
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter))
	defaults := DefaultConfig()
	for _, leaf := range schema().leaves() {
		v.SetDefault(strings.ReplaceAll(leaf.path, ".", delimiter), leaf.value(&defaults))
	}
	for _, values := range []map[string]any{file, env} {
		if err := v.MergeConfigMap(values); err != nil {
			return err
		}
	}
	return v.UnmarshalExact(cfg, func(c *mapstructure.DecoderConfig) {
		c.DecodeHook = nil // every value has its Go type already
		c.WeaklyTypedInput = false
	})
}

// locate says where each problem stands, and drops those that only follow
// from one that is known already.
func (ld *loaded) locate(found, known []Problem) []Problem {
	var out []Problem
	for _, p := range found {
		if !slices.ContainsFunc(known, func(k Problem) bool { return follows(p.Path, k.Path) || p.because != "" && p.because == k.Path }) {
			out = append(out, ld.place(p))
		}
	}
	return out
}

// follows says that a problem at path may come from one at known: the same
// key, or a section whose key is known to be wrong.
func follows(path, known string) bool {
	return known != "" && (path == known || strings.HasPrefix(known, path+".") || strings.HasPrefix(known, path+"["))
}

// place finds the line of a problem's path, or of the nearest key above it.
func (ld *loaded) place(p Problem) Problem {
	for path := p.Path; path != ""; {
		if source, ok := ld.source[path]; ok {
			p.Source, p.Line = source, ld.lines[path]
			return p
		}
		i := strings.LastIndexAny(path, ".[")
		path = path[:max(i, 0)]
	}
	return p
}

// changed lists the paths whose values differ, by their place in the file.
func changed(a, b *Config) []string {
	var out []string
	for _, leaf := range schema().leaves() {
		if !reflect.DeepEqual(leaf.value(a), leaf.value(b)) {
			out = append(out, leaf.path)
		}
	}
	return out
}
