import type { Steps } from "../breather.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import type { StateAttrs } from "../graph/ops/source.js";

/** What one instruction (or one view) computes: a node, or several elementwise nodes over the same elements. */
export interface Unit {
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly elementwise: boolean;
}

/** A value that takes the place of what a source held before: a state variable, a state that a loop carries. */
export interface Replacement {
  readonly value: SymbolicTensor;
  /** The nodes that read the old value, directly or through views. */
  readonly readers: readonly Node[];
}

/** A `map` works on blocks of registers; longer chains are cut. */
const maxNodes = 48;
const maxOperands = 24;

/**
 * Groups elementwise nodes of the same shape into units, as long as no path leaves a unit and comes back into it, and
 * puts the units in an order in which each follows what it reads. A unit that replaces the value of a source comes
 * after every other reader of it wherever that is possible, so that it can write in place. The work grows with the
 * number of nodes: whether one unit depends on another is most often known without a search (`Groups`).
 *
 * @param nodes in topological order
 * @param shapeKey the bound shape of a node's output, as text
 */
export function* formUnits(
  nodes: readonly Node[],
  shapeKey: (node: Node) => string,
  updates: readonly Replacement[],
): Steps<Unit[]> {
  const groups = new Groups(nodes);
  yield* groups.form(shapeKey);
  for (const update of updates) yield* groups.putLast(update);
  const units: Unit[] = [];
  for (const { nodes: places, elementwise } of groups.inOrder()) {
    units.push({ nodes: places.map((i) => nodes[i] as Node), elementwise });
    yield;
  }
  return units;
}

/** A unit while it is formed. Nodes are named by their places in the topological order. */
interface Group {
  nodes: number[];
  readonly elementwise: boolean;
  /** The shape that all of its nodes have, where it is elementwise. */
  readonly key: string | undefined;
  /** The nodes outside that an elementwise group reads. */
  readonly operands: Set<number>;
  /** Groups that it comes after though it does not read them, and those that come after it so. */
  readonly after: Group[];
  readonly before: Group[];
  /** Above the levels of all groups that it comes after. */
  level: number;
  /** See `landmarks`. */
  last: number;
  first: number;
}

/**
 * Groups of nodes under a question that each change of them depends on: does one group come, by any way, after another?
 * Levels answer most of the noes (who comes after another has a higher level), landmarks most of the yeses; what is left
 * is searched from both ends, over groups with levels in between.
 */
class Groups {
  readonly #nodes: readonly Node[];
  /** By node: the nodes that it reads, and those that read it. */
  readonly #reads: readonly (readonly number[])[];
  readonly #readers: readonly number[][];
  readonly #last: Int32Array;
  readonly #first: Int32Array;
  readonly #placeOf: ReadonlyMap<Node, number>;
  readonly #groupOf: Group[] = [];
  /** In the order of their first nodes. */
  readonly #all = new Set<Group>();

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
    const placeOf = new Map(nodes.map((node, i) => [node, i]));
    this.#placeOf = placeOf;
    this.#reads = nodes.map(({ inputs }) => [...new Set(inputs.map((x) => placeOf.get(x.node) ?? 0))]);
    this.#readers = nodes.map(() => []);
    this.#reads.forEach((reads, i) => {
      for (const j of reads) this.#readers[j]?.push(i);
    });
    const { last, first } = landmarks(this.#reads, this.#readers);
    this.#last = last;
    this.#first = first;
  }

  *form(shapeKey: (node: Node) => string): Steps<void> {
    for (const [i, node] of this.#nodes.entries()) {
      yield;
      const elementwise = node.op.kernel.kind === "map";
      const key = elementwise ? shapeKey(node) : undefined;
      let home: Group | undefined;
      if (elementwise) {
        for (const group of new Set(this.#reads[i]?.map((j) => this.#groupOf[j] as Group))) {
          if (group.key !== key) continue;
          if (home !== undefined) yield* this.#merge(home, group);
          else if (yield* this.#join(i, group)) home = group;
        }
      }
      if (home === undefined) this.#found(i, key);
    }
  }

  #found(i: number, key: string | undefined): void {
    const reads = this.#reads[i] ?? [];
    const group: Group = {
      nodes: [i],
      elementwise: key !== undefined,
      key,
      operands: new Set(key === undefined ? [] : reads),
      after: [],
      before: [],
      level: 1 + reads.reduce((level, j) => Math.max(level, this.#groupOf[j]?.level ?? 0), 0),
      last: this.#last[i] ?? 0,
      first: this.#first[i] ?? 0,
    };
    this.#groupOf[i] = group;
    this.#all.add(group);
  }

  /** Adds node `i` to an elementwise group whose shape it has, where that is possible. */
  *#join(i: number, group: Group): Steps<boolean> {
    const reads = this.#reads[i] ?? [];
    const outside = reads.filter((j) => this.#groupOf[j] !== group);
    const operands = outside.filter((j) => !group.operands.has(j)).length + group.operands.size;
    if (group.nodes.length >= maxNodes || operands > maxOperands) return false;
    const others = outside.map((j) => this.#groupOf[j] as Group);
    if (yield* this.#anyAfter(others, group)) return false;
    group.nodes.push(i);
    this.#groupOf[i] = group;
    for (const j of outside) group.operands.add(j);
    this.#widen(group, this.#last[i] ?? 0, this.#first[i] ?? 0);
    yield* this.#raise(group, levelAfter(others));
    return true;
  }

  /** Adds a group to one whose last node reads both, where that is possible. */
  *#merge(home: Group, group: Group): Steps<void> {
    if (home.nodes.length + group.nodes.length > maxNodes) return;
    const operands = new Set([...home.operands, ...group.operands]);
    for (const i of [...home.nodes, ...group.nodes]) operands.delete(i);
    if (operands.size > maxOperands) return;
    const others = [...this.#below(home)].filter((other) => other !== group);
    if (yield* this.#anyAfter(others, group)) return;
    const further = [...this.#below(group)].filter((other) => other !== home);
    if (yield* this.#anyAfter(further, home)) return;
    const last = home.nodes.slice(-1);
    home.nodes = this.#topologicalWithin([...home.nodes.slice(0, -1), ...group.nodes, ...last]);
    for (const i of group.nodes) this.#groupOf[i] = home;
    this.#all.delete(group);
    home.operands.clear();
    for (const i of operands) home.operands.add(i);
    this.#widen(home, group.last, group.first);
    home.level = 0;
    yield* this.#raise(home, Math.max(group.level, levelAfter([...others, ...further])));
  }

  /** The given nodes (a few), each after those of them that it reads. */
  #topologicalWithin(nodes: readonly number[]): number[] {
    const open = new Set(nodes);
    const result: number[] = [];
    const visit = (i: number): void => {
      if (!open.delete(i)) return;
      for (const j of this.#reads[i] ?? []) visit(j);
      result.push(i);
    };
    nodes.forEach(visit);
    return result;
  }

  #widen(group: Group, last: number, first: number): void {
    group.last = Math.max(group.last, last);
    group.first = Math.min(group.first, first);
  }

  /** Lifts a group to a level at least, and what comes after it above it. */
  *#raise(group: Group, level: number): Steps<void> {
    if (level <= group.level) return;
    group.level = level;
    const stack = [group];
    for (let low = stack.pop(); low !== undefined; low = stack.pop()) {
      yield;
      for (const other of this.#above(low)) {
        if (other.level > low.level) continue;
        other.level = low.level + 1;
        stack.push(other);
      }
    }
  }

  /** Makes the group of a new value come after all other readers of the old one, unless that leads in a circle. */
  *putLast({ value, readers }: Replacement): Steps<void> {
    const groupOf = (node: Node): Group | undefined => this.#groupOf[this.#placeOf.get(node) ?? -1];
    const writer = groupOf(value.node);
    if (writer === undefined) return;
    const others = new Set(readers.map(groupOf).filter((g) => g !== undefined && g !== writer)) as Set<Group>;
    if (yield* this.#anyAfter([...others], writer)) return;
    for (const group of others) {
      writer.after.push(group);
      group.before.push(writer);
    }
    yield* this.#raise(writer, levelAfter([...others]));
  }

  /** Whether any of some groups, none of them `target`, comes after `target`. */
  *#anyAfter(groups: readonly Group[], target: Group): Steps<boolean> {
    const highest = groups.reduce((level, group) => Math.max(level, group.level), 0);
    if (highest <= target.level) return false;
    const comesAfter = (group: Group): boolean => group.last >= target.first;
    const seenDown = new Set(groups.filter((group) => group.level > target.level));
    const down = [...seenDown];
    if (down.some(comesAfter)) return true;
    const seenUp = new Set([target]);
    const up = [target];
    // A way there is found from both ends at once, or one end has no further to go.
    for (;;) {
      const [from, to] = [down.pop(), up.pop()];
      if (from === undefined || to === undefined) return false;
      yield;
      for (const group of this.#below(from)) {
        if (seenUp.has(group)) return true;
        if (group.level <= target.level || seenDown.has(group)) continue;
        if (comesAfter(group)) return true;
        seenDown.add(group);
        down.push(group);
      }
      for (const group of this.#above(to)) {
        if (seenDown.has(group)) return true;
        if (group.level >= highest || seenUp.has(group)) continue;
        seenUp.add(group);
        up.push(group);
      }
    }
  }

  /** The groups that a group comes after at once. */
  #below(group: Group): Set<Group> {
    return this.#beside(group, this.#reads, group.after);
  }

  /** The groups that come after a group at once. */
  #above(group: Group): Set<Group> {
    return this.#beside(group, this.#readers, group.before);
  }

  #beside(group: Group, table: readonly (readonly number[])[], further: readonly Group[]): Set<Group> {
    const result = new Set<Group>();
    for (const i of group.nodes)
      for (const j of table[i] ?? []) {
        const other = this.#groupOf[j];
        if (other !== undefined && other !== group) result.add(other);
      }
    for (const other of further) result.add(other);
    return result;
  }

  /** Each after those that it comes after. */
  *inOrder(): Generator<Group> {
    const state = new Map<Group, "open" | "done">();
    for (const root of this.#all) {
      const stack = [root];
      for (let group = stack.at(-1); group !== undefined; group = stack.at(-1)) {
        if (state.get(group) === undefined) {
          state.set(group, "open");
          for (const next of this.#below(group)) if (state.get(next) === undefined) stack.push(next);
        } else {
          stack.pop();
          if (state.get(group) === "open") {
            state.set(group, "done");
            yield group;
          }
        }
      }
    }
  }
}

const levelAfter = (groups: readonly Group[]): number =>
  groups.reduce((level, group) => Math.max(level, group.level + 1), 0);

/**
 * Places on the longest path through some nodes, by which most dependences are seen at once: for each node the last place
 * that it comes after (or is), and the first that comes after it (or that it is). A node comes after another for certain
 * when its last place is not before the other's first. A training step is mostly such a path: through all layers to the
 * loss, and back.
 */
function landmarks(
  reads: readonly (readonly number[])[],
  readers: readonly (readonly number[])[],
): { last: Int32Array; first: Int32Array } {
  const depth = new Int32Array(reads.length);
  let end = 0;
  reads.forEach((own, i) => {
    depth[i] = 1 + own.reduce((most, j) => Math.max(most, depth[j] ?? 0), 0);
    if ((depth[i] ?? 0) > (depth[end] ?? 0)) end = i;
  });
  const last = new Int32Array(reads.length);
  const first = new Int32Array(reads.length).fill(reads.length + 1);
  let at: number | undefined = end;
  for (let place = depth[end] ?? 0; at !== undefined; place--) {
    last[at] = place;
    first[at] = place;
    at = reads[at]?.find((j) => depth[j] === place - 1);
  }
  for (let i = 0; i < reads.length; i++)
    for (const j of reads[i] ?? []) last[i] = Math.max(last[i] ?? 0, last[j] ?? 0);
  for (let i = reads.length - 1; i >= 0; i--)
    for (const j of readers[i] ?? []) first[i] = Math.min(first[i] ?? 0, first[j] ?? 0);
  return { last, first };
}

/** Who reads the memory of the sources of a graph. */
export interface MemoryUses {
  /** What identifies the memory that a source, or a window on one, looks at: a state variable, or the source itself. */
  readonly memoryOf: ReadonlyMap<Node, object>;
  /** By memory: the nodes other than views that read it, directly or through views, in order. */
  readonly readers: ReadonlyMap<object, readonly Node[]>;
}

/** @param nodes in topological order */
export function memoryUses(nodes: readonly Node[]): MemoryUses {
  const memoryOf = new Map<Node, object>();
  const readers = new Map<object, Node[]>();
  for (const node of nodes) {
    const { kind } = node.op.kernel;
    if (kind === "source") memoryOf.set(node, memoryOfSource(node));
    for (const x of new Set(node.inputs.map((y) => y.node))) {
      const memory = memoryOf.get(x);
      if (memory === undefined) continue;
      if (kind === "view") memoryOf.set(node, memory);
      else {
        const known = readers.get(memory);
        if (known === undefined) readers.set(memory, [node]);
        else known.push(node);
      }
    }
  }
  return { memoryOf, readers };
}

const memoryOfSource = (node: Node): object =>
  node.op.name === "state" ? (node.attrs as StateAttrs).variable : node;
