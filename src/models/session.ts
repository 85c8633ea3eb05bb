import { arrayTypes, type TypedArray } from "../dtype.js";
import { checkCount, checkOptions, RondoError, valueText } from "../errors.js";
import type { Program } from "../plan/program.js";
import { sizeOf, Tensor, type TensorLike, toTensor } from "../tensor.js";
import { readInput } from "../train/samples.js";
import type { Engine, Job } from "./engine.js";
import { byPort, type Data } from "./feeds.js";
import type { DataOf, PredictionOf } from "./options.js";
import type { Host } from "./runs.js";
import { checkSamplingOptions, type SamplingOptions, samplingOf } from "./sampling.js";
import { type Finish, Stream } from "./stream.js";
import { arrayName } from "./trace.js";

// B rows, T time steps of one call.

/** How a session is made. */
export interface SessionOptions {
  /** How many sequences go on side by side; default 1. */
  readonly rows?: number;
}

/** What a session is at a point of its sequences, as plain data: `JSON.stringify` writes it, to the last bit. */
export interface SessionSnapshot {
  readonly rows: number;
  /** Draws so far, on which those that follow hang. */
  readonly draws: number;
  /** The recurrent states by the names of their layers; what is no finite number stands as text. */
  readonly states: Readonly<Record<string, readonly (number | string)[]>>;
}

/** The arrays of one call: its inputs, and where the results go. */
interface Call {
  readonly job: Job;
  readonly inputs: readonly TypedArray[];
  /** Whether the call is of one time step, without an axis of time. */
  readonly single: boolean;
}

/**
 * Sequences that go on from call to call. Made by `model.session()`. Its states are arrays of its own: they cost some
 * hundred bytes to some kilobytes, and nothing needs to be freed.
 *
 * However a sequence is cut into steps and chunks, the outputs have the same bits, at the same number of rows. Each call
 * sees the weights as `predict` at its place does. Calls of one session take place one after the other.
 */
export class Session<I extends string = never, O extends string = never> {
  readonly rows: number;
  readonly #host: Host;
  readonly #engine: Engine;
  readonly #stream: Stream;
  #states: readonly Float32Array[];
  /** Where the next states go. */
  #spare: readonly Float32Array[];
  #draws = 0;
  /** Calls that are under way. */
  #pending = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param engine of the host, prepared for a step */
  constructor(host: Host, engine: Engine, stream: Stream, rows: number) {
    this.rows = rows;
    this.#host = host;
    this.#engine = engine;
    this.#stream = stream;
    const states = () =>
      stream.kept.map(({ type }) => new Float32Array(rows * sizeOf(type.shape.slice(1) as number[])));
    this.#states = states();
    this.#spare = states();
  }

  /**
   * The next time step, x [rows, ..], or the next steps, x [rows, T, ..].
   *
   * @returns what the model makes of them: of one step [rows, ..], of several [rows, T, ..]; [rows, ..] for an output after
   *   the last step (no returnSequences)
   * @throws RondoError for x of another shape: the states stay as they were
   */
  async step(x: DataOf<I>): Promise<PredictionOf<O>> {
    const call = this.#call("session.step", x as Data, this.rows);
    const outputs = await this.#run(this.step, [this], call);
    return this.#named(outputs, call);
  }

  /**
   * `step` on the caller's thread: for work of microseconds, where a hop to another thread would cost more.
   *
   * @throws RondoError while weights are being changed, while another call of the session is under way, and on wasm before
   *   `model.ready()` was awaited
   */
  stepSync(x: DataOf<I>): PredictionOf<O> {
    const call = this.#call("session.stepSync", x as Data, this.rows);
    return this.#named(this.#runSync("session.stepSync", call), call);
  }

  /**
   * Goes through the next steps, x as for `step`, and draws the id that follows them: for a model whose output is the
   * probabilities of ids (a softmax) or their logits.
   *
   * @returns the id drawn for each row
   */
  async sample(x: DataOf<I>, options: SamplingOptions = {}): Promise<Int32Array> {
    const call = this.#sampling("session.sample", x, options);
    const [ids] = await this.#run(this.sample, [this], call);
    return ids as Int32Array;
  }

  /** `sample` on the caller's thread, as `stepSync` is. */
  sampleSync(x: DataOf<I>, options: SamplingOptions = {}): Int32Array {
    const call = this.#sampling("session.sampleSync", x, options);
    return this.#runSync("session.sampleSync", call)[0] as Int32Array;
  }

  /** Begins anew: all states become 0, as before the first step. */
  reset(): void {
    this.#requireIdle("session.reset");
    for (const state of this.#states) state.fill(0);
    this.#draws = 0;
  }

  /** Where the sequences are, as plain data. */
  snapshot(): SessionSnapshot {
    this.#requireIdle("session.snapshot");
    const states = this.#stream.kept.map(
      ({ name }, i) => [name, Array.from(this.#states[i] ?? [], plain)] as const,
    );
    return { rows: this.rows, draws: this.#draws, states: Object.fromEntries(states) };
  }

  /**
   * Goes on from a snapshot, of this session or of another one with as many rows of a model with the same layers.
   *
   * @throws RondoError for one that does not fit: the states stay as they were
   */
  restore(snapshot: SessionSnapshot): void {
    const where = "session.restore";
    this.#requireIdle(where);
    const { rows, draws, states } = Object(snapshot) as Partial<SessionSnapshot>;
    const refuse = (received: string, expected: string) =>
      new RondoError({
        where,
        received,
        expected,
        fix: "Restore what snapshot() of a session of the same model gave, with as many rows",
      });
    if (rows !== this.rows) throw refuse(`a snapshot of ${valueText(rows)} rows`, `${this.rows} rows`);
    const read = this.#stream.kept.map(({ name }, i) => {
      const values = Object(states)[name] as unknown;
      const size = this.#states[i]?.length ?? 0;
      const numbers = Array.isArray(values) ? values.map(Number) : [];
      if (numbers.length === size) return numbers;
      throw refuse(
        `${Array.isArray(values) ? `${values.length} numbers` : valueText(values)} for the state ${name}`,
        `${size} numbers`,
      );
    });
    for (const [i, numbers] of read.entries()) this.#states[i]?.set(numbers);
    this.#draws = Number.isInteger(draws) ? (draws ?? 0) : 0;
  }

  /** Sessions of one model, a step together; see `stepTogether`. */
  static async together<I extends string, O extends string>(
    method: CallableFunction,
    sessions: readonly Session<I, O>[],
    x: readonly DataOf<I>[],
  ): Promise<PredictionOf<O>[]> {
    const where = "stepTogether";
    const [first] = sessions;
    const refuse = (received: string, expected: string, fix: string) =>
      new RondoError({ where, received, expected, fix });
    if (first === undefined) return [];
    if (sessions.length !== x.length)
      throw refuse(
        `${sessions.length} sessions and ${x.length} inputs`,
        "one for each",
        "Give both in the same order",
      );
    if (new Set(sessions).size < sessions.length)
      throw refuse("a session twice", "each session once", "Give its steps as a chunk [rows, T, ..]");
    if (sessions.some((one) => one.#engine !== first.#engine))
      throw refuse(
        "sessions of different models",
        "sessions of one",
        "Step those of each model by themselves",
      );
    const calls = sessions.map((one, i) => one.#call(where, x[i] as Data, one.rows));
    const [call] = calls;
    if (call === undefined) return [];
    const { B: _, ...bindings } = call.job.bindings;
    const same = (other: Call) =>
      other.single === call.single &&
      Object.entries(bindings).every(([name, size]) => other.job.bindings[name] === size);
    if (!calls.every(same))
      throw refuse(
        "different numbers of steps",
        "as many for each session",
        "Step those that have more again",
      );
    const rows = sessions.reduce((sum, one) => sum + one.rows, 0);
    const joined: Call = {
      single: call.single,
      job: { ...call.job, bindings: { ...call.job.bindings, B: rows } },
      inputs: call.inputs.map((_, i) => joinedArrays(calls.map(({ inputs }) => inputs[i]))),
    };
    const outputs = await first.#run(method, sessions, joined);
    let row = 0;
    return sessions.map((one) => {
      const begin = row;
      row += one.rows;
      return one.#named(
        outputs.map((data) => data.slice((begin * data.length) / rows, (row * data.length) / rows)),
        call,
      );
    });
  }

  // ---- Within

  /** x as arrays of the program's types, copied. */
  #call(where: string, x: Data, rows: number, finish?: Finish, further: readonly TypedArray[] = []): Call {
    const { inputs } = this.#stream;
    const names = inputs.map(({ name }) => name);
    const given = byPort(where, "x", x, names, true);
    const tensors = inputs.map(({ name }, i) =>
      toTensor(`${where}: ${arrayName("x", name)}`, given[i] as TensorLike),
    );
    // One step where an input that comes in steps has no axis for them.
    const single = inputs.some(({ timed, type }, i) => timed && tensors[i]?.rank === type.shape.length - 1);
    const fitting = inputs.map(({ name, type, timed }, i) => {
      const tensor = tensors[i] as Tensor;
      const shape = single && timed ? type.shape.toSpliced(1, 1) : type.shape;
      return checkedRows(
        where,
        arrayName("x", name),
        readInput(where, tensor, shape, arrayName("x", name)),
        rows,
      );
    });
    const lengths = inputs.flatMap(({ timed }, i) => (timed && !single ? [fitting[i]?.shape[1] ?? 0] : []));
    const [steps = 1] = lengths;
    if (steps === 0 || lengths.some((length) => length !== steps)) {
      throw new RondoError({
        where,
        received: `inputs of ${lengths.join(" and ")} time steps`,
        expected: "at least one step, and as many in all inputs",
        fix: "Cut the inputs alike",
      });
    }
    const sizes = fitting.map(({ shape }, i) =>
      single && inputs[i]?.timed ? [...shape.slice(0, 1), 1, ...shape.slice(1)] : shape,
    );
    const job = this.#stream.job(rows, steps, sizes, finish);
    const arrays = fitting.map(({ data, dtype }, i) => {
      const wanted = inputs[i]?.type.dtype ?? dtype;
      return wanted === dtype ? data.slice() : arrayTypes[wanted].from(data);
    });
    return { single, job, inputs: [...arrays, ...further] };
  }

  #sampling(where: string, x: DataOf<I>, options: SamplingOptions): Call {
    checkSamplingOptions(where, options);
    const { finish, arrays } = samplingOf(options, this.#host.seed, this.#draws++);
    return this.#call(where, x as Data, this.rows, finish, arrays);
  }

  /** Runs a call of some sessions, each after what was called on it before. */
  async #run(
    method: CallableFunction,
    sessions: readonly Session<I, O>[],
    call: Call,
  ): Promise<TypedArray[]> {
    const before = sessions.map((one) => one.#last);
    const done = this.#after(before, method, sessions, call);
    const settled = done.catch(() => {});
    for (const one of sessions) {
      one.#pending++;
      one.#last = settled.then(() => {
        one.#pending--;
      });
    }
    return done;
  }

  async #after(
    before: readonly Promise<unknown>[],
    method: CallableFunction,
    sessions: readonly Session<I, O>[],
    { job, inputs }: Call,
  ): Promise<TypedArray[]> {
    const [only, ...others] = before;
    await (others.length === 0 ? only : Promise.all(before));
    const engine = this.#engine;
    return this.#host.turns.take({ method, quick: true }, "prediction", async (submitted) => {
      await engine.prepare(job);
      const executable = engine.program(job);
      const together = sessions.length > 1;
      const states = this.#stream.kept.map((_, i) =>
        together ? joinedArrays(sessions.map((one) => one.#states[i])) : (this.#states[i] as Float32Array),
      );
      const next = together ? states.map(({ length }) => new Float32Array(length)) : this.#spare;
      const outputs = this.#room(executable.program);
      const done = executable.run({
        entry: "main",
        state: engine.memory,
        inputs: [...inputs, ...states],
        outputs: [...outputs, ...next],
        place: this.#host.turns.inCallback ? "overtakingOthers" : "overtaking",
      });
      submitted();
      await done;
      if (!together) this.#swap();
      else
        handOut(
          next as Float32Array[],
          sessions.map((one) => one.#states),
        );
      return outputs;
    });
  }

  #runSync(where: string, { job, inputs }: Call): TypedArray[] {
    this.#requireIdle(where);
    const engine = this.#host.ready(where);
    const executable = engine.program(job);
    const outputs = this.#room(executable.program);
    executable.runSync({
      entry: "main",
      state: engine.memory,
      inputs: [...inputs, ...this.#states],
      outputs: [...outputs, ...this.#spare],
    });
    this.#swap();
    return outputs;
  }

  #swap(): void {
    [this.#states, this.#spare] = [this.#spare, this.#states];
  }

  /** Arrays for what a program gives beside the states. */
  #room({ outputs }: Program): TypedArray[] {
    const own = outputs.length - this.#stream.kept.length;
    return outputs.slice(0, own).map(({ size, dtype }) => new arrayTypes[dtype](size));
  }

  #named(outputs: readonly TypedArray[], { single, job }: Call): PredictionOf<O> {
    const shapes = this.#engine.program(job).program.outputs.map(({ shape }) => shape);
    const tensors = outputs.map((data, i) => {
      const shape = shapes[i] ?? [];
      const own = single && this.#stream.timed[i] ? shape.toSpliced(1, 1) : shape;
      const [rows = 1, ...size] = own;
      return new Tensor(
        data as Float32Array,
        [data.length / Math.max(1, sizeOf(size)) || rows, ...size],
        "float32",
      );
    });
    return this.#host.named(tensors) as PredictionOf<O>;
  }

  #requireIdle(where: string): void {
    if (this.#pending === 0) return;
    throw new RondoError({
      where,
      received: "a call while another one of the session is under way",
      expected: "no step or sample under way",
      fix: "Await it first",
    });
  }
}

/** As JSON holds it. */
const plain = (value: number): number | string =>
  Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : String(value);

function checkedRows(where: string, name: string, tensor: Tensor, rows: number): Tensor {
  if (tensor.shape[0] === rows) return tensor;
  throw new RondoError({
    where,
    received: `${name} of ${tensor.shape[0]} rows`,
    expected: `${rows}, as the session has`,
    fix: "Give a row for each of its sequences, or make a session with as many: model.session({ rows })",
  });
}

function joinedArrays(arrays: readonly (TypedArray | undefined)[]): TypedArray {
  const given = arrays.filter((one) => one !== undefined);
  const Type = given[0]?.constructor as new (length: number) => TypedArray;
  const all = new Type(given.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of given) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}

/** Gives each session its part of the states. */
function handOut(all: readonly Float32Array[], sessions: readonly (readonly Float32Array[])[]): void {
  for (const [i, values] of all.entries()) {
    let at = 0;
    for (const states of sessions) {
      const own = states[i];
      if (own === undefined) continue;
      own.set(values.subarray(at, at + own.length));
      at += own.length;
    }
  }
}

/**
 * The next time steps of several sessions of a model in one call, which costs little more than that of one session.
 *
 * @param x what each session's `step` would take; as many time steps for all
 * @returns what each session's `step` would give, to rounding (1e-6): a run of several rows may round otherwise than one
 * @throws RondoError for sessions of different models, and x that does not fit: all states stay as they were
 */
export async function stepTogether<I extends string = never, O extends string = never>(
  sessions: readonly Session<I, O>[],
  x: readonly DataOf<I>[],
): Promise<PredictionOf<O>[]> {
  return Session.together(stepTogether, sessions, x);
}

/** What `model.session` does. */
export async function openSession<I extends string, O extends string>(
  host: Host,
  method: CallableFunction,
  options: SessionOptions,
): Promise<Session<I, O>> {
  const where = "session";
  checkOptions(where, options, ["rows"]);
  const { rows = 1 } = options;
  checkCount(where, "rows", rows, 1);
  if (host.built === undefined) {
    throw new RondoError({
      where,
      received: "a model whose shapes are not known yet",
      expected: "an inputShape on the first layer, or data",
      fix: "Give the first layer inputShape, or call fit or predict first",
    });
  }
  const stream = Stream.of(host.built.assembly.network);
  return host.turns.take({ method }, "prediction", async () => {
    const engine = await host.engine();
    const sizes = stream.inputs.map(({ type }) => type.shape.map((d) => (typeof d === "number" ? d : 1)));
    await engine.prepare(stream.job(rows, 1, sizes));
    return new Session<I, O>(host, engine, stream, rows);
  });
}
