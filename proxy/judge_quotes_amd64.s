#include "textflag.h"

// func markQuotes(dst []uint64, p []byte) int
//
// SSE2 only, as plainBlocks of package detect: every amd64 processor has it.
TEXT ·markQuotes(SB), NOSPLIT, $0-56
	MOVQ dst_base+0(FP), DI
	MOVQ p_base+24(FP), SI
	MOVQ p_len+32(FP), CX
	SHRQ $6, CX
	MOVQ CX, ret+48(FP)
	TESTQ CX, CX
	JZ   done

	MOVQ   $0x2222222222222222, AX
	MOVQ   AX, X8
	PUNPCKLQDQ X8, X8
	MOVQ   $0x5c5c5c5c5c5c5c5c, AX
	MOVQ   AX, X9
	PUNPCKLQDQ X9, X9

block:
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVO  X0, X4
	MOVO  X1, X5
	MOVO  X2, X6
	MOVO  X3, X7
	PCMPEQB X8, X0
	PCMPEQB X8, X1
	PCMPEQB X8, X2
	PCMPEQB X8, X3
	PCMPEQB X9, X4
	PCMPEQB X9, X5
	PCMPEQB X9, X6
	PCMPEQB X9, X7
	POR   X4, X0
	POR   X5, X1
	POR   X6, X2
	POR   X7, X3
	PMOVMSKB X0, AX
	PMOVMSKB X1, BX
	PMOVMSKB X2, R8
	PMOVMSKB X3, R9
	SHLQ  $16, BX
	SHLQ  $32, R8
	SHLQ  $48, R9
	ORQ   BX, AX
	ORQ   R9, R8
	ORQ   R8, AX
	MOVQ  AX, (DI)
	ADDQ  $64, SI
	ADDQ  $8, DI
	DECQ  CX
	JNZ   block

done:
	RET
