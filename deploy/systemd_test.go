package deploy_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// unit reads the settings of a unit, each with its values in order.
func unit(t *testing.T, file string) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for line := range strings.Lines(string(read(t, file))) {
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			out[name] = append(out[name], value)
		}
	}
	return out
}

func TestUnit(t *testing.T) {
	u := unit(t, "systemd/sidekey.service")
	s := &setup{
		name: "systemd", config: string(read(t, "systemd/sidekey.yaml")),
		// Where systemd puts what LoadCredential names.
		mounts: []string{"/run/credentials/sidekey.service"},
	}
	values := s.check(t)
	for _, match := range secretFile.FindAllStringSubmatch(s.config, -1) {
		credential := filepath.Base(match[1])
		if !slices.ContainsFunc(u["LoadCredential"], func(c string) bool { return strings.HasPrefix(c, credential+":/etc/sidekey/") }) {
			t.Errorf("nothing loads the credential %s", credential)
		}
	}
	start := strings.Fields(u["ExecStart"][0])
	if start[0] != "/usr/local/bin/sidekey" {
		t.Errorf("ExecStart runs %s", start[0])
	}
	runs(t, "ExecStart", start[1:])
	// Sockets are in the folder that systemd makes, the store in the other one.
	for _, key := range []string{"listen", "admin.listen"} {
		if want := "unix:/run/" + u["RuntimeDirectory"][0] + "/"; !strings.HasPrefix(values[key], want) {
			t.Errorf("%s is %s, want it in %s", key, values[key], want)
		}
	}
	if got := u["WorkingDirectory"][0]; got != "/var/lib/"+u["StateDirectory"][0] || values["store.local.dir"] != "./sidekey-data" {
		t.Errorf("the store is at %s in %s", values["store.local.dir"], got)
	}
	grace, err := strconv.Atoi(u["TimeoutStopSec"][0])
	drain := span(t, values, "limits.drain") + span(t, values, "limits.drain_delay")
	if err != nil || time.Duration(grace)*time.Second < drain+10*time.Second {
		t.Errorf("killed after %d s, and drains for %v", grace, drain)
	}
	user := regexp.MustCompile(`(?m)^u (\S+) `).FindStringSubmatch(string(read(t, "systemd/sidekey.sysusers.conf")))
	if user == nil || user[1] != u["User"][0] {
		t.Errorf("the user is %s, and sysusers makes %v", u["User"][0], user)
	}
	// The commands of the comment.
	for _, line := range regexp.MustCompile(`-u sidekey sidekey (.*) < `).FindAllStringSubmatch(string(read(t, "systemd/sidekey.service")), -1) {
		runs(t, "comment", strings.Fields(line[1]))
	}
}

// systemd's own judgement, where it is installed.
func TestUnitAsSystemdReadsIt(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed: the unit is read by the tests alone")
	}
	text := strings.ReplaceAll(string(read(t, "systemd/sidekey.service")), "/usr/local/bin/sidekey", program(t))
	file := write(t, filepath.Join(t.TempDir(), "sidekey.service"), text)
	verify := func(file string) string {
		out, _ := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", file).CombinedOutput()
		return string(out)
	}
	if out := verify(file); strings.Contains(out, "sidekey.service") {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	bad := write(t, filepath.Join(t.TempDir(), "sidekey.service"), strings.Replace(text, "PrivateTmp=", "PrivatTmp=", 1))
	if out := verify(bad); !strings.Contains(out, "PrivatTmp") {
		t.Errorf("systemd-analyze verify lets a wrong name pass: %s", out)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=yes", "--threshold=20", file).CombinedOutput()
	if strings.Contains(string(out), "Unknown") || strings.Contains(string(out), "unrecognized option") {
		t.Skip("this systemd-analyze cannot judge a file")
	}
	if err != nil {
		t.Errorf("the unit is more exposed than 2.0: %v\n%s", err, out)
	}
}
