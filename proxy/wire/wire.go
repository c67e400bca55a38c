// Package wire moves HTTP/1.1 bytes between a client and one upstream. It
// knows connections, strictness, at-most-once, truncation and relay; it knows
// nothing about keys.
package wire
