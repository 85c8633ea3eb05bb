/** Sizes, in elements, of the kernels' private buffers, as functions of shapes and the vector width `v` alone. */

export type CellKind = "simple" | "lstm" | "gru" | "gruResetBefore";

export interface RnnShape {
  readonly cell: CellKind;
  readonly T: number;
  readonly B: number;
  readonly D: number;
  readonly H: number;
  /** A mask or a recurrent dropout is present: rows are gathered step by step. */
  readonly gathered: boolean;
}
