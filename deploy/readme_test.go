package deploy_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The arithmetic of the README, with the numbers that aws/cost_test.go measures:
// a refresh every 238 s, a decryption every 48 minutes, and AWS's prices.
func TestFleetsCostWhatTheReadmeSays(t *testing.T) {
	text := string(read(t, "README.md"))
	rows := 0
	for _, f := range []struct{ sidecars, chatbots, keys float64 }{{200, 1, 2}, {10, 1000, 2}, {1000, 1000, 2}} {
		queries := f.sidecars * f.chatbots / 238
		decrypts := f.sidecars * f.chatbots * f.keys / (48 * 60)
		const month = 30 * 24 * 3600
		dollars := queries*0.5*month*0.125e-6 + max(0, decrypts*month-20000)*0.03/1e4 + 1
		for row := range strings.Lines(text) {
			cells := strings.Split(row, "|")
			if len(cells) != 6 || number(cells[2]) == 0 || !near(number(cells[2]), queries) {
				continue
			}
			rows++
			if !near(number(cells[3]), decrypts) || !near(number(cells[4]), dollars) {
				t.Errorf("%v: want %.2f, %.2f and $%.2f, the README has %s", f, queries, decrypts, dollars, row)
			}
		}
	}
	if rows != 3 {
		t.Errorf("found %d of 3 rows", rows)
	}
	for _, fact := range []string{"÷ 238 s", "÷ 48 min"} {
		if !strings.Contains(text, fact) {
			t.Errorf("the README lacks %s", fact)
		}
	}
}

func number(cell string) float64 {
	v, _ := strconv.ParseFloat(regexp.MustCompile(`[ $,]`).ReplaceAllString(cell, ""), 64)
	return v
}

// near compares with a number that was rounded to two or three digits.
func near(got, want float64) bool { return got > want*0.985 && got < want*1.015 }

// The times of the table are those of the files.
func TestWaitsAreWhatTheReadmeSays(t *testing.T) {
	text := string(read(t, "README.md"))
	for file, wait := range map[string]string{
		"kubernetes/sidecar.yaml":  `terminationGracePeriodSeconds: (\d+)`,
		"helm/sidekey/values.yaml": `terminationGracePeriodSeconds: (\d+)`,
		"ecs/task-definition.json": `"stopTimeout": (\d+)`,
		"systemd/sidekey.service":  `TimeoutStopSec=(\d+)`,
		"compose/compose.yaml":     `stop_grace_period: (\d+)`,
	} {
		match := regexp.MustCompile(wait).FindStringSubmatch(string(read(t, file)))
		if match == nil {
			t.Errorf("%s has no %s", file, wait)
			continue
		}
		if _, err := strconv.Atoi(match[1]); err == nil && !regexp.MustCompile(fmt.Sprintf(`\b%s\b`, match[1])).MatchString(text) {
			t.Errorf("the README does not say that %s waits for %s s", file, match[1])
		}
	}
}
