package proxy

// markQuotes sets, for each whole 64 bytes of p, the bits of a word of dst where
// p has a quote or a backslash, and returns how many words that are. dst must
// have room for all. It is written in assembly because it makes the looking for
// quotes free of the offset that the last one gave: in Go, eight bytes at a
// time, that chain was half of what judging a reply took.
//
//go:noescape
func markQuotes(dst []uint64, p []byte) int
