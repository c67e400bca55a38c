package bench

import (
	"math"
	"testing"
)

func TestUnitsAreHumane(t *testing.T) {
	f := func(u Unit, v float64, want string) {
		t.Helper()
		if got := u.Text(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
	f(Nanoseconds, 0, "0 ns")
	f(Nanoseconds, 312, "312 ns")
	f(Nanoseconds, 85_230, "85.2 µs")
	f(Nanoseconds, 999_600, "1.00 ms")
	f(Nanoseconds, 1_244_000, "1.24 ms")
	f(Nanoseconds, 12.4e9, "12.4 s")
	f(Nanoseconds, 600e9, "600 s")
	f(Nanoseconds, -3_100, "−3.10 µs")
	f(Bytes, 14<<10, "14.0 KB")
	f(Bytes, 3.5*(1<<20), "3.50 MB")
	f(PerSecond, 12_340.4, "12,340 /s")
	f(PerSecond, 1_234_567, "1,234,567 /s")
	f(Share, 0, "0 %")
	f(Share, 0.0012, "0.12 %")
	f(Share, 1, "100 %")
	f(Share, 0.000012, "0.0012 %")
	f(Count, 1.13, "1.13")
	if got := Nanoseconds.Signed(85_230); got != "+85.2 µs" {
		t.Errorf("got %q", got)
	}
}

// What is printed can be typed into --fail-if.
func TestUnitsCanBeReadBack(t *testing.T) {
	for u := range scales {
		for _, v := range []float64{0, -3e6, 0.004, 0.5, 1, 9.99, 314, 5e4, 2.5e6, 1e9, 4e11} {
			text := u.Text(v)
			got, err := u.parse(withoutCommas(text))
			if err != nil || math.Abs(got-v) > math.Abs(v)*0.006+1e-6*scales[u][0].size+0.5e-4 {
				t.Errorf("%s of %v: got %v, %v", text, v, got, err)
			}
		}
	}
}

func withoutCommas(s string) string {
	out := []rune{}
	for _, r := range s {
		if r != ',' {
			out = append(out, r)
		}
	}
	return string(out)
}

func TestUnitsOfPeople(t *testing.T) {
	good := func(u Unit, text string, want float64) {
		t.Helper()
		if got, err := u.parse(text); err != nil || math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	good(Nanoseconds, "1ms", 1e6)
	good(Nanoseconds, " 1.5 MS ", 1.5e6)
	good(Nanoseconds, "20us", 20e3)
	good(Nanoseconds, "20µs", 20e3)
	good(Nanoseconds, "0", 0)
	good(Nanoseconds, "-1ms", -1e6)
	good(Bytes, "20kb", 20<<10)
	good(PerSecond, "5000", 5000)
	good(PerSecond, "5000/s", 5000)
	good(Share, "0.1%", 0.001)
	bad := func(u Unit, text, want string) {
		t.Helper()
		if _, err := u.parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	bad(Nanoseconds, "1", "a unit is missing: write ns, µs, ms, s")
	bad(Nanoseconds, "1KB", `"KB" is no unit of it: write ns, µs, ms, s`)
	bad(Share, "5", "a unit is missing: write %")
	bad(Nanoseconds, "ms", `"ms" is not a number with a unit`)
	bad(Nanoseconds, "", `"" is not a number with a unit`)
	bad(Nanoseconds, "1.2.3ms", `"1.2.3ms" is not a number with a unit`)
	bad(Bytes, "0x10KB", `"0x10KB" is not a number with a unit`)
	bad(Nanoseconds, "NaNms", `"NaNms" is not a number with a unit`)
}
