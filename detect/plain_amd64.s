#include "textflag.h"

// func plainBlocks(b []byte) int
//
// SSE2 only, which every amd64 processor has: nothing is to be found out at the
// start, and there is no second path that only old ones take.
//
// c^0x02 <= 0x20 holds for the quote and the controls only (see stops). SSE2 has
// no such comparison of unsigned bytes; min(c, 0x20) == c says the same.
TEXT ·plainBlocks(SB), NOSPLIT, $0-32
	MOVQ b_base+0(FP), SI
	MOVQ b_len+8(FP), CX
	MOVQ SI, DI // where it began

	MOVQ   $0x0202020202020202, AX
	MOVQ   AX, X8
	PUNPCKLQDQ X8, X8
	MOVQ   $0x2020202020202020, AX
	MOVQ   AX, X9
	PUNPCKLQDQ X9, X9
	MOVQ   $0x5c5c5c5c5c5c5c5c, AX // backslashes
	MOVQ   AX, X10
	PUNPCKLQDQ X10, X10

block:
	CMPQ CX, $64
	JLT  done
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVO  X0, X4
	MOVO  X1, X5
	MOVO  X2, X6
	MOVO  X3, X7
	PCMPEQB X10, X4
	PCMPEQB X10, X5
	PCMPEQB X10, X6
	PCMPEQB X10, X7
	POR   X5, X4
	POR   X7, X6
	POR   X6, X4 // where a backslash is
	PXOR  X8, X0
	PXOR  X8, X1
	PXOR  X8, X2
	PXOR  X8, X3
	// Of the four bytes of a column the least decides.
	PMINUB X1, X0
	PMINUB X3, X2
	PMINUB X2, X0
	MOVO   X0, X1
	PMINUB X9, X1
	PCMPEQB X0, X1
	POR    X1, X4
	PMOVMSKB X4, AX
	TESTL  AX, AX
	JNZ    found
	ADDQ   $64, SI
	SUBQ   $64, CX
	JMP    block

found:
	// Which byte of the 64 it is: 16 at a time, by the same comparisons.
	MOVOU 0(SI), X0
	MOVO  X0, X4
	PCMPEQB X10, X4
	PXOR  X8, X0
	MOVO  X0, X1
	PMINUB X9, X1
	PCMPEQB X0, X1
	POR   X1, X4
	PMOVMSKB X4, AX
	TESTL AX, AX
	JNZ   byte
	ADDQ  $16, SI
	JMP   found

byte:
	BSFL AX, AX
	ADDQ AX, SI

done:
	SUBQ DI, SI
	MOVQ SI, ret+24(FP)
	RET
