"""Writes `keras.json`: what Keras makes of texts, sequences and series before a model sees them.

To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install tensorflow-cpu keras numpy
    PYTHONHASHSEED=0 venv/bin/python tests/golden/preprocessing/generate_keras.py

- tokenizer: `options` in Keras's names; `fits`, in order, texts or sequences that it was fitted on;
  then its state (mappings as lists of pairs, in their order), `sequences` of `texts`, these
  `texts_again`, matrices by mode, and its JSON.
- words: `text_to_word_sequence`.
- pad: `pad_sequences` of `sequences` with `options`.
- windows: `timeseries_dataset_from_array` of a series and targets, without batches.

Word_docs stands in the order of Python's sets, which means nothing.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy.preprocessing.text import Tokenizer, text_to_word_sequence

FILMS = [
    "The film isn't bad; the film is (very) good!",
    "A very\tvery long film,\nand THE END is bad.",
    "In 2017: 10 good films & 9 bad ones",
    "",
]
UNSEEN = ["the worst film of 2017", "10 9 2017 isn't", "nothing known", "", "END\tVERY good"]
WORLD = ["Ünïcödé ÇA va, İstanbul ΟΔΟΣ", "naïve ça — 中文 中文 😀", "STRASSE straße ﬁn"]


def pairs(mapping):
    return [[key, value] for key, value in mapping.items()]


def tokenizer(options, fits, texts):
    made = Tokenizer(**options)
    for fit in fits:
        is_sequences = bool(fit) and isinstance(fit[0], list) and isinstance(fit[0][0], int)
        (made.fit_on_sequences if is_sequences else made.fit_on_texts)(fit)
    sequences = made.texts_to_sequences(texts)
    modes = ("binary", "count", "freq", "tfidf")
    return {
        "options": options,
        "fits": fits,
        "documentCount": made.document_count,
        "wordCounts": pairs(made.word_counts),
        "wordDocs": pairs(made.word_docs),
        "wordIndex": pairs(made.word_index),
        "indexWord": pairs(made.index_word),
        "indexDocs": pairs(made.index_docs),
        "texts": texts,
        "sequences": sequences,
        "textsAgain": made.sequences_to_texts(sequences + [[0, 1, 99]]),
        "matrices": {mode: made.texts_to_matrix(texts, mode).tolist() for mode in modes},
        "json": made.to_json(),
    }


def pad(sequences, **options):
    return {
        "sequences": sequences,
        "options": options,
        "result": keras.utils.pad_sequences(sequences, **options).tolist(),
    }


def windows(data, targets, **options):
    made = keras.utils.timeseries_dataset_from_array(
        np.array(data, "float32"),
        None if targets is None else np.array(targets, "float32"),
        batch_size=None,
        **options,
    )
    elements = list(made.as_numpy_iterator())
    found = elements if targets is None else [x for x, _ in elements]
    return {
        "data": data,
        "targets": targets,
        "options": options,
        "x": [x.tolist() for x in found],
        "y": None if targets is None else [y.tolist() for _, y in elements],
    }


SERIES = [float(step) for step in range(12)]
PAIRS = [[step, -step] for step in SERIES]
SHORTER = [[1, 2], [3], [], [4, 5, 6, 7]]
VECTORS = [[[1, 2], [3, 4]], [[5, 6]], [[7, 8], [9, 10], [11, 12]]]

golden = {
    "source": f"Keras {keras.__version__}, TensorFlow {tf.__version__}",
    "tokenizer": [
        tokenizer({}, [FILMS], UNSEEN),
        tokenizer({"num_words": 5}, [FILMS], UNSEEN),
        tokenizer({"num_words": 5, "oov_token": "<oov>"}, [FILMS], UNSEEN),
        tokenizer({"oov_token": "film"}, [FILMS], UNSEEN),
        tokenizer({"oov_token": "THE", "lower": False}, [FILMS, UNSEEN], UNSEEN),
        tokenizer({"filters": "", "split": "e"}, [FILMS], UNSEEN),
        tokenizer({"filters": "aie", "split": "ie"}, [FILMS], UNSEEN),
        tokenizer({"char_level": True}, [FILMS], UNSEEN),
        tokenizer({"char_level": True, "lower": False, "oov_token": "?"}, [WORLD], WORLD + UNSEEN),
        tokenizer({}, [WORLD], WORLD + ["ça ﬁn 😀 中文", "οδος οδοσ i̇stanbul"]),
        tokenizer({}, [[["The", "film,", "is"], ["2", "1", "the"], ["1"]]], [["the", "FILM,", "1"], "the 2"]),
        tokenizer({"num_words": 4}, [FILMS, [[1, 2, 2], [3, 50]], UNSEEN], UNSEEN),
        tokenizer({"num_words": 9}, [FILMS, UNSEEN, [[1, 2, 2], [3, 50]]], UNSEEN),
    ],
    "words": [
        {"text": text, "options": options, "words": text_to_word_sequence(text, **options)}
        for text in FILMS + WORLD
        for options in ({}, {"lower": False}, {"filters": "(!", "split": " "}, {"filters": "", "split": "il"})
    ],
    "pad": [
        pad(SHORTER),
        pad(SHORTER, maxlen=3),
        pad(SHORTER, maxlen=1),
        pad(SHORTER, maxlen=6, padding="post"),
        pad(SHORTER, maxlen=3, padding="post", truncating="post", value=-1),
        pad(SHORTER, maxlen=3, padding="pre", truncating="post", value=9),
        pad([[0.5], [1.25, -2]], dtype="float32", value=0.75),
        pad([[], []]),
        pad(VECTORS),
        pad(VECTORS, maxlen=2, value=3),
        pad([[], *VECTORS], maxlen=4, padding="post", dtype="float32", value=0.5),
    ],
    "windows": [
        windows(SERIES, None, sequence_length=3),
        windows(SERIES, SERIES[3:], sequence_length=3),
        windows(SERIES, [10 * step for step in SERIES], sequence_length=4, sequence_stride=3),
        windows(SERIES, None, sequence_length=3, sampling_rate=2),
        windows(PAIRS, PAIRS, sequence_length=2, sequence_stride=2, sampling_rate=3),
        windows(SERIES, SERIES, sequence_length=3, start_index=2, end_index=9),
        windows(PAIRS, None, sequence_length=3, sequence_stride=2, sampling_rate=2, start_index=1, end_index=11),
        windows(SERIES, SERIES[:5], sequence_length=2),
    ],
}

path = Path(__file__).parent / "keras.json"
lines = [
    f"{json.dumps(name)}: " + (json.dumps(cases) if name == "source" else "[\n" + ",\n".join(map(json.dumps, cases)) + "\n]")
    for name, cases in golden.items()
]
path.write_text("{" + ",\n".join(lines) + "}\n")
print(f"{path.name}: {path.stat().st_size:,} bytes")
