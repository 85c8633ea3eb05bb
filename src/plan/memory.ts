import type { Buffer, Operation } from "./buffer.js";

const alignment = 64;

/** The buffer at the root of a chain of aliases, and the byte offset in it. */
export function resolve(buffer: Buffer): { root: Buffer; offset: number } {
  let root = buffer;
  let offset = 0;
  while (root.alias !== undefined) {
    offset += root.alias.offset;
    root = root.alias.of;
  }
  return { root, offset: offset + root.offset };
}

interface Lifetime {
  first: number;
  last: number;
}

/**
 * First and last use of every buffer over the flattened operations. A buffer that was made outside of a loop and is
 * used inside lives through the whole loop.
 */
function lifetimes(operations: readonly Operation[]): Map<Buffer, Lifetime> {
  const lives = new Map<Buffer, Lifetime>();
  const extend = (buffer: Buffer, first: number, last: number) => {
    const life = lives.get(buffer);
    if (life === undefined) lives.set(buffer, { first, last });
    else {
      life.first = Math.min(life.first, first);
      life.last = Math.max(life.last, last);
    }
  };
  let position = 0;
  const walk = (list: readonly Operation[]): Set<Buffer> => {
    const touched = new Set<Buffer>();
    for (const operation of list) {
      const first = position++;
      const own = [...operation.reads, ...operation.writes].map((b) => resolve(b).root);
      if (operation.loop !== undefined) {
        const inner = walk(operation.loop.body);
        const last = position++;
        for (const b of inner) if (resolve(b).root.scope !== operation.loop.loop) own.push(b);
        for (const b of own) extend(b, first, last);
      } else {
        for (const b of own) extend(b, first, first);
      }
      for (const b of own) touched.add(b);
    }
    return touched;
  };
  walk(operations);
  return lives;
}

/** Lets outputs take over inputs that are read for the last time: same size, both temporaries, neither part of another. */
export function placeInOrder(operations: readonly Operation[]): void {
  const lives = lifetimes(operations);
  let position = 0;
  const walk = (list: readonly Operation[]) => {
    for (const operation of list) {
      const now = position++;
      for (const { output, input } of operation.inPlace ?? []) {
        const { root, offset } = resolve(input);
        const free =
          output.region === "scratch" &&
          root.region === "scratch" &&
          output.alias === undefined &&
          root !== output &&
          offset === 0 &&
          root.bytes === output.bytes &&
          root.scope === output.scope;
        const [a, b] = [lives.get(root), lives.get(output)];
        if (!free || a === undefined || b === undefined || a.last !== now || b.first !== now) continue;
        output.alias = { of: root, offset: 0 };
        a.last = b.last;
      }
      if (operation.loop !== undefined) {
        walk(operation.loop.body);
        position++;
      }
    }
  };
  walk(operations);
}

/**
 * Lays all buffers of one region into an arena: largest first, each at the lowest offset that no buffer alive at the
 * same time occupies (greedy by size, as in Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net
 * Inference", 2020). Returns offsets of the root buffers and the size of the arena.
 */
export function layArena(
  operations: readonly Operation[],
  region: "scratch" | "cache",
): { offsets: ReadonlyMap<Buffer, number>; bytes: number } {
  const lives = [...lifetimes(operations)].filter(([b]) => b.region === region);
  lives.sort(([a, la], [b, lb]) => b.bytes - a.bytes || la.first - lb.first);
  const placed: { offset: number; end: number; life: Lifetime }[] = [];
  const offsets = new Map<Buffer, number>();
  let bytes = 0;
  for (const [buffer, life] of lives) {
    // What `prepare` leaves in the cache lives for ever.
    const whole = region === "cache" ? { first: 0, last: Number.POSITIVE_INFINITY } : life;
    const size = Math.ceil(buffer.bytes / alignment) * alignment;
    let offset = 0;
    for (const other of placed) {
      if (other.life.last < whole.first || other.life.first > whole.last) continue;
      if (other.offset >= offset + size) break;
      offset = Math.max(offset, other.end);
    }
    offsets.set(buffer, offset);
    const at = placed.findIndex((p) => p.offset > offset);
    placed.splice(at < 0 ? placed.length : at, 0, { offset, end: offset + size, life: whole });
    bytes = Math.max(bytes, offset + size);
  }
  return { offsets, bytes };
}
