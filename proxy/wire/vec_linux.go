package wire

import (
	"syscall"
	"unsafe"
)

// after is the address n bytes behind p, in the same piece of memory.
func after(p *byte, n int) *byte {
	return (*byte)(unsafe.Add(unsafe.Pointer(p), n))
}

// bytesOf is the memory that v describes.
func bytesOf(v syscall.Iovec) []byte { return unsafe.Slice(v.Base, v.Len) }
