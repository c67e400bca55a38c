package sandbox

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// maxKMSBody bounds a request body. The largest that makes sense, 4096 bytes
// of plaintext with an encryption context, is far smaller.
const maxKMSBody = 1 << 20

// KMS is a stand-in for AWS KMS. It speaks the real wire protocol (POST /,
// X-Amz-Target, JSON 1.1), so that the real SDK client can be run against it:
// AWS_ENDPOINT_URL_KMS, or BaseEndpoint in code. It holds symmetric keys only,
// which are addressed by id, ARN, alias name and alias ARN. It is an
// http.Handler and safe for concurrent use.
//
// The rule of use: it is for development only. It does not check signatures:
// an Authorization header of the right form is asked for, and whoever can
// connect may do everything that KMSConfig.Allow does not refuse. For that
// reason Start listens on this machine only. A StateFile holds its keys in the
// clear.
//
// What it shows about a client is how the client behaves, not how AWS does.
// Known differences: every operation takes an alias as KeyId, where AWS takes
// one only in DescribeKey and the cryptographic operations; EnableKeyRotation
// is remembered and reported, but only RotateKeyOnDemand rotates, as often as
// one likes; grants, policies, tags, dry runs, regions and accounts other than
// us-east-1 and 000000000000 do not exist; a ciphertext whose key has been
// deleted is as invalid as garbage.
//
// Besides the protocol there are, without credentials,
//
//	GET    /sandbox/health
//	GET    /sandbox/kms         counts, keys and aliases as JSON; never a key or a plaintext
//	DELETE /sandbox/kms         reset the counts
//	PUT    /sandbox/kms/fault   something goes wrong: the query says what, as in
//	                            ?op=Decrypt&status=400&code=ThrottlingException&delay=2s&drop=false&times=3,
//	                            without op for every operation, without times until DELETE
//	DELETE /sandbox/kms/fault   nothing goes wrong any more
type KMS struct {
	config  KMSConfig
	now     func() time.Time // a test moves it
	fault   atomic.Pointer[func(op string, n int) KMSFault]
	allow   atomic.Pointer[func(KMSCall) bool]
	state   kmsStore
	counts  atomic.Pointer[kmsTally] // a new one at each Reset
	ordered orderedFaults
}

// NewKMS checks the config, reads the state file if there is one, and makes
// the aliases that do not exist yet.
func NewKMS(c KMSConfig) (*KMS, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	k := &KMS{config: c, now: time.Now}
	k.state.file = c.StateFile
	k.Reset()
	if err := k.state.load(); err != nil {
		return nil, fmt.Errorf("sandbox: kms state: %w", err)
	}
	if err := k.makeAliases(c.Aliases); err != nil {
		return nil, fmt.Errorf("sandbox: kms state: %w", err)
	}
	k.SetFault(c.Fault)
	k.SetAllow(c.Allow)
	return k, nil
}

// SetFault replaces KMSConfig.Fault for the calls that arrive from now on. nil
// removes it.
func (k *KMS) SetFault(fault func(op string, n int) KMSFault) { k.fault.Store(&fault) }

// SetAllow replaces KMSConfig.Allow for the calls that arrive from now on. nil
// allows everything.
func (k *KMS) SetAllow(allow func(KMSCall) bool) { k.allow.Store(&allow) }

// Start serves on addr ("127.0.0.1:0" picks a free port) until Close. An
// address that other machines can reach is refused, because nothing protects
// the keys from whoever connects.
func (k *KMS) Start(addr string) (*Server, error) {
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("sandbox: listen: %w", err)
	}
	if !a.IP.IsLoopback() {
		return nil, fmt.Errorf("sandbox: %s can be reached from other machines; listen on 127.0.0.1:%d: the KMS stand-in is for development only", addr, a.Port)
	}
	return start(k, a.String(), nil) // the address that was checked, not a name that may change
}

// ServeHTTP answers one request.
func (k *KMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/sandbox/") {
		k.control(w, r)
		return
	}
	op, err := kmsOperation(r)
	if err != nil {
		writeKMSError(w, err)
		return
	}
	tally := k.counts.Load()
	n := tally.arrive(op)
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxKMSBody))
	c := &kmsRequest{k: k, op: op, body: body}
	c.accessKey, err = accessKeyOf(r.Header)
	if k.config.Observe != nil {
		k.config.Observe(KMSSeen{Op: op, N: n, AccessKeyID: c.accessKey, Header: r.Header.Clone(), Body: append([]byte(nil), body...)})
	}
	if k.faultOf(op, n).strike(w, r) {
		return
	}
	if readErr != nil {
		err = kmsRefusal("SerializationException", "the request body is too large or could not be read")
	}
	var reply any
	if err == nil {
		reply, err = kmsOps[op](c)
	}
	if err != nil {
		writeKMSError(w, err)
		return
	}
	tally.succeed(op)
	writeKMS(w, http.StatusOK, reply)
}

// faultOf is what happens to the n-th call of op: a fault ordered over HTTP
// comes first, then the hook.
func (k *KMS) faultOf(op string, n int) KMSFault {
	if f, ok := k.ordered.take(op); ok {
		return f
	}
	if hook := *k.fault.Load(); hook != nil {
		return hook(op, n)
	}
	return KMSFault{}
}

// KeyID is the id of the key that alias ("alias/sidekey") points to, "" when
// there is no such alias.
func (k *KMS) KeyID(alias string) string { return k.state.at(k.now()).Aliases[alias].Key }

// KeyARN is the ARN of that key, as replies give it in KeyId; "" when there is
// no such alias.
func (k *KMS) KeyARN(alias string) string {
	if id := k.KeyID(alias); id != "" {
		return kmsKeyARN + id
	}
	return ""
}

// makeAliases gives each alias that does not exist a fresh key.
func (k *KMS) makeAliases(names []string) error {
	missing := func(s *kmsState) (out []string) {
		for _, name := range names {
			if _, exists := s.Aliases[name]; !exists {
				out = append(out, name)
			}
		}
		return out
	}
	now := k.now()
	if len(missing(k.state.at(now))) == 0 {
		return nil // and leave the file alone
	}
	return k.state.change(now, func(s *kmsState) error {
		for _, name := range missing(s) {
			key := newKMSKey(now)
			s.Keys[key.ID] = key
			s.Aliases[name] = kmsAlias{Key: key.ID, Created: now, Updated: now}
		}
		return nil
	})
}
