package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const example = "../../config.example.yaml"

func TestExampleIsAGoodConfiguration(t *testing.T) {
	env := testEnv{"AI_GATEWAY_API_KEY": "k"}
	if _, problems := env.loader(example).loadAll(); len(problems) > 0 {
		t.Errorf("%v", &ConfigError{problems})
	}
}

// Every key stands in the example with its default, or with a remark that
// tells the default.
func TestExampleShowsEveryKeyWithItsDefault(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	r := readYAML("example", data)
	var got Config
	if err := decode(&got, r.values, nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	defaults := DefaultConfig()
	for _, leaf := range schema().leaves() {
		line, there := r.lines[leaf.path]
		if !there {
			t.Errorf("%s is missing", leaf.path)
			continue
		}
		// The remark stands on the key's line; a list's value begins below it.
		remark := lines[line-1] + lines[max(line-2, 0)]
		if fmt.Sprint(leaf.value(&got)) != fmt.Sprint(leaf.value(&defaults)) && !strings.Contains(remark, "# default: ") {
			t.Errorf("%s: the example has %v, the default is %v, and no remark says so", leaf.path, leaf.value(&got), leaf.value(&defaults))
		}
	}
}
