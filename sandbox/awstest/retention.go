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
	mu     sync.Mutex
	ttl    map[string]string // table -> attribute
	pointy map[string]bool   // tables with point-in-time recovery
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
		var in struct {
			TimeToLiveSpecification struct {
				AttributeName string
				Enabled       bool
			}
			PointInTimeRecoverySpecification struct{ PointInTimeRecoveryEnabled bool }
		}
		if err := json.Unmarshal(c.Body, &in); err != nil {
			answer(w, http.StatusBadRequest, "SerializationException", err.Error())
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.ttl == nil {
			r.ttl, r.pointy = map[string]string{}, map[string]bool{}
		}
		reply := map[string]any{}
		switch strings.TrimPrefix(c.Op, "dynamodb:") {
		case "UpdateTimeToLive":
			if delete(r.ttl, c.Table); in.TimeToLiveSpecification.Enabled {
				r.ttl[c.Table] = in.TimeToLiveSpecification.AttributeName
			}
			reply["TimeToLiveSpecification"] = in.TimeToLiveSpecification
		case "DescribeTimeToLive":
			status := map[string]any{"TimeToLiveStatus": "DISABLED"}
			if attribute := r.ttl[c.Table]; attribute != "" {
				status = map[string]any{"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}
			}
			reply["TimeToLiveDescription"] = status
		case "UpdateContinuousBackups":
			r.pointy[c.Table] = in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled
			fallthrough
		default:
			status := "DISABLED"
			if r.pointy[c.Table] {
				status = "ENABLED"
			}
			reply["ContinuousBackupsDescription"] = map[string]any{
				"ContinuousBackupsStatus":        "ENABLED",
				"PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": status},
			}
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		json.NewEncoder(w).Encode(reply)
	})
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
