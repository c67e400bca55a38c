//go:build !race

package wire

import (
	"syscall"
	"unsafe"
)

// System calls on sockets that do not block, without a word to Go's scheduler
// (RawSyscall). Told of it, the scheduler takes the processor away from a call
// that is not back after some 20 µs, which a write over loopback or to a busy
// card often is: it carries the packet to its receiver. The thread then has to
// queue for a processor. Seen with strace on one CPU, 10,000 events a second:
// the monitor thread awake every 20 µs and a futex call for every 20 events, a
// third of the process's time.
//
// The danger: a call that did block would hold up the garbage collector. All
// sockets here are non-blocking, as the net package makes them.

// rawRead is recv(2), which for a socket is what read(2) is behind the layer of
// files: with send(2) 0.3 µs less for each 2 KB written and read.
func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return int(n), err
}

// rawWrite is send(2). A write to a broken connection raises no signal.
func rawWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

// rawWritev is writev(2). Go ignores SIGPIPE on all but the standard streams.
func rawWritev(fd uintptr, v []syscall.Iovec) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)))
	return int(n), err
}

// epollNow is epoll_wait(2) without a wait.
func epollNow(fd uintptr, events []syscall.EpollEvent) int {
	for {
		n, _, err := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if err != syscall.EINTR {
			return max(int(n), 0)
		}
	}
}

// rawPeek is recv(2) with MSG_PEEK.
func rawPeek(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return int(n), err
}
