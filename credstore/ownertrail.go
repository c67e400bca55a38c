package credstore

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"
)

// The words of Change.Action.
const (
	ActionCreate    = "create"
	ActionRename    = "rename"
	ActionDelete    = "delete"
	ActionSwitchOn  = "switch on"
	ActionSwitchOff = "switch off"
	ActionSet       = "set"
	ActionReplace   = "replace"
	ActionLabel     = "label"
	ActionTest      = "test"
)

// itemChatbot is Change.Item for the chatbot as a whole.
const itemChatbot = "chatbot"

// An Actor is on whose behalf changes are made, as the sign-in says.
type Actor struct {
	Name  string
	Role  string
	Opens bool // stored secrets may be opened, to see whether a new one is the same
	// Command: it is somebody at the command line, who has not signed in. Only
	// the first of what As promises holds for him: he makes chatbots by the way,
	// and may break off what he began.
	Command bool
	// Lost is told of a change that was made and that could not be written to
	// the trail, so that it can be written elsewhere. It must not block.
	Lost func(chatbot string, c Change, err error)
}

// As returns an Owner that acts for somebody who has signed in, and so:
//
//   - Every change is written to the chatbot's trail, after it was made. It
//     cannot be one write with the change, and the other order would tell of
//     changes that never happened. What cannot be written is given to
//     Actor.Lost; the change stands, for to take it back could fail as well.
//     The same is done for a change of which the store did not say whether it
//     was made.
//   - What was begun is finished, also if the caller leaves.
//   - No chatbot is made by the way: ErrNotFound, see Create.
//   - What is stored already is not stored again, so that to repeat a change
//     makes no new version. Of a secret that can be told only with
//     Actor.Opens.
func (o *Owner) As(by Actor) *Owner {
	other := *o
	other.by = &by
	return &other
}

func (o *Owner) signedIn() bool { return o.by != nil && !o.by.Command }

// Timeouts of what an Actor does: a change with all its tries, and its line in
// the trail, which waits its turn behind the changes of all others.
const (
	changeTime = 30 * time.Second
	trailTime  = 30 * time.Second
)

// lasting is the context of a change. Without an actor it is the caller's, who
// watches a command and may break it off.
func (o *Owner) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if !o.signedIn() {
		return ctx, func() {}
	}
	return context.WithTimeout(context.WithoutCancel(ctx), changeTime)
}

// noteEnd writes down how a change ended.
func (o *Owner) noteEnd(ctx context.Context, chatbot string, done *Change, err error) {
	if done == nil {
		return
	}
	if err != nil {
		if !isOutage(err) {
			return // it was refused
		}
		done.Detail = strings.TrimPrefix(done.Detail+"; the store did not answer, it may have been done", "; ")
	}
	o.note(ctx, chatbot, done)
}

// note writes to the trail.
func (o *Owner) note(ctx context.Context, chatbot string, c *Change) {
	if o.by == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), trailTime)
	defer cancel()
	c.At, c.Actor, c.Role = o.now().UTC().Truncate(time.Millisecond), o.by.Name, o.by.Role
	if err := o.b.Store.AddChange(ctx, chatbot, c); err != nil && o.by.Lost != nil {
		o.by.Lost(chatbot, *c, fmt.Errorf("the trail of chatbot %s: %w", chatbot, err))
	}
}

// Changes returns a chatbot's trail, newest first, see Store. Only the trail of
// a chatbot that is there is shown.
func (o *Owner) Changes(ctx context.Context, chatbot, account string, before int64, limit int) ([]Change, error) {
	if _, err := o.List(ctx, chatbot, account); err != nil {
		return nil, err
	}
	return o.b.Store.Changes(ctx, chatbot, before, limit)
}

// holds reports whether a ciphertext is known to hold the secret. Only an Actor
// wants to know, and one who may not open it does not even try: each try would
// be an alarm at AWS.
func (o *Owner) holds(ctx context.Context, chatbot, item string, sealed, secret []byte) bool {
	if !o.signedIn() || !o.by.Opens {
		return false
	}
	plain, err := o.b.Cipher.Decrypt(ctx, sealed, sealContext(o.b.Table, chatbot, item))
	defer clear(plain)
	return err == nil && bytes.Equal(plain, secret)
}

// keyName is how the trail calls a key: openai, or openai#2.
func keyName(item string) string { return strings.TrimPrefix(item, keyPrefix) }
