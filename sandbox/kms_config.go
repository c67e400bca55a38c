package sandbox

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// KMSConfig says which keys there are at the start and what goes wrong. The
// zero value works: no keys, nothing goes wrong, all is forgotten at the end.
//
// The hooks are called concurrently.
type KMSConfig struct {
	// Aliases are made at the start, each with a fresh key of its own, such as
	// "alias/sidekey". Those that the state file has are left as they are.
	Aliases []string

	// Fault decides what goes wrong with the n-th call of an operation, from 1.
	Fault func(op string, n int) KMSFault

	// Allow stands for the policies: false answers AccessDeniedException.
	// Nil allows everything.
	Allow func(KMSCall) bool

	// Observe receives every call as it arrived, before it is judged.
	Observe func(KMSSeen)

	// StateFile keeps keys and aliases, so that ciphertexts can still be opened
	// after a restart. It has mode 0600 and is replaced atomically, but its
	// keys are not encrypted. Only one KMS at a time may use it. Empty: all is
	// in memory.
	StateFile string
}

// KMSFault is one call's misfortune. The zero value is none.
type KMSFault struct {
	// Delay passes first. With nothing else, the call is late but succeeds.
	Delay time.Duration
	// Drop closes the connection without a reply.
	Drop bool
	// Status and Code make the reply an error. With one of them given, the
	// other follows: Code is KMSInternalException and Status is what AWS sends
	// with the code, which is 400 for most.
	Status int
	Code   string
}

// KMSCall is what a policy can decide upon. ReEncrypt asks twice, as AWS does:
// for ReEncryptFrom and for ReEncryptTo.
type KMSCall struct {
	Op          string
	KeyARN      string            // empty where no key is involved
	Context     map[string]string // the encryption context; not to be changed
	AccessKeyID string            // as claimed: signatures are not checked
}

// KMSSeen is one call as received. Header and Body are the observer's to keep;
// the body may hold a plaintext.
type KMSSeen struct {
	Op          string
	N           int // the how-manieth of its operation
	AccessKeyID string
	Header      http.Header
	Body        []byte
}

func (c *KMSConfig) check() error {
	var errs []error
	for _, name := range c.Aliases {
		if !validAlias(name) {
			errs = append(errs, fmt.Errorf("sandbox: kms alias %q: want alias/ and then letters, digits, / _ or -, and not alias/aws/", name))
		}
	}
	return errors.Join(errs...)
}

var aliasPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]+$`) })

// aliasName reports whether a name has the form of an alias. The length is not
// in the pattern: counted repetitions are dear to compile, at every start.
func aliasName(name string) bool {
	return len(name) <= len("alias/")+250 && aliasPattern().MatchString(name)
}

// validAlias leaves out those that AWS keeps for itself.
func validAlias(name string) bool {
	return aliasName(name) && !strings.HasPrefix(name, "alias/aws/")
}
