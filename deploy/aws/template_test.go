// Package aws_test checks the CloudFormation template and the README beside it
// against the code: that the table is the one that the code makes, that the
// policies allow what the code calls and no more, and that the costs are those
// of what the cache does. There is no package aws; these are files for
// operators.
package aws_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const templateFile = "sidekey-store.yaml"

// Where the template is deployed in the tests: the account and the Region of
// the KMS stand-in.
const (
	account   = "000000000000"
	region    = "us-east-1"
	partition = "aws"
)

// An object is a YAML mapping.
type object = map[string]any

// A template is a CloudFormation template, with its intrinsic functions in
// their long form: !Ref x is {Ref: x}.
type template struct {
	Parameters, Mappings, Conditions, Resources, Outputs object
}

func readTemplate(t testing.TB) *template {
	t.Helper()
	b, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%s: %v", templateFile, err)
	}
	root := longForm(t, doc.Content[0]).(object)
	part := func(name string) object {
		o, ok := root[name].(object)
		if !ok {
			t.Fatalf("%s has no %s", templateFile, name)
		}
		return o
	}
	return &template{part("Parameters"), part("Mappings"), part("Conditions"), part("Resources"), part("Outputs")}
}

// longForm turns YAML into plain values, and each tag into the function that
// it abbreviates.
func longForm(t testing.TB, n *yaml.Node) any {
	t.Helper()
	name, isFunction := strings.CutPrefix(n.Tag, "!")
	isFunction = isFunction && !strings.HasPrefix(name, "!") // !!str and its like are YAML's own
	var v any
	switch n.Kind {
	case yaml.ScalarNode:
		if isFunction {
			v = n.Value
		} else if err := n.Decode(&v); err != nil {
			t.Fatalf("%s:%d: %v", templateFile, n.Line, err)
		}
	case yaml.SequenceNode:
		list := []any{}
		for _, e := range n.Content {
			list = append(list, longForm(t, e))
		}
		v = list
	case yaml.MappingNode:
		o := object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := o[key]; twice {
				t.Fatalf("%s:%d: %s is there twice", templateFile, n.Content[i].Line, key)
			}
			o[key] = longForm(t, n.Content[i+1])
		}
		v = o
	default:
		t.Fatalf("%s:%d: an alias, which CloudFormation does not know", templateFile, n.Line)
	}
	switch {
	case !isFunction:
		return v
	case name == "Ref" || name == "Condition":
		return object{name: v}
	case name == "GetAtt":
		resource, attribute, _ := strings.Cut(v.(string), ".")
		v = []any{resource, attribute}
	}
	return object{"Fn::" + name: v}
}

// A deployment is the template with its parameters filled in, as CloudFormation
// would make it.
type deployment struct {
	t          testing.TB
	tmpl       *template
	parameters map[string]string
	names      map[string]string // resource -> what Ref gives
	arns       map[string]string // resource -> what GetAtt Arn gives
}

// deploy fills the template in. What is not given has its default.
func (tmpl *template) deploy(t testing.TB, given map[string]string) *deployment {
	t.Helper()
	d := &deployment{t: t, tmpl: tmpl, parameters: map[string]string{}, names: map[string]string{}, arns: map[string]string{}}
	for name, p := range tmpl.Parameters {
		if def, ok := p.(object)["Default"].(string); ok {
			d.parameters[name] = def
		}
	}
	for name, value := range given {
		if _, ok := tmpl.Parameters[name]; !ok {
			t.Fatalf("the template has no parameter %s", name)
		}
		d.parameters[name] = value
	}
	return d
}

// absent is what Ref AWS::NoValue gives: whatever has it is not there.
type absent struct{}

// resource returns the properties of a resource, nil if its condition is not met.
func (d *deployment) resource(name string) object {
	d.t.Helper()
	r, ok := d.tmpl.Resources[name].(object)
	if !ok {
		d.t.Fatalf("the template has no resource %s", name)
	}
	if c, ok := r["Condition"].(string); ok && !d.condition(c) {
		return nil
	}
	return d.value(r["Properties"]).(object)
}

// value works out the functions in v.
func (d *deployment) value(v any) any {
	d.t.Helper()
	switch v := v.(type) {
	case []any:
		list := []any{}
		for _, e := range v {
			if e = d.value(e); e != (absent{}) {
				list = append(list, e)
			}
		}
		return list
	case object:
		if len(v) == 1 {
			for name, arg := range v {
				if name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") {
					return d.call(name, arg)
				}
			}
		}
		o := object{}
		for k, e := range v {
			if e = d.value(e); e != (absent{}) {
				o[k] = e
			}
		}
		return o
	}
	return v
}

// call works out one function.
func (d *deployment) call(name string, arg any) any {
	d.t.Helper()
	args, _ := arg.([]any)
	text := func(i int) string { return d.value(args[i]).(string) }
	switch name {
	case "Ref":
		return d.ref(arg.(string))
	case "Condition":
		return d.condition(arg.(string))
	case "Fn::GetAtt":
		return d.attribute(text(0), text(1))
	case "Fn::Sub":
		return d.substitute(arg.(string))
	case "Fn::If":
		if d.condition(text(0)) {
			return d.value(args[1])
		}
		return d.value(args[2])
	case "Fn::Equals":
		return text(0) == text(1)
	case "Fn::Not":
		return !d.value(args[0]).(bool)
	case "Fn::FindInMap":
		return d.tmpl.Mappings[text(0)].(object)[text(1)].(object)[text(2)]
	case "Fn::Split":
		list := []any{}
		for _, s := range strings.Split(text(1), text(0)) {
			list = append(list, s)
		}
		return list
	case "Fn::Join":
		var list []string
		for _, s := range d.value(args[1]).([]any) {
			list = append(list, s.(string))
		}
		return strings.Join(list, text(0))
	}
	d.t.Fatalf("the tests do not know the function %s: teach them, in deployment.call", name)
	return nil
}

func (d *deployment) condition(name string) bool {
	d.t.Helper()
	c, ok := d.tmpl.Conditions[name]
	if !ok {
		d.t.Fatalf("the template has no condition %s", name)
	}
	return d.value(c).(bool)
}

func (d *deployment) ref(name string) any {
	d.t.Helper()
	if p, ok := d.parameters[name]; ok {
		return p
	}
	switch name {
	case "AWS::NoValue":
		return absent{}
	case "AWS::Partition":
		return partition
	case "AWS::AccountId":
		return account
	case "AWS::Region":
		return region
	}
	if _, ok := d.tmpl.Resources[name]; !ok {
		d.t.Fatalf("Ref %s: the template has no such parameter or resource", name)
	}
	if n, ok := d.names[name]; ok {
		return n
	}
	return name
}

func (d *deployment) attribute(resource, attribute string) string {
	d.t.Helper()
	if _, ok := d.tmpl.Resources[resource]; !ok || attribute != "Arn" {
		d.t.Fatalf("GetAtt %s.%s: the tests know only Arn, of resources of the template", resource, attribute)
	}
	if arn, ok := d.arns[resource]; ok {
		return arn
	}
	switch d.tmpl.Resources[resource].(object)["Type"] {
	case "AWS::IAM::Role":
		return roleARN(resource)
	case "AWS::DynamoDB::Table":
		return tableARN(d.parameters["TableName"])
	}
	d.t.Fatalf("the tests know no ARN of %s", resource)
	return ""
}

func roleARN(name string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", partition, account, name)
}

func tableARN(name string) string {
	return fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s", partition, region, account, name)
}

// substitute puts in what stands as ${Name} or ${Resource.Attribute}.
func (d *deployment) substitute(s string) string {
	d.t.Helper()
	out := ""
	for {
		before, rest, more := strings.Cut(s, "${")
		out += before
		if !more {
			return out
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			d.t.Fatalf("Fn::Sub: a ${ without its } in %q", s)
		}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			out += d.attribute(resource, attribute)
		} else {
			out += d.ref(name).(string)
		}
		s = after
	}
}

// everyChoice deploys the template once for each value of each parameter that
// offers a choice.
func (tmpl *template) everyChoice(t testing.TB) map[string]*deployment {
	out := map[string]*deployment{}
	for name, p := range tmpl.Parameters {
		choices, _ := p.(object)["AllowedValues"].([]any)
		for _, choice := range choices {
			d := tmpl.deploy(t, map[string]string{name: choice.(string)})
			d.arns["Key"] = "arn:aws:kms:us-east-1:000000000000:key/k"
			out[fmt.Sprintf("%s=%s", name, choice)] = d
		}
	}
	return out
}

// arnsAskedFor are the resources whose ARN is used somewhere.
func (tmpl *template) arnsAskedFor() map[string]bool {
	found := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case object:
			if of, ok := v["Fn::GetAtt"].([]any); ok {
				found[of[0].(string)] = true
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(tmpl.Resources)
	walk(tmpl.Outputs)
	return found
}

// Every output can be worked out, whatever is chosen, and points to something
// that is there.
func TestOutputsHoldForEveryChoice(t *testing.T) {
	tmpl := readTemplate(t)
	for choice, d := range tmpl.everyChoice(t) {
		for name, o := range tmpl.Outputs {
			o := o.(object)
			if c, ok := o["Condition"].(string); ok && !d.condition(c) {
				continue
			}
			if d.value(o["Value"]) == "" {
				t.Errorf("with %s: output %s is empty", choice, name)
			}
			if of, ok := o["Value"].(object)["Ref"].(string); ok && d.resource(of) == nil {
				t.Errorf("with %s: output %s points to %s, which is not made", choice, name, of)
			}
		}
	}
}

// Who may take on the roles.
func TestRolesAreTakenOnByWhatTheyWereMadeFor(t *testing.T) {
	tmpl := readTemplate(t)
	pods := []any{"sts:AssumeRole", "sts:TagSession"}
	for _, c := range []struct {
		role, parameter, on string
		principal           object
		action              []any
		sourceAccount       bool
	}{
		{"SidecarRole", "SidecarRunsOn", "ecs", object{"Service": "ecs-tasks.amazonaws.com"}, pods[:1], true},
		{"SidecarRole", "SidecarRunsOn", "ec2", object{"Service": "ec2.amazonaws.com"}, pods[:1], false},
		{"SidecarRole", "SidecarRunsOn", "eks-pod-identity", object{"Service": "pods.eks.amazonaws.com"}, pods, false},
		{"ConsoleRole", "ConsoleRunsOn", "ecs", object{"Service": "ecs-tasks.amazonaws.com"}, pods[:1], true},
		{"ConsoleRole", "ConsoleRunsOn", "ec2", object{"Service": "ec2.amazonaws.com"}, pods[:1], false},
		{"ConsoleRole", "ConsoleRunsOn", "eks-pod-identity", object{"Service": "pods.eks.amazonaws.com"}, pods, false},
		{"ConsoleRole", "ConsoleRunsOn", "people", object{"AWS": "arn:aws:iam::000000000000:root"}, pods[:1], false},
	} {
		d := tmpl.deploy(t, map[string]string{c.parameter: c.on})
		trust := d.resource(c.role)["AssumeRolePolicyDocument"].(object)["Statement"].([]any)
		want := object{"Effect": "Allow", "Principal": c.principal, "Action": c.action}
		if c.sourceAccount {
			want["Condition"] = object{"StringEquals": object{"aws:SourceAccount": account}}
		}
		if got, want := fmt.Sprint(trust), fmt.Sprint([]any{want}); got != want {
			t.Errorf("%s on %s: trusts %s, want %s", c.role, c.on, got, want)
		}
		profile := strings.TrimSuffix(c.role, "Role") + "InstanceProfile"
		if got, want := d.resource(profile) != nil, c.on == "ec2"; got != want {
			t.Errorf("%s on %s: an instance profile: %v, want %v", c.role, c.on, got, want)
		}
	}
}
