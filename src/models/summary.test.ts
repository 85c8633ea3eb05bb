import { expect, it } from "vitest";
import { symbol } from "../graph/dim.js";
import { summaryText } from "./summary.js";

const B = symbol("B");

it("prints what Keras prints", () => {
  const rows = [
    { name: "lstm", className: "LSTM", outputShape: [B, 28, 64], parameters: 23808 },
    { name: "lstm_1", className: "LSTM", outputShape: [B, 32], parameters: 12416 },
    { name: "dense", className: "Dense", outputShape: [B, 10], parameters: 330 },
  ];
  expect(summaryText("sequential", rows, { trainable: 36554, fixed: 0 })).toBe(`\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ lstm (LSTM)                     │ (None, 28, 64)         │        23,808 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ lstm_1 (LSTM)                   │ (None, 32)             │        12,416 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ dense (Dense)                   │ (None, 10)             │           330 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 36,554 (142.79 KB)
 Trainable params: 36,554 (142.79 KB)
 Non-trainable params: 0 (0.00 B)`);
});

it("cuts names that are too long, and marks layers that are not built", () => {
  const name = "quite_a_long_layer_name_which_does_not_fit_in_the_column";
  const text = summaryText("unbuilt", [{ name, className: "LSTM", outputShape: undefined, parameters: 0 }], {
    trainable: 0,
    fixed: 0,
  });
  expect(text.split("\n").slice(4, 6)).toEqual([
    "│ quite_a_long_layer_name_which_… │ ?                      │   0 (unbuilt) │",
    "│ (LSTM)                          │                        │               │",
  ]);
});
