import { describe } from "vitest";
import { createBackend } from "../../src/index.js";
import { datasetContract } from "./dataset.contract.js";
import { functionalContract } from "./functional.contract.js";
import { measuresContract } from "./measures.contract.js";
import { orderContract } from "./order.contract.js";
import { outputsContract } from "./outputs.contract.js";
import { predictionContract } from "./prediction.contract.js";
import { savingContract } from "./saving.contract.js";
import { tablesContract } from "./tables.contract.js";
import { trainingContract } from "./training.contract.js";
import { updatesContract } from "./updates.contract.js";
import { weightsContract } from "./weights.contract.js";

describe("models on the wasm backend", () => {
  const make = () => createBackend({ backend: "wasm", threads: 1 });
  trainingContract(make);
  measuresContract(make);
  predictionContract(make);
  orderContract(make);
  updatesContract(make);
  weightsContract(make);
  functionalContract(make);
  savingContract(make);
  outputsContract(make);
  datasetContract(make);
  tablesContract(make);
});
