package aws_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// This is as much of IAM's evaluation as the template's policies need (IAM user
// guide, "Policy evaluation logic"). What it does not know it refuses, rather
// than guess that something is allowed or not.

// A policy is a policy document.
type policy []statement

type statement struct {
	Sid, Effect      string
	Principal        map[string]string
	Action, Resource words
	Condition        map[string]map[string]words // operator -> key -> values
}

// words are one word or a list of them, as in policies.
type words []string

func (w *words) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(w))
}

// An ask is one request for which IAM is asked.
type ask struct {
	principal string // the role's ARN
	action    string // kms:Decrypt
	resource  string
	context   map[string]words
}

func (a ask) String() string {
	return fmt.Sprintf("%s on %s by %s with %v", a.action, a.resource, a.principal, a.context)
}

// readPolicy takes a resolved policy document apart.
func readPolicy(t testing.TB, document any) policy {
	t.Helper()
	b, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Version   string
		Statement policy
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields() // NotAction and its like
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("a policy that the tests cannot read: %v", err)
	}
	if d.Version != "2012-10-17" {
		t.Fatalf("a policy of version %q, want 2012-10-17", d.Version)
	}
	for _, s := range d.Statement {
		s.check(t)
	}
	return d.Statement
}

func (s *statement) check(t testing.TB) {
	t.Helper()
	if s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action) == 0 || len(s.Resource) == 0 {
		t.Errorf("statement %s: it lacks an effect, an action or a resource", s.Sid)
	}
	for _, a := range s.Action {
		if strings.ContainsAny(a, "*?") {
			t.Errorf("statement %s: action %s: name each action", s.Sid, a)
		}
	}
	if s.Principal != nil && !maps.Equal(s.Principal, map[string]string{"AWS": rootARN}) {
		t.Errorf("statement %s: principal %v: such a principal needs no policy of its own, so write %s and a condition on aws:PrincipalArn", s.Sid, s.Principal, rootARN)
	}
	for operator, keys := range s.Condition {
		if _, known := operators[strings.TrimPrefix(operator, "ForAllValues:")]; !known {
			t.Errorf("statement %s: the tests do not know the operator %s: teach them, in operators", s.Sid, operator)
		}
		for key, values := range keys {
			if strings.Contains(strings.Join(values, " "), "${") {
				t.Errorf("statement %s: %s: the tests do not know policy variables", s.Sid, key)
			}
		}
	}
}

const rootARN = "arn:" + partition + ":iam::" + account + ":root"

// operators compare one value of a request with one of a policy.
var operators = map[string]func(got, pattern string) bool{
	"StringEquals": func(got, pattern string) bool { return got == pattern },
	"StringLike":   like,
	"ArnEquals":    likeARN,
	"Null":         nil, // see holds
}

// like knows * and ?.
func like(got, pattern string) bool {
	p := regexp.QuoteMeta(pattern)
	p = strings.ReplaceAll(strings.ReplaceAll(p, `\*`, `(?s:.*)`), `\?`, `(?s:.)`)
	return regexp.MustCompile(`\A` + p + `\z`).MatchString(got)
}

// likeARN compares the six parts each by itself.
func likeARN(got, pattern string) bool {
	g, p := strings.SplitN(got, ":", 6), strings.SplitN(pattern, ":", 6)
	return len(g) == 6 && len(p) == 6 && slices.EqualFunc(g, p, like)
}

// allows reports whether a statement allows it and none denies it.
func (p policy) allows(a ask) bool {
	allowed := false
	for _, s := range p {
		if !s.matches(a) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// matches looks at all but the principal, which in these policies is the
// account or nothing: see check.
func (s *statement) matches(a ask) bool {
	if !slices.Contains(s.Action, a.action) || !slices.ContainsFunc(s.Resource, func(p string) bool { return like(a.resource, p) }) {
		return false
	}
	for operator, keys := range s.Condition {
		for key, want := range keys {
			got := a.context[key]
			if key == "aws:PrincipalArn" {
				got = words{a.principal}
			}
			if !holds(operator, got, want) {
				return false
			}
		}
	}
	return true
}

// holds evaluates one condition. Without ForAllValues a key that is not there
// does not match, and one that is needs one match.
func holds(operator string, got, want words) bool {
	if operator == "Null" {
		return slices.Contains(want, fmt.Sprint(len(got) == 0))
	}
	name, all := strings.CutPrefix(operator, "ForAllValues:")
	matches := func(g string) bool {
		return slices.ContainsFunc(want, func(w string) bool { return operators[name](g, w) })
	}
	if all {
		return !slices.ContainsFunc(got, func(g string) bool { return !matches(g) })
	}
	return slices.ContainsFunc(got, matches)
}

// An access is who may do what in a deployment: KMS takes two yeses, the role's
// policy's and the key's, DynamoDB takes one.
type access struct {
	roles map[string]policy // the role's ARN -> its policy
	key   policy            // the KMS key's
}

func (x *access) allows(a ask) bool {
	if strings.HasPrefix(a.action, "kms:") && !x.key.allows(a) {
		return false
	}
	return x.roles[a.principal].allows(a)
}

// The evaluation itself, on cases from the IAM user guide and the KMS and
// DynamoDB developer guides.
func TestPolicyEvaluation(t *testing.T) {
	base := ask{principal: roleARN("R"), action: "kms:Decrypt", resource: "arn:aws:kms:r:0:key/k",
		context: map[string]words{"one": {"a"}, "many": {"a-1", "a-2"}}}
	when := func(operator, key string, values ...string) *statement {
		return &statement{Effect: "Allow", Action: words{"kms:Decrypt"}, Resource: words{"*"},
			Condition: map[string]map[string]words{operator: {key: values}}}
	}
	for name, c := range map[string]struct {
		s    *statement
		want bool
	}{
		"another action":                  {&statement{Action: words{"kms:Encrypt"}, Resource: words{"*"}}, false},
		"another resource":                {&statement{Action: words{"kms:Decrypt"}, Resource: words{"arn:aws:kms:r:0:key/j"}}, false},
		"a table is not its index":        {&statement{Action: words{"kms:Decrypt"}, Resource: words{base.resource + "/index/i"}}, false},
		"equal":                           {when("StringEquals", "one", "b", "a"), true},
		"not equal":                       {when("StringEquals", "one", "A"), false},
		"equal is no pattern":             {when("StringEquals", "one", "*"), false},
		"a missing key":                   {when("StringEquals", "none", "a"), false},
		"a missing key, like anything":    {when("StringLike", "none", "*"), false},
		"like":                            {when("StringLike", "one", "b*", "?"), true},
		"a pattern is anchored":           {when("StringLike", "many", "a"), false},
		"all like":                        {when("ForAllValues:StringLike", "many", "a-*"), true},
		"not all like":                    {when("ForAllValues:StringLike", "many", "a-1"), false},
		"all of none":                     {when("ForAllValues:StringLike", "none", "a"), true},
		"null, and it must not be":        {when("Null", "none", "false"), false},
		"not null, as it must be":         {when("Null", "one", "false"), true},
		"the role":                        {when("ArnEquals", "aws:PrincipalArn", roleARN("Q"), roleARN("R")), true},
		"another role":                    {when("ArnEquals", "aws:PrincipalArn", roleARN("Q")), false},
		"a star does not reach over a :":  {when("ArnEquals", "aws:PrincipalArn", "arn:*:role/R"), false},
		"a star in one part of an ARN":    {when("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:role/R"), true},
		"two conditions, and one is met":  {&statement{Action: words{"kms:Decrypt"}, Resource: words{"*"}, Condition: map[string]map[string]words{"StringEquals": {"one": {"a"}, "two": {"b"}}}}, false},
		"another case of action and name": {when("StringEquals", "ONE", "a"), false}, // stricter than IAM, which ignores it
	} {
		if got := c.s.matches(base); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	allow := statement{Effect: "Allow", Action: words{"kms:Decrypt"}, Resource: words{"*"}}
	deny := allow
	deny.Effect = "Deny"
	if !(policy{allow}).allows(base) || (policy{allow, deny}).allows(base) || (policy{}).allows(base) {
		t.Error("a denial must win, and silence must deny")
	}
}
