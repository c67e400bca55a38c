package wire

import "encoding/binary"

// WebSocket frames (RFC 6455 section 5), as far as a tunnel with an Inspector
// must know them.

// Opcodes.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// Close codes (RFC 6455 section 7.4.1).
const (
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeUnsupported = 1003
	closeInvalid     = 1007
	closeTooBig      = 1009
)

// maxControl is the longest payload of a control frame (RFC 6455 section 5.5).
const maxControl = 125

// maxFrameHead is the length of a head with a 64-bit length and a mask.
const maxFrameHead = 2 + 8 + 4

// A frameHead is all of a frame but its payload.
type frameHead struct {
	fin, masked bool
	reserved    byte // the three bits that only an extension gives a meaning
	op          byte
	mask        [4]byte
	length      uint64
	size        int // of the head itself
}

func (h *frameHead) control() bool { return h.op >= opClose }

// parseFrameHead reads the head at the start of b. false: more bytes are
// needed. It judges nothing.
func parseFrameHead(b []byte) (h frameHead, ok bool) {
	if len(b) < 2 {
		return h, false
	}
	h.fin, h.reserved, h.op = b[0]&0x80 != 0, b[0]>>4&7, b[0]&0xf
	h.masked, h.length, h.size = b[1]&0x80 != 0, uint64(b[1]&0x7f), 2
	switch h.length {
	case 126:
		if len(b) < 4 {
			return h, false
		}
		h.length, h.size = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return h, false
		}
		h.length, h.size = binary.BigEndian.Uint64(b[2:]), 10
	}
	if h.masked {
		if len(b) < h.size+4 {
			return h, false
		}
		h.size += copy(h.mask[:], b[h.size:h.size+4])
	}
	return h, true
}

// minimal says that the length is written in as few bytes as possible (RFC
// 6455 section 5.2): a frame has one form.
func (h *frameHead) minimal() bool {
	size := h.size
	if h.masked {
		size -= len(h.mask)
	}
	switch size {
	case 4:
		return h.length > maxControl
	case 10:
		return h.length > 0xffff && h.length>>63 == 0
	}
	return true
}

// appendFrameHead appends the head of a frame that is a message of its own.
func appendFrameHead(dst []byte, op byte, length int, mask *[4]byte) []byte {
	bit := byte(0)
	if mask != nil {
		bit = 0x80
	}
	dst = append(dst, 0x80|op)
	switch {
	case length <= maxControl:
		dst = append(dst, bit|byte(length))
	case length <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, bit|126), uint16(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, bit|127), uint64(length))
	}
	if mask != nil {
		dst = append(dst, mask[:]...)
	}
	return dst
}

// appendMasked appends src, whose first byte is the at-th of the payload,
// masked or unmasked (RFC 6455 section 5.3): the two are the same. Hot path of
// large messages: eight bytes at a time.
func appendMasked(dst, src []byte, mask [4]byte, at int) []byte {
	var key [8]byte
	for i := range key {
		key[i] = mask[(at+i)&3]
	}
	word := binary.LittleEndian.Uint64(key[:])
	for len(src) >= 8 {
		dst = binary.LittleEndian.AppendUint64(dst, binary.LittleEndian.Uint64(src)^word)
		src = src[8:]
	}
	for i, c := range src {
		dst = append(dst, c^key[i])
	}
	return dst
}

// appendClose appends the payload of a close frame.
func appendClose(dst []byte, code uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, code), reason[:min(len(reason), maxControl-2)]...)
}

// A frameError is what a client's frames do wrong, and the code to close with.
type frameError struct {
	code   uint16
	reason string
}

// A frameReader puts the messages of a client together. Errors are final.
type frameReader struct {
	max int // bytes of a message

	head    frameHead
	inside  bool   // of the payload of a data frame
	at      int    // bytes of that payload that were read
	begun   bool   // a message is not complete
	message []byte // what there is of it, unmasked
}

// keepMessage is how much room for messages is kept between two.
const keepMessage = 64 << 10

// next reads on in b and returns how many bytes it has used. Once a message is
// complete it stops, and done is true; a control frame it returns as it is, in
// control. Else it wants more bytes behind those that it has not used.
func (r *frameReader) next(b []byte) (used int, control []byte, done bool, wrong *frameError) {
	for {
		rest := b[used:]
		if r.inside {
			n := int(min(uint64(len(rest)), r.head.length-uint64(r.at)))
			r.message = appendMasked(r.message, rest[:n], r.head.mask, r.at)
			r.at += n
			if used += n; uint64(r.at) < r.head.length {
				return used, nil, false, nil
			}
			if r.inside = false; r.head.fin {
				r.begun = false
				return used, nil, true, nil
			}
			continue
		}
		h, ok := parseFrameHead(rest)
		if !ok {
			return used, nil, false, nil
		}
		if wrong = r.check(&h); wrong != nil {
			return used, nil, false, wrong
		}
		if h.control() {
			size := h.size + int(h.length)
			if len(rest) < size {
				return used, nil, false, nil
			}
			return used + size, rest[:size], false, nil
		}
		if h.op == opText {
			r.reset()
		}
		r.head, r.inside, r.at, r.begun = h, true, 0, true
		used += h.size
	}
}

// reset makes room for a message.
func (r *frameReader) reset() {
	if r.message = r.message[:0]; cap(r.message) > keepMessage {
		r.message = nil
	}
}

// check refuses what RFC 6455 forbids, and what no reader of JSON can put
// together.
func (r *frameReader) check(h *frameHead) *frameError {
	switch {
	case h.reserved != 0:
		return &frameError{closeProtocol, "reserved bit without an extension"}
	case !h.masked:
		return &frameError{closeProtocol, "unmasked frame"}
	case !h.minimal():
		return &frameError{closeProtocol, "length is not in its shortest form"}
	case h.control() && (h.op > opPong || !h.fin || h.length > maxControl || h.op == opClose && h.length == 1):
		return &frameError{closeProtocol, "malformed control frame"}
	case h.control():
		return nil
	case h.op > opBinary:
		return &frameError{closeProtocol, "unknown opcode"}
	case r.begun != (h.op == opContinuation):
		return &frameError{closeProtocol, "message out of order"}
	case h.op == opBinary:
		// Servers read JSON out of binary messages as well.
		return &frameError{closeUnsupported, "send JSON in text messages"}
	case h.length > uint64(r.max) || r.begun && len(r.message)+int(h.length) > r.max:
		return &frameError{closeTooBig, "message is longer than limits.scan_window"}
	}
	return nil
}
