import { atOnce } from "../breather.js";
import { bytesPerElement } from "../dtype.js";
import type { Node } from "../graph/ir.js";
import type { ScanAttrs } from "../graph/ops/scan.js";
import type { Buffer, Loop, Operation, View } from "./buffer.js";
import { copyOperation } from "./elementwise.js";
import { type Lowering, lower } from "./lower.js";
import { operandOf } from "./operation.js";
import type { Sink } from "./sinks.js";
import { Values } from "./values.js";

/**
 * scan → a loop of the VM around the lowered body. Each sequence and each stacked output is seen through a cursor: a
 * buffer entry that moves by one time step after every pass. States are carried in place.
 */
export function lowerScan(l: Lowering, node: Node): void {
  const { body, length } = node.attrs as ScanAttrs;
  const T = l.values.size(length);
  const loop: Loop = { parent: l.storage.scope };
  const inner = new Values(l.values.bindings, l.storage.within(loop));
  const advances: Advance[] = [];

  /** The time steps of a view [T, ..], one after the other. */
  const cursor = (v: View): View => {
    const bytes = bytesPerElement[v.dtype];
    // The cursor's entry moves; its offset in the parent may be that of the last step, for a sequence run backwards.
    const offset = v.offset * bytes;
    const buffer = l.storage.part(v.buffer, offset, v.buffer.bytes - offset);
    advances.push({ buffer, bytes: (v.strides[0] ?? 0) * bytes });
    return { buffer, dtype: v.dtype, offset: 0, shape: v.shape.slice(1), strides: v.strides.slice(1) };
  };

  const [s, m, n] = [body.sequences.length, body.states.length, body.outputs.length];
  body.sequences.forEach((p, i) => {
    inner.set(p.node, p.index, cursor(l.materialize(operandOf(node, i), () => true)));
  });
  body.constants.forEach((p, i) => {
    const value = l.materialize(operandOf(node, s + m + i), () => true);
    inner.set(p.node, p.index, value);
  });
  const carried = body.states.map((p, i) => {
    const state = l.storage.temporary(p.dtype, l.values.shape(p.shape));
    l.copy(l.values.operand(operandOf(node, s + i)), state);
    inner.set(p.node, p.index, state);
    return state;
  });

  const stacked = (index: number): View => {
    const type = node.outputs[index];
    if (type === undefined) throw new Error(`scan: output ${index} is missing`);
    const all = l.storage.temporary(type.dtype, l.values.shape(type.shape));
    l.values.set(node, index, all);
    return cursor(all);
  };
  // The states as they were before each step, for the gradient.
  const saves = carried.flatMap((state, i) =>
    l.values.isUsed(node, n + m + i) ? [copyOperation(state, stacked(n + m + i))] : [],
  );
  const sinks: Sink[] = [];
  body.outputs.forEach((value, i) => {
    if (l.values.isUsed(node, i)) sinks.push({ value, to: stacked(i) });
  });
  body.newStates.forEach((value, i) => {
    const to = carried[i];
    const old = body.states[i];
    if (to === undefined || old === undefined) return;
    l.values.set(node, n + i, to);
    sinks.push({ value, to, replaces: old.node });
  });
  const operations = [...saves, ...atOnce(lower(inner, sinks, l.target))];

  l.emit({
    name: "loop",
    reads: [],
    writes: [],
    loop: { loop, count: T, body: operations, advances },
    emit(encoder, index) {
      encoder.loop(
        T,
        moving(operations, advances).map(({ buffer, bytes }) => ({ buffer: index(buffer), bytes })),
        (e) => {
          for (const operation of operations) operation.emit(e, index);
        },
      );
    },
  });
}

interface Advance {
  readonly buffer: Buffer;
  readonly bytes: number;
}

/** The cursors of a loop and all parts of them that its body uses (pieces, cursors of inner loops): they move together. */
function moving(body: readonly Operation[], cursors: readonly Advance[]): Advance[] {
  const own = new Map(cursors.map((cursor) => [cursor.buffer, cursor]));
  const cursorOf = (buffer: Buffer): Advance | undefined => {
    let at: Buffer | undefined = buffer;
    while (at !== undefined && !own.has(at)) at = at.alias?.of;
    return at && own.get(at);
  };
  const used = new Set<Buffer>();
  const walk = (operations: readonly Operation[]): void => {
    for (const { reads, writes, loop } of operations) {
      for (const buffer of reads) used.add(buffer);
      for (const buffer of writes) used.add(buffer);
      if (loop !== undefined) walk(loop.body);
    }
  };
  walk(body);
  return [...used].flatMap((buffer) => {
    const cursor = cursorOf(buffer);
    return cursor === undefined ? [] : [{ buffer, bytes: cursor.bytes }];
  });
}
