package main

import (
	"reflect"
	"strings"
	"testing"
)

// sample is a good value for a leaf, as a variable would hold it.
func sample(p *place) string {
	special := map[string]string{
		"listen": "127.0.0.1:7001", "admin.listen": "127.0.0.1:7002", "identity.mode": "fixed",
		"listen_tls.cert_file": "/c", "listen_tls.key_file": "/k", "listen_tls.client_ca_file": "/a",
		"gateway.url": "https://env.example.com", "gateway.dialect": "header", "gateway.multipart": "field", "byok.route": "direct", "byok.guard": "off",
		"store.kind": "aws", "store.aws.kms_key": "alias/other", "store.aws.region": "eu-north-1", "limits.half_close": "allow", "log.level": "debug", "log.format": "json", "telemetry.usage": "off", "cache.ttl": "4m", "cache.stale_limit": "2h", "cache.recheck": "2h",
		"detect.rules": "[{match: a-*, provider: openai}]", "gateway.headers": "[{name: X-A, value: b}]", "gateway.expose": "/v1/credits, /v1/report",
		"byok.routes": "[{provider: openai, route: direct}]", "byok.guard_unknown": "refuse", "direct.models": "[{model: openai/a, id: a}]",
		"byoi.allow": "a.example.com,b.example.com", "telemetry.prices": "[{match: openai/*, input: '1'}]", "telemetry.endpoint": "http://127.0.0.1:4318",
		"console.listen": "127.0.0.1:2345", "console.notify": "http://10.0.0.1:8788,http://10.0.0.2:8788", "console.auth.secret": "env:ANOTHER",
	}
	if v, ok := special[p.path]; ok {
		return v
	}
	switch p.kind {
	case count:
		return "77"
	case span:
		return "77s"
	case size:
		return "77KiB"
	case ref:
		return "env:OTHER"
	}
	return "word"
}

func TestEnvironmentOverridesEveryLeaf(t *testing.T) {
	env := testEnv{}
	root := schema()
	for _, leaf := range root.leaves() {
		env[leaf.env()] = sample(leaf)
	}
	ld, problems := env.loader(configFile(t, "cache: {ttl: 1m}\nlimits: {connections: 5}\n")).load()
	for _, p := range problems {
		t.Errorf("problem: %v", p)
	}
	defaults := DefaultConfig()
	for _, leaf := range root.leaves() {
		if leaf.path == "identity.mode" {
			continue // the sample is the default
		}
		if got := leaf.value(&ld.Config); reflect.DeepEqual(got, leaf.value(&defaults)) {
			t.Errorf("%s: still the default %v with %s=%s", leaf.path, got, leaf.env(), env[leaf.env()])
		}
	}
	if got, want := ld.Config.Gateway.Expose, []string{"/v1/credits", "/v1/report"}; !reflect.DeepEqual(got, want) {
		t.Errorf("gateway.expose: got %v, want %v", got, want)
	}
	if got := ld.Config.Limits.Connections; got != 77 {
		t.Errorf("limits.connections: got %d, want 77, the variable over the file", got)
	}
}

func TestEnvironmentNamesAreUnambiguous(t *testing.T) {
	seen := map[string]string{}
	for _, leaf := range schema().leaves() {
		if other, twice := seen[leaf.env()]; twice {
			t.Errorf("%s stands for %s and %s", leaf.env(), other, leaf.path)
		}
		seen[leaf.env()] = leaf.path
	}
	if seen["SIDEKEY_GATEWAY_URL"] != "gateway.url" || seen["SIDEKEY_CACHE_TTL"] != "cache.ttl" {
		t.Error("the names of the documentation are missing")
	}
}

func TestBadOverridesAreNamedByTheirVariable(t *testing.T) {
	f := func(name, value, want string) {
		t.Helper()
		_, problems := testEnv{name: value}.loader(configFile(t, "listen: 127.0.0.1:1\n")).load()
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), want) {
			t.Errorf("%s: got %v, want one beginning with %q", name, problems, want)
		}
	}
	f("SIDEKEY_CACHE_TTL", "5", `SIDEKEY_CACHE_TTL: cache.ttl: "5" has no unit`)
	f("SIDEKEY_LIMITS_BODY", "64MB", "SIDEKEY_LIMITS_BODY: limits.body: this is not a size")
	f("SIDEKEY_LIMITS_CONNECTIONS", "many", "SIDEKEY_LIMITS_CONNECTIONS: limits.connections: this is not a whole number")
	f("SIDEKEY_DETECT_RULES", "a", "SIDEKEY_DETECT_RULES: detect.rules[0]: this is text")
	f("SIDEKEY_BYOK_GUARD", "strickt", "SIDEKEY_BYOK_GUARD: byok.guard: ")
	f("SIDEKEY_GATEWAY_KEY", "sk-proj-CANARY-openai-7f3a9bb2", "SIDEKEY_GATEWAY_KEY: gateway.key: secrets are not written")
}

func TestEmptyVariableCountsAsNotSet(t *testing.T) {
	ld := mustLoad(t, testEnv{"SIDEKEY_IDENTITY_CHATBOT": ""}, "identity: {chatbot: mine}\n")
	if got := ld.Config.Identity.Chatbot; got != "mine" {
		t.Errorf("got %q, want mine", got)
	}
}

// Kubernetes sets SIDEKEY_PORT and others for a service called sidekey: only
// what is nearly right is worth a warning.
func TestMisspeltOverridesAreWarnedOf(t *testing.T) {
	ld := mustLoad(t, testEnv{
		"SIDEKEY_GATWAY_URL": "https://x", "SIDEKEY_PORT_8787_TCP": "tcp://10.0.0.1", "SIDEKEY_SERVICE_HOST": "10.0.0.1",
	}, "listen: 127.0.0.1:1\n")
	if len(ld.Warnings) != 1 || !strings.Contains(ld.Warnings[0].String(), "SIDEKEY_GATEWAY_URL") {
		t.Errorf("got %v, want one warning that names SIDEKEY_GATEWAY_URL", ld.Warnings)
	}
}
