package deploy_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/schema"

	"github.com/sidekey/sidekey/sandbox"
)

func TestComposeFile(t *testing.T) {
	text := string(read(t, "compose/compose.yaml"))
	file := decode(t, text)
	if err := schema.Validate(file); err != nil {
		t.Errorf("compose.yaml: %v", err)
	}
	// A judge that lets everything pass would show nothing.
	if err := schema.Validate(decode(t, strings.Replace(text, "read_only:", "readonly:", 1))); err == nil {
		t.Error("the schema lets a wrong name pass")
	}
	env := map[string]string{}
	for name, value := range at(file, "services", "sidekey", "environment").(object) {
		env[name] = regexp.MustCompile(`^\$\{\w+:-(.*)\}$`).ReplaceAllString(fmt.Sprint(value), "$1")
	}
	s := &setup{name: "compose", config: string(read(t, "compose/config/sidekey.yaml")), env: env}
	values := s.check(t)
	if env["AI_GATEWAY_API_KEY"] != sandbox.DemoGatewayKey {
		t.Error("the gateway's key is not the stand-in's")
	}
	if !strings.Contains(text, sandbox.DemoOpenAIKey) {
		t.Error("the OpenAI key in the comment is not one that the stand-in takes")
	}
	services := at(file, "services").(object)
	for name, service := range services {
		runs(t, name, words(service, "command"))
	}
	// The stand-in is where the configuration looks for it.
	gateway := words(services["gateway"], "command")
	if want := "http://" + gateway[len(gateway)-1]; values["gateway.url"] != want || at(services["gateway"], "network_mode") != "service:sidekey" {
		t.Errorf("gateway.url is %s, and the stand-in listens at %s", values["gateway.url"], want)
	}
	// Published on this machine only, at the port that sidekey listens on.
	_, port, _ := strings.Cut(values["listen"], ":")
	if got, want := fmt.Sprint(at(services["sidekey"], "ports", 0)), "127.0.0.1:8787:"+port; got != want {
		t.Errorf("published: %s, want %s", got, want)
	}
	grace, err := time.ParseDuration(fmt.Sprint(at(services["sidekey"], "stop_grace_period")))
	if drain := span(t, values, "limits.drain") + span(t, values, "limits.drain_delay"); err != nil || grace < drain+2*time.Second {
		t.Errorf("killed after %v, and drains for %v (%v)", grace, drain, err)
	}
}
