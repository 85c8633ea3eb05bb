import { isRest, type Steps } from "../breather.js";
import type { Buffer, Operation } from "./buffer.js";
import { aligned, type Region } from "./program.js";

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

/** The buffer at the root of a chain of aliases. */
export function rootOf(buffer: Buffer): Buffer {
  let root = buffer;
  while (root.alias !== undefined) root = root.alias.of;
  return root;
}

/** First and last operation that uses a buffer, counted over the flattened operations. */
interface Lifetime {
  first: number;
  last: number;
}

/** By root buffer. */
export type Lifetimes = Map<Buffer, Lifetime>;

/**
 * First and last use of every buffer over the flattened operations. A buffer that was made outside of a loop and is
 * used inside lives through the whole loop.
 */
export function* lifetimes(operations: readonly Operation[]): Steps<Lifetimes> {
  const lives: Lifetimes = new Map();
  const extend = (buffer: Buffer, first: number, last: number) => {
    const life = lives.get(buffer);
    if (life === undefined) lives.set(buffer, { first, last });
    else {
      life.first = Math.min(life.first, first);
      life.last = Math.max(life.last, last);
    }
  };
  let position = 0;
  /** @param touched receives what the operations use */
  function* walk(list: readonly Operation[], touched: Set<Buffer>): Steps<void> {
    for (const { reads, writes, loop } of list) {
      const first = position++;
      if (isRest(first)) yield;
      const own = new Set<Buffer>();
      for (const b of reads) own.add(rootOf(b));
      for (const b of writes) own.add(rootOf(b));
      if (loop !== undefined) {
        const inner = new Set<Buffer>();
        yield* walk(loop.body, inner);
        position++;
        for (const b of inner) if (b.scope !== loop.loop) own.add(b);
      }
      for (const b of own) {
        extend(b, first, position - 1);
        touched.add(b);
      }
    }
  }
  yield* walk(operations, new Set());
  return lives;
}

/**
 * Lets outputs take over inputs that are read for the last time: same size, both temporaries, neither part of another.
 * The two have one lifetime from then on.
 */
export function* placeInOrder(operations: readonly Operation[], lives: Lifetimes): Steps<void> {
  let position = 0;
  function* walk(list: readonly Operation[]): Steps<void> {
    for (const operation of list) {
      const now = position++;
      if (isRest(now)) yield;
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
        lives.delete(output);
      }
      if (operation.loop !== undefined) {
        yield* walk(operation.loop.body);
        position++;
      }
    }
  }
  yield* walk(operations);
}

/** Offsets of the root buffers of a region, and its size. */
export interface Arena {
  readonly offsets: ReadonlyMap<Buffer, number>;
  readonly bytes: number;
}

const ofRegion = (lives: Lifetimes, region: Region): Buffer[] =>
  [...lives.keys()].filter((buffer) => buffer.region === region);

/** What `prepare` leaves in the cache lives for ever: its buffers lie side by side. */
export function layCache(lives: Lifetimes): Arena {
  const offsets = new Map<Buffer, number>();
  let bytes = 0;
  for (const buffer of ofRegion(lives, "cache")) {
    offsets.set(buffer, bytes);
    bytes += aligned(buffer.bytes);
  }
  return { offsets, bytes };
}

/**
 * Lays all temporaries into an arena: largest first, each at the lowest offset that no buffer alive at the same time
 * occupies (greedy by size, as in Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).
 *
 * @param look called for each block and each place that is looked at
 */
export function* layScratch(lives: Lifetimes, look: () => void = () => undefined): Steps<Arena> {
  const lifeOf = (buffer: Buffer): Lifetime => lives.get(buffer) as Lifetime;
  const buffers = ofRegion(lives, "scratch");
  buffers.sort((a, b) => b.bytes - a.bytes || lifeOf(a).first - lifeOf(b).first);
  const placed = new Places();
  const offsets = new Map<Buffer, number>();
  let bytes = 0;
  for (const buffer of buffers) {
    yield;
    const { first, last } = lifeOf(buffer);
    const size = aligned(buffer.bytes);
    const offset = placed.lowest(size, first, last, look);
    placed.add({ offset, end: offset + size, first, last });
    offsets.set(buffer, offset);
    bytes = Math.max(bytes, offset + size);
  }
  return { offsets, bytes };
}

/** Bytes that a buffer occupies, from its first to its last use. */
interface Place extends Lifetime {
  readonly offset: number;
  readonly end: number;
}

/** Places in a block at most; then it is cut in halves. */
const blockSize = 128;

/** Neighbouring places, and what is true of all of them, so that most blocks need not be looked into. */
class Block {
  readonly places: Place[] = [];
  offset = Number.POSITIVE_INFINITY;
  end = 0;
  /** None of the places is in use before `begin` or after `finish`; all are from `allFrom` to `allTo`, if that is a time. */
  begin = Number.POSITIVE_INFINITY;
  finish = Number.NEGATIVE_INFINITY;
  allFrom = Number.NEGATIVE_INFINITY;
  allTo = Number.POSITIVE_INFINITY;
  /** There are no more free bytes than these between any two of the places. */
  gap = 0;

  add(place: Place): void {
    const { offset, end, first, last } = place;
    this.places.splice(countUpTo(this.places, offset), 0, place);
    if (this.places.length > 1) this.gap = Math.max(this.gap, offset - this.end, this.offset - end);
    this.offset = Math.min(this.offset, offset);
    this.end = Math.max(this.end, end);
    this.begin = Math.min(this.begin, first);
    this.finish = Math.max(this.finish, last);
    this.allFrom = Math.max(this.allFrom, first);
    this.allTo = Math.min(this.allTo, last);
  }
}

/** How many of some things, which lie by offset, lie at an offset or before it. */
function countUpTo(list: readonly { readonly offset: number }[], offset: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.offset ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Occupied places, by offset. */
class Places {
  readonly #blocks = [new Block()];

  /** The lowest offset from which on `size` bytes are free from `first` to `last`. */
  lowest(size: number, first: number, last: number, look: () => void): number {
    let offset = 0;
    for (const block of this.#blocks) {
      look();
      if (block.offset >= offset + size) break;
      if (block.finish < first || block.begin > last) continue;
      if (block.allFrom <= last && block.allTo >= first && block.gap < size) {
        offset = Math.max(offset, block.end);
        continue;
      }
      for (const place of block.places) {
        look();
        if (place.offset >= offset + size) break;
        if (place.last >= first && place.first <= last) offset = Math.max(offset, place.end);
      }
    }
    return offset;
  }

  add(place: Place): void {
    const at = Math.max(countUpTo(this.#blocks, place.offset) - 1, 0);
    const block = this.#blocks[at] as Block;
    block.add(place);
    if (block.places.length <= blockSize) return;
    const halves = [new Block(), new Block()];
    block.places.forEach((p, i) => {
      halves[i < blockSize / 2 ? 0 : 1]?.add(p);
    });
    this.#blocks.splice(at, 1, ...halves);
  }
}
