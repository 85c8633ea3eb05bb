/** One step: prepares and submits it; resolves with the step's own promise once it is submitted, with undefined at the end. */
export type Submit = (index: number) => Promise<{ readonly done: Promise<void> } | undefined>;

/**
 * Runs steps in order until there are no more, never more than two under way: while step i runs, step i + 1 is prepared
 * and submitted.
 *
 * @param submit called for i when step i − 2 has finished
 * @param finish called in order, after step i is done
 * @param stopped asked before each step; the steps under way are finished
 * @param between called before each step and after the last, when step i − 2 has finished
 * @param from where it goes on: at a step; `pending`: the one before is done, but not finished
 */
export async function pipeline(
  submit: Submit,
  finish: (index: number) => Promise<void>,
  stopped: () => boolean = () => false,
  between: (index: number) => void = () => {},
  from = { index: 0, pending: false },
): Promise<void> {
  const running: Promise<void>[] = from.pending ? [Promise.resolve()] : [];
  let finished = from.index - running.length;
  const settle = async () => {
    await running.shift();
    await finish(finished++);
  };
  try {
    for (let i = from.index; ; i++) {
      if (running.length === 2) await settle();
      between(i);
      if (stopped()) break;
      const step = await submit(i);
      if (step === undefined) break;
      step.done.catch(() => {}); // reported by settle; until then it is not unhandled
      running.push(step.done);
    }
    while (running.length > 0) await settle();
  } finally {
    await Promise.allSettled(running);
  }
}
