package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/sidekey/sidekey/credstore"
)

// An ETag is a version in quotation marks. A key's is that of the key, a
// chatbot's that of its settings: keys come and go without making what somebody
// knows of the settings out of date.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// If-Match: * asks only that there is something.
const anyThatIs int64 = -2

// ifMatch returns the version that a change is meant for. Without one a change
// would overwrite what its sender has never seen.
func (k *call) ifMatch() (int64, error) {
	values := k.r.Header.Values("If-Match")
	if len(values) == 0 {
		return 0, refuse(http.StatusPreconditionRequired, "precondition_required",
			"send If-Match with the etag of what is to be changed")
	}
	if len(values) == 1 && values[0] == "*" {
		return anyThatIs, nil
	}
	version, err := strconv.ParseInt(strings.Trim(values[0], `"`), 10, 64)
	if len(values) > 1 || err != nil || version < 1 {
		return -3, nil // some other thing's, or an old one's: it matches nothing
	}
	return version, nil
}

// ifNew returns 0 for If-None-Match: *, by which something new is made, else
// what ifMatch says.
func (k *call) ifNew() (int64, error) {
	if k.r.Header.Get("If-None-Match") == "" {
		version, err := k.ifMatch()
		if err != nil {
			err = refuse(http.StatusPreconditionRequired, "precondition_required",
				"send If-Match with the key's etag to replace it, or If-None-Match: * to store a first one")
		}
		return version, err
	}
	if k.r.Header.Get("If-None-Match") != "*" || k.r.Header.Get("If-Match") != "" {
		return 0, refuse(http.StatusBadRequest, "precondition", "send either If-None-Match: * or If-Match with one etag")
	}
	return 0, nil
}

// at returns the owner for a change of that version.
func at(o *credstore.Owner, version int64) *credstore.Owner {
	if version == anyThatIs {
		return o.If(credstore.AnyVersion)
	}
	return o.If(version)
}

// stale adds the present etag to a refusal, so that the page can show what is
// there now.
func stale(err error, now string) error {
	p := *problemOf(err)
	if p.Status == http.StatusPreconditionFailed {
		p.ETag = now
	}
	if p.cause == nil {
		p.cause = err
	}
	return &p
}
