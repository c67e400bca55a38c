package sandbox

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// serveModels lists the catalogue in the form that both the OpenAI and the
// Anthropic SDK read.
func serveModels(c *call) *apiError {
	data := []object{}
	for _, m := range catalogue {
		data = append(data, object{
			"id": m.id, "object": "model", "created": 1767225600, "owned_by": strings.SplitN(m.id, "/", 2)[0],
			"type": m.kind, "display_name": m.id, "created_at": "2026-01-01T00:00:00Z",
		})
	}
	return c.ok(object{
		"object": "list", "data": data, "has_more": false,
		"first_id": catalogue[0].id, "last_id": catalogue[len(catalogue)-1].id,
	})
}

// serveEndpoints names the providers of one model.
func serveEndpoints(c *call) *apiError {
	id := endpointsPath().FindStringSubmatch(c.path)[1]
	if strings.Contains(id, unknownModel) {
		return modelNotFound(id)
	}
	canonical, hosts := resolve(id)
	endpoints := []object{}
	for _, h := range hosts {
		endpoints = append(endpoints, object{"name": h.name + " | " + canonical, "provider_name": h.slug, "status": 0})
	}
	return c.ok(object{"data": object{"id": canonical, "name": canonical, "endpoints": endpoints}})
}

// serveAIConfig is the AI SDK's list of models, in the specification of its path.
func serveAIConfig(c *call) *apiError {
	models := []object{}
	for _, m := range catalogue {
		models = append(models, object{
			"id": m.id, "name": m.id, "modelType": m.kind, "pricing": object{"input": "0.000001", "output": "0.000002"},
			"specification": object{
				"specificationVersion": "v" + c.specification(), "modelId": m.id, "provider": strings.SplitN(m.id, "/", 2)[0],
			},
		})
	}
	return c.ok(object{"models": models})
}

func serveCredits(c *call) *apiError {
	return c.ok(object{"balance": "95.50", "total_used": "4.50"})
}

// serveGeneration looks a paid call up in the ledger by its generation id.
func serveGeneration(c *call) *apiError {
	id := c.r.URL.Query().Get("id")
	for _, e := range c.g.Ledger() {
		if e.ID != id || e.Credential == None {
			continue
		}
		return c.ok(object{"data": object{
			"id": e.ID, "model": e.Model, "is_byok": e.Credential == BYOK, "provider_name": e.Provider,
			"streamed": e.Stream, "created_at": e.Time.UTC().Format(time.RFC3339Nano), "finish_reason": "stop",
			"total_cost": 0.0001, "upstream_inference_cost": 0, "usage": 0.0001, "latency": 1, "generation_time": 1,
			"native_tokens_prompt": 5, "native_tokens_completion": 10, "native_tokens_reasoning": 0,
			"native_tokens_cached": 0, "native_tokens_cache_creation": 0, "billable_web_search_calls": 0,
		}})
	}
	return refuse(http.StatusNotFound, "", "no such generation")
}

// serveReport sums the ledger by credential; ?credential_type= picks one.
func serveReport(c *call) *apiError {
	count := map[Credential]int{}
	for _, e := range c.g.Ledger() {
		count[e.Credential]++
	}
	results := []object{}
	for _, kind := range []Credential{BYOK, System} {
		want := c.r.URL.Query().Get("credential_type")
		if count[kind] > 0 && (want == "" || want == string(kind)) {
			results = append(results, object{
				"credential_type": kind, "total_cost": 0.0001 * float64(count[kind]), "request_count": count[kind],
			})
		}
	}
	return c.ok(object{"results": results})
}

// serveClientSecret mints a token with which a browser could go past the proxy.
func serveClientSecret(c *call) *apiError {
	if c.model = bodyModel(c); c.model == "" {
		return badRequest("the request names no model")
	}
	return c.ok(object{"token": fmt.Sprintf("vcst_sandbox_%d", c.seq), "expiresAt": c.started.Add(time.Minute).Unix()})
}
