package main

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The documents are held to what they tell of: what they name must be there.

const top = "../.."

// documents are all pages of the project, by their path from the top.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (e.Name() == "node_modules" || e.Name() == ".git") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, _ := filepath.Rel(top, path)
			out[name] = string(text)
		}
		return nil
	})
	if err != nil || len(out) < 8 {
		t.Fatalf("found %d documents, %v", len(out), err)
	}
	return out
}

var (
	fenced  = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	inline  = regexp.MustCompile("`([^`\n]+)`")
	linked  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// anchors are the places of a page that a link can lead to, as GitHub names
// them.
func anchors(text string) []string {
	var out []string
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		title := regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`).ReplaceAllString(h[1], "$1")
		title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(title), "")
		out = append(out, strings.ReplaceAll(title, " ", "-"))
	}
	return out
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages := documents(t)
	for name, text := range pages {
		for _, m := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
			if anchor != "" && filepath.Ext(target) == ".md" && !slices.Contains(anchors(pages[target]), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", name, m[1], target)
			}
		}
	}
}

// pathLike is what is meant as a file or folder of the project.
var pathLike = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/?$`)

func TestPathsInDocumentsExist(t *testing.T) {
	entries, err := os.ReadDir(top)
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		}
	}
	extensions := []string{".go", ".md", ".mjs", ".yaml", ".json", ".tpl", ".service", ".txtar"}
	found := 0
	for name, text := range documents(t) {
		for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			path := m[1]
			first, rest, nested := strings.Cut(path, "/")
			ours := nested && rest != "" && slices.Contains(folders, first)
			if !pathLike.MatchString(path) || first == "." || !ours && !(nested && slices.Contains(extensions, filepath.Ext(path))) {
				continue
			}
			found++
			_, fromTop := os.Stat(filepath.Join(top, path))
			_, fromPage := os.Stat(filepath.Join(top, filepath.Dir(name), path))
			if fromTop != nil && fromPage != nil {
				t.Errorf("%s names %s, which is not there", name, path)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d paths in all documents", found)
	}
}

// commandLine finds where a document runs sidekey: the whole line of a fenced
// block, or a span of code.
var commandLine = regexp.MustCompile(`(?:^|[|&;(\s])(?:go run \./cmd/sidekey|\./sidekey|sidekey)((?: +[^|&;<>)#\n]+)?)`)

func TestCommandsInDocumentsExist(t *testing.T) {
	found := 0
	for name, text := range documents(t) {
		var lines []string
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if block[1] == "" || block[1] == "sh" {
				lines = append(lines, strings.Split(regexp.MustCompile(`\\\n\s*`).ReplaceAllString(block[2], ""), "\n")...)
			}
		}
		for _, span := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			if strings.HasPrefix(span[1], "sidekey ") || strings.HasPrefix(span[1], "./sidekey ") {
				lines = append(lines, strings.ReplaceAll(span[1], `\|`, ","))
			}
		}
		for _, line := range lines {
			if strings.HasPrefix(strings.TrimSpace(line), "#") {
				continue
			}
			line = regexp.MustCompile(`(\w)\|(\w)`).ReplaceAllString(line, "$1,$2")
			for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
				words := strings.Fields(strings.ReplaceAll(m[1], "'", ""))
				if len(words) == 0 || !regexp.MustCompile(`^[a-z-]`).MatchString(words[0]) || strings.Contains(line, "-o sidekey") {
					continue
				}
				found++
				for _, args := range eachChoice(words) {
					if err := parses(args); err != nil {
						t.Errorf("%s: sidekey %s: %v", name, strings.Join(args, " "), err)
					}
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("found %d command lines in all documents", found)
	}
}

// eachChoice takes on,off apart.
func eachChoice(words []string) [][]string {
	for i, w := range words {
		if strings.Contains(w, ",") && !strings.HasPrefix(words[max(i-1, 0)], "--") {
			var out [][]string
			for choice := range strings.SplitSeq(w, ",") {
				one := slices.Clone(words)
				one[i] = choice
				out = append(out, eachChoice(one)...)
			}
			return out
		}
	}
	return [][]string{words}
}

// parses reports whether a command and its flags exist. Whether all that it
// needs is there is not asked: a document may show a part.
func parses(args []string) error {
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	root := a.command()
	root.InitDefaultHelpCmd()
	c, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if c == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		return unknownCommand(c, rest[0])
	}
	if err := c.ParseFlags(rest); err != nil {
		return err
	}
	if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 {
		return unknownCommand(c, words[0])
	}
	return argsOf(c, c.Flags().Args())
}

// argsOf checks words where the command takes a fixed choice of them or none.
func argsOf(c *cobra.Command, words []string) error {
	if len(words) == 0 || c.Args == nil {
		return nil
	}
	return c.ValidateArgs(words)
}

// Configurations that are shown are good ones.
func TestConfigurationsInDocumentsAreGood(t *testing.T) {
	dir := t.TempDir()
	secret := writeFile(t, filepath.Join(dir, "secret"), "a-secret-of-thirty-two-bytes-or-more")
	env := testEnv{"AI_GATEWAY_API_KEY": "k", "SIDEKEY_TOKEN_SECRET": "a-secret-of-thirty-two-bytes-or-more"}
	found := 0
	for name, text := range documents(t) {
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if block[1] != "yaml" {
				continue
			}
			found++
			config := regexp.MustCompile(`file:/[^\s}]+`).ReplaceAllString(block[2], "file:"+secret)
			_, problems := env.loader(configFile(t, config)).loadAll()
			for _, p := range problems {
				// A certificate cannot be made up in a line.
				if !strings.HasPrefix(p.Path, "listen_tls") {
					t.Errorf("%s: %v", name, p)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("found %d configurations in all documents", found)
	}
}

// The README shows the snippets as they are run by the tests.
func TestReadmeShowsTheSnippets(t *testing.T) {
	readme := documents(t)["README.md"]
	for _, s := range snippets(snippetURL, snippetKey) {
		if !strings.Contains(readme, "\n"+s.text+"```\n") {
			t.Errorf("README.md does not show %s as it is", s.name)
		}
	}
}
