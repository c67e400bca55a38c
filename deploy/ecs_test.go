package deploy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// The form of the file is judged beside AWS's specification, in aws/task_test.go.
func TestTaskDefinition(t *testing.T) {
	task := decode(t, string(read(t, "ecs/task-definition.json")))
	containers := list(task, "containerDefinitions")
	sidecar, chatbot := containers[0], containers[1]
	s := &setup{name: "ecs", env: map[string]string{}}
	for _, e := range list(sidecar, "environment") {
		s.env[fmt.Sprint(e["name"])] = fmt.Sprint(e["value"])
	}
	for _, e := range list(sidecar, "secrets") {
		s.env[fmt.Sprint(e["name"])] = "from-secrets-manager"
	}
	values := s.check(t)
	runs(t, "ecs", words(sidecar, "command"))
	health := words(sidecar, "healthCheck", "command")
	if len(health) != 3 || health[0] != "CMD" || health[1] != "/sidekey" || health[2] != "health" {
		t.Errorf("the health check runs %v", health)
	}
	// The chatbot begins after sidekey and ends before it.
	if got := at(chatbot, "dependsOn", 0); at(got, "containerName") != "sidekey" || at(got, "condition") != "HEALTHY" {
		t.Errorf("the chatbot waits for %v", got)
	}
	if got, want := variable(object{"env": chatbot["environment"]}, "OPENAI_BASE_URL"), "http://"+values["listen"]+"/v1"; got != want {
		t.Errorf("the chatbot asks %s, want %s", got, want)
	}
	// Fargate waits for two minutes at most.
	stop := sidecar["stopTimeout"].(int)
	if drain := span(t, values, "limits.drain") + span(t, values, "limits.drain_delay"); stop > 120 || time.Duration(stop)*time.Second < drain+5*time.Second {
		t.Errorf("killed after %d s, and drains for %v", stop, drain)
	}
	if sidecar["user"] != "65532:65532" || sidecar["readonlyRootFilesystem"] != true {
		t.Error("sidekey runs as another user than the image's, or may write where it needs not")
	}
	spool := at(sidecar, "mountPoints", 0)
	if at(spool, "containerPath") != "/tmp" || at(spool, "sourceVolume") != at(task, "volumes", 0, "name") {
		t.Errorf("large bodies are to go to %v", spool)
	}
	for _, e := range list(sidecar, "secrets") {
		if from := fmt.Sprint(e["valueFrom"]); !strings.HasPrefix(from, "arn:aws:secretsmanager:") && !strings.HasPrefix(from, "arn:aws:ssm:") {
			t.Errorf("%v is in the task definition itself, where everybody can read it", e["name"])
		}
	}
	if volumes := arguments(t, readDockerfile(t).last("VOLUME")); !slices.Contains(volumes, "/tmp") {
		t.Error("on Fargate a volume belongs to root unless the image has it as a VOLUME")
	}
}
