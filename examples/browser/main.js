import { createBackend, layers, optimizers, sequential, tensor } from "../../dist/browser/rondo.js";
import { chart } from "./chart.js";
import { normalized, readDigits, scaled, show, side } from "./digits.js";

const pixels = side * side;
const shown = 28; // digits in the table of those that the model was never shown

const at = (id) => document.getElementById(id);
const say = (text, isError = false) => {
  at("status").textContent = text;
  at("status").classList.toggle("error", isError);
};
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const imagesOf = ({ images, labels }, begin, end = labels.length) =>
  tensor(scaled(images.subarray(begin * pixels, end * pixels)), [end - begin, side, side]);
const labelsOf = ({ labels }, begin, end) => tensor(Int32Array.from(labels.subarray(begin, end)));

let backend;
let digits; // { images, labels }
let model; // the one that answers
let training; // an AbortController while it trains

// ---- Training

/** The digits that are trained on, and as many others as a quarter of them to test on. */
function split(wanted) {
  const count = Math.min(wanted, Math.floor(0.8 * digits.labels.length));
  return { count, end: Math.min(digits.labels.length, count + Math.max(shown, Math.round(count / 4))) };
}

async function train({ digits: wanted, epochs, units, seed }) {
  const { count, end } = split(wanted);
  model = sequential(
    [layers.lstm({ units, inputShape: [side, side] }), layers.dense({ units: 10, activation: "softmax" })],
    { seed, backend },
  );
  model.compile({
    optimizer: optimizers.adam({ learningRate: 0.01 }),
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
  });
  await model.ready();

  const figures = { loss: [], accuracy: [], val_loss: [], val_accuracy: [] };
  const batchSize = 20;
  const steps = Math.ceil(count / batchSize);
  let epochStart = 0;
  showSamples(count);
  drawCurves(figures, epochs);
  await model.fit(imagesOf(digits, 0, count), labelsOf(digits, 0, count), {
    batchSize,
    epochs,
    validationData: [imagesOf(digits, count, end), labelsOf(digits, count, end)],
    validationBatchSize: 200,
    verbose: 0,
    signal: training.signal,
    callbacks: [
      {
        onEpochBegin() {
          epochStart = performance.now();
        },
        onTrainBatchEnd(step, { loss }) {
          const done = figures.loss.length + (step + 1) / steps;
          at("progress").value = done / epochs;
          at("loss").textContent = loss.toFixed(3);
          at("speed").textContent = Math.round(
            (1000 * Math.min(count, (step + 1) * batchSize)) / (performance.now() - epochStart),
          ).toLocaleString("en");
        },
        async onEpochEnd(epoch, logs) {
          for (const [name, values] of Object.entries(figures)) values.push(logs[name]);
          at("accuracy").textContent = percent(logs.val_accuracy);
          say(`Epoch ${epoch + 1} of ${epochs}`);
          drawCurves(figures, epochs);
          await answerSamples(count);
        },
      },
    ],
  });
  return figures;
}

at("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (training !== undefined) {
    training.abort();
    return;
  }
  const settings = Object.fromEntries(
    [...new FormData(at("settings"))].map(([name, value]) => [name, Number(value)]),
  );
  training = new AbortController();
  at("train").textContent = "Stop";
  at("train").classList.add("stop");
  say("Starting …");
  const start = performance.now();
  try {
    const { loss } = await train(settings);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const { count } = split(settings.digits);
    const epochs = `${loss.length} ${loss.length === 1 ? "epoch" : "epochs"} over ${count} digits`;
    say(
      `${training.signal.aborted ? "Stopped after" : "Trained for"} ${epochs}, ${seconds} s. Now draw one yourself.`,
    );
  } catch (error) {
    say(error.message, true);
  }
  training = undefined;
  at("train").textContent = "Train";
  at("train").classList.remove("stop");
  classify();
});

function drawCurves({ loss, accuracy, val_loss, val_accuracy }, epochs) {
  at("curves").replaceChildren(
    chart("Loss", epochs, 2.4, [
      { name: "training", style: "train", values: loss },
      { name: "new digits", style: "validation", values: val_loss },
    ]),
    chart("Accuracy", epochs, 1, [
      { name: "training", style: "train", values: accuracy },
      { name: "new digits", style: "validation", values: val_accuracy },
    ]),
  );
}

// ---- Digits it was never shown

function showSamples(begin) {
  const images = digits.images.subarray(begin * pixels);
  at("samples").replaceChildren(
    ...Array.from({ length: Math.min(shown, digits.labels.length - begin) }, (_, i) => {
      const figure = document.createElement("figure");
      const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
      show(canvas, images.subarray(i * pixels, (i + 1) * pixels));
      figure.append(canvas, Object.assign(document.createElement("figcaption"), { textContent: "–" }));
      return figure;
    }),
  );
}

/** Writes the model's answers under the samples; `predict` takes its turn between the steps of the training. */
async function answerSamples(begin) {
  const figures = [...at("samples").children];
  const { data } = await model.predict(imagesOf(digits, begin, begin + figures.length));
  for (const [i, figure] of figures.entries()) {
    const answer = best(data.subarray(10 * i, 10 * (i + 1)));
    const isRight = answer === digits.labels[begin + i];
    figure.className = isRight ? "right" : "wrong";
    figure.lastElementChild.textContent = String(answer);
    figure.title = isRight ? "" : `It is a ${digits.labels[begin + i]}.`;
  }
}

const best = (scores) => scores.indexOf(Math.max(...scores));

// ---- A drawn digit

const canvas = at("canvas");
const pen = Object.assign(canvas.getContext("2d", { willReadFrequently: true }), {
  lineWidth: 22,
  lineCap: "round",
  lineJoin: "round",
  strokeStyle: "#fff",
});
for (let digit = 0; digit < 10; digit++) {
  const row = document.createElement("li");
  row.dataset.digit = String(digit);
  row.append(document.createElement("i"), document.createElement("span"));
  at("scores").append(row);
}

/** Shows what the model makes of the drawing, at once: one row needs no worker. While it trains, nothing. */
function classify() {
  const drawing = normalized(canvas);
  show(at("preview"), drawing ?? new Uint8Array(pixels));
  if (training !== undefined) return;
  if (drawing === undefined || model === undefined) {
    for (const row of at("scores").children) {
      row.style.removeProperty("--score");
      row.lastElementChild.textContent = "";
      row.classList.remove("best");
    }
    at("answer").textContent =
      model === undefined ? "Train first, then draw." : "Draw with a finger, a pen or the mouse.";
    return;
  }
  const start = performance.now();
  const scores = model.predictSync(tensor(scaled(drawing), [1, side, side])).data;
  const milliseconds = performance.now() - start;
  for (const [digit, row] of [...at("scores").children].entries()) {
    row.style.setProperty("--score", scores[digit]);
    row.lastElementChild.textContent = `${Math.round(100 * scores[digit])} %`;
    row.classList.toggle("best", digit === best(scores));
  }
  at("answer").textContent = `Read as ${best(scores)}, in ${milliseconds.toFixed(1)} ms.`;
}

const position = ({ offsetX, offsetY }) => {
  const scale = canvas.width / canvas.clientWidth;
  return [offsetX * scale, offsetY * scale];
};
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pen.beginPath();
  pen.moveTo(...position(event));
});
canvas.addEventListener("pointermove", (event) => {
  if (event.buttons === 0) return;
  pen.lineTo(...position(event));
  pen.stroke();
  classify();
});
at("clear").addEventListener("click", () => {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  classify();
});

// ---- Digits to learn from

async function take(files) {
  if (training !== undefined) return;
  try {
    digits = await readDigits(files);
    const { count } = split(Number(at("settings").elements.digits.value));
    say(`${digits.labels.length.toLocaleString("en")} digits are here.`);
    showSamples(count);
    at("train").disabled = backend === undefined;
  } catch (error) {
    say(error.message, true);
  }
}
at("files").addEventListener("change", ({ target }) => take([...target.files]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", () => document.body.classList.remove("dropping"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dropping");
  take([...event.dataTransfer.files]);
});

// ---- Start

try {
  backend = await createBackend();
  at("backend").textContent = `Runs on ${backend.name}`;
} catch (error) {
  at("backend").textContent = error.message;
}
drawCurves({ loss: [], accuracy: [], val_loss: [], val_accuracy: [] }, 12);
const responses = await Promise.all(["images", "labels"].map((name) => fetch(`./digits/${name}.idx`)));
if (responses.every(({ ok }) => ok))
  await take(await Promise.all(responses.map((response) => response.blob())));
else say("No digits here yet: drop MNIST's files on this page.");
