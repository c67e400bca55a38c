package console

import (
	"net/http"
	"testing"
)

func checkAgainstDocument(t testing.TB, r *http.Request, a *answer) {}
