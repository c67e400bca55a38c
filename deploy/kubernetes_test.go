package deploy_test

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidekey/sidekey/sandbox/npmtest"
)

//go:embed testdata/kubernetes/package.json testdata/kubernetes/package-lock.json testdata/kubernetes/.npmrc testdata/kubernetes/judge.mjs
var kubernetesFiles embed.FS

// judge holds objects to Kubernetes' own schemas (npm package
// kubernetes-models): values, what is required, and names of members.
func judge(t *testing.T, objects []object) []string {
	t.Helper()
	files, err := fs.Sub(kubernetesFiles, "testdata/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	set := &npmtest.Set{Name: "kubernetes", Loss: "THE FORM OF THE KUBERNETES OBJECTS", Files: files}
	node, dir := set.Node(t), set.Install(t)
	script, err := fs.ReadFile(files, "judge.mjs")
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "--eval", string(script))
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("judge.mjs: %v", err)
	}
	var problems []string
	if err := json.Unmarshal(out, &problems); err != nil {
		t.Fatal(err)
	}
	return problems
}

func TestSidecarManifest(t *testing.T) {
	objects := decodeAll(t, string(read(t, "kubernetes/sidecar.yaml")))
	checkObjects(t, objects)
	for _, p := range judge(t, objects) {
		t.Error(p)
	}
	d := find(t, objects, "Deployment", "chatbot")
	pod := at(d, "spec", "template", "spec").(object)
	sidecar := list(pod, "initContainers")[0]
	if sidecar["restartPolicy"] != "Always" {
		t.Error("sidekey is no native sidecar: it would have to end before the chatbot begins")
	}
	if url := variable(list(pod, "containers")[0], "OPENAI_BASE_URL"); url != "http://127.0.0.1:8787/v1" {
		t.Errorf("the chatbot asks %s", url)
	}
}

// A judge that lets everything pass would show nothing.
func TestJudgeFindsWhatIsWrong(t *testing.T) {
	objects := decodeAll(t, strings.NewReplacer(
		"restartPolicy: Always", "restartPolicyy: Always",
		"periodSeconds: 10", "periodSeconds: ten",
		"policyTypes:", "policytypes:",
		"automountServiceAccountToken: false\n---", "automountServiceAccountToken: nein\n---",
	).Replace(string(read(t, "kubernetes/sidecar.yaml"))))
	got := strings.Join(judge(t, objects), "\n")
	for _, want := range []string{
		"policytypes: there is no such member", "automountServiceAccountToken: type", "periodSeconds: type",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the judge does not say %q:\n%s", want, got)
		}
	}
	sidecar := list(find(t, objects, "Deployment", "chatbot"), "spec", "template", "spec", "initContainers")[0]
	sidecar["readinessProbe"] = object{}
	if got := strings.Join(judge(t, objects), "\n"); !strings.Contains(got, "restartPolicyy: there is no such member") {
		t.Errorf("the judge does not find a wrong name deep in an object:\n%s", got)
	}
}

func find(t *testing.T, objects []object, kind, name string) object {
	t.Helper()
	for _, o := range objects {
		if o["kind"] == kind && at(o, "metadata", "name") == name {
			return o
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// checkObjects holds each pod with sidekey in it to the program.
func checkObjects(t *testing.T, objects []object) {
	t.Helper()
	pods := 0
	for _, o := range objects {
		if o["kind"] != "Deployment" {
			continue
		}
		labels := at(o, "spec", "template", "metadata", "labels")
		for key, want := range at(o, "spec", "selector", "matchLabels").(object) {
			if got := at(labels, key); got != want {
				t.Errorf("%v: the selector wants %s=%v, the pods have %v", at(o, "metadata", "name"), key, want, got)
			}
		}
		pod := at(o, "spec", "template", "spec").(object)
		for _, part := range []string{"initContainers", "containers"} {
			for _, c := range list(pod, part) {
				if strings.Contains(fmt.Sprint(c["image"]), "sidekey/sidekey") {
					pods++
					checkContainer(t, objects, pod, c, part == "initContainers")
				}
			}
		}
	}
	if pods == 0 {
		t.Error("no pod runs sidekey")
	}
}

func checkContainer(t *testing.T, objects []object, pod, c object, sidecar bool) {
	t.Helper()
	args := words(c, "args")
	name := fmt.Sprintf("container %v (%s)", c["name"], strings.Join(args, " "))
	if !has(t, args[0]) {
		t.Logf("%s: this version has no such command", name)
		return
	}
	runs(t, name, args)
	s := &setup{name: name, env: map[string]string{}}
	for _, e := range list(c, "env") {
		value, ok := e["value"].(string)
		if !ok {
			value = "from-a-label" // valueFrom
		}
		s.env[fmt.Sprint(e["name"])] = value
	}
	var tmp bool
	for _, m := range list(c, "volumeMounts") {
		where := fmt.Sprint(m["mountPath"])
		if m["subPath"] != nil {
			t.Errorf("%s: %s is mounted by subPath, and would never change", name, where)
		}
		s.mounts = append(s.mounts, where)
		tmp = tmp || where == "/tmp" && m["readOnly"] != true
		for _, v := range list(pod, "volumes") {
			if v["name"] == m["name"] && v["configMap"] != nil && slices.Contains(args, where+"/sidekey.yaml") {
				s.config, _ = at(find(t, objects, "ConfigMap", fmt.Sprint(at(v, "configMap", "name"))), "data", "sidekey.yaml").(string)
			}
		}
		if !slices.ContainsFunc(list(pod, "volumes"), func(v object) bool { return v["name"] == m["name"] }) {
			t.Errorf("%s: there is no volume %v", name, m["name"])
		}
	}
	if s.config == "" {
		t.Errorf("%s: %v is no file of a ConfigMap that is mounted as a folder", name, args)
	}
	if !tmp {
		t.Errorf("%s: /tmp cannot be written to, and large bodies need it", name)
	}
	values := s.check(t)
	checkHardening(t, name, pod, c)
	if args[0] == "serve" {
		checkProbes(t, name, c, values)
		checkGrace(t, name, pod, values, sidecar)
	}
}

// checkHardening is what the restricted level of Kubernetes' pod security asks
// for, and a root folder that cannot be written to.
func checkHardening(t *testing.T, name string, pod, c object) {
	t.Helper()
	security := func(path ...any) any {
		if v := at(c, append([]any{"securityContext"}, path...)...); v != nil {
			return v
		}
		return at(pod, append([]any{"securityContext"}, path...)...)
	}
	for _, want := range []struct {
		path  []any
		value any
	}{
		{[]any{"runAsNonRoot"}, true}, {[]any{"runAsUser"}, 65532}, {[]any{"allowPrivilegeEscalation"}, false},
		{[]any{"readOnlyRootFilesystem"}, true}, {[]any{"seccompProfile", "type"}, "RuntimeDefault"},
		{[]any{"capabilities", "drop", 0}, "ALL"}, {[]any{"fsGroup"}, 65532},
	} {
		if got := security(want.path...); got != want.value {
			t.Errorf("%s: %v is %v, want %v", name, want.path, got, want.value)
		}
	}
	if at(c, "resources", "limits", "memory") == nil || at(c, "resources", "limits", "cpu") != nil {
		t.Errorf("%s: want a limit of memory, which serve keeps to, and none of CPU time", name)
	}
	if pod["automountServiceAccountToken"] != false || pod["enableServiceLinks"] != false {
		t.Errorf("%s: the pod gets a token or variables that sidekey has no use for", name)
	}
}

// checkProbes: they ask where the admin address is, and a start is awaited.
func checkProbes(t *testing.T, name string, c object, values map[string]string) {
	t.Helper()
	for _, kind := range []string{"startupProbe", "readinessProbe"} {
		probe, _ := c[kind].(object)
		switch command := words(probe, "exec", "command"); {
		case len(command) > 1 && command[0] == "/sidekey":
			runs(t, name, command[1:])
			if command[1] != "health" {
				t.Errorf("%s: %s runs %v", name, kind, command)
			}
		case probe["httpGet"] != nil:
			want := strings.TrimPrefix(values["admin.listen"], "0.0.0.0:")
			if got := fmt.Sprint(at(probe, "httpGet", "port")); got != want || at(probe, "httpGet", "path") != "/readyz" {
				t.Errorf("%s: %s asks %v, and admin.listen is %s", name, kind, probe["httpGet"], values["admin.listen"])
			}
		default:
			t.Errorf("%s has no %s", name, kind)
		}
	}
}

// checkGrace: Kubernetes waits until sidekey has drained.
func checkGrace(t *testing.T, name string, pod object, values map[string]string, sidecar bool) {
	t.Helper()
	grace := time.Duration(pod["terminationGracePeriodSeconds"].(int)) * time.Second
	drain := span(t, values, "limits.drain") + span(t, values, "limits.drain_delay")
	if grace < drain+10*time.Second {
		t.Errorf("%s: killed after %v, and drains for %v", name, grace, drain)
	}
	if sidecar && values["limits.drain_delay"] != "0s" {
		t.Errorf("%s: limits.drain_delay is %s, and no load balancer sends anything to a sidecar", name, values["limits.drain_delay"])
	}
}

func variable(c object, name string) string {
	for _, e := range list(c, "env") {
		if e["name"] == name {
			return fmt.Sprint(e["value"])
		}
	}
	return ""
}
