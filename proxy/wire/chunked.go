package wire

import "errors"

// Limits of the chunked coding's overhead. Real senders use none of it; the
// limits only keep a hostile one from making us read without delivering.
const (
	maxChunkExtension = 1 << 10 // bytes on one chunk's line
	maxTrailer        = 8 << 10 // bytes of the trailer section
	// maxWaste bounds extensions over a whole body, beyond 16 bytes for each
	// chunk and twice the data: one byte a chunk with a long extension each
	// makes a small body cost a thousand times its size to read (CVE-2023-39326).
	maxWaste = 16 << 10
)

var errChunk = errors.New("malformed chunked coding")

// chunkState is where in the coding (RFC 9112 section 7.1) the next byte is.
type chunkState uint8

const (
	chunkSize      chunkState = iota // first digit
	chunkDigits                      // further digits
	chunkBWS                         // blanks that only an extension may follow
	chunkExtension                   // after ';'
	chunkSizeLF
	chunkData
	chunkDataCR
	chunkDataLF
	trailerStart // first byte of a trailer line, or the CR of the last line
	trailerName
	trailerValue
	trailerLF
	chunkLastLF
	chunkDone
	chunkBroken
)

// chunkDecoder takes the chunked coding apart, whatever pieces it comes in.
// Data is handed out as soon as it is there, also while the chunk's CRLF is
// still missing: some servers flush the two apart, and an event held back for
// two bytes is an event late. It is strict: LF alone, blanks around sizes,
// signs, oversized numbers and bytes between chunks are errors, because the
// next reader in the chain may take them otherwise. Trailers are checked and
// dropped (RFC 9110 section 6.5.1 allows it): none of the surfaces has any.
//
// The zero value is ready.
type chunkDecoder struct {
	state  chunkState
	left   int64 // of the size while digits come, then of the chunk's data
	digits int
	extra  int // bytes of extension or trailer so far
	waste  int // see maxWaste
}

// next consumes bytes of in up to and including one run of data, which it
// returns as a part of in. It stops after the last CRLF: the bytes behind it
// are not its own. n is what was consumed; an error is final.
func (d *chunkDecoder) next(in []byte) (data []byte, n int, err error) {
	for n < len(in) && d.state != chunkDone {
		if d.state == chunkBroken {
			return nil, n, errChunk
		}
		if d.state == chunkData {
			k := int(min(d.left, int64(len(in)-n)))
			data = in[n : n+k]
			if d.left -= int64(k); d.left == 0 {
				d.state = chunkDataCR
			}
			return data, n + k, nil
		}
		if !d.step(in[n]) {
			d.state = chunkBroken
			return nil, n, errChunk
		}
		n++
	}
	return nil, n, nil
}

// done reports whether the last chunk and the end of the trailers were seen.
func (d *chunkDecoder) done() bool { return d.state == chunkDone }

// step takes one byte outside of chunk data.
func (d *chunkDecoder) step(c byte) bool {
	switch d.state {
	case chunkSize, chunkDigits, chunkBWS, chunkExtension, chunkSizeLF:
		return d.sizeLine(c)
	case chunkDataCR:
		d.state = chunkDataLF
		return c == '\r'
	case chunkDataLF:
		d.state = chunkSize
		d.left, d.digits, d.extra = 0, 0, 0
		return c == '\n'
	default:
		return d.trailer(c)
	}
}

func (d *chunkDecoder) sizeLine(c byte) bool {
	switch d.state {
	case chunkSize, chunkDigits:
		if v := unhex(c); v >= 0 {
			// 15 digits are 2^60 bytes; more could overflow. Leading zeros
			// count too, else they would be unbounded.
			d.left = d.left<<4 | int64(v)
			d.state = chunkDigits
			d.digits++
			return d.digits <= 15
		}
		return d.state == chunkDigits && d.afterSize(c)
	case chunkBWS:
		return c != '\r' && d.afterSize(c)
	case chunkExtension:
		if c == '\r' {
			d.state = chunkSizeLF
			return true
		}
		d.extra++
		return class[c]&isValue != 0 && d.extra <= maxChunkExtension
	}
	// chunkSizeLF
	if d.waste = max(0, d.waste+d.extra-16-2*int(min(d.left, maxWaste))); d.waste > maxWaste {
		return false
	}
	d.extra = 0
	d.state = chunkData
	if d.left == 0 {
		d.state = trailerStart
	}
	return c == '\n'
}

func (d *chunkDecoder) afterSize(c byte) bool {
	switch c {
	case '\r':
		d.state = chunkSizeLF
		return true
	case ';':
		d.state = chunkExtension
		return true
	case ' ', '\t':
		d.state = chunkBWS
		d.extra++
		return d.extra <= maxChunkExtension
	}
	return false
}

func (d *chunkDecoder) trailer(c byte) bool {
	if d.extra++; d.extra > maxTrailer {
		return false
	}
	switch d.state {
	case trailerStart:
		if c == '\r' {
			d.state = chunkLastLF
			return true
		}
		d.state = trailerName
		return class[c]&isToken != 0
	case trailerName:
		if c == ':' {
			d.state = trailerValue
			return true
		}
		return class[c]&isToken != 0
	case trailerValue:
		if c == '\r' {
			d.state = trailerLF
			return true
		}
		return class[c]&isValue != 0
	case trailerLF:
		d.state = trailerStart
		return c == '\n'
	}
	// chunkLastLF
	d.state = chunkDone
	return c == '\n'
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
