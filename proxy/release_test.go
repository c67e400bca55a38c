package proxy

import (
	"bytes"
	"io"
	"reflect"
	"testing"
	"unsafe"

	"github.com/sidekey/sidekey/proxy/wire"
)

// fill puts something into every field, as deep as an exchange is one piece of
// memory. Slices get room for more than they hold.
func fill(v reflect.Value) {
	if v.CanAddr() {
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() // unexported as well
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 4))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Interface:
		if v.Type() == reflect.TypeFor[error]() {
			v.Set(reflect.ValueOf(errNoKeys))
		} else if v.Type() == reflect.TypeFor[io.Reader]() {
			v.Set(reflect.ValueOf(&bytes.Reader{}))
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("left")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(1)
	}
}

// left lists the fields that are not zero. Empty slices count as zero: their
// capacity is what is kept.
func left(v reflect.Value, path string) (list []string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			list = append(list, left(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	case reflect.Array:
		for i := range v.Len() {
			list = append(list, left(v.Index(i), path)...)
		}
	case reflect.Slice:
		if v.Len() > 0 {
			list = append(list, path)
		}
	default:
		if !v.IsZero() {
			list = append(list, path)
		}
	}
	return list
}

// Whatever a request has left in an exchange, release takes it out, but for what
// the next one uses again: the functions that were made once, and the reply's
// own room, which is wire's.
func TestReleaseLeavesNothing(t *testing.T) {
	x := newExchange().(*exchange)
	done, cut, tap := x.done, x.cut, x.tap
	fill(reflect.ValueOf(x).Elem())
	x.done, x.cut, x.tap = done, cut, tap
	x.rep = wire.Reply{}
	x.guard.judge.nPending, x.guard.judge.n = maxFailures, maxJudged
	x.guard.judge.found.n, x.guard.judge.nested.n, x.guard.judge.flat.n = maxFailures, maxFailures, maxFailures
	x.buf, x.h = make([]byte, 2, 4), newBench(t).h
	x.header.found, x.guard.keys = [][]byte{{1}}, []keyID{{"openai", 7}}
	hidden, found, keys, creds := x.hide, x.header.found, x.guard.keys, x.creds
	head, insert, pieces := x.out.head, x.out.insert, x.out.pieces
	x.parted = false
	x.release()
	x.done, x.cut, x.tap = nil, nil, nil
	if list := left(reflect.ValueOf(x).Elem(), "x"); len(list) > 0 {
		t.Errorf("left in the exchange: %q", list)
	}
	// Nor is anything left in the room that is kept.
	for name, v := range map[string]any{"hide": hidden, "found": found, "keys": keys, "creds": creds, "head": head, "insert": insert, "pieces": pieces} {
		for i := range reflect.ValueOf(v).Len() {
			if !reflect.ValueOf(v).Index(i).IsZero() {
				t.Errorf("left in the room of %s: element %d", name, i)
			}
		}
	}
}
