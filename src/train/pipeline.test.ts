import { describe, expect, it } from "vitest";
import { pipeline } from "./pipeline.js";

/** Steps that finish when told to. */
function manual(count: number) {
  const events: string[] = [];
  const finishers: (() => void)[] = [];
  const failers: ((error: Error) => void)[] = [];
  const submit = async (i: number) => {
    if (i === count) return undefined;
    events.push(`submit ${i}`);
    const done = new Promise<void>((resolve, reject) => {
      finishers.push(resolve);
      failers.push(reject);
    });
    return { done };
  };
  const finish = async (i: number) => {
    events.push(`finish ${i}`);
  };
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  return { events, finishers, failers, submit, finish, turn };
}

describe("pipeline", () => {
  it("has two steps under way and never three", async () => {
    const { events, finishers, submit, finish, turn } = manual(4);
    const all = pipeline(submit, finish);
    await turn();
    expect(events).toEqual(["submit 0", "submit 1"]);
    finishers[1]?.(); // the second alone changes nothing
    await turn();
    expect(events).toHaveLength(2);
    finishers[0]?.();
    await turn();
    expect(events).toEqual(["submit 0", "submit 1", "finish 0", "submit 2", "finish 1", "submit 3"]);
    finishers[2]?.();
    finishers[3]?.();
    await all;
    expect(events.slice(-2)).toEqual(["finish 2", "finish 3"]);
  });

  it("finishes what is under way when stopped", async () => {
    const { events, finishers, submit, finish, turn } = manual(10);
    let stop = false;
    const all = pipeline(submit, finish, () => stop);
    await turn();
    stop = true;
    for (const done of finishers) done();
    await all;
    expect(events).toEqual(["submit 0", "submit 1", "finish 0", "finish 1"]);
  });

  it("rejects with the first failure, after the other step has ended", async () => {
    const { events, finishers, failers, submit, finish, turn } = manual(10);
    let settled = false;
    const all = pipeline(submit, finish).finally(() => {
      settled = true;
    });
    all.catch(() => {});
    await turn();
    failers[0]?.(new Error("broken"));
    await turn();
    expect(settled).toBe(false);
    finishers[1]?.();
    await expect(all).rejects.toThrow("broken");
    expect(events).toEqual(["submit 0", "submit 1"]);
  });

  it("runs nothing for no steps", async () => {
    const { events, submit, finish } = manual(0);
    await pipeline(submit, finish);
    expect(events).toEqual([]);
  });
});
