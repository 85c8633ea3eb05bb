import { describe, expect, it } from "vitest";
import { Heap } from "./heap.js";

function addressOf(heap: Heap, bytes: number): number {
  const address = heap.allocate(bytes);
  if (address === undefined) throw new Error("no room");
  return address;
}

describe("Heap", () => {
  it("hands out 64-byte aligned spans that never overlap, and joins what is freed", () => {
    const heap = new Heap(1000, 2 ** 30);
    const base = heap.top;
    const used = new Map<number, number>();
    let random = 1;
    for (let i = 0; i < 5000; i++) {
      random = (random * 48271) % 0x7fffffff;
      const [oldest] = used.keys();
      if (random % 2 === 0 && oldest !== undefined) {
        const keys = [...used.keys()];
        const address = keys[random % keys.length] ?? oldest;
        heap.free(address);
        used.delete(address);
      } else {
        const bytes = random % 3000;
        used.set(addressOf(heap, bytes), bytes);
      }
      if (i % 100 === 0) {
        const spans = [...used].sort(([a], [b]) => a - b);
        let end = base;
        for (const [address, bytes] of spans) {
          expect(address % 64).toBe(0);
          expect(address).toBeGreaterThanOrEqual(end);
          end = address + bytes;
        }
        expect(heap.top).toBeGreaterThanOrEqual(end);
      }
    }
    for (const address of used.keys()) heap.free(address);
    expect(heap.top).toBe(base);
  });

  it("uses the first gap that is large enough", () => {
    const heap = new Heap(0, 2 ** 20);
    const [a, b, c] = [addressOf(heap, 64), addressOf(heap, 128), addressOf(heap, 64)];
    addressOf(heap, 64);
    heap.free(a);
    heap.free(c);
    expect(heap.allocate(128)).toBe(320);
    expect(heap.allocate(1)).toBe(a);
    heap.free(b);
    expect(heap.allocate(192)).toBe(b); // b and c are one again
  });

  it("says where there is room, and reserves nothing", () => {
    const heap = new Heap(0, 4096);
    const [low, , end] = [addressOf(heap, 512), addressOf(heap, 64), heap.top];
    expect(heap.vacant(64)).toBe(end);
    heap.free(low);
    expect(heap.vacant(512)).toBe(low);
    expect(heap.vacant(512)).toBe(low);
    expect(heap.vacant(513)).toBe(end);
    expect(heap.top).toBe(end);
  });

  it("has a limit, which freeing makes room below", () => {
    const heap = new Heap(0, 256);
    const a = addressOf(heap, 256);
    expect(heap.allocate(1)).toBeUndefined();
    heap.free(a);
    expect(heap.allocate(256)).toBe(a);
  });

  it("refuses to free what is not in use", () => {
    const heap = new Heap(0, 256);
    const a = addressOf(heap, 64);
    heap.free(a);
    expect(() => heap.free(a)).toThrow(/not in use/);
  });
});
