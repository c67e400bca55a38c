package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// scalar checks one value and gives it its Go type. Wrong values are not
// quoted where a secret may stand by mistake.
func scalar(n *yaml.Node, p *place) (v any, wrong, fix string) {
	switch p.kind {
	case count:
		i, err := strconv.Atoi(n.Value)
		if n.Tag != "!!int" || err != nil {
			return nil, "this is not a whole number", "write " + wanted(p)
		}
		return i, "", ""
	case span:
		d, wrong := parseSpan(n.Value)
		return d, wrong, "write " + wanted(p)
	case size:
		s, wrong := parseSize(n.Value)
		return s, wrong, "write " + wanted(p)
	case ref:
		return n.Value, "", "" // its form is checked where references are resolved
	}
	if n.Tag != "!!str" {
		// 08, 1e3, yes and 2001-01-01 mean different things to different
		// YAML parsers.
		return nil, "this is read as " + kindWords(n) + ", not as text", `put it in quotes: "..."`
	}
	return n.Value, "", ""
}

func parseSpan(s string) (time.Duration, string) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, quote(s) + " has no unit"
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, "this is not a duration"
	}
	return d, ""
}

var sizeUnits = map[string]uint{"B": 0, "KiB": 10, "MiB": 20, "GiB": 30}

func parseSize(s string) (Size, string) {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, quote(s) + " has no unit"
	}
	unit := strings.TrimLeft(s, digits)
	number := strings.TrimSuffix(s, unit)
	shift, ok := sizeUnits[strings.TrimPrefix(unit, " ")]
	if !ok || number == "" || len(number) > 12 {
		return 0, "this is not a size"
	}
	n, _ := strconv.ParseInt(number, 10, 64)
	if n > 1<<62>>shift {
		return 0, "the size is too large"
	}
	return Size(n << shift), ""
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		name  string
		shift uint
	}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if s != 0 && s%(1<<u.shift) == 0 {
			return fmt.Sprintf("%d%s", s>>u.shift, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// wanted says in words what belongs at a place.
func wanted(p *place) string {
	switch p.kind {
	case count:
		return "a number such as 1000"
	case span:
		return "a duration with a unit, such as 5s, 10m or 1h"
	case size:
		return "a size with a unit, such as 512B, 32KiB or 64MiB"
	case ref:
		return "a reference, env:NAME or file:/path"
	case texts:
		return `such as ["one", "two"]`
	case table:
		names := make([]string, len(p.below))
		for i, b := range p.below {
			names[i] = b.name + ": ..."
		}
		return "such as [{" + strings.Join(names, ", ") + "}]"
	}
	return "text"
}

func kindWords(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a map"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "a number"
	case n.Tag == "!!bool":
		return "true or false"
	case n.Tag == "!!timestamp":
		return "a date"
	case n.Tag == "!!null":
		return "empty"
	}
	return "text"
}
