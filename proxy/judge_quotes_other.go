//go:build !amd64

package proxy

import "encoding/binary"

// markQuotes is as in judge_quotes_amd64.go.
func markQuotes(dst []uint64, p []byte) int {
	n := len(p) >> 6
	for w := range n {
		block, marks := p[w<<6:w<<6+64], uint64(0)
		for k := 0; k < 64; k += 8 {
			marks |= gather(textStops(binary.LittleEndian.Uint64(block[k:]))) << k
		}
		dst[w] = marks
	}
	return n
}

// textStops marks the quotes and backslashes of x with the top bits of their
// bytes. It adds, so that nothing is borrowed from a byte, and each mark is
// exact.
func textStops(x uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	q, b := x^ones*'"', x^ones*'\\'
	q, b = q&^tops+ones*0x7f|q, b&^tops+ones*0x7f|b
	return ^(q & b) & tops
}

// gather moves the marks of eight bytes into the low eight bits.
func gather(marks uint64) uint64 { return marks >> 7 * 0x0102040810204080 >> 56 }
