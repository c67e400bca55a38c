package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// always is a fault hook that does the same to every Decrypt.
func always(f KMSFault) func(string, int) KMSFault {
	return func(op string, _ int) KMSFault {
		if op == "Decrypt" {
			return f
		}
		return KMSFault{}
	}
}

func TestKMSFaultsAreRetriedAsAWSsAre(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, nil)
	f := func(fault KMSFault, code string, attempts int) {
		t.Helper()
		r.kms.Reset()
		r.kms.SetFault(always(fault))
		_, err := r.open("", blob, nil)
		wantKMSCode(t, err, code)
		if n := r.kms.Count("Decrypt"); n != attempts {
			t.Errorf("%s: %d attempts, want %d", code, n, attempts)
		}
		if r.kms.Succeeded("Decrypt") != 0 {
			t.Errorf("%s: counted as success", code)
		}
	}
	f(KMSFault{Code: "ThrottlingException"}, "ThrottlingException", 3)
	f(KMSFault{Status: 500}, "KMSInternalException", 3)
	f(KMSFault{Code: "DependencyTimeoutException"}, "DependencyTimeoutException", 3)
	f(KMSFault{Status: 503, Code: "KeyUnavailableException"}, "KeyUnavailableException", 3)
	f(KMSFault{Code: "AccessDeniedException"}, "AccessDeniedException", 1)
	f(KMSFault{Code: "DisabledException"}, "DisabledException", 1)
	f(KMSFault{Code: "InvalidCiphertextException"}, "InvalidCiphertextException", 1)
	f(KMSFault{Code: "ExpiredTokenException"}, "ExpiredTokenException", 1)

	r.kms.SetFault(nil)
	r.opens("", blob, nil)
}

func TestKMSFaultsOfOneCall(t *testing.T) {
	var calls []int
	r := newKMSRig(t, KMSConfig{Fault: func(op string, n int) KMSFault {
		if op != "Decrypt" {
			return KMSFault{}
		}
		calls = append(calls, n)
		if n == 2 {
			return KMSFault{Code: "ThrottlingException"}
		}
		return KMSFault{}
	}})
	blob := r.seal(testAlias, nil)
	r.opens("", blob, nil)
	r.opens("", blob, nil) // throttled once, then repeated
	if !slices.Equal(calls, []int{1, 2, 3}) || r.kms.Count("Decrypt") != 3 || r.kms.Succeeded("Decrypt") != 2 {
		t.Errorf("calls %v, %d arrived, %d succeeded", calls, r.kms.Count("Decrypt"), r.kms.Succeeded("Decrypt"))
	}
	r.kms.Reset()
	r.opens("", blob, nil)
	if !slices.Equal(calls, []int{1, 2, 3, 1}) || len(r.kms.Counts()) != 1 {
		t.Errorf("after a reset: calls %v, counts %v", calls, r.kms.Counts())
	}
}

func TestKMSDropsTheConnection(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, nil)
	r.kms.SetFault(always(KMSFault{Drop: true}))
	if _, err := r.open("", blob, nil); err == nil {
		t.Fatal("a dropped call succeeded")
	}
	if n := r.kms.Count("Decrypt"); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	r.kms.SetFault(func(_ string, n int) KMSFault { return KMSFault{Drop: n == 4} })
	r.opens("", blob, nil)
}

func TestKMSDelays(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, nil)
	r.kms.SetFault(always(KMSFault{Delay: 50 * time.Millisecond}))
	start := time.Now()
	r.opens("", blob, nil)
	if d := time.Since(start); d < 50*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
	// A delay ends when the client leaves, and then the call is not carried out.
	r.kms.Reset()
	r.kms.SetFault(always(KMSFault{Delay: time.Hour}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := r.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	left, leave := context.WithCancel(t.Context())
	leave()
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("the call of a client that left ended with %v", p)
			}
		}()
		rawKMS(t, r.kms, "Decrypt", `{}`, func(req *http.Request) { *req = *req.WithContext(left) })
	}()
	if r.kms.Succeeded("Decrypt") != 0 {
		t.Error("counted as success")
	}
}

func TestKMSAsksThePolicy(t *testing.T) {
	var mu sync.Mutex
	var seen []KMSCall
	r := newKMSRig(t, KMSConfig{Allow: func(c KMSCall) bool {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c)
		return c.Op != "Decrypt" || c.Context["chatbot_id"] == "mine"
	}})
	f := func(chatbot string) error {
		t.Helper()
		context := map[string]string{"chatbot_id": chatbot}
		_, err := r.open("", r.seal(testAlias, context), context)
		return err
	}
	r.ok(f("mine"))
	err := f("theirs")
	wantKMSCode(t, err, "AccessDeniedException")
	if want := "is not authorized to perform: kms:Decrypt on resource: " + r.kms.KeyARN(testAlias); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "user/"+kmsCaller) {
		t.Errorf("error %v, want one that says %s", err, want)
	}
	if n := r.kms.Count("Decrypt"); n != 2 {
		t.Errorf("%d calls: a denied one must not be repeated", n)
	}
	last := seen[len(seen)-1]
	if last.Op != "Decrypt" || last.KeyARN != r.kms.KeyARN(testAlias) || last.AccessKeyID != kmsCaller || last.Context["chatbot_id"] != "theirs" {
		t.Errorf("the policy saw %+v", last)
	}
	seen = nil
	_, err = r.client.ReEncrypt(t.Context(), &kms.ReEncryptInput{CiphertextBlob: r.seal(testAlias, nil), DestinationKeyId: aws.String(testAlias)})
	r.ok(err)
	if seen[1].Op != "ReEncryptTo" || seen[2].Op != "ReEncryptFrom" {
		t.Errorf("the policy saw %+v", seen)
	}
	// Every operation asks.
	r.kms.SetAllow(func(KMSCall) bool { return false })
	for op, body := range kmsBodies(r.kms.KeyID(testAlias), r.sealedText(testAlias)) {
		if _, reply := rawKMS(t, r.kms, op, body); !strings.Contains(reply, "AccessDeniedException") {
			t.Errorf("%s did not ask the policy: %s", op, reply)
		}
	}
	r.kms.SetAllow(nil)
	r.ok(f("theirs"))
}

func TestKMSShowsCallsToTheObserver(t *testing.T) {
	var seen []KMSSeen
	r := newKMSRig(t, KMSConfig{Observe: func(s KMSSeen) { seen = append(seen, s) }})
	r.seal(testAlias, map[string]string{"a": "b"})
	var in kms.EncryptInput
	if len(seen) != 1 || seen[0].Op != "Encrypt" || seen[0].N != 1 || seen[0].AccessKeyID != kmsCaller ||
		json.Unmarshal(seen[0].Body, &in) != nil || *in.KeyId != testAlias || in.EncryptionContext["a"] != "b" {
		t.Error("the observer did not see the call as it was")
	}
}

func TestKMSFaultsByHTTP(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, nil)
	order := func(query string, want int) {
		t.Helper()
		if status, body := r.page("PUT", "/sandbox/kms/fault?"+query); status != want {
			t.Fatalf("PUT %s: %d %s", query, status, body)
		}
	}
	r.kms.Reset()
	order("op=Decrypt&status=400&code=ThrottlingException&times=2", 204)
	r.opens("", blob, nil)
	if n := r.kms.Count("Decrypt"); n != 3 {
		t.Errorf("%d attempts, want 3", n)
	}
	order("code=DisabledException", 204)                // every operation
	order("op=Decrypt&code=AccessDeniedException", 204) // has one of its own
	for range 2 {
		_, err := r.open("", blob, nil)
		wantKMSCode(t, err, "AccessDeniedException")
		_, err = r.client.ListAliases(t.Context(), &kms.ListAliasesInput{})
		wantKMSCode(t, err, "DisabledException")
	}
	if status, _ := r.page("DELETE", "/sandbox/kms/fault"); status != 204 {
		t.Errorf("DELETE: %d", status)
	}
	r.kms.Reset()
	r.opens("", blob, nil)
	order("op=Decrypt&drop=true&delay=1ms&times=1", 204)
	r.opens("", blob, nil)
	if n := r.kms.Count("Decrypt"); n != 3 {
		t.Errorf("%d attempts, want 3: one of them dropped", n)
	}
	for _, bad := range []string{
		"", "op=Decrypt", "op=Decode&status=400", "status=200", "status=x", "code=a%0Ab", "delay=2", "delay=-1s",
		"drop=perhaps", "status=400&times=0", "status=400&time=1",
	} {
		order(bad, 400)
	}
}

func TestKMSShowsItsState(t *testing.T) {
	r := newKMSRig(t, KMSConfig{})
	blob := r.seal(testAlias, map[string]string{"a": kmsSecret})
	r.opens("", blob, map[string]string{"a": kmsSecret})
	r.open("", blob, nil)
	id := r.kms.KeyID(testAlias)
	status, body := r.page("GET", "/sandbox/kms")
	var page struct {
		Counts, Succeeded map[string]int
		Keys              []map[string]any
		Aliases           []map[string]string
	}
	r.ok(json.Unmarshal([]byte(body), &page))
	material, _ := json.Marshal(r.kms.state.at(r.kms.now()).Keys[id].Generations[0])
	if strings.Contains(body, "CANARY") || strings.Contains(body, strings.Trim(string(material), `"`)) {
		t.Fatal("the page holds a secret")
	}
	if status != 200 || page.Counts["Decrypt"] != 2 || page.Succeeded["Decrypt"] != 1 || len(page.Keys) != 1 || page.Keys[0]["id"] != id ||
		page.Keys[0]["state"] != "Enabled" || page.Keys[0]["generation"] != 1.0 || page.Aliases[0]["name"] != testAlias || page.Aliases[0]["key"] != id {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := r.page("DELETE", "/sandbox/kms"); status != 204 || len(r.kms.Counts()) != 0 {
		t.Errorf("DELETE: %d, counts %v", status, r.kms.Counts())
	}
	if status, body := r.page("GET", "/sandbox/health"); status != http.StatusOK || body != `{"status":"ok"}` {
		t.Errorf("health: %d %s", status, body)
	}
	if status, _ := r.page("GET", "/sandbox/keys"); status != http.StatusNotFound {
		t.Errorf("another page: %d", status)
	}
}
