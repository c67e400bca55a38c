package bench

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	hdrHeader = 40      // bytes before the counts
	hdrLimit  = 1 << 18 // bytes inflated: 22,000 buckets of at most 9 bytes are fewer
	// hdrCounts bounds the values of one histogram, so that a quantile's rank is
	// exact as a float64 and sums do not overflow.
	hdrCounts = int64(1) << 50
)

// decodeHistogram reads HdrHistogram's compressed form (V2) out of a file that
// may be damaged or made up. The library trusts its input: v1.2.0 panics on a
// text of seven bytes and on a count beyond the last bucket, inflates without
// bound, and takes from the header how much memory to ask for. So the outside is
// looked at first, and only histograms of our own range are read.
func decodeHistogram(text string) (h *hdrhistogram.Histogram, err error) {
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("a histogram is not base64: %w", err)
	}
	if len(packed) < 8 || int64(binary.BigEndian.Uint32(packed[4:])) != int64(len(packed)-8) {
		return nil, errors.New("a histogram is cut short")
	}
	if err := checkHeader(packed[8:]); err != nil {
		return nil, err
	}
	defer func() {
		if recover() != nil { // an index that the header does not allow
			h, err = nil, errors.New("a histogram has counts beyond its range")
		}
	}()
	if h, err = hdrhistogram.Decode([]byte(text)); err != nil {
		return nil, fmt.Errorf("a histogram cannot be read: %w", err)
	}
	var sum int64
	for _, n := range h.Export().Counts {
		if n < 0 || n > hdrCounts || sum > hdrCounts {
			return nil, errors.New("a histogram has impossible counts")
		}
		sum += n
	}
	return h, nil
}

func checkHeader(deflated []byte) error {
	z, err := zlib.NewReader(bytes.NewReader(deflated))
	if err != nil {
		return fmt.Errorf("a histogram is not compressed: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, hdrLimit+1))
	switch {
	case err != nil:
		return fmt.Errorf("a histogram cannot be inflated: %w", err)
	case len(plain) < hdrHeader || len(plain) > hdrLimit:
		return fmt.Errorf("a histogram has %d bytes, which none of bench's has", len(plain))
	}
	gotDigits := int64(binary.BigEndian.Uint32(plain[12:]))
	gotLowest, gotHighest := int64(binary.BigEndian.Uint64(plain[16:])), int64(binary.BigEndian.Uint64(plain[24:]))
	if gotDigits != digits || gotLowest != lowest || gotHighest != highest {
		return errors.New("a histogram has another range than bench's")
	}
	return nil
}
