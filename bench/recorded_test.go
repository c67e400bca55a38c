package bench

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestRecordedIsSentAsItStands(t *testing.T) {
	rec, err := ReadRecording(strings.NewReader(`
{"path":"/v1/messages?x=1","headers":{"X-Team":"a","Authorization":"old","content-length":"3"},"body":{"model": "b",  "n":1.50}}
{"method":"GET","path":"/v1/models"}

{"path":"/v1/raw","body":"plain\ttext","headers":{"Content-Type":"text/plain"}}
{"method":"PUT","path":"/v1/none","body":null}
`))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	url := webServer(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		h := r.Header
		seen[fmt.Sprintf("%s %s team=%q auth=%q type=%q %s", r.Method, r.URL.RequestURI(), h.Get("X-Team"), h.Values("Authorization"), h.Get("Content-Type"), body)] = true
	})
	p := testPlan(url+"/base/v1", ScenarioRecorded)
	p.Recording, p.Header = rec, []string{"Authorization: new"}
	r := onlyRound(t, p)
	if r.Requests < 4 || len(r.Errors) > 0 {
		t.Fatalf("got %d requests and errors %v", r.Requests, r.Errors)
	}
	mu.Lock() // requests that were cut may still be served
	defer mu.Unlock()
	for _, want := range []string{
		`POST /base/v1/messages?x=1 team="a" auth=["new"] type="application/json" {"model": "b",  "n":1.50}`,
		`GET /base/v1/models team="" auth=["new"] type="" `,
		"POST /base/v1/raw team=\"\" auth=[\"new\"] type=\"text/plain\" plain\ttext",
		`PUT /base/v1/none team="" auth=["new"] type="" `,
	} {
		if !seen[want] {
			t.Errorf("missing: %s", want)
		}
	}
	if len(seen) != 4 {
		t.Errorf("got %d different requests, want 4: %v", len(seen), seen)
	}
}

func TestRecordedTellsAllThatIsWrong(t *testing.T) {
	_, err := ReadRecording(strings.NewReader(`{"path":"/ok"}
{"path":"v1"}
{"path":"/a b","method":"GE T"}
[1]
{"path":7}
{"path":"/x","headers":{"X":1}}
{"path":"/x","header":{}}
{"path":"/x"} {"path":"/y"}
{"path":"/x"
{"path":"/x","headers":{"X-Key":"sk-secret\n","Bad Name":"v"}}
{"path":"/x","method":"CONNECT"}`))
	want := `line 2: path must begin with / and hold neither blanks nor what is not ASCII; write such as /v1/chat/completions
line 3: method is no method of HTTP that can be sent; write such as POST
line 3: path must begin with / and hold neither blanks nor what is not ASCII; write such as /v1/chat/completions
line 4: is no JSON object; write such as {"path":"/v1/chat/completions","body":{}}
line 5: path is a number and must be a string
line 6: headers must be an object of strings, such as {"X-Team":"a"}
line 7: has a member that is none of method, path, headers, body
line 8: there is more than one JSON value; write one request a line
line 9: is no whole JSON object; write one request a line
line 10: headers: a header's name is empty or holds characters that no name may; write it as 'Name: value'
line 10: headers: the value of X-Key holds a line end or another control character; remove it
line 11: method is no method of HTTP that can be sent; write such as POST`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestRecordedBounds(t *testing.T) {
	if _, err := ReadRecording(strings.NewReader("\n\n")); err == nil || !strings.Contains(err.Error(), "no request in it") {
		t.Errorf("an empty file: got %v", err)
	}
	_, err := ReadRecording(strings.NewReader(strings.Repeat("{\n", 100)))
	if err == nil || strings.Count(err.Error(), "\n") != maxComplaints || !strings.HasSuffix(err.Error(), "and 80 more") {
		t.Errorf("100 problems: got %v", err)
	}
	_, err = readRecording(strings.NewReader("{\"path\":\"/x\"}\n"+strings.Repeat("x", 9000)), 8<<10)
	if err == nil || !strings.Contains(err.Error(), "line 2: longer than 8 KB") {
		t.Errorf("a line without end: got %v", err)
	}
}

// FuzzRecording: what is accepted can be sent; it holds no line end where none
// may be.
func FuzzRecording(f *testing.F) {
	f.Add(`{"method":"POST","path":"/v1/x","headers":{"A":"b"},"body":{"model":"m"}}`)
	f.Add(`{"path":"/x","body":"\u000d\n"}`)
	f.Add(`{"path":"/v1%x","body":{}}`)
	f.Fuzz(func(t *testing.T, s string) {
		rec, err := ReadRecording(strings.NewReader(s))
		if err != nil {
			return
		}
		e, _ := parseEndpoint("http://localhost")
		p := &Plan{Recording: rec}
		for _, st := range p.recorded(e).steps {
			r, err := http.ReadRequest(bufioReader(st.bytes))
			if err != nil {
				t.Fatalf("%v: %q of %q", err, st.bytes, s)
			}
			if n, err := io.Copy(io.Discard, r.Body); err != nil || n != st.bodyLen {
				t.Fatalf("a body of %d (%v), want %d: %q", n, err, st.bodyLen, st.bytes)
			}
		}
	})
}
