package wire

// Stats are plain counters since the transport's start; Open and Idle are the
// present values.
type Stats struct {
	Dials      int64 // connections opened
	DialErrors int64
	Reuses     int64 // requests sent on a connection that was idle before
	Stale      int64 // idle connections found dead by the probe, or too old
	Resent     int64 // requests sent again after not one byte was taken
	Truncated  int64 // reply bodies that were cut
	Open, Idle int64
	Warmed     int64 // connections opened ahead of need
	WarmUsed   int64 // requests that found one
	Tunnels    int64 // of the open ones
}

// Stats returns the counters.
func (t *Transport) Stats() Stats {
	return Stats{
		Dials:      t.count.dials.Load(),
		DialErrors: t.count.dialErrors.Load(),
		Reuses:     t.count.reuses.Load(),
		Stale:      t.count.stale.Load(),
		Resent:     t.count.resent.Load(),
		Truncated:  t.count.truncated.Load(),
		Warmed:     t.count.warmed.Load(),
		WarmUsed:   t.count.warmUsed.Load(),
		Open:       t.count.open.Load(),
		Idle:       int64(t.idle.len()),
		Tunnels:    t.count.tunnels.Load(),
	}
}
