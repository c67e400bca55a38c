package credstore

import "sync/atomic"

// Stats are counts since the Cache was made, for whoever serves metrics.
type Stats struct {
	Hits            uint64 // uses served without waiting, stale and unknown ones included
	Unknown         uint64 // of these: chatbots of which nothing is stored
	Loads           uint64 // Store.Load calls; with Hits: how well the cache works
	LoadOutages     uint64 // loads that brought no answer
	LoadRefusals    uint64 // loads that were refused
	Replays         uint64 // of the outages: answers older than what was known
	Outdated        uint64 // loads overtaken by an invalidation
	Refreshes       uint64 // of the loads: started in the background by a use
	StaleKeyrings   uint64 // uses past the TTL because the store is unreachable
	Decrypts        uint64 // Cipher.Decrypt calls
	DecryptOutages  uint64
	DecryptRefusals uint64
	StaleSecrets    uint64 // uses past the recheck because the cipher is unreachable
	Refused         uint64 // uses that ended in ErrUnavailable
	Invalidations   uint64
	Evicted         uint64 // entries pushed out by others: above zero MaxChatbots is too small; costs loads, nothing else
	SetsDropped     uint64 // by ristretto: above zero the cache is under a flood; costs loads, nothing else
	SetsRejected    uint64 // by ristretto: as Evicted, it was the newcomer's turn
}

// counters are the live form of Stats, except for hits, which the shards count.
type counters struct {
	unknown, loads, loadOutages, loadRefusals, replays, outdated, refreshes, staleKeyrings,
	decrypts, decryptOutages, decryptRefusals, staleSecrets, refused, invalidations, evicted,
	setsDropped, setsRejected atomic.Uint64
}

func (n *counters) stats() Stats {
	return Stats{
		Unknown:         n.unknown.Load(),
		Loads:           n.loads.Load(),
		LoadOutages:     n.loadOutages.Load(),
		LoadRefusals:    n.loadRefusals.Load(),
		Replays:         n.replays.Load(),
		Outdated:        n.outdated.Load(),
		Refreshes:       n.refreshes.Load(),
		StaleKeyrings:   n.staleKeyrings.Load(),
		Decrypts:        n.decrypts.Load(),
		DecryptOutages:  n.decryptOutages.Load(),
		DecryptRefusals: n.decryptRefusals.Load(),
		StaleSecrets:    n.staleSecrets.Load(),
		Refused:         n.refused.Load(),
		Invalidations:   n.invalidations.Load(),
		Evicted:         n.evicted.Load(),
		SetsDropped:     n.setsDropped.Load(),
		SetsRejected:    n.setsRejected.Load(),
	}
}

// Plus adds two up, for whoever has had several caches.
func (s Stats) Plus(t Stats) Stats {
	return Stats{
		Hits:            s.Hits + t.Hits,
		Unknown:         s.Unknown + t.Unknown,
		Loads:           s.Loads + t.Loads,
		LoadOutages:     s.LoadOutages + t.LoadOutages,
		LoadRefusals:    s.LoadRefusals + t.LoadRefusals,
		Replays:         s.Replays + t.Replays,
		Outdated:        s.Outdated + t.Outdated,
		Refreshes:       s.Refreshes + t.Refreshes,
		StaleKeyrings:   s.StaleKeyrings + t.StaleKeyrings,
		Decrypts:        s.Decrypts + t.Decrypts,
		DecryptOutages:  s.DecryptOutages + t.DecryptOutages,
		DecryptRefusals: s.DecryptRefusals + t.DecryptRefusals,
		StaleSecrets:    s.StaleSecrets + t.StaleSecrets,
		Refused:         s.Refused + t.Refused,
		Invalidations:   s.Invalidations + t.Invalidations,
		Evicted:         s.Evicted + t.Evicted,
		SetsDropped:     s.SetsDropped + t.SetsDropped,
		SetsRejected:    s.SetsRejected + t.SetsRejected,
	}
}
