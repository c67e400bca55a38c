//go:build race

package wire

import "syscall"

// The race detector takes a read on a socket to come after the write that it
// answers, which it learns from package syscall. So builds with it make the
// calls of raw_linux.go there.

func rawRead(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, errnoOf(err)
}

func rawWrite(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, errnoOf(err)
}

func rawWritev(fd uintptr, v []syscall.Iovec) (int, syscall.Errno) {
	var all []byte
	for i := range v {
		all = append(all, bytesOf(v[i])...)
	}
	return rawWrite(fd, all)
}

func epollNow(fd uintptr, events []syscall.EpollEvent) int {
	n, _ := syscall.EpollWait(int(fd), events, 0)
	return max(n, 0)
}

func rawPeek(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	errno, _ := err.(syscall.Errno)
	return errno
}
