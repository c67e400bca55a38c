package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"text/template"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const chart = "helm/sidekey"

// Helm's functions, as far as the chart uses them; the chart uses no others so
// that it can be rendered without Helm. Where helm is installed, its output is
// compared with what comes out of these.
func functions(t *testing.T, tmpl *template.Template) template.FuncMap {
	indent := func(n int, s string) string {
		pad := strings.Repeat(" ", n)
		return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
	}
	return template.FuncMap{
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			err := tmpl.ExecuteTemplate(&out, name, data)
			return out.String(), err
		},
		"toYaml": func(v any) string {
			var out bytes.Buffer
			enc := yaml.NewEncoder(&out)
			enc.SetIndent(2)
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			return strings.TrimSuffix(out.String(), "\n")
		},
		"nindent": func(n int, s string) string { return "\n" + indent(n, s) },
		"default": func(def, v any) any {
			if v == nil || reflect.ValueOf(v).IsZero() {
				return def
			}
			return v
		},
		"dict": func(pairs ...any) object {
			o := object{}
			for i := 0; i+1 < len(pairs); i += 2 {
				o[pairs[i].(string)] = pairs[i+1]
			}
			return o
		},
	}
}

// render renders the chart's templates, and more of the test's own, with values
// laid over the chart's.
func render(t *testing.T, over string, more ...string) string {
	t.Helper()
	values := merge(decode(t, string(read(t, chart+"/values.yaml"))), decode(t, over))
	if err := judgeValues(t, values); err != nil {
		t.Fatalf("values.schema.json: %v", err)
	}
	tmpl := template.New("chart").Option("missingkey=zero")
	tmpl.Funcs(functions(t, tmpl))
	data := object{"Values": values, "Release": object{"Name": "r", "Namespace": "chatbots", "Service": "Helm"}}
	files, err := filepath.Glob(chart + "/templates/*")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	for _, file := range files {
		template.Must(tmpl.New(filepath.Base(file)).Parse(string(read(t, file))))
	}
	var out strings.Builder
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "_") || filepath.Base(file) == "NOTES.txt" {
			continue
		}
		out.WriteString("\n---\n")
		if err := tmpl.ExecuteTemplate(&out, filepath.Base(file), data); err != nil {
			t.Fatal(err)
		}
	}
	for i, text := range more {
		name := fmt.Sprint("more", i)
		template.Must(tmpl.New(name).Parse(text))
		out.WriteString("\n---\n")
		if err := tmpl.ExecuteTemplate(&out, name, data); err != nil {
			t.Fatal(err)
		}
	}
	var notes strings.Builder
	if err := tmpl.ExecuteTemplate(&notes, "NOTES.txt", data); err != nil || !strings.Contains(notes.String(), "sidekey") {
		t.Errorf("NOTES.txt: %v", err)
	}
	return out.String()
}

// merge lays one object over another, as Helm does with values.
func merge(under, over object) object {
	out := maps.Clone(under)
	for name, v := range over {
		below, ok := out[name].(object)
		if o, both := v.(object); ok && both {
			v = merge(below, o)
		}
		out[name] = v
	}
	return out
}

func judgeValues(t *testing.T, values object) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, chart+"/values.schema.json")))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("values.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("values.json")
	if err != nil {
		t.Fatal(err)
	}
	// Numbers of YAML are not those of JSON.
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}

// chartCases are values that change what is made.
var chartCases = map[string]string{
	"as it is": "",
	"open":     "admin: {expose: true}\nnetworkPolicy: {egress: []}\n",
	"TLS":      "shared: {tlsSecretName: tls, tlsClientAuthority: true, podAnnotations: {a: b}, nodeSelector: {disk: ssd}, tolerations: [{key: a, operator: Exists}]}\n",
	"console":  "console: {enabled: true, serviceAccountName: console}\nimagePullSecrets: [{name: registry}]\n",
	"digest":   "image: {digest: 'sha256:" + strings.Repeat("0a", 32) + "'}\nenv: [{name: SIDEKEY_LOG_LEVEL, value: debug}]\nserviceAccount: {create: false, name: mine}\n",
}

func TestChart(t *testing.T) {
	var all []object
	defer func() { // at once: to start the judge takes longest
		for _, p := range judge(t, all) {
			t.Error(p)
		}
	}()
	for name, values := range chartCases {
		t.Run(name, func(t *testing.T) {
			objects := decodeAll(t, render(t, values))
			all = append(all, objects...)
			if name == "TLS" {
				// What the certificate's variables name must be there to be checked.
				objects = withoutTLS(t, objects)
			}
			checkObjects(t, objects)
			checkServices(t, objects)
		})
	}
}

// withoutTLS takes the certificate out of the variables, once it is seen to be
// mounted where they say.
func withoutTLS(t *testing.T, objects []object) []object {
	t.Helper()
	c := list(find(t, objects, "Deployment", "r-sidekey"), "spec", "template", "spec", "containers")[0]
	var kept []any
	for _, e := range list(c, "env") {
		if strings.HasPrefix(fmt.Sprint(e["name"]), "SIDEKEY_LISTEN_TLS_") {
			if !strings.HasPrefix(fmt.Sprint(e["value"]), "/run/secrets/sidekey-tls/") {
				t.Errorf("%v is not where the secret is mounted", e)
			}
			continue
		}
		kept = append(kept, e)
	}
	if got := len(list(c, "env")) - len(kept); got != 3 {
		t.Errorf("%d variables of TLS, want 3", got)
	}
	c["env"] = kept
	return objects
}

// checkServices: each leads to a port of a pod that it selects, and a policy lets
// it through.
func checkServices(t *testing.T, objects []object) {
	t.Helper()
	for _, s := range objects {
		if s["kind"] != "Service" {
			continue
		}
		name := fmt.Sprint(at(s, "metadata", "name"))
		d := find(t, objects, "Deployment", name)
		for key, want := range at(s, "spec", "selector").(object) {
			if got := at(d, "spec", "template", "metadata", "labels", key); got != want {
				t.Errorf("service %s selects %s=%v, the pods have %v", name, key, want, got)
			}
		}
		target := at(s, "spec", "ports", 0, "targetPort")
		if got := at(d, "spec", "template", "spec", "containers", 0, "ports", 0, "name"); got != target {
			t.Errorf("service %s leads to port %v, the container has %v", name, target, got)
		}
		policy := find(t, objects, "NetworkPolicy", name)
		if got := at(policy, "spec", "ingress", 0, "ports", 0, "port"); got != target {
			t.Errorf("the policy of %s lets port %v in, want %v", name, got, target)
		}
	}
}

// The templates for a chatbot's own chart, used as the comment above them says.
const chatbotChart = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: chatbot}
spec:
  selector: {matchLabels: {app: chatbot}}
  template:
    metadata: {labels: {app: chatbot}}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      securityContext: {fsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
      containers: [{name: chatbot, image: chatbot}]
      initContainers:
        {{- include "sidekey.sidecar" (dict "Values" .Values "Release" .Release) | nindent 8 }}
      volumes:
        {{- include "sidekey.volumes" (dict "Values" .Values "Release" .Release) | nindent 8 }}
`

func TestChartAsSidecar(t *testing.T) {
	for _, admin := range []string{"false", "true"} {
		objects := decodeAll(t, render(t, "shared: {enabled: false}\nadmin: {expose: "+admin+"}\nconfig: {identity: {mode: fixed, chatbot: demo}, limits: {drain: 10s, drain_delay: 0s}}\n", chatbotChart))
		for _, o := range objects {
			if kind := o["kind"]; kind != "ConfigMap" && kind != "ServiceAccount" && at(o, "metadata", "name") != "chatbot" {
				t.Errorf("without the shared one there is still a %v", kind)
			}
		}
		checkObjects(t, objects)
		for _, p := range judge(t, objects) {
			t.Error(p)
		}
		c := list(find(t, objects, "Deployment", "chatbot"), "spec", "template", "spec", "initContainers")[0]
		if c["restartPolicy"] != "Always" || variable(c, "SIDEKEY_LISTEN") != "127.0.0.1:8787" {
			t.Error("sidekey is no native sidecar on loopback")
		}
	}
}

// The templates are used from other charts, where .Chart is the other one.
func TestChartsImageIsOfItsVersion(t *testing.T) {
	version := decode(t, string(read(t, chart+"/Chart.yaml")))["appVersion"]
	c := list(find(t, decodeAll(t, render(t, "")), "Deployment", "r-sidekey"), "spec", "template", "spec", "containers")[0]
	if want := fmt.Sprintf("ghcr.io/sidekey/sidekey:%v", version); c["image"] != want {
		t.Errorf("the image is %v, want %s", c["image"], want)
	}
}

func TestChartRefusesBadValues(t *testing.T) {
	for _, bad := range []string{
		"shared: {replica: 3}", "admin: {expose: 'yes'}", "image: {digest: latest}", "config: {listen: '0.0.0.0:1'}", "config: {admin: {}}",
		"console: {port: 70000}", "secretName: ''", "spool: {sizeLimit: 4GB}", "networkpolicy: {}", "env: {A: b}",
	} {
		if err := judgeValues(t, merge(decode(t, string(read(t, chart+"/values.yaml"))), decode(t, bad))); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// Where helm is installed, it must make of the chart what the tests make of it.
func TestHelmAgrees(t *testing.T) {
	helm, err := exec.LookPath("helm")
	if err != nil {
		t.Skip("helm is not installed: the chart is rendered by the tests alone")
	}
	for name, values := range chartCases {
		file := write(t, filepath.Join(t.TempDir(), "values.yaml"), values)
		cmd := exec.CommandContext(t.Context(), helm, "template", "r", chart, "--namespace", "chatbots", "--kube-version", "1.31", "--values", file)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		got, want := decodeAll(t, string(out)), decodeAll(t, render(t, values))
		if len(got) != len(want) {
			t.Errorf("%s: helm makes %d objects, the tests %d", name, len(got), len(want))
		}
		for _, w := range want {
			g := find(t, got, w["kind"].(string), at(w, "metadata", "name").(string))
			// The file's keys stand in another order.
			for _, o := range []object{g, w} {
				if o["kind"] == "ConfigMap" {
					o["data"] = decode(t, at(o, "data", "sidekey.yaml").(string))
				}
			}
			if !reflect.DeepEqual(g, w) {
				t.Errorf("%s: helm makes\n%v\nthe tests\n%v", name, g, w)
			}
		}
	}
}
