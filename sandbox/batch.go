package sandbox

import (
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"time"
)

// maxBatches bounds what is kept for later questions.
const maxBatches = 1000

// batchStore keeps the finished batches.
type batchStore struct {
	mu    sync.Mutex
	order []string
	byID  map[string][]object // result lines
}

func (s *batchStore) put(id string, lines []object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[string][]object)
	}
	if len(s.order) >= maxBatches {
		delete(s.byID, s.order[0])
		s.order = s.order[1:]
	}
	s.order, s.byID[id] = append(s.order, id), lines
}

func (s *batchStore) get(id string) ([]object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, ok := s.byID[id]
	return lines, ok
}

// serveBatchStart runs a batch at once. Every item is a call of its own in the
// ledger; an item's providerOptions.gateway replaces the batch's.
func serveBatchStart(c *call) *apiError {
	items, _ := c.doc["requests"].([]any)
	if len(items) == 0 {
		return badRequest("requests must be an array with at least one item")
	}
	c.model = headerModel(c)
	for _, v := range items {
		if item, _ := v.(object); c.model == "" || str(item["modelId"]) != c.model {
			return badRequest("all items must have the model of the ai-model-id header")
		}
	}
	lines := []object{}
	for _, v := range items {
		line, e := c.runItem(v.(object))
		if e != nil {
			return e
		}
		lines = append(lines, line)
	}
	batchID := "batch_" + c.id[len("gen_"):]
	c.g.batches.put(batchID, lines)
	o := batchStatus(lines)
	o["batchId"], o["createdAt"] = batchID, c.started.UTC().Format(time.RFC3339Nano)
	return c.ok(o)
}

// runItem pays for one item and makes its result line. Only a body that cannot
// be read fails the whole batch.
func (c *call) runItem(item object) (object, *apiError) {
	doc, _ := item["options"].(object)
	if from := c.g.config.BatchOptions; from == "root" || from == "" && doc["providerOptions"] == nil {
		doc = maps.Clone(doc)
		if doc == nil {
			doc = object{}
		}
		doc["providerOptions"] = c.doc["providerOptions"]
	}
	line := object{"type": "text", "id": item["id"], "status": "succeeded"}
	c.out = nil
	out, e := c.pay(c.model, doc)
	switch {
	case e != nil && c.out == nil:
		return nil, e
	case e != nil:
		c.record(e.status)
		line["status"] = "failed"
		line["error"] = object{"message": e.message, "type": e.kind, "statusCode": e.status}
		if e.meta != nil {
			line["providerMetadata"] = object{"gateway": e.meta}
		}
	default:
		c.out = out
		c.record(http.StatusOK)
		r := c.replyTo(doc, out)
		result := c.ending(r, "4")
		result["content"], result["warnings"] = []object{{"type": "text", "text": r.text}}, []any{}
		result["response"] = object{"id": c.id, "modelId": out.model, "timestamp": c.started.UTC().Format(time.RFC3339Nano)}
		line["result"] = result
	}
	return line, nil
}

func batchStatus(lines []object) object {
	failed := 0
	for _, l := range lines {
		if l["status"] == "failed" {
			failed++
		}
	}
	return object{"status": "completed", "rawStatus": "completed", "requestCounts": object{
		"total": len(lines), "pending": 0, "completed": len(lines) - failed, "failed": failed,
	}}
}

// serveBatchStatus answers status and cancel: a batch is done when it exists.
func serveBatchStatus(c *call) *apiError {
	lines, ok := c.g.batches.get(str(c.doc["batchId"]))
	if !ok {
		return refuse(http.StatusNotFound, "", "no such batch")
	}
	return c.ok(batchStatus(lines))
}

// serveBatchResults sends one JSON object a line, not an event stream.
func serveBatchResults(c *call) *apiError {
	lines, ok := c.g.batches.get(str(c.doc["batchId"]))
	if !ok {
		return refuse(http.StatusNotFound, "", "no such batch")
	}
	c.w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(c.w)
	for _, l := range lines {
		if enc.Encode(l) != nil {
			return nil
		}
		http.NewResponseController(c.w).Flush()
	}
	return nil
}
