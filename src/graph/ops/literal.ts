import { nodeOf, type SymbolicTensor } from "../ir.js";
import { broadcastOp, reshapeOp } from "./shape.js";
import { constantOp } from "./source.js";

/** The one number that every element of x is, where the graph says so. */
export function numberIn(x: SymbolicTensor | undefined): number | undefined {
  const literal = nodeOf(constantOp, x);
  if (literal !== undefined) return literal.attrs.data.length === 1 ? literal.attrs.data[0] : undefined;
  const repeated = nodeOf(broadcastOp, x) ?? nodeOf(reshapeOp, x);
  return repeated && numberIn(repeated.inputs[0]);
}
