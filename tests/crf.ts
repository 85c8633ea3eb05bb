// Conditional random fields in float64, in logarithms, a step at a time: what the kernels' scaled sums are held to.
import { bind } from "../src/graph/dim.js";
import type { Node } from "../src/graph/ir.js";
import type { CountSpansAttrs, CrfAttrs } from "../src/graph/ops/crf.js";
import type { Run, Values } from "./values.js";

/** Scores of K tags: of each step that counts, from one tag to the next, of the first and of the last. */
export interface Chain {
  readonly x: readonly (readonly number[])[];
  readonly transitions: readonly (readonly number[])[];
  readonly start: readonly number[];
  readonly end: readonly number[];
}

const logSum = (values: readonly number[]): number => {
  const top = Math.max(...values);
  return Number.isFinite(top) ? top + Math.log(values.reduce((sum, v) => sum + Math.exp(v - top), 0)) : top;
};
const n = (value: number | undefined): number => {
  if (value === undefined) throw new Error("a score is missing");
  return value;
};
const of = <T>(list: readonly T[], i: number): T => {
  const found = list[i];
  if (found === undefined) throw new Error(`there is no element ${i}`);
  return found;
};

/** The score of a path; tags that are none score nothing. */
export function scoreOf({ x, transitions, start, end }: Chain, path: readonly number[]): number {
  const K = start.length;
  const isTag = (tag: number | undefined): tag is number => tag !== undefined && tag >= 0 && tag < K;
  const steps = path.map((tag, t) => {
    const before = path[t - 1];
    const alone = isTag(tag) ? n(x[t]?.[tag]) + (t === 0 ? n(start[tag]) : 0) : 0;
    return alone + (isTag(before) && isTag(tag) ? n(transitions[before]?.[tag]) : 0);
  });
  const last = path.at(-1);
  return steps.reduce((a, b) => a + b, 0) + (isTag(last) ? n(end[last]) : 0);
}

/** log Σ exp(score) over all paths, the probability of each tag at each step, of each pair of tags summed over steps. */
export function sumsOver({ x, transitions, start, end }: Chain) {
  const tags = start.map((_, k) => k);
  const forward: number[][] = [];
  for (const [t, scores] of x.entries()) {
    const before = forward[t - 1];
    const reach = (k: number) =>
      before === undefined
        ? of(start, k)
        : logSum(tags.map((i) => of(before, i) + of(of(transitions, i), k)));
    forward.push(tags.map((k) => reach(k) + of(scores, k)));
  }
  const backward: number[][] = x.map(() => [...end]);
  for (let t = x.length - 2; t >= 0; t--) {
    const [scores, after] = [of(x, t + 1), of(backward, t + 1)];
    const leave = (i: number) =>
      logSum(tags.map((k) => of(of(transitions, i), k) + of(scores, k) + of(after, k)));
    backward[t] = tags.map(leave);
  }
  const last = forward.at(-1);
  const total = last === undefined ? 0 : logSum(tags.map((k) => of(last, k) + of(end, k)));
  const marginals = forward.map((a, t) =>
    tags.map((k) => Math.exp(of(a, k) + of(of(backward, t), k) - total)),
  );
  const pairs = tags.map((i) =>
    tags.map((k) => {
      const at = x.slice(1).map((scores, t) => {
        const path = of(of(forward, t), i) + of(of(transitions, i), k) + of(scores, k);
        return Math.exp(path + of(of(backward, t + 1), k) - total);
      });
      return at.reduce((a, b) => a + b, 0);
    }),
  );
  return { total, marginals, pairs };
}

/** The best path; of equal ones the one whose last tag is the first, and so on backwards. */
export function bestPath({ x, transitions, start, end }: Chain): number[] {
  const tags = start.map((_, k) => k);
  const first = (scores: readonly number[]) => scores.indexOf(Math.max(...scores));
  let best: number[] = [];
  const from: number[][] = [];
  for (const [t, scores] of x.entries()) {
    const reach = tags.map((k) => best.map((score, i) => score + of(of(transitions, i), k)));
    from.push(t === 0 ? [] : reach.map(first));
    best = tags.map((k) => (t === 0 ? of(start, k) : Math.max(...of(reach, k))) + of(scores, k));
  }
  if (x.length === 0) return [];
  const path = [first(tags.map((k) => of(best, k) + of(end, k)))];
  for (let t = x.length - 1; t > 0; t--) path.unshift(of(of(from, t), of(path, 0)));
  return path;
}

// ---- The ops

const given = (inputs: readonly Values[], i: number): Values => of(inputs, i);
const rowsOf = ({ data }: Values, width: number): number[][] =>
  Array.from({ length: width === 0 ? 0 : data.length / width }, (_, r) => [
    ...data.subarray(r * width, (r + 1) * width),
  ]);

interface Row extends Chain {
  /** The steps that count, and the tags that were given for them. */
  readonly steps: readonly number[];
  readonly path: readonly number[] | undefined;
}

function chains(inputs: readonly Values[], attrs: CrfAttrs, maskAt: number): Row[] {
  const [B = 0, T = 0, K = 0] = given(inputs, 0).shape;
  const scores = rowsOf(given(inputs, 0), K);
  const mask = attrs.mask ? given(inputs, maskAt).data : undefined;
  const tags = attrs.tags ? given(inputs, 4).data : undefined;
  return Array.from({ length: B }, (_, b) => {
    const steps = Array.from({ length: T }, (_, t) => t).filter((t) => mask?.[b * T + t] !== 0);
    return {
      steps,
      x: steps.map((t) => of(scores, b * T + t)),
      transitions: rowsOf(given(inputs, 1), K),
      start: [...given(inputs, 2).data],
      end: [...given(inputs, 3).data],
      path: tags && steps.map((t) => n(tags[b * T + t])),
    };
  });
}

type Rule = (inputs: readonly Values[], node: Node, run: Run) => readonly Values[];

/** Room that only kernels use. */
function room(node: Node, output: number, run: Run): Values {
  const shape = of(node.outputs, output).shape.map((d) => bind(d, run.bindings ?? {}));
  return { shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) };
}

export const crfRules: Readonly<Record<string, Rule>> = {
  crf(inputs, node, run) {
    const attrs = node.attrs as CrfAttrs;
    const rows = chains(inputs, attrs, attrs.tags ? 5 : 4);
    const data = rows.map(
      (row) => sumsOver(row).total - (row.path === undefined ? 0 : scoreOf(row, row.path)),
    );
    return [{ shape: [rows.length], data: Float64Array.from(data) }, room(node, 1, run), room(node, 2, run)];
  },
  crfGradient(inputs, node, run) {
    const attrs = node.attrs as CrfAttrs;
    const [, T = 0, K = 0] = given(inputs, 0).shape;
    const g = given(inputs, inputs.length - 1).data;
    const [dx, dTransitions, dStart, dEnd, work] = [0, 1, 2, 3, 4].map((i) => room(node, i, run));
    const plus = (to: Values | undefined, i: number, value: number) => {
      if (to !== undefined) to.data[i] = n(to.data[i]) + value;
    };
    chains(inputs, attrs, attrs.tags ? 5 : 4).forEach((row, b) => {
      const { marginals, pairs } = sumsOver(row);
      const scale = n(g[b]);
      const isTag = (tag: number | undefined): tag is number => tag !== undefined && tag >= 0 && tag < K;
      pairs.flat().forEach((p, i) => {
        plus(dTransitions, i, scale * p);
      });
      row.steps.forEach((t, i) => {
        const tag = row.path?.[i];
        const before = row.path?.[i - 1];
        of(marginals, i).forEach((p, k) => {
          const slope = scale * (p - Number(tag === k));
          plus(dx, (b * T + t) * K + k, slope);
          if (i === 0) plus(dStart, k, slope);
          if (i === row.steps.length - 1) plus(dEnd, k, slope);
        });
        if (isTag(tag) && isTag(before)) plus(dTransitions, before * K + tag, -scale);
      });
    });
    return [dx, dTransitions, dStart, dEnd, work].filter((v) => v !== undefined);
  },
  crfDecode(inputs, node, run) {
    const [B = 0, T = 0, K = 0] = given(inputs, 0).shape;
    const limits = rowsOf(given(inputs, 4), K);
    const plus = (a: readonly number[], b: readonly number[]) => a.map((v, i) => v + of(b, i));
    const data = new Float64Array(B * T);
    chains(inputs, node.attrs as CrfAttrs, 5).forEach((row, b) => {
      const transitions = row.transitions.map((from, i) => plus(from, of(limits, i)));
      const [start, end] = [plus(row.start, of(limits, K)), plus(row.end, of(limits, K + 1))];
      const path = bestPath({ ...row, transitions, start, end });
      row.steps.forEach((t, i) => {
        data[b * T + t] = of(path, i);
      });
    });
    return [{ shape: [B, T], data }, room(node, 1, run)];
  },
  countSpans(inputs, node) {
    const [truth, predicted, rules, mask] = [0, 1, 2, 3].map((i) => inputs[i]);
    const [B = 0, T = 0] = truth?.shape ?? [];
    const K = n(rules?.shape[1]) - 1;
    const L = (node.attrs as CountSpansAttrs).labels;
    const data = new Float64Array(B * 3 * L);
    for (let b = 0; b < B; b++) {
      const steps = Array.from({ length: T }, (_, t) => t).filter((t) => mask?.data[b * T + t] !== 0);
      const spans = [truth, predicted].map((tags) => {
        const found: string[] = [];
        let open: string | undefined;
        let last = K;
        for (const t of [...steps, T]) {
          const value = t === T ? K : n(tags?.data[b * T + t]);
          const tag = value >= 0 && value < K ? value : K;
          const rule = n(rules?.data[last * (K + 1) + tag]);
          const label = n(rules?.data[(K + 1) * (K + 1) + tag]);
          if (open !== undefined && rule % 2 === 0) {
            if (rule % 4 >= 2) found.push(`${open} to ${t}`);
            open = undefined;
          }
          if (rule >= 4 && tag < K && label >= 0 && label < L) open = `${label} from ${t}`;
          last = tag;
        }
        return found;
      });
      const [wanted = [], had = []] = spans;
      const lists = [wanted, had, wanted.filter((span) => had.includes(span))];
      lists.forEach((list, i) => {
        for (const span of list) {
          const to = (b * 3 + i) * L + Number.parseInt(span, 10);
          data[to] = n(data[to]) + 1;
        }
      });
    }
    return [{ shape: [B, 3, L], data }];
  },
};
