import { type Dim, equal, sameShape, shapeText } from "./dim.js";
import { type Graph, type Node, rootsOf, type SymbolicTensor, type TensorType, topological } from "./ir.js";
import { type RnnAttrs, rnnGradientOp, rnnOp } from "./ops/rnn.js";
import { type ScanAttrs, type ScanBody, scanOp } from "./ops/scan.js";

/**
 * Holds a graph against what every graph must be: each node after its operands and of the types that its op's shape
 * rule gives; masks bool and over the leading axes; inputs declared; updates of the type of their variable, one each;
 * bodies of scans closed and of the types of what goes in. For tests, after tracing and after every pass.
 *
 * @throws Error that lists everything that is wrong
 */
export function verify(graph: Graph): void {
  const faults = [...graphFaults(graph)];
  if (faults.length > 0) throw new Error([`graph ${graph.name} is broken:`, ...faults].join("\n  "));
}

function* graphFaults(graph: Graph): Generator<string> {
  const values = Object.entries(graph.outputs);
  for (const [name, x] of values) yield* maskFaults(`output ${name}`, x);
  const masks = values.flatMap(([, x]) => (x.mask === undefined ? [] : [x.mask]));
  yield* nodeFaults([...rootsOf(graph), ...masks], graph.inputs, `graph ${graph.name}`);

  const updated = new Set<string>();
  for (const { variable, value } of graph.updates) {
    if (updated.has(variable.name)) yield `variable ${variable.name} is updated twice`;
    updated.add(variable.name);
    if (!sameType(variable, value))
      yield `variable ${variable.name} is ${typeText(variable)}, its update ${typeText(value)}`;
  }
}

function* maskFaults(where: string, x: SymbolicTensor): Generator<string> {
  const { mask } = x;
  if (mask === undefined) return;
  if (mask.dtype !== "bool") yield `${where}: its mask is ${mask.dtype}, not bool`;
  if (!sameShape(mask.shape, x.shape.slice(0, mask.rank)))
    yield `${where}: its mask ${shapeText(mask.shape)} is no beginning of ${shapeText(x.shape)}`;
}

/** @param declared values that are given from outside: the only nodes without operands that may differ between runs */
function* nodeFaults(
  roots: readonly SymbolicTensor[],
  declared: readonly SymbolicTensor[],
  where: string,
): Generator<string> {
  const given = new Set(declared.map((x) => x.node));
  if (given.size < declared.length) yield `${where}: an input is declared twice`;
  const seen = new Set<Node>();
  for (const node of topological(roots)) {
    const name = node.op.name;
    for (const x of node.inputs) {
      if (!seen.has(x.node)) yield `${name} reads ${x.node.op.name}, which depends on it`;
      if (x.node.outputs[x.index] === undefined) yield `${name} reads output ${x.index} of ${x.node.op.name}`;
      if (x.mask !== undefined) yield `${name} holds an operand with a mask`;
    }
    seen.add(node);
    if (name === "input" && !given.has(node)) yield `${where}: reads an input that it does not declare`;
    yield* typeFaults(node);
    if (node.op === scanOp) yield* scanFaults(node as Node<ScanAttrs>);
    if (node.op === rnnOp || node.op === rnnGradientOp) yield* rnnFaults(node as Node<RnnAttrs>);
  }
  for (const x of roots) {
    if (x.node.outputs[x.index] === undefined)
      yield `${where}: there is no output ${x.index} of ${x.node.op.name}`;
  }
}

function* typeFaults(node: Node): Generator<string> {
  try {
    const types = node.op.infer(node.inputs, node.attrs);
    const stored = node.outputs;
    if (types.length !== stored.length || !types.every((t, i) => sameType(t, stored[i])))
      yield `${node.op.name} is ${stored.map(typeText).join(", ")}, by its rule ${types.map(typeText).join(", ")}`;
  } catch (error) {
    yield `${node.op.name} does not take its operands: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function* scanFaults({ attrs: { body, length }, inputs }: Node<ScanAttrs>): Generator<string> {
  const steps = (x: SymbolicTensor): TensorType => ({ dtype: x.dtype, shape: [length, ...x.shape] });
  const wanted = [...body.sequences.map(steps), ...body.states, ...body.constants];
  yield* operandFaults("scan", inputs, wanted);
  yield* bodyFaults("scan", body);
}

function* rnnFaults({ op, attrs, inputs }: Node<RnnAttrs>): Generator<string> {
  const { body, roles, length, units } = attrs;
  if (inputs.length < roles.length)
    yield `${op.name} has ${inputs.length} operands for ${roles.length} roles`;
  const of = (role: RnnAttrs["roles"][number]): SymbolicTensor | undefined => inputs[roles.indexOf(role)];
  const x = of("x");
  const batch: Dim = x?.shape[1] ?? -1;
  if (x !== undefined && !equal(x.shape[0] ?? -1, length))
    yield `${op.name}: x has ${x.shape[0]} steps, not ${length}`;
  const state: TensorType = { dtype: "float32", shape: [batch, units] };
  const constants = [of("kernel"), of("recurrentKernel"), of("bias"), of("dropout")].filter(
    (c) => c !== undefined,
  );
  const states = body.states.map((_, i) => of(i === 0 ? "h0" : "c0") ?? state);
  const step: TensorType[] = x === undefined ? [] : [{ dtype: x.dtype, shape: x.shape.slice(1) }];
  yield* operandFaults(
    op.name,
    [...step, ...states, ...constants],
    [...body.sequences, ...body.states, ...body.constants],
  );
  const mask = of("mask");
  if (mask !== undefined && !sameType(mask, { dtype: "bool", shape: [length, batch] }))
    yield `${op.name}: its mask is ${typeText(mask)}`;
  yield* bodyFaults(op.name, body);
}

function* operandFaults(
  name: string,
  given: readonly TensorType[],
  wanted: readonly TensorType[],
): Generator<string> {
  if (given.length !== wanted.length)
    yield `${name} has ${given.length} operands, its body takes ${wanted.length}`;
  for (const [i, type] of wanted.entries()) {
    const own = given[i];
    if (own !== undefined && !sameType(own, type))
      yield `${name}: operand ${i} is ${typeText(own)}, its body takes ${typeText(type)}`;
  }
}

function* bodyFaults(name: string, body: ScanBody): Generator<string> {
  const where = `body of ${name}`;
  const { sequences, states, constants, outputs, newStates } = body;
  yield* nodeFaults([...outputs, ...newStates], [...sequences, ...states, ...constants], where);
  const reads = topological([...outputs, ...newStates]).filter((node) => node.op.name === "state");
  if (reads.length > 0) yield `${where}: reads the state, which is to be an operand`;
  if (newStates.length !== states.length || !newStates.every((s, i) => sameType(s, states[i])))
    yield `${where}: its states are ${states.map(typeText).join(", ")}, the new ones ${newStates.map(typeText).join(", ")}`;
}

const sameType = (a: TensorType, b: TensorType | undefined): boolean =>
  b !== undefined && a.dtype === b.dtype && sameShape(a.shape, b.shape);

const typeText = ({ dtype, shape }: TensorType): string => `${dtype}${shapeText(shape)}`;
