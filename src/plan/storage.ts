import { bytesPerElement, type Dtype, type TypedArray } from "../dtype.js";
import type { StateVariable } from "../graph/ir.js";
import { type Buffer, byteSize, type Loop, type View, whole } from "./buffer.js";
import { aligned, type Region } from "./program.js";
import type { StateLayout } from "./state.js";

/** Literal data of a program, gathered while lowering. */
class Constants {
  readonly #parts: { readonly data: TypedArray; readonly offset: number }[] = [];
  readonly #buffers = new Map<TypedArray, Buffer>();
  #bytes = 0;

  buffer(data: TypedArray): Buffer {
    const known = this.#buffers.get(data);
    if (known !== undefined) return known;
    const buffer = fixed("constant", 0, this.#bytes, data.byteLength);
    this.#parts.push({ data, offset: this.#bytes });
    this.#bytes += aligned(data.byteLength);
    this.#buffers.set(data, buffer);
    return buffer;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#bytes);
    for (const { data, offset } of this.#parts)
      all.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    return all;
  }
}

const fixed = (region: Region, index: number, offset: number, bytes: number): Buffer => ({
  bytes,
  region,
  index,
  offset,
  alias: undefined,
  scope: undefined,
});

/** Makes the buffers of a program: its ports, its literals, the state variables that it uses, and temporaries. */
export class Storage {
  /**
   * @param scope the loop that temporaries are made in
   * @param constants the program's literals, shared with the bodies of loops
   * @param states buffers of the state variables in use, shared with the bodies of loops
   */
  constructor(
    readonly layout: StateLayout,
    readonly scope?: Loop,
    readonly constants: Constants = new Constants(),
    readonly states: Map<StateVariable, Buffer> = new Map(),
  ) {}

  /** Of the same program, for the body of a loop. */
  within(loop: Loop): Storage {
    return new Storage(this.layout, loop, this.constants, this.states);
  }

  /** The array of an input or output port. */
  port(region: "input" | "output", index: number, dtype: Dtype, shape: readonly number[]): View {
    return whole(fixed(region, index, 0, byteSize(dtype, shape)), dtype, shape);
  }

  state(variable: StateVariable): View {
    const { dtype, shape } = variable;
    let buffer = this.states.get(variable);
    if (buffer === undefined) {
      const offset = this.layout.offsets.get(variable);
      if (offset === undefined) throw new Error(`${variable.name} has no place`);
      buffer = fixed("state", 0, offset, byteSize(dtype, shape));
      this.states.set(variable, buffer);
    }
    return whole(buffer, dtype, shape);
  }

  constant(data: TypedArray, dtype: Dtype, shape: readonly number[]): View {
    return whole(this.constants.buffer(data), dtype, shape);
  }

  /** A contiguous temporary. */
  temporary(dtype: Dtype, shape: readonly number[]): View {
    return whole(this.#scratch(byteSize(dtype, shape)), dtype, shape);
  }

  /** A temporary of so many float32 numbers, laid out as a kernel likes it. */
  floats(count: number): Buffer {
    return this.#scratch(count * bytesPerElement.float32);
  }

  /** What a kernel works in: so many float32 numbers; undefined for none. */
  work(floats: number): Buffer | undefined {
    return floats > 0 ? this.floats(floats) : undefined;
  }

  #scratch(bytes: number): Buffer {
    return { ...fixed("scratch", 0, 0, bytes), scope: this.scope };
  }

  /** Part of a buffer, from a byte offset on. */
  part(of: Buffer, offset: number, bytes: number): Buffer {
    return { bytes, region: of.region, index: 0, offset: 0, alias: { of, offset }, scope: this.scope };
  }
}
