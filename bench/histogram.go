package bench

import (
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Histogram is an HdrHistogram from 1 µs to 10 minutes with three significant
// digits. Its zero value is empty and costs nothing. It is not safe for
// concurrent use: each worker has its own, and they are merged.
type Histogram struct{ h *hdrhistogram.Histogram }

const (
	lowest  = int64(time.Microsecond)
	highest = int64(10 * time.Minute)
	digits  = 3
)

// Record takes one value. What is out of range counts as the limit, never as
// nothing.
func (h *Histogram) Record(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	_ = h.h.RecordValue(min(max(int64(d), lowest), highest)) // cannot fail within the range
}

// Merge adds the values of other.
func (h *Histogram) Merge(other *Histogram) {
	if other.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	h.h.Merge(other.h)
}

// reset empties it and keeps its memory.
func (h *Histogram) reset() {
	if h.h != nil {
		h.h.Reset()
	}
}

// Count is the number of values.
func (h *Histogram) Count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Quantile returns the value below which the fraction q lies, 0 if there is
// none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(q * 100))
}

// MarshalJSON writes HdrHistogram's own compressed form (V2), which its tools
// for other languages read.
func (h Histogram) MarshalJSON() ([]byte, error) {
	if h.h == nil {
		return []byte(`""`), nil
	}
	b, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return json.Marshal(string(b))
}

// UnmarshalJSON reads it.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	h.h = nil
	if s == "" {
		return nil
	}
	var err error
	h.h, err = decodeHistogram(s)
	return err
}
