package firstheap

import (
	"syscall"
	"unsafe"
)

const (
	// Go's heap grows by chunks of 4 MB, aligned to their size, and begins at a
	// random page of the first.
	chunk = 4 << 20
	huge  = 2 << 20

	madvHugepage = 14
	madvCollapse = 25 // since Linux 6.1
)

// probe is large enough to lie in the heap's pages by itself, without pointers.
var probe []byte

func init() {
	probe = make([]byte, 40<<10)
	from := uintptr(unsafe.Pointer(unsafe.SliceData(probe))) &^ (huge - 1)
	end := from&^(chunk-1) + chunk
	probe = nil
	// Advice that is not taken is no error to anybody. All of the range is Go's,
	// which reserves address space by larger units.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, end-from, madvHugepage)
	// Go has used some pages of this one, so that the kernel will not make it a
	// huge page by itself.
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, huge, madvCollapse)
}
