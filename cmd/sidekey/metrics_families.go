package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// A family is one metric with all its series.
type family struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("sidekey_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc("sidekey_"+name, help, labels, nil), prometheus.GaugeValue}
}

// histogram families are written by exposition.histogram, which asks for no kind.
func histogramOf(name, help string, labels ...string) family { return gauge(name, help, labels...) }

// families are all of ours, with what to do about each. They are made when they
// are first asked for: 240 objects at each start were for nobody. Label values are words of
// fixed lists: credential (none, system, owner, direct, byoi), provider (the
// table, or unknown), surface (detect), status (a class, or aborted).
var families = sync.OnceValue(func() *familySet {
	return &familySet{
		requests: counter("requests_total", "Requests, by whose credential was used (none: refused by sidekey), the provider, the surface and the class of the status. "+
			"5xx of credential none are sidekey's own: see sidekey_errors_total; others came from upstream.", "credential", "provider", "surface", "status"),
		errors: counter("errors_total", "Errors that sidekey answered with, by code. What to do about each stands in README.md under How it fails.", "code"),
		aborts: counter("aborts_total", "Requests whose client left, by how far they had come; shutdown: cut off at the end of limits.drain. "+
			"Many while waiting: clients have shorter time-outs than the models need.", "phase"),
		bytes:  counter("client_bytes_total", "Body bytes from clients (up) and to them (down), by whose credential was used.", "credential", "direction"),
		events: counter("stream_events_total", "Server-sent events passed on, of streams that are not compressed.", "surface"),

		added: histogramOf("added_latency_seconds", "What sidekey itself took until it passed the reply's head on: all but the wait for the upstream. A client's slow upload counts in. "+
			"If it grows: look at cold keys (sidekey_store_call_seconds), dials, and processor time.", "credential", "reply"),
		firstByte: histogramOf("time_to_first_byte_seconds", "From the request's head to the reply's, by whose credential was used and the kind of reply.", "credential", "reply"),
		duration:  histogramOf("request_duration_seconds", "From the request's head to the reply's last byte. Sockets are one request.", "credential", "reply"),

		inFlight:    gauge("requests_in_flight", "Requests whose reply has not ended."),
		connections: gauge("client_connections", "Open connections of clients. Near limits.connections: raise that, or run more sidecars."),
		full:        counter("client_connections_refused_total", "Connections refused because limits.connections were open. Raise it, or run more sidecars."),
		draining:    gauge("draining", "1 while sidekey is shutting down and lets requests in flight finish."),

		tokens: counter("tokens_total", "Tokens that replies reported, by who paid. cached_input and cache_write are parts of input, reasoning of output: do not add them up. "+
			"Tokens of credential system at a provider for which owners have keys may be a leak: see sidekey_guard_verdicts_total.", "kind", "provider", "credential"),
		usage: counter("usage_replies_total", "Successful replies by whether their tokens are counted: read, absent (none reported; OpenAI streams need stream_options.include_usage), "+
			"compressed (not looked into; ask for identity to have them counted).", "result"),

		verdicts: counter("guard_verdicts_total", "Owners' calls by what the billing guard found. leak_replaced, leak_passed: the platform paid; have the owner store a working key, see /-/guard. "+
			"fuse_blown: raise or reset the budget of gateway.owner_traffic_key. unknown_passed, unjudged: nobody can say who paid.", "verdict"),
		open:     gauge("guard_open_breakers", "Owners' keys that are not sent at present because the platform paid in their place. GET /-/guard names them."),
		redacted: counter("redacted_replies_total", "Replies in which an upstream repeated an owner's key, and it was replaced. Tell that provider."),

		upConns:    gauge("upstream_connections", "Open connections to upstreams, by who chose them (operator: gateway, table: provider, owner: byoi) and whether they are at work.", "upstream", "state"),
		tunnels:    gauge("upstream_tunnels", "WebSockets that are open through sidekey.", "upstream"),
		dials:      counter("upstream_dials_total", "Connections opened to upstreams. Many for few requests: the upstream closes them early, or gateway.warm is too small.", "upstream"),
		dialErrors: counter("upstream_dial_errors_total", "Connections that could not be opened. Look at DNS, the network and TLS on the way to the upstream.", "upstream"),
		reuses:     counter("upstream_reuses_total", "Requests sent on a connection that was open already.", "upstream"),
		stale:      counter("upstream_stale_connections_total", "Idle connections found dead or too old, and discarded before a request was lost on them.", "upstream"),
		resent:     counter("upstream_resent_requests_total", "Requests sent once more because the first connection took not one byte of them.", "upstream"),
		truncated:  counter("upstream_truncated_replies_total", "Replies that the upstream cut off. Clients were told; look at the upstream.", "upstream"),
		warmed:     counter("upstream_warmed_connections_total", "Connections opened ahead of need.", "upstream"),
		warmUsed:   counter("upstream_warm_uses_total", "Requests that found a connection opened ahead of need.", "upstream"),

		hits:            counter("cache_hits_total", "Uses of the key cache that did not wait."),
		unknown:         counter("cache_unknown_total", "Uses by chatbots of which nothing is stored: the platform pays."),
		refused:         counter("cache_refused_total", "Uses that ended in keys_unavailable. Look at store in /readyz."),
		staleUses:       counter("cache_stale_uses_total", "Uses of what the store has not confirmed in time, because it cannot be reached. They end at cache.stale_limit: repair the store before that.", "what"),
		loads:           counter("cache_loads_total", "Keyrings asked of the store."),
		refreshes:       counter("cache_refreshes_total", "Of the loads: those started ahead of need."),
		loadFailures:    counter("cache_load_failures_total", "Loads that brought nothing new: outage (no answer), refusal (the store said no), replay (of the outages: older than what was known), outdated (overtaken by an invalidation).", "reason"),
		decrypts:        counter("cache_decrypts_total", "Keys decrypted: with the aws store, calls of KMS, which cost money. Near zero in steady state."),
		decryptFailures: counter("cache_decrypt_failures_total", "Keys that could not be decrypted: outage (no answer), refusal (KMS, or the keyset, said no).", "reason"),
		invalidations:   counter("cache_invalidations_total", "Times that keys were forgotten because they changed, or by POST /-/invalidate."),
		evictions:       counter("cache_evictions_total", "Chatbots pushed out of the cache. If it goes on: raise cache.max_chatbots.", "cause"),
		oldest:          gauge("oldest_key_age_seconds", "How long before its use the store had confirmed the oldest keyring that was used in the last minute or two. Above cache.ttl: the store cannot be reached."),
		storeUp:         gauge("store_up", "0 while the store cannot be read; /readyz says why."),

		reloads:    counter("config_reloads_total", "Reloads of a changed configuration.", "result"),
		reloadGood: gauge("config_last_reload_successful", "0 if the configuration was changed and could not be used: the one before is in force. /readyz names the problems."),
		applied:    gauge("config_last_applied_timestamp_seconds", "When the configuration in force was applied."),
		build:      gauge("build_info", "1, with what is running.", "version", "revision", "goversion"),
	}
})

type familySet struct {
	requests, errors, aborts, bytes, events                               family
	added, firstByte, duration                                            family
	inFlight, connections, full, draining                                 family
	tokens, usage                                                         family
	verdicts, open, redacted                                              family
	upConns, tunnels, dials, dialErrors, reuses, stale, resent, truncated family
	warmed, warmUsed                                                      family
	hits, unknown, refused, staleUses, loads, refreshes, loadFailures     family
	decrypts, decryptFailures, invalidations, evictions, oldest, storeUp  family
	reloads, reloadGood, applied, build                                   family
}
