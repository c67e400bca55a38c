package credstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// InitOptions go with AWS.Init.
type InitOptions struct {
	// Mend also switches on protections that are off in a table or key that is
	// there: point-in-time recovery, deletion protection, key rotation.
	// Nothing else of what is there is ever changed.
	Mend bool
	// Waiting is told what Init is about to do, for whoever waits for it.
	Waiting func(what string)

	pause time.Duration // between two tries; 0: initPause
}

// An InitStep is one thing that Init made or found.
type InitStep struct {
	What    string // table t, key alias/k, ...
	Outcome InitOutcome
	Words   string // what is wrong or worth to know
	Fix     string // what to do about it
}

// An InitOutcome says how a step ended.
type InitOutcome string

const (
	InitMade   InitOutcome = "made"
	InitThere  InitOutcome = "there"  // before, and as it should be
	InitMended InitOutcome = "mended" // it was there, and a protection was switched on
	InitNote   InitOutcome = "note"   // it works, and could be better
	InitWrong  InitOutcome = "wrong"  // there or not, it must be mended by hand
)

// initPause is between two tries at something that AWS needs a moment for.
const initPause = time.Second

// patience is how long Init waits for AWS to make something usable.
const patience = 5 * time.Minute

// Init makes what the store needs on AWS, each only where it is missing: the
// table, its point-in-time recovery, the key with its alias, and the test
// record by which Status proves Decrypt. It looks at all that is there first
// and reports everything that is wrong with it at once. While something there
// cannot work at all, such as a table with other keys, it makes nothing: then
// the configuration most likely names the wrong thing.
//
// The store can be used if no step is InitWrong. Run it as often as you like.
// It needs an administrator's role, not the sidecar's.
func (a *AWS) Init(ctx context.Context, opts InitOptions) []InitStep {
	if opts.pause == 0 {
		opts.pause = initPause
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s := &setup{aws: a, opts: opts}
	s.lookAtTable(ctx)
	s.lookAtKey(ctx)
	if s.unusable {
		return s.steps
	}
	if s.table == nil {
		s.makeTable(ctx)
	}
	if s.key == nil && !s.unusable { // a key costs money, and without a table nobody uses it
		s.makeKey(ctx)
	}
	if !s.unusable {
		s.leaveProof(ctx)
	}
	return s.steps
}

// A setup is one run of Init.
type setup struct {
	aws      *AWS
	opts     InitOptions
	steps    []InitStep
	table    *foundTable // nil: there is none
	key      *foundKey   // nil: there is none
	unusable bool        // something there cannot work
}

func (s *setup) add(what string, o InitOutcome, words, fix string) {
	s.steps = append(s.steps, InitStep{what, o, words, fix})
}

// broken adds what keeps the store from working.
func (s *setup) broken(what, words, fix string) {
	s.unusable = true
	s.add(what, InitWrong, words, fix)
}

// failed adds a call that did not succeed. Its remedy is not the sidecars': what
// Init needs they should not have.
func (s *setup) failed(what string, err error) {
	words, fix := err.Error(), ""
	if said := (awsAnswer{}); denied(err) && errors.As(err, &said) {
		words, fix = "AWS says: "+said.said, "allow this to the role that runs sidekey store init, not to the sidecars'"
	}
	s.add(what, InitWrong, words, fix)
}

// stopped adds a call that did not succeed and without which nothing works.
func (s *setup) stopped(what string, err error) {
	s.unusable = true
	s.failed(what, err)
}

func (s *setup) waiting(what string) {
	if s.opts.Waiting != nil {
		s.opts.Waiting(what)
	}
}

// insist calls do again while AWS answers with one of the codes: what was made
// a moment ago is not known everywhere at once.
func (s *setup) insist(ctx context.Context, do func() error, codes ...string) error {
	for {
		err := do()
		if err == nil || !answered(err, codes...) {
			return err
		}
		select {
		case <-time.After(s.opts.pause):
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", patience, err)
		}
	}
}

// unsupported reports whether the server does not know the operation. Stand-ins
// for DynamoDB lack some, AWS has them all.
func unsupported(err error) bool { return answered(err, "UnknownOperationException") }

// denied reports whether AWS answered that this role may not.
func denied(err error) bool { return answered(err, "AccessDeniedException", "AccessDenied") }

// InitError joins what Init found wrong; nil if the store can be used.
func InitError(steps []InitStep) error {
	var errs []error
	for _, s := range steps {
		if s.Outcome == InitWrong {
			errs = append(errs, errors.New(s.String()))
		}
	}
	return errors.Join(errs...)
}

// String is one line: what: what is wrong: what to do.
func (s InitStep) String() string {
	line := s.What + ": " + string(s.Outcome)
	if s.Words != "" {
		line += ": " + s.Words
	}
	if s.Fix != "" {
		line += ": " + s.Fix
	}
	return line
}
