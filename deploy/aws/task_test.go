package aws_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The task definition of ../ecs is for aws ecs register-task-definition, whose
// members are those of the resource type, but for the first letter.
func TestTaskDefinitionHasTheFormThatECSWants(t *testing.T) {
	const resource = "AWS::ECS::TaskDefinition"
	text, err := os.ReadFile("../ecs/task-definition.json")
	if err != nil {
		t.Fatal(err)
	}
	s := readSpec(t, []string{resource})
	faults := func(text string) []string {
		var task object
		if err := yaml.Unmarshal([]byte(text), &task); err != nil { // whose whole numbers are such
			t.Fatal(err)
		}
		return s.faults("task", capitals(task).(object), s.Resources[resource].Properties)
	}
	for _, f := range faults(string(text)) {
		t.Error(f)
	}
	for _, wrong := range []string{`"stopTimeOut"`, `"containerName"`, `"valueFrom"`} {
		if len(faults(strings.Replace(string(text), wrong, `"other"`, 1))) == 0 && strings.Contains(string(text), wrong) {
			t.Errorf("a task definition with another name than %s passes", wrong)
		}
	}
}

// capitals writes the names of members as CloudFormation does. What stands in
// the options of a log driver are no members.
func capitals(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for name, below := range v {
			if name != "options" {
				below = capitals(below)
			}
			out[strings.ToUpper(name[:1])+name[1:]] = below
		}
		return out
	case []any:
		for i := range v {
			v[i] = capitals(v[i])
		}
	}
	return v
}
