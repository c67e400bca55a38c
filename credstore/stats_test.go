package credstore

import (
	"reflect"
	"testing"
	"time"
)

func TestAgesKeepTheHighestOfTwoMinutes(t *testing.T) {
	var a ages
	start := time.Unix(60*1000, 0)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	want := func(now time.Time, age time.Duration) {
		t.Helper()
		if got := a.highest(now); got != age {
			t.Errorf("at %v: got %v, want %v", now.Sub(start), got, age)
		}
	}
	want(at(0), 0)
	a.note(at(0), at(-3*time.Minute))
	a.note(at(time.Second), at(0)) // younger
	want(at(time.Second), 3*time.Minute)
	a.note(at(70*time.Second), at(69*time.Second))
	want(at(70*time.Second), 3*time.Minute)
	want(at(2*time.Minute), time.Second) // the first minute is over
	want(at(5*time.Minute), 0)
	a.note(at(5*time.Minute), at(6*time.Minute)) // a clock that went back
	want(at(5*time.Minute), 0)
}

// Plus forgets no count.
func TestStatsAddUp(t *testing.T) {
	var s, u Stats
	a, b := reflect.ValueOf(&s).Elem(), reflect.ValueOf(&u).Elem()
	for i := range a.NumField() {
		a.Field(i).SetUint(uint64(i + 1))
		b.Field(i).SetUint(1000)
	}
	sum := reflect.ValueOf(s.Plus(u))
	for i := range sum.NumField() {
		if got := sum.Field(i).Uint(); got != uint64(i+1001) {
			t.Errorf("%s is %d, want %d", sum.Type().Field(i).Name, got, i+1001)
		}
	}
}
