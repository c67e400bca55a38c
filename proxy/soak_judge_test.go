package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"

	"github.com/sidekey/sidekey/sandbox"
)

// judge decides whether a reply is one that may be.
func (c *soakClient) judge(call *soakCall, resp *http.Response, content []byte, err error, mayBreak bool) {
	kind, fault := sandbox.FaultNone, call.fault.Load()
	if fault != nil {
		kind = fault.Kind
	}
	code := resp.Header.Get("x-sidekey-error")
	c.s.add(fmt.Sprintf("reply %d", resp.StatusCode))
	if id := resp.Header.Get(soakID); code == "" && id != call.id {
		c.s.problem("%s: got another request's reply", call.id)
	}
	wantPays := map[bool]string{true: "owner", false: "system"}[call.key != nil]
	if got := resp.Header.Get("x-sidekey-credential"); code == "" && got != wantPays {
		c.s.problem("%s: x-sidekey-credential is %q, want %q", call.id, got, wantPays)
	}
	if err != nil {
		c.s.add("reply broken off")
		if kind != sandbox.FaultCut && kind != sandbox.FaultStall && !mayBreak {
			c.s.problem("%s: a reply broke off, and nobody broke it: %v", call.id, err)
		}
		return
	}
	var ok bool
	switch kind {
	case sandbox.FaultDrop, sandbox.FaultCutHead, sandbox.FaultGarbage:
		ok = resp.StatusCode == 502
	case sandbox.FaultHang:
		ok = resp.StatusCode == 502 || resp.StatusCode == 504
	case sandbox.FaultCut, sandbox.FaultStall:
		// An owner's reply that is held until it is judged breaks off unseen.
		ok = resp.StatusCode == 200 && whole(content, kind) || resp.StatusCode == 502 && code == string(codeBrokeOff) && call.key != nil
	case sandbox.FaultRefuse:
		ok = resp.StatusCode == fault.Status && code == "" && json.Valid(content)
	case sandbox.FaultReply:
		ok = resp.StatusCode == 200 && resp.Header.Get(soakSum) == fmt.Sprint(crc32.ChecksumIEEE(content))
	default:
		ok = resp.StatusCode == 200 && whole(content, kind)
	}
	if resp.StatusCode == 504 && code == string(codeUpstreamTimeout) {
		ok = true // a busy machine; counted, not judged
	}
	if !ok {
		c.s.problem("%s: got %d %s with %d bytes (fault: %s)", call.id, resp.StatusCode, code, len(content), call.faulted())
	}
	c.s.add("reply whole")
}

func (c *soakCall) faulted() string {
	if f := c.fault.Load(); f != nil {
		return soakFaults[f.Kind]
	}
	return "none"
}

// whole reports whether a reply that ended cleanly is complete: a JSON
// document, or a stream with its surface's last event.
func whole(content []byte, kind sandbox.FaultKind) bool {
	if bytes.HasPrefix(content, []byte("{")) {
		return json.Valid(content)
	}
	if kind == sandbox.FaultStreamError && bytes.Contains(content, []byte("the provider broke off")) {
		return true
	}
	for _, last := range []string{"[DONE]\n\n", "message_stop\"}\n\n"} {
		if bytes.HasSuffix(content, []byte(last)) {
			return true
		}
	}
	return bytes.Contains(content, []byte("event: response.completed\n")) && bytes.HasSuffix(content, []byte("\n\n"))
}
