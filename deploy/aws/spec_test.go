package aws_test

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/sidekey/sidekey/sandbox/npmtest"
)

//go:embed testdata/spec/package.json testdata/spec/package-lock.json testdata/spec/.npmrc testdata/spec/print.mjs
var specFiles embed.FS

// A spec is AWS's own specification of some resource types (npm package
// @aws-cdk/aws-service-spec, on which the CDK is built).
type spec struct {
	Resources map[string]struct {
		Properties map[string]property
		Attributes []string
	}
	Types map[string]map[string]property // by number
}

type property struct {
	Type     kind
	Required bool
}

type kind struct {
	Type          string
	Element       *kind  // of an array or a map
	Types         []kind // of a union
	AllowedValues []string
	Reference     struct {
		To string `json:"$ref"`
	}
}

func readSpec(t *testing.T, types []string) *spec {
	t.Helper()
	sub, err := fs.Sub(specFiles, "testdata/spec")
	if err != nil {
		t.Fatal(err)
	}
	set := &npmtest.Set{Name: "cloudformation", Loss: "THE TEMPLATE'S FORM", Files: sub}
	node, dir := set.Node(t), set.Install(t)
	script, err := fs.ReadFile(sub, "print.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// As an argument, the script looks for its modules in the working folder.
	cmd := exec.CommandContext(t.Context(), node, append([]string{"--input-type=module", "--eval", string(script)}, types...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	s := new(spec)
	if err := json.Unmarshal(out, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// faults lists what is wrong with properties.
func (s *spec) faults(where string, properties object, want map[string]property) []string {
	var out []string
	for name, v := range properties {
		if p, known := want[name]; known {
			out = append(out, s.fault(where+"."+name, v, p.Type)...)
		} else {
			out = append(out, where+": there is no property "+name)
		}
	}
	for name, p := range want {
		if _, there := properties[name]; p.Required && !there {
			out = append(out, where+": "+name+" is missing")
		}
	}
	return out
}

// fault lists what is wrong with one value.
func (s *spec) fault(where string, v any, k kind) []string {
	wrong := []string{fmt.Sprintf("%s: %v is not of the type %s", where, v, k.Type)}
	switch k.Type {
	case "string":
		text, ok := v.(string)
		if ok && len(k.AllowedValues) > 0 && !slices.Contains(k.AllowedValues, text) {
			return []string{fmt.Sprintf("%s: %q is none of %q", where, text, k.AllowedValues)}
		}
		return unless(ok, wrong)
	case "integer":
		_, ok := v.(int)
		return unless(ok, wrong)
	case "boolean":
		_, ok := v.(bool)
		return unless(ok, wrong)
	case "json":
		_, ok := v.(object)
		return unless(ok, wrong)
	case "array":
		list, ok := v.([]any)
		if !ok {
			return wrong
		}
		var out []string
		for i, e := range list {
			out = append(out, s.fault(fmt.Sprintf("%s[%d]", where, i), e, *k.Element)...)
		}
		return out
	case "map":
		o, ok := v.(object)
		if !ok {
			return wrong
		}
		var out []string
		for name, e := range o {
			out = append(out, s.fault(where+"."+name, e, *k.Element)...)
		}
		return out
	case "ref":
		o, ok := v.(object)
		if !ok {
			return wrong
		}
		return s.faults(where, o, s.Types[k.Reference.To])
	case "union":
		for _, one := range k.Types {
			if wrong = s.fault(where, v, one); len(wrong) == 0 {
				return nil
			}
		}
		return wrong
	}
	return []string{where + ": the tests do not know the type " + k.Type + ": teach them, in spec.fault"}
}

func unless(ok bool, wrong []string) []string {
	if ok {
		return nil
	}
	return wrong
}

// TestTemplateHasTheFormThatCloudFormationWants compares each resource, for
// each choice that the template offers, with AWS's specification.
func TestTemplateHasTheFormThatCloudFormationWants(t *testing.T) {
	tmpl := readTemplate(t)
	var types []string
	for _, r := range tmpl.Resources {
		types = append(types, r.(object)["Type"].(string))
	}
	slices.Sort(types)
	s := readSpec(t, slices.Compact(types))
	for choice, d := range tmpl.everyChoice(t) {
		for name, r := range tmpl.Resources {
			of, known := s.Resources[r.(object)["Type"].(string)]
			if !known {
				t.Fatalf("%s: there is no resource type %s", name, r.(object)["Type"])
			}
			if properties := d.resource(name); properties != nil {
				for _, f := range s.faults(name, properties, of.Properties) {
					t.Errorf("with %s: %s", choice, f)
				}
			}
		}
	}
	for name := range tmpl.arnsAskedFor() {
		if of := s.Resources[tmpl.Resources[name].(object)["Type"].(string)]; !slices.Contains(of.Attributes, "Arn") {
			t.Errorf("GetAtt %s.Arn: such a resource has only %q", name, of.Attributes)
		}
	}
}

// The comparison finds what it is for.
func TestFormFaultsAreFound(t *testing.T) {
	s := readSpec(t, []string{"AWS::DynamoDB::Table"})
	want := s.Resources["AWS::DynamoDB::Table"].Properties
	keys := []any{object{"AttributeName": "a", "KeyType": "HASH"}}
	if faults := s.faults("T", object{"KeySchema": keys}, want); len(faults) > 0 {
		t.Fatalf("a good table: %q", faults)
	}
	for name, bad := range map[string]object{
		"a property that does not exist": {"KeySchema": keys, "DeletionProtection": true},
		"one that is missing":            {},
		"another type":                   {"KeySchema": keys, "DeletionProtectionEnabled": "yes"},
		"one deeper":                     {"KeySchema": []any{object{"AttributeName": "a", "Type": "HASH"}}},
	} {
		if faults := s.faults("T", bad, want); len(faults) == 0 {
			t.Errorf("%s was not found", name)
		}
	}
}

// What stands beside properties is not in the specification. This is the part
// of the template reference (CloudFormation user guide, "Template sections",
// "Resource attributes") that is used.
func TestTemplateUsesKnownSections(t *testing.T) {
	tmpl := readTemplate(t)
	for section, c := range map[string]struct {
		entries object
		members []string
	}{
		"Parameters": {tmpl.Parameters, []string{"Type", "Default", "AllowedPattern", "AllowedValues", "Description"}},
		"Resources":  {tmpl.Resources, []string{"Type", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Properties"}},
		"Outputs":    {tmpl.Outputs, []string{"Condition", "Description", "Value"}},
	} {
		for name, e := range c.entries {
			for member := range maps.Keys(e.(object)) {
				if !slices.Contains(c.members, member) {
					t.Errorf("%s: %s: the tests do not know %s there", section, name, member)
				}
			}
		}
	}
}
