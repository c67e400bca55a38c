package main

import (
	"fmt"
	"strings"
	"time"
)

// Sizes, times and numbers have bounds beyond which they can only be slips:
// a unit mistaken for another, a digit too many.

func (c *checker) number(at string, n, low, high int) {
	if n < low || n > high {
		c.bad(at, fmt.Sprintf("%d is out of range", n), fmt.Sprintf("write %d to %d", low, high))
	}
}

func (c *checker) sizes(l *Limits) {
	for _, s := range []struct {
		at       string
		got      Size
		min, max Size
	}{
		{"limits.body", l.Body, 1 << 10, 4 << 30}, {"limits.header", l.Header, 4 << 10, 1 << 20},
		{"limits.scan_window", l.ScanWindow, 4 << 10, 64 << 20},
	} {
		if s.got < s.min || s.got > s.max {
			c.bad(s.at, s.got.String()+" is out of range", fmt.Sprintf("write %v to %v", s.min, s.max))
		}
	}
	c.number("limits.connections", l.Connections, 1, 10_000_000)
}

func (c *checker) timeouts(t *Timeouts) {
	for at, d := range map[string]time.Duration{
		"dial": t.Dial, "write": t.Write, "header_wait": t.HeaderWait, "idle": t.Idle,
		"client_header": t.ClientHeader, "client_body": t.ClientBody, "client_idle": t.ClientIdle,
	} {
		c.within("timeouts."+at, d, time.Millisecond, 24*time.Hour)
	}
}

func (c *checker) within(at string, d, low, high time.Duration) {
	if d < low || d > high {
		c.bad(at, brief(d)+" is out of range", fmt.Sprintf("write %v to %v", brief(low), brief(high)))
	}
}

// brief writes a duration without its empty parts: 5m, not 5m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
