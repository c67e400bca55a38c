package credstore

import (
	"context"
	"errors"
	"sync/atomic"
)

// An awsHealth remembers how the last call of each service ended, for whoever
// asks how the store is. Each on its own: the table is read far more often than
// a key is opened, and a Query that went well says nothing about KMS.
type awsHealth struct{ table, kms atomic.Pointer[awsOutcome] }

type awsOutcome struct{ err error }

// aboutOneRow are the answers of KMS that come from the row and not from the
// state of KMS, which was there and did its work.
var aboutOneRow = []string{"InvalidCiphertextException", "IncorrectKeyException"}

func (h *awsHealth) note(service string, err error) {
	if errors.Is(err, context.Canceled) { // then the caller left, which says nothing
		return
	}
	of := &h.table
	if service == "kms" {
		of = &h.kms
		if answered(err, aboutOneRow...) {
			err = nil
		}
	}
	of.Store(&awsOutcome{err})
}

func (h *awsHealth) err() error {
	var errs []error
	for _, of := range []*atomic.Pointer[awsOutcome]{&h.table, &h.kms} {
		if o := of.Load(); o != nil {
			errs = append(errs, o.err)
		}
	}
	return errors.Join(errs...)
}
