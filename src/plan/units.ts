import { isRest, type Steps } from "../breather.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import { codes } from "./abi.js";
import { type Flow, flowOf } from "./flow.js";

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
const maxOperands = codes.limit.mapInputs;

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
  const groups = new Groups(yield* flowOf(nodes));
  yield* groups.form(shapeKey);
  for (const update of updates) yield* groups.putLast(update);
  const units: Unit[] = [];
  for (const { nodes: places, key } of groups.inOrder()) {
    units.push({ nodes: places.map((i) => nodes[i] as Node), elementwise: key !== undefined });
    if (isRest(units.length)) yield;
  }
  return units;
}

/** A unit while it is formed. Nodes are named by their places in the topological order. */
class Group {
  nodes: number[];
  /** The nodes outside that it reads, where it is elementwise. */
  operands: readonly number[];
  /** Groups that it comes after though it does not read them, and those that come after it so. */
  readonly after: Group[] = [];
  readonly before: Group[] = [];
  /** Above the levels of all groups that it comes after; too low at most while `form` puts a node in. */
  level: number;
  /** The last look at groups that met it. */
  seen = 0;
  order: "open" | "done" | undefined;

  /**
   * @param key the shape that all of its nodes have, where it is elementwise
   * @param last see `Flow`
   * @param first see `Flow`
   */
  constructor(
    node: number,
    reads: readonly number[],
    readonly key: string | undefined,
    level: number,
    public last: number,
    public first: number,
  ) {
    this.nodes = [node];
    this.operands = reads;
    this.level = level;
  }
}

/**
 * Groups of nodes under a question that each change of them depends on: does one group come, by any way, after another?
 * Levels answer most of the noes (who comes after another has a higher level), landmarks most of the yeses; what is left
 * is searched from both ends, over groups with levels in between.
 */
class Groups {
  readonly #flow: Flow;
  readonly #groupOf: Group[] = [];
  /** In the order of their first nodes. */
  readonly #all = new Set<Group>();
  #looks = 0;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  /** Puts every node into a group, in order. */
  *form(shapeKey: (node: Node) => string): Steps<void> {
    let place = 0;
    for (const node of this.#flow.nodes) {
      yield;
      const i = place++;
      const reads = this.#flow.reads[i] ?? [];
      const key = node.op.kernel.kind === "map" ? shapeKey(node) : undefined;
      let home: Group | undefined;
      if (key !== undefined) {
        for (const group of this.#groupsOf(reads)) {
          if (group.key !== key) continue;
          if (home !== undefined) yield* this.#merge(home, group);
          else if (yield* this.#join(i, group)) home = group;
        }
      }
      if (home === undefined) this.#found(i, reads, key);
      else yield* this.#raise(home, levelAfter(this.#below(home)));
    }
  }

  #found(i: number, reads: readonly number[], key: string | undefined): void {
    let level = 0;
    for (const j of reads) level = Math.max(level, this.#at(j).level + 1);
    const group = new Group(i, reads, key, level, this.#flow.last[i] ?? 0, this.#flow.first[i] ?? 0);
    this.#groupOf[i] = group;
    this.#all.add(group);
  }

  /** Adds node `i` to an elementwise group whose shape it has, where that is possible. */
  *#join(i: number, group: Group): Steps<boolean> {
    const outside = (this.#flow.reads[i] ?? []).filter((j) => this.#groupOf[j] !== group);
    const operands = [...group.operands, ...outside.filter((j) => !group.operands.includes(j))];
    if (group.nodes.length >= maxNodes || operands.length > maxOperands) return false;
    const others = this.#groupsOf(outside);
    if (yield* this.#anyAfter(others, group)) return false;
    group.nodes.push(i);
    group.operands = operands;
    this.#groupOf[i] = group;
    widen(group, this.#flow.last[i] ?? 0, this.#flow.first[i] ?? 0);
    return true;
  }

  /** Adds a group to one whose last node reads both, where that is possible. */
  *#merge(home: Group, group: Group): Steps<void> {
    if (home.nodes.length + group.nodes.length > maxNodes) return;
    const operands = new Set([...home.operands, ...group.operands]);
    for (const i of [...home.nodes, ...group.nodes]) operands.delete(i);
    if (operands.size > maxOperands) return;
    const others = this.#below(home).filter((other) => other !== group);
    if (yield* this.#anyAfter(others, group)) return;
    const further = this.#below(group).filter((other) => other !== home);
    if (yield* this.#anyAfter(further, home)) return;
    const last = home.nodes.slice(-1);
    home.nodes = this.#topologicalWithin([...home.nodes.slice(0, -1), ...group.nodes, ...last]);
    home.operands = [...operands];
    for (const i of group.nodes) this.#groupOf[i] = home;
    this.#all.delete(group);
    widen(home, group.last, group.first);
    // Low enough for what comes after either; `form` raises it when the node has met all that it reads.
    home.level = Math.min(home.level, group.level);
  }

  /** The given nodes (a few), each after those of them that it reads. */
  #topologicalWithin(nodes: readonly number[]): number[] {
    const open = new Set(nodes);
    const result: number[] = [];
    const visit = (i: number): void => {
      if (!open.delete(i)) return;
      for (const j of this.#flow.reads[i] ?? []) visit(j);
      result.push(i);
    };
    nodes.forEach(visit);
    return result;
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
    const place = this.#flow.placeOf.get(value.node);
    if (place === undefined || readers.length === 0) return;
    const writer = this.#at(place);
    const places = readers.map((node) => this.#flow.placeOf.get(node) as number);
    const others = this.#groupsOf(places).filter((group) => group !== writer);
    if (yield* this.#anyAfter(others, writer)) return;
    for (const group of others) {
      writer.after.push(group);
      group.before.push(writer);
    }
    yield* this.#raise(writer, levelAfter(others));
  }

  /** Whether any of some groups, none of them `target`, comes after `target`. */
  *#anyAfter(groups: readonly Group[], target: Group): Steps<boolean> {
    const down = groups.filter((group) => group.level > target.level);
    if (down.length === 0) return false;
    const comesAfter = (group: Group): boolean => group.last >= target.first;
    if (down.some(comesAfter)) return true;
    const highest = down.reduce((level, group) => Math.max(level, group.level), 0);
    const up = [target];
    const [seenDown, seenUp] = [new Set(down), new Set(up)];
    // A way there is found from both ends at once, or one end has no further to go.
    for (;;) {
      const from = down.pop();
      const to = up.pop();
      if (from === undefined || to === undefined) return false;
      yield;
      for (const group of this.#below(from)) {
        if (seenUp.has(group) || comesAfter(group)) return true;
        if (group.level <= target.level || seenDown.has(group)) continue;
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

  #at(i: number): Group {
    return this.#groupOf[i] as Group;
  }

  /** The groups that a group comes after at once. */
  #below(group: Group): Group[] {
    return this.#beside(group, this.#flow.reads, group.after);
  }

  /** The groups that come after a group at once. */
  #above(group: Group): Group[] {
    return this.#beside(group, this.#flow.readers, group.before);
  }

  #beside(
    group: Group,
    table: readonly (readonly number[] | undefined)[],
    further: readonly Group[],
  ): Group[] {
    const result: Group[] = [];
    const look = ++this.#looks;
    group.seen = look;
    const meet = (other: Group | undefined): void => {
      // Nodes that are still to come have no group.
      if (other === undefined || other.seen === look) return;
      other.seen = look;
      result.push(other);
    };
    for (const i of group.nodes) for (const j of table[i] ?? []) meet(this.#groupOf[j]);
    further.forEach(meet);
    return result;
  }

  /** The groups that some nodes are in. */
  #groupsOf(nodes: readonly number[]): Group[] {
    const result: Group[] = [];
    const look = ++this.#looks;
    for (const i of nodes) {
      const group = this.#at(i);
      if (group.seen !== look) result.push(group);
      group.seen = look;
    }
    return result;
  }

  /** Each after those that it comes after. */
  *inOrder(): Generator<Group> {
    for (const root of this.#all) {
      const stack = [root];
      for (let group = stack.at(-1); group !== undefined; group = stack.at(-1)) {
        if (group.order === undefined) {
          group.order = "open";
          for (const next of this.#below(group)) if (next.order === undefined) stack.push(next);
        } else {
          stack.pop();
          if (group.order === "done") continue;
          group.order = "done";
          yield group;
        }
      }
    }
  }
}

function widen(group: Group, last: number, first: number): void {
  group.last = Math.max(group.last, last);
  group.first = Math.min(group.first, first);
}

const levelAfter = (groups: readonly Group[]): number =>
  groups.reduce((level, group) => Math.max(level, group.level + 1), 0);
