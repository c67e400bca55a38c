package credstore

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox/awstest"
)

// A promiseRig is a cache over a real back end, as a sidecar has it, with an
// owner who works in another process, and somebody who gets at the rows past
// sidekey. Time is virtual.
type promiseRig struct {
	*testing.T
	cache *Cache
	owner *Owner
	back  Backend
	rows  rawRows
	// breaks makes the store unreachable, or heals it.
	breaks func(broken bool)
	// slow makes each call of the store take so long.
	slow func(time.Duration)
}

// rawRows is the table as its administrator sees it.
type rawRows interface {
	// copy puts one item's content in the place of another's.
	copy(chatbot, item, toChatbot, toItem string)
	// change edits an item's ciphertext or version.
	change(chatbot, item string, ciphertext func([]byte) []byte, version func(int64) int64)
}

// promises runs a test of DESIGN section 4 over each real back end.
func promises(t *testing.T, f func(r *promiseRig)) {
	t.Run("local", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { localPromise(t, f) })
	})
	t.Run("aws", func(t *testing.T) {
		w := awstest.Start(t)
		b := newBridge(t, 16)
		synctest.Test(t, func(t *testing.T) { awsPromise(t, w, b, f) })
	})
}

func (r *promiseRig) run(f func(*promiseRig)) {
	var err error
	if r.cache, err = NewCache(r.back, CacheConfig{}); err != nil {
		r.Fatal(err)
	}
	defer r.cache.Close()
	f(r)
}

func localPromise(t *testing.T, f func(*promiseRig)) {
	dir := filepath.Join(t.TempDir(), "store")
	own, theirs := openLocal(t, dir), openLocal(t, dir)
	path := filepath.Join(dir, recordsName)
	r := &promiseRig{T: t, owner: NewOwner(theirs.Backend()), back: own.Backend(), rows: localRows{t, path}, slow: func(time.Duration) {}}
	r.breaks = func(broken bool) {
		aside := path + ".aside"
		if broken {
			must(t, os.Rename(path, aside))
		} else {
			must(t, os.Rename(aside, path))
		}
	}
	r.run(f)
	own.Close() // ends its goroutine inside the bubble
	theirs.Close()
}

func awsPromise(t *testing.T, w *awstest.World, b *bridge, f func(*promiseRig)) {
	a := openAWS(t, w, b.client)
	theirs := awsClient(t, w, newBridgeLess(b))
	r := &promiseRig{T: t, owner: NewOwner(theirs.Backend()), back: a.Backend(), rows: awsRows{t, a}, slow: b.slow}
	r.breaks = func(broken bool) {
		b.breaks(map[bool]error{true: errRefused}[broken])
	}
	r.run(f)
}

// newBridgeLess shares a bridge's lines, and none of its misfortunes.
func newBridgeLess(b *bridge) func(*aws.Config) { return (&bridge{lines: b.lines}).client }

// localRows edits the file. The store sees it at its next look.
type localRows struct {
	*testing.T
	path string
}

func (l localRows) edit(do func(*localFile)) {
	l.Helper()
	raw, err := os.ReadFile(l.path)
	must(l.T, err)
	f := new(localFile)
	must(l.T, json.Unmarshal(raw, f))
	do(f)
	f.Rev++
	raw, err = f.encode()
	must(l.T, err)
	must(l.T, replaceFile(l.path, raw))
	time.Sleep(aLook)
}

func (l localRows) copy(chatbot, item, toChatbot, toItem string) {
	l.edit(func(f *localFile) {
		*f.Chatbots[toChatbot].Keys[nameOf(toItem)] = *f.Chatbots[chatbot].Keys[nameOf(item)]
	})
}

func (l localRows) change(chatbot, item string, ciphertext func([]byte) []byte, version func(int64) int64) {
	l.edit(func(f *localFile) {
		k := f.Chatbots[chatbot].Keys[nameOf(item)]
		k.Ciphertext, k.Version = ciphertext(k.Ciphertext), version(k.Version)
	})
}

func nameOf(item string) string { return item[len(keyPrefix):] }

// awsRows edits the table.
type awsRows struct {
	*testing.T
	a *AWS
}

func (d awsRows) get(chatbot, item string) map[string]types.AttributeValue {
	d.Helper()
	out, err := d.a.db.GetItem(context.Background(), &dynamodb.GetItemInput{TableName: &d.a.cfg.Table, ConsistentRead: aws.Bool(true),
		Key: map[string]types.AttributeValue{"chatbot_id": text(chatbot), "item": text(item)}})
	must(d.T, err)
	return out.Item
}

func (d awsRows) put(item map[string]types.AttributeValue) {
	d.Helper()
	_, err := d.a.db.PutItem(context.Background(), &dynamodb.PutItemInput{TableName: &d.a.cfg.Table, Item: item})
	must(d.T, err)
}

func (d awsRows) copy(chatbot, item, toChatbot, toItem string) {
	row := d.get(chatbot, item)
	row["chatbot_id"], row["item"] = text(toChatbot), text(toItem)
	d.put(row)
}

func (d awsRows) change(chatbot, item string, ciphertext func([]byte) []byte, version func(int64) int64) {
	row := d.get(chatbot, item)
	var k dynamoKey
	must(d.T, attributevalue.UnmarshalMap(row, &k))
	row["ciphertext"] = &types.AttributeValueMemberB{Value: ciphertext(k.Ciphertext)}
	row["version"] = number(version(k.Version))
	d.put(row)
}

func same[T any](v T) T { return v }

// aLook is longer than a local store takes to see another process's write.
const aLook = 1100 * time.Millisecond

// seen waits until every local store has seen what was written.
func (r *promiseRig) seen() {
	time.Sleep(aLook)
	synctest.Wait()
}

// set stores an OpenAI key of the given name, in the other process.
func (r *promiseRig) set(chatbot, name string) {
	r.Helper()
	r.setFor(chatbot, provider.OpenAI, name)
}

func (r *promiseRig) setFor(chatbot string, slug provider.Slug, name string) {
	r.Helper()
	_, err := r.owner.Set(r.Context(), chatbot, slug, NewSecret([]byte(canary(name))), SetOptions{Account: "acme"})
	must(r.T, err)
	r.seen()
}

// serves fails the test unless the chatbot gets the key of that name now.
func (r *promiseRig) serves(chatbot, name string) {
	r.Helper()
	k, err := r.cache.Keyring(r.Context(), chatbot)
	must(r.T, err)
	got, err := k.Secret(r.Context(), provider.OpenAI)
	must(r.T, err)
	if string(got.Reveal()) != canary(name) {
		r.Fatalf("chatbot %s: not the key %q", chatbot, name)
	}
}

// refuses returns the error with which the chatbot's key is refused.
func (r *promiseRig) refuses(chatbot string) error {
	r.Helper()
	k, err := r.cache.Keyring(r.Context(), chatbot)
	if err == nil {
		_, err = k.Secret(r.Context(), provider.OpenAI)
	}
	if err == nil {
		r.Fatalf("chatbot %s: the key was served", chatbot)
	}
	return err
}
