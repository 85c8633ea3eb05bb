import { type Node, type SymbolicTensor, topological } from "../graph/ir.js";

/** What one instruction (or one view) computes: a node, or several elementwise nodes over the same elements. */
export interface Unit {
  /** In topological order. */
  readonly nodes: Node[];
  readonly elementwise: boolean;
}

/** A value that takes the place of what a source held before: a state variable, a state that a loop carries. */
export interface Replacement {
  readonly value: SymbolicTensor;
  replaces(source: Node): boolean;
}

/** A `map` works on blocks of registers; longer chains are cut. */
const maxNodes = 48;
const maxOperands = 24;

/**
 * Groups elementwise nodes of the same shape into units, as long as no path leaves a unit and comes back into it, and
 * puts the units in an order in which each follows what it reads. A unit that replaces the value of a source comes
 * after every other reader of it wherever that is possible, so that it can write in place.
 *
 * @param shapeKey the bound shape of a node's output, as text
 */
export function formUnits(
  roots: readonly SymbolicTensor[],
  shapeKey: (node: Node) => string,
  updates: readonly Replacement[],
): Unit[] {
  const unitOf = new Map<Node, Unit>();
  const units: Unit[] = [];

  const reads = (unit: Unit): Set<Unit> => {
    const result = new Set<Unit>();
    for (const node of unit.nodes)
      for (const x of node.inputs) {
        const other = unitOf.get(x.node);
        if (other !== undefined && other !== unit) result.add(other);
      }
    return result;
  };
  const dependsOn = (from: Unit, target: Unit): boolean => reaches(from, target, reads);
  const operands = (nodes: readonly Node[]): number =>
    new Set(
      nodes
        .flatMap((n) => n.inputs)
        .filter((x) => !nodes.includes(x.node))
        .map((x) => x.node),
    ).size;

  for (const node of topological(roots)) {
    const elementwise = node.op.kernel.kind === "map";
    let home: Unit | undefined;
    if (elementwise) {
      const key = shapeKey(node);
      const candidates = new Set(node.inputs.map((x) => unitOf.get(x.node)));
      for (const unit of candidates) {
        const [first] = unit?.nodes ?? [];
        if (unit === undefined || first === undefined || !unit.elementwise || shapeKey(first) !== key)
          continue;
        if (home === undefined) {
          const others = node.inputs
            .map((x) => unitOf.get(x.node))
            .filter((u) => u !== undefined && u !== unit);
          const fits = unit.nodes.length < maxNodes && operands([...unit.nodes, node]) <= maxOperands;
          if (fits && !others.some((u) => u !== undefined && dependsOn(u, unit))) {
            unit.nodes.push(node);
            unitOf.set(node, unit);
            home = unit;
          }
        } else if (
          home.nodes.length + unit.nodes.length <= maxNodes &&
          operands([...home.nodes, ...unit.nodes]) <= maxOperands &&
          ![...reads(home)].some((u) => u !== unit && dependsOn(u, unit)) &&
          ![...reads(unit)].some((u) => u !== home && dependsOn(u, home as Unit))
        ) {
          // `node`, the last of `home`, reads both: they become one.
          const merged = [...home.nodes.slice(0, -1), ...unit.nodes, node];
          home.nodes.length = 0;
          home.nodes.push(...topologicalWithin(merged));
          for (const n of unit.nodes) unitOf.set(n, home);
          units.splice(units.indexOf(unit), 1);
        }
      }
    }
    if (home === undefined) {
      home = { nodes: [node], elementwise };
      unitOf.set(node, home);
      units.push(home);
    }
  }
  return order(units, unitOf, reads, updates);
}

/** Whether `target` is `from` or comes, by any way, before it. */
function reaches(from: Unit, target: Unit, before: (unit: Unit) => Iterable<Unit>): boolean {
  const seen = new Set<Unit>([from]);
  const stack = [from];
  for (let unit = stack.pop(); unit !== undefined; unit = stack.pop()) {
    if (unit === target) return true;
    for (const next of before(unit)) {
      if (!seen.has(next)) stack.push(next);
      seen.add(next);
    }
  }
  return false;
}

/** The given nodes, each after those of them that it reads. */
function topologicalWithin(nodes: readonly Node[]): Node[] {
  const set = new Set(nodes);
  const done = new Set<Node>();
  const result: Node[] = [];
  const visit = (node: Node) => {
    if (done.has(node)) return;
    done.add(node);
    for (const x of node.inputs) if (set.has(x.node)) visit(x.node);
    result.push(node);
  };
  nodes.forEach(visit);
  return result;
}

function order(
  units: readonly Unit[],
  unitOf: ReadonlyMap<Node, Unit>,
  reads: (unit: Unit) => Set<Unit>,
  updates: readonly Replacement[],
): Unit[] {
  const after = new Map<Unit, Unit[]>();
  const before = (unit: Unit): Unit[] => [...reads(unit), ...(after.get(unit) ?? [])];
  for (const { replaces, value } of updates) {
    const writer = unitOf.get(value.node);
    if (writer === undefined) continue;
    const readers = readersOf(replaces, units, unitOf, writer);
    // Neither operands nor the wishes granted so far may lead in a circle.
    if (readers.some((unit) => reaches(unit, writer, before))) continue;
    after.set(writer, [...(after.get(writer) ?? []), ...readers]);
  }
  const state = new Map<Unit, "open" | "done">();
  const result: Unit[] = [];
  for (const root of units) {
    const stack = [root];
    while (stack.length > 0) {
      const unit = stack[stack.length - 1];
      if (unit === undefined) break;
      if (state.get(unit) === undefined) {
        state.set(unit, "open");
        for (const next of before(unit)) {
          if (state.get(next) === undefined) stack.push(next);
        }
      } else {
        stack.pop();
        if (state.get(unit) === "open") {
          state.set(unit, "done");
          result.push(unit);
        }
      }
    }
  }
  return result;
}

/** Units other than `writer` that read the memory of a source, directly or through views. */
function readersOf(
  replaces: (source: Node) => boolean,
  units: readonly Unit[],
  unitOf: ReadonlyMap<Node, Unit>,
  writer: Unit,
): Unit[] {
  const windows = new Set<Node>();
  const readers: Unit[] = [];
  for (const unit of units) {
    for (const node of unit.nodes) {
      const own = node.op.kernel.kind === "source" && replaces(node);
      const seen = node.inputs.some((x) => windows.has(x.node));
      if (own || (seen && node.op.kernel.kind === "view")) windows.add(node);
      else if (seen && unitOf.get(node) !== writer && !readers.includes(unit)) readers.push(unit);
    }
  }
  return readers;
}
