import { bytesPerElement } from "../dtype.js";
import type { Buffer, Operation, View } from "./buffer.js";
import { rootOf } from "./memory.js";

/** What lies between the operations of a chain stays in a core's caches as long as it takes no more bytes. */
const nearBytes = 1 << 18;
/** How many tasks have places of their own for it. */
const places = 32;

type InRows = Operation & { readonly rows: NonNullable<Operation["rows"]> };

/**
 * Joins operations that treat rows apart and follow one another to one that takes some rows at a time through all of them, so
 * that what lies between, which nobody else may read, is written and read while it is in the caches, and has room for some rows
 * only. Convolutions and pools one upon the other are such chains in inference; in training the gradients read what lies between.
 */
export function chained(operations: readonly Operation[]): readonly Operation[] {
  if (!operations.some(({ rows }) => rows)) return operations;
  const uses = new Map<Buffer, number>();
  const count = (list: readonly Operation[]): void => {
    for (const { reads, writes, loop } of list) {
      for (const b of [...reads, ...writes]) uses.set(rootOf(b), (uses.get(rootOf(b)) ?? 0) + 1);
      if (loop !== undefined) count(loop.body);
    }
  };
  count(operations);
  const all: Operation[] = [];
  let chain: InRows[] = [];
  const end = (): void => {
    all.push(...joined(chain));
    chain = [];
  };
  for (const operation of operations) {
    const from = operation.rows?.from;
    const before = chain.at(-1)?.rows.to;
    const goesOn =
      before?.buffer === from?.buffer &&
      before?.buffer.region === "scratch" &&
      before.buffer.alias === undefined &&
      uses.get(before.buffer) === 2 &&
      before.shape[0] === from?.shape[0] &&
      before.strides[0] === from?.strides[0];
    // What has nothing to do with the chain, such as the packing of further weights, may as well come before it.
    if (!goesOn && (from !== undefined || chain.some((own) => meets(own, operation)))) end();
    if (from === undefined) all.push(operation);
    else chain.push(operation as InRows);
  }
  end();
  return all;
}

const share = (some: readonly Buffer[], others: readonly Buffer[]): boolean =>
  some.some((a) => others.some((b) => rootOf(a) === rootOf(b)));

/** Whether the order of two operations counts. */
const meets = (a: Operation, b: Operation): boolean =>
  b.loop !== undefined || share(a.writes, [...b.reads, ...b.writes]) || share(a.reads, b.writes);

const rowBytes = ({ strides, dtype }: View): number => (strides[0] ?? 0) * bytesPerElement[dtype];

/** One operation for several, where what they share allows that. */
function joined(chain: readonly InRows[]): readonly Operation[] {
  const from = chain[0]?.rows.from;
  const to = chain.at(-1)?.rows.to;
  const reads = chain.flatMap((operation) => operation.reads);
  if (
    from === undefined ||
    to === undefined ||
    chain.length < 2 ||
    reads.filter((b) => b === from.buffer).length > 1 ||
    share(reads, [to.buffer])
  )
    return chain;
  const between = chain.slice(0, -1).map(({ rows }) => rows.to);
  const [rows = 0] = from.shape;
  const bytes = between.reduce((sum, view) => sum + rowBytes(view), 0);
  const together = Math.max(1, Math.min(Math.floor(nearBytes / bytes), Math.ceil(rows / places)));
  const used = Math.max(1, Math.min(places, Math.ceil(rows / together)));
  for (const view of between)
    view.buffer.bytes = Math.min(view.buffer.bytes, used * together * rowBytes(view));
  return [
    {
      name: "chain",
      reads,
      writes: chain.flatMap(({ writes }) => writes),
      emit(encoder, index) {
        encoder.around(
          "chain",
          { rows, together, places: used, inner: between.length },
          [...between, from, to].map((view) => ({ buffer: index(view.buffer), bytes: rowBytes(view) })),
          (e) => {
            for (const operation of chain) operation.emit(e, index);
          },
        );
      },
    },
  ];
}
