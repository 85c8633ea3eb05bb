import { describe, expect, it } from "vitest";
import { CallbackList, type CallbackModel, type CallbackParams } from "./callback.js";
import { ProgressBar } from "./progressBar.js";

/** Three epochs' worth of hooks on a bar whose clock is set by hand; returns what was written. */
async function written(
  options: { dynamic: boolean; verbose: 0 | 1 | 2; epochs?: number; unknown?: boolean },
  stepMs: number,
) {
  let [text, now] = ["", 0];
  const terminal = {
    dynamic: options.dynamic,
    write: (more: string) => {
      text += more;
    },
  };
  const params: CallbackParams = {
    epochs: options.epochs ?? 2,
    steps: options.unknown === true ? undefined : 4,
    samples: 8,
    batchSize: 2,
    verbose: options.verbose,
    seed: 0,
    metrics: ["loss", "accuracy"],
    inputs: [],
  };
  const list = new CallbackList([new ProgressBar(terminal, () => now)], {} as CallbackModel, params);
  await list.begin("Train");
  for (let epoch = 0; epoch < params.epochs; epoch++) {
    await list.epochBegin(epoch);
    for (let i = 0; i < 4; i++) {
      now += stepMs;
      await list.batchEnd("Train", i, { loss: 2 - i / 4, accuracy: 0.0001 });
    }
    await list.begin("Test");
    await list.batchEnd("Test", 0, { loss: 9 });
    await list.end("Test", { loss: 9 });
    await list.epochEnd(epoch, { loss: 1.25, accuracy: 0.0001, val_loss: 9 });
  }
  await list.end("Train");
  return text;
}

describe("ProgressBar", () => {
  it("draws over its line on a terminal", async () => {
    const text = await written({ dynamic: true, verbose: 1, epochs: 1 }, 2000);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours are control characters
    const lines = text.replace(/\x1b\[\d+m/g, "").split("\r");
    expect(lines[1]).toBe("1/4 ━━━━━━━━━━━━━━━━━━━━ 6s 2s/step - loss: 2.0000 - accuracy: 1.0000e-04");
    expect(lines[3]).toBe("3/4 ━━━━━━━━━━━━━━━━━━━━ 2s 2s/step - loss: 1.5000 - accuracy: 1.0000e-04");
    expect(lines.at(-1)).toBe(
      "4/4 ━━━━━━━━━━━━━━━━━━━━ 8s 2s/step - loss: 1.2500 - accuracy: 1.0000e-04 - val_loss: 9.0000\n",
    );
  });
  it("draws at most twenty times a second", async () => {
    const drawn = (await written({ dynamic: true, verbose: 1, epochs: 1 }, 20)).split("\r").length - 1;
    expect(drawn).toBe(3); // after 20 and 80 ms, and at the end
  });
  it.each([
    { dynamic: false, verbose: 1 },
    { dynamic: true, verbose: 2 },
  ] as const)("writes a line per epoch: %o", async (options) => {
    const line = "4/4 - 0s - 31ms/step - loss: 1.2500 - accuracy: 1.0000e-04 - val_loss: 9.0000\n";
    expect(await written(options, 31)).toBe(`Epoch 1/2\n${line}Epoch 2/2\n${line}`);
  });
  it("writes where it is every ten seconds of an epoch where nothing can be drawn over", async () => {
    const epoch = [
      "2/4 - 12s left - 6s/step - loss: 1.7500 - accuracy: 1.0000e-04\n",
      "4/4 - 24s - 6s/step - loss: 1.2500 - accuracy: 1.0000e-04 - val_loss: 9.0000\n",
    ];
    const text = await written({ dynamic: false, verbose: 1 }, 6000);
    expect(text).toBe(["Epoch 1/2\n", ...epoch, "Epoch 2/2\n", ...epoch].join(""));
  });
  it("shows the time taken until an epoch has told how many steps there are", async () => {
    const line = "4/4 - 24s - 6s/step - loss: 1.2500 - accuracy: 1.0000e-04 - val_loss: 9.0000\n";
    const [second, last] = ["loss: 1.7500 - accuracy: 1.0000e-04", "loss: 1.2500 - accuracy: 1.0000e-04"];
    const text = await written({ dynamic: false, verbose: 1, unknown: true }, 6000);
    expect(text).toBe(
      [
        `Epoch 1/2\n2/Unknown - 12s - 6s/step - ${second}\n4/Unknown - 24s - 6s/step - ${last}\n${line}`,
        `Epoch 2/2\n2/4 - 12s left - 6s/step - ${second}\n${line}`,
      ].join(""),
    );
    const drawn = await written({ dynamic: true, verbose: 1, epochs: 1, unknown: true }, 2000);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours are control characters
    const lines = drawn.replace(/\x1b\[\d+m/g, "").split("\r");
    expect(lines[1]).toBe("1/Unknown 2s 2s/step - loss: 2.0000 - accuracy: 1.0000e-04");
    expect(lines.at(-1)).toMatch(/^4\/4 ━{20} 8s 2s\/step/);
  });
  it("writes a line per epoch alone with verbose 2, however long it takes", async () => {
    expect((await written({ dynamic: false, verbose: 2 }, 60_000)).split("\n")).toHaveLength(2 * 2 + 1);
  });
  it("is silent with verbose 0", async () => {
    expect(await written({ dynamic: true, verbose: 0 }, 100)).toBe("");
  });
});
