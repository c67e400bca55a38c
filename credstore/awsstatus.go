package credstore

import (
	"context"
	"errors"
	"sync"
)

// A Check is one permission, and whether this machine's role has it.
type Check struct {
	Action    string // as IAM calls it: dynamodb:Query
	Resource  string // as an IAM policy names it
	Condition string // how narrow the policy may be, in IAM's JSON; "": no condition
	Owner     bool   // needed by commands and pages that store keys, not by a sidecar
	Use       string // what it is needed for
	State     CheckState
	Why       string // what came back, or why it was not checked
	Fix       string // what to do, where Why does not say it
}

// A CheckState says how a check ended.
type CheckState string

const (
	CheckOK        CheckState = "ok"
	CheckMissing   CheckState = "missing"     // AWS says that this role may not
	CheckFailed    CheckState = "failed"      // for another reason: no table, a disabled key, no way to AWS
	CheckUnchecked CheckState = "not checked" // there is nothing to check it with
)

// unchecked is why a check could not be made.
type unchecked string

func (u unchecked) Error() string { return string(u) }

// Status finds out which of the permissions that sidekey needs this machine's
// role has, by calls that change nothing. chatbot is in whose name they are
// made, for roles that are limited to some chatbots (dynamodb:LeadingKeys,
// kms:EncryptionContext:chatbot_id). "": in that of the test record, which is
// no chatbot's.
//
// The checks run at once, each under a deadline, and come back in the order in
// which they matter: those of a sidecar first.
func (a *AWS) Status(ctx context.Context, chatbot string) []Check {
	n := &inspection{aws: a, chatbot: chatbot, partition: chatbot}
	if chatbot == "" {
		n.partition = proofPartition
	}
	table := a.tableARN()
	checks := []Check{
		{Action: "dynamodb:Query", Resource: table, Condition: n.leadingKeys(), Use: "read a chatbot's records"},
		{Action: "dynamodb:GetItem", Resource: table, Condition: n.leadingKeys(), Use: "read one record"},
		{Action: "kms:Decrypt", Resource: a.keyARN(), Condition: a.keyCondition(), Use: "open a key"},
		{Action: "dynamodb:PutItem", Resource: table, Condition: n.leadingKeys(), Owner: true, Use: "store keys and settings"},
		{Action: "kms:Encrypt", Resource: a.keyARN(), Condition: a.keyCondition(), Owner: true, Use: "seal a key"},
		{Action: "dynamodb:Query", Resource: table + "/index/" + accountIndex, Owner: true, Use: "list the chatbots of an account"},
		{Action: "dynamodb:Scan", Resource: table, Owner: true, Use: "list all chatbots, migrate"},
	}
	asks := []func(context.Context) error{n.query, n.get, n.decrypt, n.put, n.encrypt, n.index, n.scan}
	var all sync.WaitGroup
	for i, ask := range asks {
		all.Go(func() { // ends by the deadlines of its calls
			checks[i].settle(ask(ctx), chatbot)
		})
	}
	all.Wait()
	return checks
}

// settle writes down how the check ended.
func (c *Check) settle(err error, chatbot string) {
	var not unchecked
	var said awsAnswer
	switch {
	case err == nil:
		c.State = CheckOK
	case errors.As(err, &not):
		c.State, c.Why = CheckUnchecked, not.Error()
	case denied(err) && errors.As(err, &said):
		c.State, c.Why, c.Fix = CheckMissing, "AWS says: "+said.said, c.remedy(chatbot)
	default:
		c.State, c.Why = CheckFailed, err.Error()
	}
}

// remedy says what to allow.
func (c *Check) remedy(chatbot string) string {
	fix := "allow " + c.Action + " on " + c.Resource
	if c.Condition != "" {
		fix += ", at least under the condition " + c.Condition
	}
	if c.Action == "kms:Decrypt" || c.Action == "kms:Encrypt" {
		fix += ", in the role's policy and the key's"
	}
	if chatbot == "" && c.Resource != "" && c.Action != "dynamodb:Scan" {
		fix += "; if the role is limited to some chatbots, name one of them: --chatbot ID"
	}
	return fix
}

// MayDecrypt reports whether this machine's role may open keys, as far as that
// can be told: without a test record, and without an answer, it is taken to.
func (a *AWS) MayDecrypt(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	n := &inspection{aws: a, partition: proofPartition}
	return !denied(n.decrypt(ctx))
}
