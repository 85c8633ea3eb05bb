// Written by scripts/generate-abi.mjs from kernels/abi.def. Change that file and run the script.

/** The instructions that ops describe themselves (kind `described` in ir.ts), one by one. */
export const conv = {
  name: "conv",
  opcode: 50,
  fields: "N H W C OH OW F KH KW sH sW dH dW uH uW top left groups activation *x xN *pack *bias *out",
} as const;

export const convWeights = {
  name: "convWeights",
  opcode: 51,
  fields: "N H W C OH OW F KH KW sH sW dH dW uH uW top left groups pieces *x xN *dy *dpack *dbias *work",
} as const;

export const pool = {
  name: "pool",
  opcode: 52,
  fields: "average N D H W C OD OH OW KD KH KW sD sH sW front top left *x *out",
} as const;

export const poolGradient = {
  name: "poolGradient",
  opcode: 53,
  fields: "average N D H W C OD OH OW KD KH KW sD sH sW front top left *x *dy *dx",
} as const;

export const crf = {
  name: "crf",
  opcode: 56,
  fields: "B T K *x *transitions *start *end *tags *mask *out *forward *work",
} as const;

export const crfGradient = {
  name: "crfGradient",
  opcode: 57,
  fields: "B T K *x *transitions *start *end *tags *mask *forward *g *dx *dTransitions *dStart *dEnd *work",
} as const;

export const crfDecode = {
  name: "crfDecode",
  opcode: 58,
  fields: "B T K *x *transitions *start *end *limits *mask *out *work",
} as const;

export const countSpans = {
  name: "countSpans",
  opcode: 59,
  fields: "B T K L *truth *predicted *rules *mask *out",
} as const;
