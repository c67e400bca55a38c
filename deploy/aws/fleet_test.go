package aws_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sidekey/sidekey/credstore"
	"github.com/sidekey/sidekey/provider"
	"github.com/sidekey/sidekey/sandbox"
)

// A cloud is AWS inside of this process: the SDK's requests are answered by the
// KMS stand-in and by a table in a map, without a connection between. So the
// real store and the real cache run in virtual time, days of it in a second.
type cloud struct {
	kms *sandbox.KMS

	mu      sync.Mutex
	took    time.Duration // what a call of KMS takes
	rows    map[string][]json.RawMessage
	calls   []cloudCall
	kmsNow  int // calls of KMS under way
	kmsMost int
}

// A cloudCall is one request that arrived.
type cloudCall struct {
	op, of string // of: the chatbot, and for KMS the item as well
	latest bool   // a strongly consistent read
	at     time.Time
}

const kmsAlias = "alias/sidekey"

func newCloud(t testing.TB) *cloud {
	t.Helper()
	k, err := sandbox.NewKMS(sandbox.KMSConfig{Aliases: []string{kmsAlias}})
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{kms: k, rows: map[string][]json.RawMessage{}}
}

// Do implements aws.HTTPClient.
func (c *cloud) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w := httptest.NewRecorder()
	switch op {
	case "Query", "PutItem":
		err = c.table(w, op, body)
	default:
		err = c.crypt(w, r, op, body)
	}
	return w.Result(), err
}

func (c *cloud) note(call cloudCall) {
	call.at = time.Now()
	c.calls = append(c.calls, call)
}

// table answers for DynamoDB. It does not look at conditions.
func (c *cloud) table(w http.ResponseWriter, op string, body []byte) error {
	var in struct {
		Item                      json.RawMessage
		ConsistentRead            bool
		ExpressionAttributeValues map[string]struct{ S string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if op == "PutItem" {
		var item map[string]struct{ S string }
		json.Unmarshal(in.Item, &item) // of other types only the S is empty
		id := item["chatbot_id"].S
		c.rows[id] = append(c.rows[id], in.Item)
		_, err := io.WriteString(w, "{}")
		return err
	}
	id := in.ExpressionAttributeValues[":c"].S
	c.note(cloudCall{op: op, of: id, latest: in.ConsistentRead})
	return json.NewEncoder(w).Encode(map[string]any{"Items": append([]json.RawMessage{}, c.rows[id]...)})
}

// crypt answers for KMS, in its time.
func (c *cloud) crypt(w http.ResponseWriter, r *http.Request, op string, body []byte) error {
	var in struct{ EncryptionContext map[string]string }
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	c.mu.Lock()
	c.note(cloudCall{op: op, of: in.EncryptionContext["chatbot_id"] + "/" + in.EncryptionContext["item"]})
	c.kmsNow++
	c.kmsMost = max(c.kmsMost, c.kmsNow)
	took := c.took
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.kmsNow--
		c.mu.Unlock()
	}()
	if took > 0 {
		select {
		case <-time.After(took):
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	c.kms.ServeHTTP(w, r)
	return nil
}

// open opens the store and a cache in front of it, as a sidecar does.
func (c *cloud) open(t *testing.T) (*credstore.Owner, *credstore.Cache) {
	t.Helper()
	a, err := credstore.OpenAWS(t.Context(), credstore.AWSConfig{Table: "sidekey", KMSKey: kmsAlias, SDK: &aws.Config{
		Region: region, HTTPClient: c, Credentials: credentials.NewStaticCredentialsProvider("local", "local", "")}})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := credstore.NewCache(a.Backend(), credstore.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return credstore.NewOwner(a.Backend()), cache
}

var fleetKeys = map[provider.Slug]credstore.Secret{provider.OpenAI: key("fleet"), provider.Anthropic: anthropic}

// store stores keys for so many chatbots, and forgets the calls for it.
func (c *cloud) store(t *testing.T, o *credstore.Owner, chatbots int, slugs ...provider.Slug) []string {
	t.Helper()
	var ids []string
	for i := range chatbots {
		id := fmt.Sprintf("bot-%d", i)
		for _, slug := range slugs {
			if _, err := o.Set(t.Context(), id, slug, fleetKeys[slug], credstore.SetOptions{Account: owner}); err != nil {
				t.Fatal(err)
			}
		}
		ids = append(ids, id)
	}
	c.calls = nil
	return ids
}

// gaps is the mean time between two calls of one kind for the same thing.
func (c *cloud) gaps(op string) (mean time.Duration, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := map[string]time.Time{}
	var sum time.Duration
	for _, call := range c.calls {
		if call.op != op {
			continue
		}
		if before, ok := last[call.of]; ok {
			sum += call.at.Sub(before)
			n++
		}
		last[call.of] = call.at
	}
	return sum / time.Duration(max(n, 1)), n
}

// TestBusyChatbotCostsWhatTheTableSays drives the cache for a day, with a use
// every three seconds, and compares how often it calls with what the table reckons by.
func TestBusyChatbotCostsWhatTheTableSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		o, cache := c.open(t)
		defer cache.Close()
		ids := c.store(t, o, 8, provider.OpenAI, provider.Anthropic)
		use := func() {
			for _, id := range ids {
				k, err := cache.Keyring(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				for _, slug := range k.Slugs() {
					if _, err := k.Secret(t.Context(), slug); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		const tick = 3 * time.Second
		for end := time.Now().Add(24 * time.Hour); time.Now().Before(end); time.Sleep(tick) {
			use()
		}
		synctest.Wait()

		// The first use after the moment for a refresh comes half a tick after
		// it on average. Intervals differ by up to 10 % at random; of so many
		// the mean does by 0.1 % (Query) and 0.3 % (Decrypt).
		for op, want := range map[string]time.Duration{"Query": refreshEvery, "Decrypt": recheckEvery} {
			got, n := c.gaps(op)
			want += tick / 2
			if off := (got - want).Abs(); off > want/200 && op == "Query" || off > want/50 {
				t.Errorf("%s: one in %v on average (of %d), and the table reckons with %v", op, got, n, want)
			}
			if n < 400 {
				t.Errorf("%s: only %d intervals: the test measures too little", op, n)
			}
		}
		latest := map[string]int{}
		for _, call := range c.calls {
			if call.latest {
				latest[call.of]++
			}
		}
		for _, id := range ids {
			if latest[id] != 1 {
				t.Errorf("%s: %d strongly consistent reads, want one, the first", id, latest[id])
			}
		}

		// An invalidation costs one strongly consistent read and the
		// decryptions of what is called then.
		c.calls = nil
		cache.Invalidate(ids[0])
		use()
		synctest.Wait()
		reads, decrypts := 0, 0
		for _, call := range c.calls {
			if mine := strings.HasPrefix(call.of, ids[0]); mine && call.latest {
				reads++
			} else if mine && call.op == "Decrypt" {
				decrypts++
			}
		}
		if reads != 1 || decrypts != 2 {
			t.Errorf("after an invalidation: %d strongly consistent reads and %d decryptions, want 1 and 2", reads, decrypts)
		}
	})
}

// An idle chatbot costs nothing.
func TestIdleChatbotCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		o, cache := c.open(t)
		defer cache.Close()
		id := c.store(t, o, 1, provider.OpenAI)[0]
		if k, err := cache.Keyring(t.Context(), id); err != nil {
			t.Fatal(err)
		} else if _, err = k.Secret(t.Context(), provider.OpenAI); err != nil {
			t.Fatal(err)
		}
		before := len(c.calls)
		time.Sleep(24 * time.Hour)
		if n := len(c.calls) - before; n != 0 {
			t.Errorf("%d calls in a day without a use, want none", n)
		}
	})
}

// coldStart lets so many chatbots call at the same moment, and returns how long
// it takes until the last has its key, and how many were refused.
func coldStart(t *testing.T, chatbots int, took time.Duration) (elapsed time.Duration, most, refused int) {
	synctest.Test(t, func(t *testing.T) {
		c := newCloud(t)
		o, cache := c.open(t)
		defer cache.Close()
		ids := c.store(t, o, chatbots, provider.OpenAI)
		c.took, c.kmsMost = took, 0
		began := time.Now()
		var all sync.WaitGroup
		var mu sync.Mutex
		for _, id := range ids {
			all.Go(func() {
				k, err := cache.Keyring(t.Context(), id)
				if err == nil {
					_, err = k.Secret(t.Context(), provider.OpenAI)
				}
				if err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		elapsed, most = time.Since(began), c.kmsMost
	})
	return elapsed, most, refused
}

func TestColdStartTakesWhatTheTableSays(t *testing.T) {
	elapsed, most, refused := coldStart(t, 80, kmsTakes)
	if most != kmsAtATime {
		t.Errorf("%d calls of KMS at a time, and the table reckons with %d", most, kmsAtATime)
	}
	if want := (fleet{1, 80, 1}).fastest(); elapsed != want || refused != 0 {
		t.Errorf("80 keys at once took %v, and the table reckons with %v; %d were refused, want none", elapsed, want, refused)
	}
}

// What the README says about more keys at once than KMS opens in loadTimeout.
// With a KMS that is slower a smaller crowd shows it.
func TestColdStartOfMoreThanFitsRefusesTheRest(t *testing.T) {
	const slower = 50
	fits := int(loadTimeout/kmsTakes) * kmsAtATime / slower
	const more = 20
	_, _, refused := coldStart(t, fits+more, slower*kmsTakes)
	if refused < more || refused > more+kmsAtATime {
		t.Errorf("of %d keys at once %d were refused, want the %d beyond %d", fits+more, refused, more, fits)
	}
}

// A chatbot's rows fit into one read unit, by far. Sizes as DynamoDB counts
// them (developer guide, "DynamoDB item sizes and formats").
func TestChatbotTakesOneReadUnit(t *testing.T) {
	c := newCloud(t)
	o, cache := c.open(t)
	defer cache.Close()
	id := c.store(t, o, 1, provider.OpenAI, provider.Anthropic)[0]
	size := 0
	for _, row := range c.rows[id] {
		var item map[string]any
		if err := json.Unmarshal(row, &item); err != nil {
			t.Fatal(err)
		}
		for name, v := range item {
			size += len(name) + sizeOf(t, v.(map[string]any))
		}
	}
	t.Logf("a chatbot with two keys: %d bytes", size)
	if size > 4096/4 {
		t.Errorf("a chatbot with two keys has %d bytes, and the README says that it is less than a quarter of 4 KB", size)
	}
}

func sizeOf(t *testing.T, v map[string]any) int {
	for kind, value := range v {
		switch kind {
		case "S":
			return len(value.(string))
		case "N":
			return len(value.(string))/2 + 2
		case "BOOL":
			return 1
		case "B":
			b, err := base64.StdEncoding.DecodeString(value.(string))
			if err != nil {
				t.Fatal(err)
			}
			return len(b)
		}
	}
	t.Fatalf("the tests do not know how large %v is", v)
	return 0
}
