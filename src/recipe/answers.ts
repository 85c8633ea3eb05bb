/** How long a list waits for its next item once it has begun, ms. */
const patience = 50;

/**
 * Items in lists of `size`, so that a model answers to many at once. A list has fewer where no more come for a moment: who
 * sends one and waits for the answer gets it. What came before an error is given before the error.
 */
export async function* batched<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<readonly T[]> {
  const iterator = items[Symbol.asyncIterator]();
  /** What was asked for and did not come yet. */
  let asked: Promise<IteratorResult<T>> | undefined;

  async function fill(batch: T[]): Promise<"full" | "late" | "end"> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let late: Promise<undefined> | undefined;
    try {
      while (batch.length < size) {
        asked ??= iterator.next();
        const next = await (late === undefined ? asked : Promise.race([asked, late]));
        if (next === undefined) return "late";
        asked = undefined;
        if (next.done === true) return "end";
        batch.push(next.value);
        late ??= new Promise((resolve) => {
          timer = setTimeout(resolve, patience, undefined);
        });
      }
      return "full";
    } finally {
      clearTimeout(timer);
    }
  }

  try {
    for (let state = "full"; state !== "end"; ) {
      const batch: T[] = [];
      try {
        state = await fill(batch);
      } catch (error) {
        if (batch.length > 0) yield batch;
        throw error;
      }
      if (batch.length > 0) yield batch;
    }
  } finally {
    const ended = iterator.return?.();
    // One that waits for an item ends when that comes, which may be never.
    if (asked === undefined) await ended;
  }
}

/** Numbers of float32 for JSON, each with the fewest digits that read back as the same. */
export const decimals = (values: Iterable<number>): number[] => Array.from(values, decimal);

function decimal(value: number): number {
  // Nine digits tell any two numbers of float32 apart.
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}
