package proxy

import (
	"os"
	"syscall"
)

// examineForm reads what a large multipart form asks for, for a chatbot whose
// owner has keys. A form is no JSON that could be judged as it comes: its
// reader wants all of it, to be sure that no field says otherwise. So the form
// is spooled, and looked at in the file, one form at a time: what is mapped
// counts as this process's memory for as long as it is.
func (x *exchange) examineForm() *refusal {
	if r, _ := x.spool(); r != nil {
		return r
	}
	x.h.forms.Lock()
	defer x.h.forms.Unlock()
	err := withContent(x.large.file, int(x.large.length), func(body []byte) {
		x.examine(body, nil)
		x.direct.asked = append(x.direct.asked[:0], x.target.Model...)
		x.target.Model = nil // it lies in body; its provider is known
	})
	if err != nil {
		return x.spoolFailed(err)
	}
	return nil
}

// withContent shows read the content of a file, without its place in the heap.
// The slice is gone when read has returned. Nobody else can shorten the file,
// which has no name, so no access fails.
func withContent(file *os.File, size int, read func([]byte)) error {
	body, err := syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	defer syscall.Munmap(body)
	read(body)
	return nil
}
