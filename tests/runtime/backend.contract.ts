// What every backend must do, whatever it runs on.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RondoError } from "../../src/errors.js";
import { codes } from "../../src/plan/abi.js";
import type { Backend, BackendOptions, Executable, Memory, Place } from "../../src/runtime/backend.js";
import { createBackend } from "../../src/runtime/select.js";
import { counts, lookup, products, programOf, slow, squares, weightedSum } from "./programs.js";

const size = 5;

/** Runs the contract on one choice of a backend. */
export function describeBackend(title: string, options: BackendOptions): void {
  describe(title, () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await createBackend(options);
    });
    afterAll(() => backend.close());

    async function run(
      executable: Executable,
      entry: string,
      state: Memory,
      x?: readonly number[],
    ): Promise<number[]> {
      const { inputs, outputs } = arraysFor(executable, x);
      await executable.run({ entry, state, inputs, outputs });
      return Array.from(outputs[0] ?? []);
    }

    function runSync(executable: Executable, entry: string, state: Memory, x?: readonly number[]): number[] {
      const { inputs, outputs } = arraysFor(executable, x);
      executable.runSync({ entry, state, inputs, outputs });
      return Array.from(outputs[0] ?? []);
    }

    async function stateOf(values: readonly number[]): Promise<Memory> {
      const state = backend.allocate(64);
      await state.write(0, Float32Array.from(values));
      return state;
    }

    it("says what it is", () => {
      const { kind, name, capabilities } = backend;
      expect(name).toContain(kind);
      expect(name).toMatch(
        capabilities.threads === 1 ? /, 1 thread$/ : new RegExp(`, ${capabilities.threads} threads$`),
      );
      expect([4, 8, 16]).toContain(capabilities.vectorWidth);
      if (options.threads !== undefined) expect(capabilities.threads).toBe(options.threads);
      if (options.instructionSet !== undefined) expect(name).toContain(options.instructionSet);
    });

    describe("memory", () => {
      it("is zeroed when made, after another block was dropped too", async () => {
        for (let i = 0; i < 3; i++) {
          const block = backend.allocate(1000);
          const bytes = new Uint8Array(1000).fill(1);
          await block.read(0, bytes);
          expect(bytes.every((byte) => byte === 0)).toBe(true);
          await block.write(0, bytes.fill(7));
        }
      });

      it("gives back what was written, at any byte, in every type", async () => {
        const block = backend.allocate(64);
        await block.write(3, Uint8Array.of(1, 2, 3));
        await block.write(8, Int32Array.of(-5, 2 ** 31 - 1));
        await block.write(16, new Float32Array([9, 0.5, Number.NaN, 9]).subarray(1, 3));
        const bytes = new Uint8Array(4);
        const integers = new Int32Array(2);
        const floats = new Float32Array(2);
        await Promise.all([block.read(2, bytes), block.read(8, integers), block.read(16, floats)]);
        expect(bytes).toEqual(Uint8Array.of(0, 1, 2, 3));
        expect(integers).toEqual(Int32Array.of(-5, 2 ** 31 - 1));
        expect(floats).toEqual(Float32Array.of(0.5, Number.NaN));
      });

      it("keeps the order of submission, and lets the written array be reused at once", async () => {
        const block = backend.allocate(4);
        const value = Int32Array.of(0);
        const seen = Array.from({ length: 100 }, () => new Int32Array(1));
        const all = seen.flatMap((into, i) => {
          value[0] = i;
          return [block.write(0, value), block.read(0, into)];
        });
        await Promise.all(all);
        expect(seen.map((into) => into[0])).toEqual(seen.map((_, i) => i));
      });

      it("has blocks of no bytes and of many megabytes", async () => {
        await backend.allocate(0).read(0, new Uint8Array(0));
        const block = backend.allocate(40_000_003);
        await block.write(40_000_000, Uint8Array.of(1, 2, 3));
        const bytes = new Uint8Array(4);
        await block.read(39_999_999, bytes);
        expect(bytes).toEqual(Uint8Array.of(0, 1, 2, 3));
      });

      it("takes arrays over shared buffers", async () => {
        const block = backend.allocate(8);
        const shared = new Int32Array(new SharedArrayBuffer(8));
        shared.set([4, 5]);
        await block.write(0, shared);
        shared.fill(0);
        await block.read(0, shared);
        expect(Array.from(shared)).toEqual([4, 5]);
      });

      it("refuses ranges beyond its end, and sizes that are none", async () => {
        const block = backend.allocate(8);
        await expect(block.read(4, new Float32Array(2))).rejects.toThrow(/8 bytes at offset 4/);
        await expect(block.write(-1, new Uint8Array(1))).rejects.toThrow(RondoError);
        await expect(block.write(0.5, new Uint8Array(1))).rejects.toThrow(RondoError);
        expect(() => backend.allocate(-1)).toThrow(RondoError);
        expect(() => backend.allocate(Number.NaN)).toThrow(RondoError);
      });
    });

    describe("runs", () => {
      it("compute outputs from inputs, state, cache, constants and scratch", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 2, 3, 4, 5]);
        expect(await run(executable, "main", state, [10, 20, 30, 40, 50])).toEqual([12, 25, 40, 57, 76]);
      });

      it("prepare the cache again whenever the state was written or is another", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        const other = await stateOf([3, 3, 3, 3, 3]);
        const zeros = [0, 0, 0, 0, 0];
        const first = run(executable, "main", state, zeros);
        const added = run(executable, "add", state, [1, 1, 1, 1, 1]);
        const second = run(executable, "main", state, zeros);
        const third = run(executable, "main", other, zeros);
        const written = state.write(0, Float32Array.of(4, 4, 4, 4, 4));
        const fourth = run(executable, "main", state, zeros);
        await Promise.all([added, written]);
        const firsts = (await Promise.all([first, second, third, fourth])).map(([value]) => value);
        expect(firsts).toEqual([2, 5, 10, 17]);
      });

      it("prepare the cache again after what writes weights, and after nothing else", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 2, 3, 4, 5]);
        const first = async () => (await run(executable, "main", state, [0, 0, 0, 0, 0]))[0];
        expect(await first()).toBe(2);
        await state.write(0, Float32Array.of(7), "states"); // which it is not: a cache made again would see it
        await state.read(0, new Float32Array(1));
        expect(await first()).toBe(2);
        await state.write(4, Float32Array.of(2), "weights");
        expect(await first()).toBe(50);
      });

      it("share what they prepare from one state when they prepare the same", async () => {
        const key = { cacheKey: "squares of the state" };
        const state = await stateOf([1, 1, 1, 1, 1]);
        const zeros = [0, 0, 0, 0, 0];
        const first = backend.load({ ...squares(size), ...key }, state);
        expect(await run(first, "main", state, zeros)).toEqual([2, 2, 2, 2, 2]);
        await state.write(0, Float32Array.of(3), "states"); // unseen by a cache that is not made again
        const second = backend.load({ ...squares(size), ...key }, state);
        const alone = backend.load({ ...squares(size), ...key });
        const others = backend.load({ ...squares(size), cacheKey: "other" }, state);
        expect((await run(second, "main", state, zeros))[0]).toBe(2);
        expect((await run(alone, "main", state, zeros))[0]).toBe(10);
        expect((await run(others, "main", state, zeros))[0]).toBe(10);
        first.free();
        expect((await run(second, "main", state, zeros))[0]).toBe(2);
        second.free();
        const third = backend.load({ ...squares(size), ...key }, state);
        expect((await run(third, "main", state, zeros))[0]).toBe(10);
        await state.write(0, Float32Array.of(4));
        expect((await run(third, "main", state, zeros))[0]).toBe(17);
        await third.prepareSync(state);
        expect(runSync(third, "main", state, zeros)[0]).toBe(17);
      });

      it("share a state between programs", async () => {
        const [first, second] = [backend.load(squares(size)), backend.load(products(size))];
        const state = await stateOf([1, 2, 3, 4, 5]);
        await run(second, "negate", state);
        await run(first, "add", state, [2, 2, 2, 2, 2]);
        expect(await run(second, "main", state, [1, 1, 1, 1, 1])).toEqual([1, 0, -1, -2, -3]);
        expect(await run(first, "main", state, [0, 0, 0, 0, 0])).toEqual([2, 1, 2, 5, 10]);
      });

      it("come in the order of submission over programs with scratch of different sizes", async () => {
        const large = backend.load(weightedSum(50_000));
        const small = backend.load(squares(size));
        const state = await stateOf([1, 2, 3, 4, 5]);
        const results = Array.from({ length: 30 }, (_, i) =>
          i % 3 === 1 ? run(large, "main", state) : run(small, "main", state, [i, i, i, i, i]),
        );
        const values = await Promise.all(results);
        const sum = values[1]?.[0] ?? 0;
        for (const [i, [value]] of values.entries()) expect(value).toBe(i % 3 === 1 ? sum : i + 2);
      });

      it("take many small ones", async () => {
        const executable = backend.load(products(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        let last: number[] = [];
        for (let i = 0; i < 300; i++) last = await run(executable, "main", state, [i, i, i, i, i]);
        expect(last).toEqual([299, 299, 299, 299, 299]);
        const together = await Promise.all(
          Array.from({ length: 1000 }, (_, i) => run(executable, "main", state, [i, 0, 0, 0, 0])),
        );
        expect(together.map(([value]) => value)).toEqual(together.map((_, i) => i));
      });

      it("treat prepare as an entry that only prepares", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([2, 2, 2, 2, 2]);
        await run(executable, "prepare", state);
        expect(await run(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([5, 5, 5, 5, 5]);
      });

      it("may be of a program with nothing in it", async () => {
        const executable = backend.load(
          programOf({ name: "empty", buffers: {}, entries: { main: () => {} } }),
        );
        await executable.run({ entry: "main", state: backend.allocate(0), inputs: [], outputs: [] });
      });

      it("leave the caller's thread free", async () => {
        const executable = backend.load(slow(40));
        let done = false;
        const running = executable
          .run({ entry: "main", state: backend.allocate(0), inputs: [], outputs: [] })
          .then(() => {
            done = true;
          });
        let ticks = 0;
        while (!done && ticks < 3) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          ticks++;
        }
        expect(ticks).toBe(3); // were the run on this thread, the first timer would come after it
        await running;
      });
    });

    describe("the place of a run", () => {
      /** Submits runs while another one is under way, and tells in which order they were done. */
      async function orderOf(submit: (put: Put) => void): Promise<string[]> {
        const executable = backend.load(squares(size));
        const done: string[] = [];
        const runs: Promise<unknown>[] = [];
        const states = new Map<string, Memory>();
        for (const name of ["a", "b"]) states.set(name, await stateOf([1, 2, 3, 4, 5]));
        const busy = backend.load(slow(20)); // loaded before anything else waits
        const put: Put = (name, state, entry, place) => {
          const memory = states.get(state) ?? expect.unreachable();
          const { inputs, outputs } = arraysFor(executable);
          const call = { entry, state: memory, inputs, outputs, place };
          runs.push(executable.run(call).then(() => done.push(name)));
        };
        runs.push(busy.run({ entry: "main", state: backend.allocate(0), inputs: [], outputs: [] }));
        await new Promise((resolve) => setTimeout(resolve, 5)); // until it is under way
        submit(put);
        await Promise.all(runs);
        return done;
      }
      type Put = (name: string, state: string, entry: "main" | "add", place: Place) => void;

      it("is before all that waits and has nothing to do with its state, when it overtakes", async () => {
        const order = await orderOf((put) => {
          put("step 1", "a", "add", "yielding");
          put("step 2", "a", "add", "inTurn");
          put("prediction 1", "b", "main", "overtaking");
          put("prediction 2", "b", "main", "overtakingOthers");
          put("step 3", "a", "add", "inTurn");
        });
        expect(order).toEqual(["prediction 1", "prediction 2", "step 1", "step 2", "step 3"]);
      });

      it("is after what was submitted before it and writes its state, but for what yields", async () => {
        const order = await orderOf((put) => {
          put("written", "a", "add", "inTurn");
          put("step", "a", "add", "yielding");
          put("in turn", "a", "main", "overtakingOthers");
          put("let in", "a", "main", "overtaking");
        });
        expect(order).toEqual(["written", "step", "in turn", "let in"]);
        const letIn = await orderOf((put) => {
          put("written", "a", "add", "inTurn");
          put("step", "a", "add", "yielding");
          put("let in", "a", "main", "overtaking");
          put("writes", "a", "add", "overtaking");
        });
        expect(letIn).toEqual(["written", "let in", "step", "writes"]);
      });

      it("is not before one that was overtaken often enough", async () => {
        const order = await orderOf((put) => {
          put("step", "a", "add", "inTurn");
          for (let i = 0; i <= codes.limit.overtakes; i++) put(`${i}`, "b", "main", "overtaking");
        });
        expect(order.indexOf("step")).toBe(codes.limit.overtakes);
      });

      it("leaves caches right, whatever overtakes", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        const zeros = [0, 0, 0, 0, 0];
        await run(executable, "main", state, zeros);
        const busy = backend.load(slow(20)).run({ entry: "main", state, inputs: [], outputs: [] });
        const call = (entry: string, x: number, place: Place) => {
          const { inputs, outputs } = arraysFor(executable, [x, x, x, x, x]);
          return { call: { entry, state, inputs, outputs, place }, outputs };
        };
        const step = executable.run(call("add", 1, "yielding").call);
        const prediction = call("main", 0, "overtaking");
        const predicted = executable.run(prediction.call);
        await Promise.all([busy, step, predicted]);
        expect(prediction.outputs[0]?.[0]).toBe(2);
        expect((await run(executable, "main", state, zeros))[0]).toBe(5);
      });
    });

    it("runs one program on two states at once, on two threads", async () => {
      const size = 200_000;
      const executable = backend.load(squares(size));
      const holding = async (value: number) => {
        const state = backend.allocate(4 * size);
        await state.write(0, new Float32Array(size).fill(value));
        return state;
      };
      const [a, b] = [await holding(2), await holding(3)];
      await executable.prepareSync(b);
      const x = new Float32Array(size);
      const results = Array.from({ length: 10 }, async () => {
        const out = new Float32Array(size);
        const running = executable.run({ entry: "main", state: a, inputs: [x], outputs: [out] });
        const own = new Float32Array(size);
        executable.runSync({ entry: "main", state: b, inputs: [x], outputs: [own] });
        await running;
        return [out.every((value) => value === 5), own.every((value) => value === 10)];
      });
      for (const result of await Promise.all(results)) expect(result).toEqual([true, true]);
    });

    describe("room", () => {
      it("is kept for a program, or refused before it runs", async () => {
        const executable = backend.load(squares(size));
        await executable.reserve();
        const greedy = backend.load({ ...squares(size), scratchBytes: 2 ** 47 });
        await expect(greedy.reserve()).rejects.toThrow(/smaller .*batchSize/);
        const state = await stateOf([1, 2, 3, 4, 5]);
        expect((await run(executable, "main", state, [0, 0, 0, 0, 0]))[0]).toBe(2);
      });

      it("is given back when what is under way is done, and what was freed is not used again", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 2, 3, 4, 5]);
        const runs = [0, 1, 2].map((x) => run(executable, "main", state, [x, x, x, x, x]));
        executable.free();
        executable.free();
        state.free();
        expect((await Promise.all(runs)).map(([value]) => value)).toEqual([2, 3, 4]);
        await expect(run(executable, "main", state, [0, 0, 0, 0, 0])).rejects.toThrow(/after it was freed/);
        await expect(state.read(0, new Float32Array(1))).rejects.toThrow(/after it was freed/);
        // Blocks that come after it start from zero, wherever they lie.
        const next = backend.allocate(64);
        const values = new Float32Array(5);
        await next.read(0, values);
        expect(Array.from(values)).toEqual([0, 0, 0, 0, 0]);
      });

      it("is asked of tenants, once for all who find it short at a time", async () => {
        let asked = 0;
        const tenant = { evict: () => asked++ };
        backend.register(tenant);
        await Promise.all([backend.reclaim(), backend.reclaim()]);
        expect(asked).toBe(1);
        await backend.reclaim();
        expect(asked).toBe(2);
      });
    });

    describe("synchronous runs", () => {
      it("give what asynchronous ones give, bit for bit", async () => {
        const executable = backend.load(weightedSum(100_000));
        const state = backend.allocate(0);
        await executable.prepareSync(state);
        expect(runSync(executable, "main", state)).toEqual(await run(executable, "main", state));
      });

      it("see every change of the state that was prepared", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        await executable.prepareSync(state);
        expect(runSync(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([2, 2, 2, 2, 2]);
        await run(executable, "add", state, [1, 1, 1, 1, 1]);
        await executable.prepareSync(state);
        expect(runSync(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([5, 5, 5, 5, 5]);
        await state.write(0, Float32Array.of(3));
        await executable.prepareSync(state);
        expect(runSync(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([10, 5, 5, 5, 5]);
      });

      it("may write the state, and asynchronous runs, reads and writes see it", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        await executable.prepareSync(state);
        runSync(executable, "add", state, [1, 1, 1, 1, 1]);
        runSync(executable, "add", state, [1, 2, 3, 4, 5]);
        expect(runSync(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([10, 17, 26, 37, 50]);
        expect(await run(executable, "main", state, [0, 0, 0, 0, 0])).toEqual([10, 17, 26, 37, 50]);
        runSync(executable, "add", state, [1, 1, 1, 1, 1]);
        const values = new Float32Array(size);
        await state.read(0, values);
        expect(Array.from(values)).toEqual([4, 5, 6, 7, 8]);
        runSync(executable, "add", state, [1, 1, 1, 1, 1]);
        await state.write(0, Float32Array.of(0));
        await state.read(0, values);
        expect(Array.from(values)).toEqual([0, 6, 7, 8, 9]);
      });

      it("share with asynchronous ones what both write besides the weights, whose cache stays", async () => {
        const executable = backend.load(counts(2));
        const state = backend.allocate(executable.program.stateBytes);
        await state.write(0, Float32Array.of(3, 4));
        await executable.prepareSync(state);
        runSync(executable, "count", state, [1, 2]);
        expect(runSync(executable, "main", state)).toEqual([10, 18]);
        await run(executable, "count", state, [1, 2]);
        expect(await run(executable, "main", state)).toEqual([11, 20]);
        await executable.prepareSync(state);
        expect(runSync(executable, "main", state)).toEqual([11, 20]);
        runSync(executable, "count", state, [1, 2]);
        expect(runSync(executable, "main", state)).toEqual([12, 22]);
        expect(await run(executable, "main", state)).toEqual([12, 22]);
        await state.write(0, Float32Array.of(0, 0), "states"); // unseen by a cache that is not made again
        await executable.prepareSync(state);
        expect(await run(executable, "main", state)).toEqual([12, 22]);
        expect(runSync(executable, "main", state)).toEqual([12, 22]);
      });

      it("throw while states are being written", async () => {
        const executable = backend.load(counts(2));
        const state = backend.allocate(executable.program.stateBytes);
        await executable.prepareSync(state);
        const counting = run(executable, "count", state, [1, 2]);
        expect(() => runSync(executable, "main", state)).toThrow(/Await the training/);
        await counting;
      });

      it("do not disturb asynchronous runs under way", async () => {
        const executable = backend.load(weightedSum(100_000));
        const state = backend.allocate(0);
        await executable.prepareSync(state);
        const expected = runSync(executable, "main", state);
        const under = Array.from({ length: 5 }, () => run(executable, "main", state));
        for (let i = 0; i < 5; i++) expect(runSync(executable, "main", state)).toEqual(expected);
        for (const result of await Promise.all(under)) expect(result).toEqual(expected);
      });

      it("throw while the state is being written, and say so", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        await executable.prepareSync(state);
        const writing = run(executable, "add", state, [1, 1, 1, 1, 1]);
        expect(() => runSync(executable, "main", state)).toThrow(/Await the training/);
        await writing;
        const reading = run(executable, "main", state);
        await executable.prepareSync(state);
        const again = run(executable, "main", state);
        expect(() => runSync(executable, "add", state)).toThrow(RondoError);
        await Promise.all([reading, again]);
      });

      it("throw the errors of the run and work afterwards", async () => {
        const executable = backend.load(lookup(3, 2));
        const state = await stateOf([5, 6, 7]);
        await executable.prepareSync(state);
        const out = new Float32Array(2);
        const call = (ids: number[]) => ({
          entry: "main",
          state,
          inputs: [Int32Array.from(ids)],
          outputs: [out],
        });
        expect(() => executable.runSync(call([0, -1]))).toThrow(/the id -1 at position 1/);
        executable.runSync(call([2, 0]));
        expect(Array.from(out)).toEqual([7, 5]);
      });
    });

    describe("errors", () => {
      it("of a run say where, what, what else and how to fix it, and do not wedge the queue", async () => {
        const executable = backend.load(lookup(3, 2));
        const state = await stateOf([5, 6, 7]);
        const lookUp = async (ids: number[]) => {
          const out = new Float32Array(2);
          await executable.run({ entry: "main", state, inputs: [Int32Array.from(ids)], outputs: [out] });
          return Array.from(out);
        };
        const [good, bad, after] = await Promise.allSettled([lookUp([0, 1]), lookUp([1, 3]), lookUp([2, 2])]);
        expect(good).toMatchObject({ value: [5, 6] });
        expect(after).toMatchObject({ value: [7, 7] });
        expect(bad).toMatchObject({
          reason: {
            name: "RondoError",
            where: 'gather in program "lookup"',
            received: "the id 3 at position 1",
            expected: "ids from 0 to 2",
            cause: { details: [1, 3, 3, 0] },
          },
        });
      });

      it("of malformed words name the instruction", async () => {
        const program = programOf({ name: "broken", buffers: {}, entries: { main: () => {} } });
        const words = Int32Array.of(999, 0);
        const main = { begin: 0, end: 2, writes: "nothing" as const };
        const executable = backend.load({ ...program, words, entries: { main } });
        const running = executable.run({
          entry: "main",
          state: backend.allocate(0),
          inputs: [],
          outputs: [],
        });
        await expect(running).rejects.toThrow(/opcode 999 in program "broken".*unknownOpcode/);
      });

      it("of prepare are those of every run until the state is right", async () => {
        const program = lookupPrepared();
        const executable = backend.load(program);
        const state = backend.allocate(64);
        await state.write(0, Int32Array.of(4));
        const call = () => ({ entry: "main", state, inputs: [], outputs: [new Int32Array(1)] });
        for (let i = 0; i < 2; i++) await expect(executable.run(call())).rejects.toThrow(/the id 4/);
        await state.write(0, Int32Array.of(1));
        const good = call();
        await executable.run(good);
        expect(good.outputs[0]?.[0]).toBe(1);
      });

      it("of arguments come before anything runs", async () => {
        const executable = backend.load(squares(size));
        const state = await stateOf([1, 1, 1, 1, 1]);
        const x = new Float32Array(size);
        const call = { entry: "main", state, inputs: [x], outputs: [x] };
        await expect(executable.run({ ...call, entry: "mian" })).rejects.toThrow(/Did you mean "main"/);
        await expect(executable.run({ ...call, entry: "toString" })).rejects.toThrow(/unknown entry/);
        await expect(executable.run({ ...call, inputs: [] })).rejects.toThrow(/0 inputs.*expected 1 \(x\)/);
        await expect(executable.run({ ...call, inputs: [new Int32Array(size)] })).rejects.toThrow(
          /input "x": received Int32Array of 5 elements, expected Float32Array of 5/,
        );
        await expect(executable.run({ ...call, outputs: [new Float32Array(4)] })).rejects.toThrow(
          /output "out"/,
        );
        await expect(executable.run({ ...call, state: backend.allocate(4) })).rejects.toThrow(
          /a state of 4 bytes/,
        );
        expect(() => executable.runSync({ ...call, inputs: [] })).toThrow(RondoError);
      });

      it("of memory that cannot be had say so, and do no harm", async () => {
        const beyond = 2 ** 47;
        expect(() => backend.allocate(beyond)).toThrow(/134217728.0 MiB that was refused/);
        const greedy = backend.load({ ...squares(size), scratchBytes: beyond });
        const state = await stateOf([1, 2, 3, 4, 5]);
        await expect(run(greedy, "main", state)).rejects.toThrow(/smaller .*batchSize/);
        await greedy.prepareSync(state);
        expect(() => runSync(greedy, "main", state)).toThrow(/smaller .*batchSize/);
        expect(await run(backend.load(products(size)), "main", state, [1, 1, 1, 1, 1])).toEqual([
          1, 2, 3, 4, 5,
        ]);
      });

      it("of a buffer that does not fit its region come when it is loaded", () => {
        const program = squares(size);
        expect(() => backend.load({ ...program, scratchBytes: 8 })).toThrow(/its scratch/);
        expect(() => backend.load({ ...program, inputs: [] })).toThrow(/its input/);
      });
    });

    it("refuses memory of another backend", async () => {
      const other = await createBackend(options);
      const executable = backend.load(programOf({ name: "empty", buffers: {}, entries: { main: () => {} } }));
      const call = { entry: "main", state: other.allocate(0), inputs: [], outputs: [] };
      await expect(executable.run(call)).rejects.toThrow(/another backend/);
      await other.close();
    });

    it("closes when all is done, and then refuses", async () => {
      const other = await createBackend(options);
      const executable = other.load(weightedSum(10_000));
      const state = other.allocate(4);
      const under = Array.from({ length: 3 }, () => run(executable, "main", state));
      await Promise.all([other.close(), other.close()]);
      expect(new Set((await Promise.all(under)).map(([value]) => value)).size).toBe(1);
      await expect(run(executable, "main", state)).rejects.toThrow(/after close\(\)/);
      await expect(state.read(0, new Uint8Array(1))).rejects.toThrow(RondoError);
      expect(() => other.allocate(4)).toThrow(RondoError);
      expect(() => other.load(squares(size))).toThrow(RondoError);
    });
  });
}

/** What `weightedSum` gives on a backend of its own: for comparisons between thread counts. */
export async function bitsOf(options: BackendOptions): Promise<Uint32Array[]> {
  const backend = await createBackend(options);
  const results: Uint32Array[] = [];
  for (const elements of [1, 1000, 300_001, 1_000_000]) {
    const executable = backend.load(weightedSum(elements));
    const { inputs, outputs } = arraysFor(executable);
    await executable.run({ entry: "main", state: backend.allocate(0), inputs, outputs });
    results.push(new Uint32Array(outputs[0]?.buffer ?? new ArrayBuffer()));
  }
  await backend.close();
  return results;
}

/** Inputs from the values (without any: a fixed irregular sequence), and fresh outputs. */
function arraysFor({ program }: Executable, x?: readonly number[]) {
  const inputs = program.inputs.map(({ size }) =>
    x === undefined ? Float32Array.from({ length: size }, (_, i) => Math.sin(i * i)) : Float32Array.from(x),
  );
  return { inputs, outputs: program.outputs.map(({ size }) => new Float32Array(size)) };
}

/** `prepare` looks state[0] up in a table of two; `main` copies what it found. */
function lookupPrepared() {
  const pointer = (buffer: number | undefined) => ({ buffer: buffer ?? -1, offset: 0 });
  return programOf({
    name: "prepared lookup",
    buffers: {
      ids: ["state", 4],
      table: ["constant", 8],
      zero: ["constant", 4],
      cache: ["cache", 4],
      out: ["output", 4],
    },
    constants: new Uint8Array(Int32Array.from({ length: 32 }, (_, i) => (i === 1 ? 1 : 0)).buffer),
    outputs: [{ name: "out", dtype: "int32", shape: [1], size: 1 }],
    entries: {
      prepare: (e, b) =>
        e.emit("gather", {
          table: pointer(b.table),
          ids: pointer(b.ids),
          out: pointer(b.cache),
          outer: 1,
          rows: 2,
          count: 1,
          inner: 1,
          bytes: 4,
          perRow: 0,
        }),
      main: (e, b) =>
        e.emit("gather", {
          table: pointer(b.cache),
          ids: pointer(b.zero),
          out: pointer(b.out),
          outer: 1,
          rows: 1,
          count: 1,
          inner: 1,
          bytes: 4,
          perRow: 0,
        }),
    },
  });
}
