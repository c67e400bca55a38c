package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// A Recording is a list of requests to be sent, in their order. Each line of its
// file is a JSON object:
//
//	{"method":"POST","path":"/v1/chat/completions","headers":{"X-Team":"a"},"body":{"model":"…"}}
//
// path is needed. method is POST unless said otherwise. body is any JSON value,
// sent as it stands in the file, or a string, whose text is sent.
type Recording struct{ requests []recordedRequest }

type recordedRequest struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

const (
	// maxRecordedLine is the longest line: a body of 20 MB and what belongs to it.
	maxRecordedLine = 32 << 20
	// maxComplaints is how many problems of a file are told.
	maxComplaints = 20
)

// ReadRecording reads all of r. Its error tells all lines that are wrong, each
// with its number.
func ReadRecording(r io.Reader) (*Recording, error) { return readRecording(r, maxRecordedLine) }

func readRecording(r io.Reader, maxLine int) (*Recording, error) {
	var rec Recording
	var wrong []error
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	number := 0
	for lines.Scan() {
		number++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		q, problems := readRecorded(lines.Bytes())
		for _, problem := range problems {
			wrong = append(wrong, fmt.Errorf("line %d: %s", number, problem))
		}
		rec.requests = append(rec.requests, q)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		wrong = append(wrong, fmt.Errorf("line %d: longer than %d KB; leave such requests out", number+1, maxLine>>10))
	case err != nil:
		return nil, err
	case len(rec.requests) == 0:
		return nil, errors.New(`there is no request in it; write one a line, such as {"path":"/v1/chat/completions","body":{"model":"openai/gpt-5.4-mini","messages":[]}}`)
	}
	if more := len(wrong) - maxComplaints; more > 0 {
		wrong = append(wrong[:maxComplaints], fmt.Errorf("and %d more", more))
	}
	return &rec, errors.Join(wrong...)
}

// readRecorded reads one line, and says all that is wrong with it. It quotes no
// value: there may be keys among them.
func readRecorded(line []byte) (q recordedRequest, wrong []string) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return q, []string{recordedFault(err)}
	}
	if dec.More() {
		return q, []string{"there is more than one JSON value; write one request a line"}
	}
	if q.Method == "" {
		q.Method = "POST"
	}
	if !isToken(q.Method) || q.Method == "CONNECT" {
		wrong = append(wrong, "method is no method of HTTP that can be sent; write such as POST")
	}
	if !strings.HasPrefix(q.Path, "/") || strings.ContainsFunc(q.Path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		wrong = append(wrong, "path must begin with / and hold neither blanks nor what is not ASCII; write such as /v1/chat/completions")
	} else if _, err := url.ParseRequestURI(q.Path); err != nil {
		wrong = append(wrong, "path has an escape that is none; write % as %25")
	}
	for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
		if err := CheckHeader(name + ": " + q.Headers[name]); err != nil && !framed(name) {
			wrong = append(wrong, "headers: "+err.Error())
		}
	}
	return q, wrong
}

// recordedFault says what encoding/json did not like, without what it quotes of
// the values.
func recordedFault(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return `is no JSON object; write such as {"path":"/v1/chat/completions","body":{}}`
	case errors.As(err, &kind) && strings.HasPrefix(kind.Field, "headers"):
		return `headers must be an object of strings, such as {"X-Team":"a"}`
	case errors.As(err, &kind):
		return kind.Field + " is a " + strings.Fields(kind.Value)[0] + " and must be a string"
	case errors.As(err, &syntax):
		return fmt.Sprintf("is no JSON, from byte %d on", syntax.Offset)
	case strings.HasPrefix(err.Error(), "json: unknown field"):
		return "has a member that is none of method, path, headers, body"
	}
	return "is no whole JSON object; write one request a line"
}

// body is what is sent; nothing for null, and where there is none.
func (q *recordedRequest) body() []byte {
	var text string
	if json.Unmarshal(q.Body, &text) == nil {
		return []byte(text)
	}
	return q.Body
}

// recorded makes the steps of the recording for one target.
func (p *Plan) recorded(e endpoint) *scenario {
	s := &scenario{}
	for i := range p.Recording.requests {
		q := &p.Recording.requests[i]
		var fields []string
		for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
			line := name + ": " + q.Headers[name]
			if !framed(name) && !slices.ContainsFunc(p.Header, func(h string) bool { return sameName(h, line) }) {
				fields = append(fields, line)
			}
		}
		body := q.body()
		fields = append(fields, p.Header...)
		if len(body) > 0 && !slices.ContainsFunc(fields, func(h string) bool { return sameName(h, "Content-Type:") }) {
			fields = append(fields, "Content-Type: application/json")
		}
		s.steps = append(s.steps, step{request: newRequest(e, q.Method, e.base+q.Path, fields, body)})
	}
	return s
}
