package proxy

import (
	"os"
	"syscall"
)

// examineSpooled reads what a large multipart form or batch asks for, for a
// chatbot whose owner has keys. Neither could be judged as it comes: their
// readers want all of it, to be sure that no field and no item says otherwise.
// So it is spooled, and looked at in the file, one at a time: what is mapped
// counts as this process's memory for as long as it is.
func (x *exchange) examineSpooled() *refusal {
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
	if err == nil && x.batch != nil {
		err = x.batch.edits.err
	}
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

// addField puts the pin into a form, as its first part: a field providerOptions
// with the text that a JSON body would have there. The rest of the form stays as
// it is, and is not copied. The form has no such field of its own: the plan has
// refused it then. It begins with its boundary, which detect has made sure of,
// and no boundary can stand in the part: it would follow a line break, and JSON
// on one line has none.
func (o *outgoing) addField() error {
	insert, ok := reserveSplice(o.insert[:0], o.creds)
	if !ok {
		return errNotPinned
	}
	o.insert = appendPin(insert, pinRootValue, o.creds)
	head := "--" + string(o.facts.form.Boundary) + "\r\nContent-Disposition: form-data; name=\"providerOptions\"\r\n\r\n"
	o.pieces = append(o.pieces[:0], []byte(head), o.insert, []byte("\r\n"))
	o.size = len(head) + len(o.insert) + len("\r\n")
	if o.field = o.large; !o.large {
		o.pieces = append(o.pieces, o.body)
		o.size += len(o.body)
	}
	return nil
}
