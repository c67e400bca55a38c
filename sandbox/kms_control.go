package sandbox

import (
	"maps"
	"net/http"
	"slices"
	"sync"
)

// kmsTally counts the calls of each operation.
type kmsTally struct {
	mu              sync.Mutex
	arrived, served map[string]int
}

func (t *kmsTally) arrive(op string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.arrived[op]++
	return t.arrived[op]
}

func (t *kmsTally) succeed(op string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.served[op]++
}

// all are copies.
func (t *kmsTally) all() (arrived, served map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.arrived), maps.Clone(t.served)
}

// Count is how many calls of an operation ("Decrypt") have arrived, refused and
// faulted ones too. A call is counted before anything is decided about it.
func (k *KMS) Count(op string) int { return k.Counts()[op] }

// Counts is Count of every operation that has been called.
func (k *KMS) Counts() map[string]int {
	arrived, _ := k.counts.Load().all()
	return arrived
}

// Succeeded is how many calls of an operation have been answered with success.
// A call is counted before the first byte of its reply.
func (k *KMS) Succeeded(op string) int {
	_, served := k.counts.Load().all()
	return served[op]
}

// Reset sets all counts to 0; the numbers that a fault hook sees begin at 1
// again. Calls under way are not counted any more.
func (k *KMS) Reset() {
	k.counts.Store(&kmsTally{arrived: map[string]int{}, served: map[string]int{}})
}

// control serves the paths that AWS does not have.
func (k *KMS) control(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /sandbox/health":
		writeJSON(w, http.StatusOK, object{"status": "ok"})
	case "GET /sandbox/kms":
		writeJSON(w, http.StatusOK, k.page())
	case "DELETE /sandbox/kms":
		k.Reset()
		w.WriteHeader(http.StatusNoContent)
	case "PUT /sandbox/kms/fault":
		op, fault, err := faultQuery(r.URL.Query())
		if err != nil {
			writeJSON(w, http.StatusBadRequest, object{"error": err.Error()})
			return
		}
		k.ordered.put(op, fault)
		w.WriteHeader(http.StatusNoContent)
	case "DELETE /sandbox/kms/fault":
		k.ordered.clear()
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusNotFound, object{"error": "the sandbox has /sandbox/health, /sandbox/kms and /sandbox/kms/fault"})
	}
}

// page names each thing that it shows: a key is never marshalled as a whole,
// because it holds its material.
func (k *KMS) page() object {
	state := k.state.at(k.now())
	keys, aliases := []object{}, []object{}
	for _, id := range slices.Sorted(maps.Keys(state.Keys)) {
		key := state.Keys[id]
		keys = append(keys, object{"id": id, "arn": key.arn(), "state": key.State, "generation": len(key.Generations)})
	}
	for _, name := range slices.Sorted(maps.Keys(state.Aliases)) {
		aliases = append(aliases, object{"name": name, "key": state.Aliases[name].Key})
	}
	arrived, served := k.counts.Load().all()
	return object{"counts": arrived, "succeeded": served, "keys": keys, "aliases": aliases}
}
