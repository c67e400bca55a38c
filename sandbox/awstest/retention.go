package awstest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// A retention does what dynalite cannot: time to live and point-in-time
// recovery of tables. It remembers the settings and deletes nothing.
type retention struct {
	mu       sync.Mutex
	ttl      map[string]string // table -> attribute
	recovery map[string]bool   // tables with point-in-time recovery
}

func (*retention) knows(op string) bool {
	switch strings.TrimPrefix(op, "dynamodb:") {
	case "DescribeTimeToLive", "UpdateTimeToLive", "DescribeContinuousBackups", "UpdateContinuousBackups":
		return true
	}
	return false
}

// handler answers one call about a table that dynalite has.
func (r *retention) handler(c *Call, db http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !exists(c.Table, req, db) {
			code := "ResourceNotFoundException"
			if strings.HasSuffix(c.Op, "ContinuousBackups") {
				code = "TableNotFoundException"
			}
			answer(w, http.StatusBadRequest, code, "Requested resource not found: Table: "+c.Table+" not found")
			return
		}
		var in settings
		if err := json.Unmarshal(c.Body, &in); err != nil {
			answer(w, http.StatusBadRequest, "SerializationException", err.Error())
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(r.carryOut(strings.TrimPrefix(c.Op, "dynamodb:"), c.Table, &in))
	})
}

// settings are what the two Update operations set.
type settings struct {
	TimeToLiveSpecification struct {
		AttributeName string
		Enabled       bool
	}
	PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
}

// carryOut does what is asked for and returns the reply.
func (r *retention) carryOut(op, table string, in *settings) map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ttl == nil {
		r.ttl, r.recovery = map[string]string{}, map[string]bool{}
	}
	switch op {
	case "UpdateTimeToLive":
		if delete(r.ttl, table); in.TimeToLiveSpecification.Enabled {
			r.ttl[table] = in.TimeToLiveSpecification.AttributeName
		}
		return map[string]any{"TimeToLiveSpecification": in.TimeToLiveSpecification}
	case "DescribeTimeToLive":
		status := map[string]string{"TimeToLiveStatus": "DISABLED"}
		if attribute := r.ttl[table]; attribute != "" {
			status = map[string]string{"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}
		}
		return map[string]any{"TimeToLiveDescription": status}
	case "UpdateContinuousBackups":
		r.recovery[table] = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
	}
	status := "DISABLED"
	if r.recovery[table] {
		status = "ENABLED"
	}
	return map[string]any{"ContinuousBackupsDescription": map[string]any{
		"ContinuousBackupsStatus":        "ENABLED",
		"PointInTimeRecoveryDescription": map[string]string{"PointInTimeRecoveryStatus": status},
	}}
}

// exists asks dynalite for the table, with the same credentials.
func exists(table string, req *http.Request, db http.Handler) bool {
	body, err := json.Marshal(map[string]string{"TableName": table})
	if err != nil {
		return false
	}
	ask := req.Clone(req.Context())
	ask.Header.Set("X-Amz-Target", "DynamoDB_20120810.DescribeTable")
	ask.Header.Del("Content-Length")
	ask.Body, ask.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	rec := httptest.NewRecorder()
	db.ServeHTTP(rec, ask)
	return rec.Code == http.StatusOK
}
