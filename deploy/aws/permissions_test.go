package aws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// The principals of the tests. The id of an access key says who calls.
const (
	operator      = "local" // prepares and looks behind the scenes; nothing is asked
	administrator = "Administrator"
	sidecar       = "SidecarRole"
	console       = "ConsoleRole"
)

const (
	chatbot  = "acme-1" // matches limited
	stranger = "other-1"
	owner    = "acme" // the account of both
	limited  = "acme-*"
)

// A site is a World with a deployment of the template in force, and a table
// with keys in it.
type site struct {
	*awstest.World
	t      testing.TB
	deploy *deployment
	access *access

	mu    sync.Mutex
	asked []ask // what came from the roles
}

// newSite lets the code make the table, for dynalite knows no CloudFormation;
// TestTableIsTheOneThatTheCodeMakes shows that it is the same.
func newSite(t testing.TB, parameters map[string]string) *site {
	t.Helper()
	s := &site{World: awstest.Start(t), t: t}
	given := maps.Clone(parameters)
	if given == nil {
		given = map[string]string{}
	}
	given["TableName"], given["KeyAlias"] = s.Table, awstest.Alias
	s.deploy = readTemplate(t).deploy(t, given)
	s.deploy.arns["Key"] = s.KMS.KeyARN(awstest.Alias)
	s.access = &access{
		roles: map[string]policy{
			roleARN(sidecar): s.policyOf("SidecarPolicy", sidecar),
			roleARN(console): s.policyOf("ConsolePolicy", console),
		},
		key: readPolicy(t, s.deploy.resource("Key")["KeyPolicy"]),
	}
	s.Allow(s.judge)
	s.fill()
	return s
}

// policyOf returns a managed policy, and checks whose it is.
func (s *site) policyOf(resource, role string) policy {
	s.t.Helper()
	p := s.deploy.resource(resource)
	if got := fmt.Sprint(p["Roles"]); got != "["+role+"]" {
		s.t.Fatalf("%s is attached to %s, want %s", resource, got, role)
	}
	return readPolicy(s.t, p["PolicyDocument"])
}

// fill runs sidekey store init as an administrator, as the README has it, and
// stores keys for two chatbots.
func (s *site) fill() {
	s.t.Helper()
	ctx := s.t.Context()
	steps := openStore(s.t, s.World, administrator).Init(ctx, credstore.InitOptions{})
	if err := credstore.InitError(steps); err != nil {
		s.t.Fatal(err)
	}
	a := openStore(s.t, s.World, operator)
	o := credstore.NewOwner(a.Backend())
	for _, id := range []string{chatbot, stranger} {
		_, err := o.Set(ctx, id, provider.OpenAI, key("stored"), credstore.SetOptions{Account: owner})
		if err == nil {
			err = o.SetBYOI(ctx, id, "https://llm.example.com/v1", "", key("endpoint"), owner)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

func key(name string) credstore.Secret {
	return credstore.NewSecret([]byte("sk-proj-CANARY-openai-" + name + strings.Repeat("x", 24-len(name))))
}

func sealContext(app, table, chatbot, item string) map[string]string {
	return map[string]string{"app": app, "table": table, "chatbot_id": chatbot, "item": item}
}

// seal and open call KMS past the code.
func (s *site) seal(context map[string]string) []byte {
	s.t.Helper()
	out, err := kms.NewFromConfig(s.As(operator)).Encrypt(s.t.Context(), &kms.EncryptInput{
		KeyId: aws.String(awstest.Alias), Plaintext: []byte("word"), EncryptionContext: context})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.CiphertextBlob
}

func (s *site) open(ctx context.Context, who string, sealed []byte, context map[string]string) error {
	_, err := kms.NewFromConfig(s.As(who)).Decrypt(ctx, &kms.DecryptInput{
		KeyId: aws.String(awstest.Alias), CiphertextBlob: sealed, EncryptionContext: context})
	return err
}

// judge is the template's policies as the World's IAM.
func (s *site) judge(c awstest.Call) bool {
	switch {
	case c.Who == operator:
		return true
	case c.Who == administrator && !strings.HasPrefix(c.Op, "kms:"):
		return true // IAM allows it everything
	}
	a, err := s.ask(c)
	if err != nil {
		s.t.Errorf("%s: %v", c.Op, err)
		return false
	}
	if c.Who == administrator {
		return s.access.key.allows(a)
	}
	s.mu.Lock()
	s.asked = append(s.asked, a)
	s.mu.Unlock()
	return s.access.allows(a)
}

// ask is a call as IAM sees it.
func (s *site) ask(c awstest.Call) (ask, error) {
	a := ask{principal: roleARN(c.Who), action: c.Op, context: map[string]words{}}
	if strings.HasPrefix(c.Op, "kms:") {
		a.resource = s.KMS.KeyARN(awstest.Alias) // IAM looks at the key behind the alias
		if c.Key != awstest.Alias && c.Key != a.resource && !strings.HasSuffix(a.resource, "/"+c.Key) {
			return a, fmt.Errorf("it names the key %q, which is not the template's", c.Key)
		}
		for name, value := range c.Context {
			a.context["kms:EncryptionContext:"+name] = words{value}
		}
		return a, nil
	}
	a.resource = tableARN(c.Table)
	if c.Index != "" {
		a.resource += "/index/" + c.Index
	}
	leading, err := leadingKeys(c)
	if len(leading) > 0 {
		a.context["dynamodb:LeadingKeys"] = leading
	}
	return a, err
}

// leadingKeys are the partition keys that a call names.
func leadingKeys(c awstest.Call) (words, error) {
	type attribute struct{ S string }
	var body struct {
		Key, Item, ExpressionAttributeValues map[string]attribute
		KeyConditionExpression               string
	}
	dec := json.NewDecoder(bytes.NewReader(c.Body))
	if err := dec.Decode(&body); err != nil {
		return nil, err
	}
	switch c.Op {
	case "dynamodb:GetItem":
		return words{body.Key["chatbot_id"].S}, nil
	case "dynamodb:PutItem":
		return words{body.Item["chatbot_id"].S}, nil
	case "dynamodb:Scan":
		return nil, nil
	case "dynamodb:Query":
		_, name, ok := strings.Cut(body.KeyConditionExpression, " = ")
		if v, there := body.ExpressionAttributeValues[name]; ok && there {
			return words{v.S}, nil
		}
	}
	return nil, fmt.Errorf("the tests cannot tell its partition key: teach them, in leadingKeys")
}

// A step is one thing that a role does.
type step struct {
	name string
	do   func(context.Context) error
}

// sidecarSteps is all that a sidecar does for one chatbot.
func (s *site) sidecarSteps(id string) []step {
	a := openStore(s.t, s.World, sidecar)
	cache, err := credstore.NewCache(a.Backend(), credstore.CacheConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cache.Close)
	use := func(ctx context.Context) error {
		k, err := cache.Keyring(ctx, id)
		if err != nil {
			return err
		}
		_, err = k.Secret(ctx, provider.OpenAI)
		_, ownEndpoint := k.BYOISecret(ctx)
		return errors.Join(err, ownEndpoint)
	}
	return []step{
		{"load, and open both keys", use},
		{"refresh", func(ctx context.Context) error {
			_, err := a.Load(ctx, id, credstore.Recent) // what a refresh calls, see Cache.freshness
			return err
		}},
		{"load and open after an invalidation", func(ctx context.Context) error {
			cache.Invalidate(id)
			return use(ctx)
		}},
		{"sidekey store status", func(ctx context.Context) error { return status(ctx, a, false) }},
	}
}

// status returns what sidekey store status finds missing: for a sidecar, or
// for owners as well.
func status(ctx context.Context, a *credstore.AWS, owners bool) error {
	var errs []error
	for _, c := range a.Status(ctx, "") {
		if c.State != credstore.CheckOK && (owners || !c.Owner) {
			errs = append(errs, fmt.Errorf("%s on %s: %s: %s", c.Action, c.Resource, c.State, c.Why))
		}
	}
	return errors.Join(errs...)
}

// ownerSteps is what owners do, with the role's credentials, but for what is
// optional. The order matters: a deletion needs a key.
func (s *site) ownerSteps(who string) []step {
	b := openStore(s.t, s.World, who).Backend()
	o := credstore.NewOwner(b)
	return []step{
		{"Set", func(ctx context.Context) error {
			_, err := o.Set(ctx, chatbot, provider.Anthropic, anthropic, credstore.SetOptions{Account: owner})
			return err
		}},
		{"SetBYOK", func(ctx context.Context) error { return o.SetBYOK(ctx, chatbot, true, owner) }},
		{"SetBYOI", func(ctx context.Context) error {
			return o.SetBYOI(ctx, chatbot, "https://llm.example.com/v1", "", key("endpoint"), owner)
		}},
		{"ListAccount", func(ctx context.Context) error {
			infos, err := o.ListAccount(ctx, owner)
			if err == nil && len(infos) != 2 {
				err = fmt.Errorf("%d chatbots, want 2", len(infos))
			}
			return err
		}},
		{"what the console does", func(ctx context.Context) error {
			c := o.As(credstore.Actor{Name: "ann", Role: "owner", Lost: func(_ string, _ credstore.Change, err error) { s.t.Errorf("the trail: %v", err) }})
			const made = "acme-made"
			err := c.Create(ctx, made, "Help desk", owner)
			_, set := c.Set(ctx, made, provider.Anthropic, anthropic, credstore.SetOptions{Account: owner})
			_, again := c.Set(ctx, made, provider.Anthropic, key("other"), credstore.SetOptions{Account: owner})
			names, named := b.Store.Names(ctx, owner)
			trail, told := c.Changes(ctx, made, owner, 0, 10)
			if len(names) != 3 || len(trail) != 3 {
				err = errors.Join(err, fmt.Errorf("%d names and %d changes, want 3 and 3", len(names), len(trail)))
			}
			return errors.Join(err, set, again, named, told, c.Rename(ctx, made, "Front desk", owner), c.Remove(ctx, made, owner))
		}},
		{"a write that lost", func(ctx context.Context) error {
			err := b.Store.PutSettings(ctx, chatbot, &credstore.Settings{AccountID: owner, Version: 2}, 1)
			if errors.Is(err, credstore.ErrConflict) {
				return nil
			}
			return fmt.Errorf("want a conflict, got: %w", err)
		}},
		{"RecordTest", func(ctx context.Context) error {
			info, err := o.List(ctx, chatbot, owner)
			if err == nil && len(info.Keys) == 0 {
				err = errors.New("no keys")
			}
			if err != nil {
				return err
			}
			k := info.Keys[0]
			return o.RecordTest(ctx, chatbot, k.Slug, k.Version, "valid", k.UpdatedAt)
		}},
		{"ClearBYOI", func(ctx context.Context) error { return o.ClearBYOI(ctx, chatbot, owner) }},
		{"Delete", func(ctx context.Context) error { return o.Delete(ctx, chatbot, provider.OpenAI, owner) }},
		{"Set again", func(ctx context.Context) error {
			_, err := o.Set(ctx, chatbot, provider.OpenAI, key("again"), credstore.SetOptions{Account: owner})
			return errors.Join(err, o.SetBYOI(ctx, chatbot, "https://llm.example.com/v1", "", key("endpoint"), owner))
		}},
	}
}

var anthropic = credstore.NewSecret([]byte("sk-ant-api03-CANARY-anthropic-" + strings.Repeat("x", 80)))

// viewStep is a read that the sidecar does as well.
func (s *site) viewStep(who string) step {
	o := credstore.NewOwner(openStore(s.t, s.World, who).Backend())
	return step{"List", func(ctx context.Context) error {
		_, err := o.List(ctx, chatbot, owner)
		return err
	}}
}

// keyStep is what ConsoleTestsStoredKeys is for.
func (s *site) keyStep(who string) step {
	o := credstore.NewOwner(openStore(s.t, s.World, who).Backend())
	return step{"Key", func(ctx context.Context) error {
		_, _, err := o.Key(ctx, chatbot, provider.OpenAI, owner)
		return err
	}}
}

// listAllStep is what ConsoleListsAllAccounts is for.
func (s *site) listAllStep(who string) step {
	o := credstore.NewOwner(openStore(s.t, s.World, who).Backend())
	return step{"ListAccount of all", func(ctx context.Context) error {
		_, err := o.ListAccount(ctx, "")
		return err
	}}
}

func (s *site) succeeds(who string, steps ...step) {
	s.t.Helper()
	for _, step := range steps {
		if err := step.do(s.t.Context()); err != nil {
			s.t.Errorf("%s: %s: %v", who, step.name, err)
		}
	}
}

func (s *site) isDenied(who string, steps ...step) {
	s.t.Helper()
	for _, step := range steps {
		if err := step.do(s.t.Context()); err == nil || !strings.Contains(err.Error(), "not authorized to perform") {
			s.t.Errorf("%s: %s: got %v, want a denial", who, step.name, err)
		}
	}
}

func TestSidecarMayReadAndOpenAndNothingElse(t *testing.T) {
	s := newSite(t, nil)
	s.succeeds(sidecar, s.sidecarSteps(chatbot)...)
	s.succeeds(sidecar, s.sidecarSteps(stranger)...)
	s.isDenied(sidecar, s.listAllStep(sidecar))
	for _, step := range s.ownerSteps(sidecar) {
		s.isDenied(sidecar, step)
	}
}

func TestConsoleMayStoreAndListButNotOpen(t *testing.T) {
	s := newSite(t, nil)
	s.succeeds(console, s.ownerSteps(console)...)
	s.succeeds(console, s.viewStep(console))
	s.isDenied(console, s.keyStep(console), s.listAllStep(console))
}

func TestConsoleMayOpenAndListAllWhereThatIsChosen(t *testing.T) {
	s := newSite(t, map[string]string{"ConsoleTestsStoredKeys": "true"})
	s.succeeds(console, s.keyStep(console))
	s.isDenied(console, s.listAllStep(console))
	s = newSite(t, map[string]string{"ConsoleListsAllAccounts": "true"})
	s.succeeds(console, s.listAllStep(console))
	s.isDenied(console, s.keyStep(console))
	s = newSite(t, allChosen)
	s.succeeds(console, s.keyStep(console), s.listAllStep(console), s.statusStep(console))
}

func TestSidecarOfSomeChatbotsHasNoOthers(t *testing.T) {
	s := newSite(t, map[string]string{"SidecarChatbots": "demo," + limited})
	s.succeeds(sidecar, s.sidecarSteps(chatbot)...)
	a := openStore(t, s.World, sidecar)
	rec, err := openStore(t, s.World, operator).Load(t.Context(), stranger, credstore.Latest)
	if err != nil {
		t.Fatal(err)
	}
	s.isDenied(sidecar, step{"read another's records", func(ctx context.Context) error {
		_, err := a.Load(ctx, stranger, credstore.Latest)
		return err
	}}, step{"open another's key", func(ctx context.Context) error {
		item := credstore.KeyItem(provider.OpenAI, 1)
		return s.open(ctx, sidecar, rec.Keys[0].Ciphertext, sealContext("sidekey", s.Table, stranger, item))
	}})
}

// A ciphertext of something else, under the same KMS key.
func TestNobodyOpensWhatWasSealedForSomethingElse(t *testing.T) {
	s := newSite(t, map[string]string{"ConsoleTestsStoredKeys": "true"})
	item := credstore.KeyItem(provider.OpenAI, 1)
	for name, with := range map[string]map[string]string{
		"another app":   sealContext("billing", s.Table, chatbot, item),
		"another table": sealContext("sidekey", "staging", chatbot, item),
		"no table":      {"app": "sidekey", "chatbot_id": chatbot, "item": item},
		"no context":    nil,
	} {
		sealed := s.seal(with)
		for _, who := range []string{sidecar, console} {
			s.isDenied(who, step{name, func(ctx context.Context) error { return s.open(ctx, who, sealed, with) }})
		}
		if err := s.open(t.Context(), operator, sealed, with); err != nil {
			t.Errorf("%s: the test itself is wrong, nobody at all can open it: %v", name, err)
		}
	}
}

// The key's policy is a second lock: a role that IAM allows everything opens
// nothing, unless it is named.
func TestAdministratorsOpenNothing(t *testing.T) {
	const mine = "arn:aws:iam::000000000000:role/mine"
	s := newSite(t, map[string]string{"MoreRolesThatOpen": mine + "," + roleARN("theirs")})
	open := ask{action: "kms:Decrypt", resource: s.KMS.KeyARN(awstest.Alias), context: map[string]words{
		"kms:EncryptionContext:app": {"sidekey"}, "kms:EncryptionContext:table": {s.Table}}}
	for who, want := range map[string]bool{
		roleARN("Administrator"): false, roleARN(console): false,
		roleARN(sidecar): true, mine: true, roleARN("theirs"): true,
	} {
		open.principal = who
		if got := s.access.key.allows(open); got != want {
			t.Errorf("%s, if IAM allows it everything: opens: %v, want %v", who, got, want)
		}
	}
	s.isDenied(administrator, s.keyStep(administrator), s.statusStep(administrator))
	for _, st := range s.access.key {
		for _, action := range st.Action {
			opens := slices.ContainsFunc([]string{"Decrypt", "ReEncrypt", "GenerateDataKey", "CreateGrant", "DeriveSharedSecret", "ReplicateKey"},
				func(name string) bool { return strings.Contains(action, name) })
			if opens && len(st.Condition["ArnEquals"]["aws:PrincipalArn"]) == 0 {
				t.Errorf("statement %s of the key's policy: %s opens keys, or hands opening out, without naming the roles", st.Sid, action)
			}
		}
	}
}

// statusStep is store status with --owner.
func (s *site) statusStep(who string) step {
	return step{"sidekey store status --owner", func(ctx context.Context) error {
		return status(ctx, openStore(s.t, s.World, who), true)
	}}
}

// everything runs all that both roles do, and returns what was refused. It
// leaves out store status --owner, which tries actions whether or not anything
// else needs them.
func (s *site) everything() []error {
	var errs []error
	steps := slices.Concat(s.sidecarSteps(chatbot), s.ownerSteps(console), []step{s.viewStep(console), s.keyStep(console), s.listAllStep(console)})
	for _, step := range steps {
		if err := step.do(s.t.Context()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.name, err))
		}
	}
	return errs
}

// allChosen is a deployment in which each statement is there.
var allChosen = map[string]string{"ConsoleTestsStoredKeys": "true", "ConsoleListsAllAccounts": "true", "SidecarChatbots": limited}

// policies are those of the site that can be taken apart, by name.
func (s *site) policies() map[string]*policy {
	roles := s.access.roles
	side, cons := roles[roleARN(sidecar)], roles[roleARN(console)]
	return map[string]*policy{"SidecarPolicy": &side, "ConsolePolicy": &cons, "the key's policy": &s.access.key}
}

// put puts policies into force.
func (s *site) put(p map[string]*policy) {
	s.access = &access{key: *p["the key's policy"], roles: map[string]policy{
		roleARN(sidecar): *p["SidecarPolicy"], roleARN(console): *p["ConsolePolicy"]}}
}

// administration is what no code of ours calls, for people.
const administration = "Administer"

// TestNoActionIsSuperfluous takes each action out of each statement, one after
// the other, and runs everything: something must be refused for it.
func TestNoActionIsSuperfluous(t *testing.T) {
	s := newSite(t, allChosen)
	if errs := s.everything(); len(errs) > 0 {
		t.Fatalf("before anything was taken out: %v", errs)
	}
	tried := 0
	for name, p := range s.policies() {
		whole := *p
		for i, st := range whole {
			if st.Sid == administration {
				continue
			}
			for j, action := range st.Action {
				tried++
				less := slices.Clone(whole)
				less[i].Action = slices.Delete(slices.Clone(st.Action), j, j+1)
				changed := s.policies()
				changed[name] = &less
				before := s.access
				s.put(changed)
				if err := errors.Join(s.everything()...); err == nil || !strings.Contains(err.Error(), "not authorized to perform: "+action) {
					t.Errorf("%s, statement %s: without %s everything still works (%v): take it out", name, st.Sid, action, err)
				}
				s.access = before
			}
		}
	}
	if tried < 10 {
		t.Errorf("took out %d actions, want at least 10: the test looks at the wrong place", tried)
	}
}

// variations are what nobody may ask for: what the roles do ask for, with one
// thing changed to somebody else's, or left out.
func (s *site) variations() []ask {
	out := s.otherContexts()
	for _, a := range s.asked {
		for _, key := range []string{"kms:EncryptionContext:chatbot_id", "dynamodb:LeadingKeys"} {
			if a.context[key] != nil && a.principal == roleARN(sidecar) {
				out = append(out, a.with(key, stranger), a.with(key))
			}
		}
		other := a
		other.resource = a.resource + "2"
		out = append(out, other)
		if a.action == "kms:Decrypt" {
			other = a
			other.principal = roleARN("Administrator")
			out = append(out, other)
		}
	}
	return out
}

// otherContexts are those that KMS gets, for another app or table.
func (s *site) otherContexts() []ask {
	var out []ask
	for _, a := range s.asked {
		for _, key := range []string{"kms:EncryptionContext:app", "kms:EncryptionContext:table"} {
			if a.context[key] != nil {
				out = append(out, a.with(key, "other"), a.with(key))
			}
		}
	}
	return out
}

// with returns a copy in which the key has the values, or is not there.
func (a ask) with(key string, values ...string) ask {
	a.context = maps.Clone(a.context)
	if a.context[key] = values; len(values) == 0 {
		delete(a.context, key)
	}
	return a
}

// TestNoConditionIsSuperfluous takes each condition out, one after the other:
// something must be allowed then that should not be. The role's policy and the
// key's are two locks for the same door, so each is tried with the other open.
func TestNoConditionIsSuperfluous(t *testing.T) {
	s := newSite(t, allChosen)
	if errs := s.everything(); len(errs) > 0 {
		t.Fatal(errs)
	}
	bad := s.variations()
	for _, a := range bad {
		if s.access.allows(a) {
			t.Errorf("it is allowed: %v", a)
		}
	}
	for _, a := range s.otherContexts() {
		if s.access.key.allows(a) || s.access.roles[a.principal].allows(a) {
			t.Errorf("the key's policy or the role's does not keep it out by itself: %v", a)
		}
	}
	tried := 0
	for name, p := range s.policies() {
		for i, st := range *p {
			for op, keys := range st.Condition {
				for key := range keys {
					tried++
					less := slices.Clone(*p)
					less[i].Condition = without(st.Condition, op, key)
					if !slices.ContainsFunc(bad, func(a ask) bool { return !p.allows(a) && less.allows(a) }) {
						t.Errorf("%s, statement %s: nothing more is allowed without the condition %s on %s: take it out", name, st.Sid, op, key)
					}
				}
			}
		}
	}
	if tried < 10 {
		t.Errorf("took out %d conditions, want at least 10: the test looks at the wrong place", tried)
	}
}

func without(c map[string]map[string]words, op, key string) map[string]map[string]words {
	out := maps.Clone(c)
	out[op] = maps.Clone(c[op])
	delete(out[op], key)
	return out
}
