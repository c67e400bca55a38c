package provider

import (
	"net/http"
	"net/url"
	"strings"
)

// judgeGoogle: a wrong key is 400 INVALID_ARGUMENT, as is a wrong argument;
// the detail's reason tells them apart (google.rpc.ErrorInfo).
func judgeGoogle(r *reply) (Verdict, string, bool) {
	if r.status != http.StatusBadRequest {
		return Inconclusive, "", false
	}
	var e struct {
		Details []struct{ Reason string }
	}
	if r.member("error", &e) {
		for _, d := range e.Details {
			if d.Reason == "API_KEY_INVALID" {
				return Invalid, "", true
			}
		}
	}
	return Inconclusive, "", true
}

// judgeXAI: a wrong key is 400 with {"code","error":"Incorrect API key
// provided: ..."}; the text has been seen percent-encoded
// (github.com/i-am-bee/beeai-framework issue 447). A key that exists may be
// blocked or disabled, which a 200 says.
func judgeXAI(r *reply) (Verdict, string, bool) {
	switch {
	case r.status == http.StatusBadRequest:
		text := r.message()
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
		if strings.Contains(strings.ToLower(text), "incorrect api key") {
			return Invalid, "", true
		}
	case r.ok():
		var blocked, disabled, team bool
		r.member("api_key_blocked", &blocked)
		r.member("api_key_disabled", &disabled)
		if blocked || disabled {
			return Invalid, "the key is blocked or disabled", true
		}
		// Why a team is blocked is not said; unpaid bills are one reason.
		if r.member("team_blocked", &team) && team {
			return Inconclusive, "the team of this key is blocked", true
		}
	}
	return Inconclusive, "", false
}

// judgeDeepSeek: the balance itself says whether it suffices for a call.
func judgeDeepSeek(r *reply) (Verdict, string, bool) {
	var available bool
	if r.ok() && r.member("is_available", &available) && !available {
		return NoCredit, "the balance does not suffice for a call", true
	}
	return Inconclusive, "", false
}

// judgeCohere: the answer to a wrong key may be 200 {"valid":false}.
func judgeCohere(r *reply) (Verdict, string, bool) {
	var valid bool
	if !r.ok() {
		return Inconclusive, "", false
	}
	switch {
	case !r.member("valid", &valid):
		return Inconclusive, "", true
	case !valid:
		return Invalid, "the key is not valid", true
	}
	return Valid, "", true
}
