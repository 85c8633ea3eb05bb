"""Writes gensim.json: how near gensim finds the words of a text that is made here, and how much two
of its own trainings, under different seeds, agree about it. python -m pip install gensim, then
python generate_gensim.py; with one worker, so that it gives the same again."""

import json
from pathlib import Path

import gensim
import numpy as np
from gensim.models import Word2Vec

WORDS, SENTENCES, LENGTH = 120, 20_000, 10


def sentences():
    """Words stand on a ring; a sentence keeps to a part of it. tests/vectors/gensim.test.ts makes the same text."""
    state = 1

    def random():
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return state / 2**32

    text = []
    for _ in range(SENTENCES):
        place = random()
        spread = lambda: 0.3 * (random() + random() + random() - 1.5)  # noqa: E731
        text.append([f"w{int(((place + spread()) % 1) * WORDS)}" for _ in range(LENGTH)])
    return text


def cosines(text, seed):
    model = Word2Vec(text, sg=1, vector_size=50, workers=1, seed=seed)
    vectors = np.stack([model.wv[f"w{i}"] for i in range(WORDS)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors @ vectors.T)[np.triu_indices(WORDS, 1)]


def main():
    text = sentences()
    first, second = cosines(text, 1), cosines(text, 2)
    golden = {
        "gensim": gensim.__version__,
        "words": WORDS,
        "sentences": SENTENCES,
        "length": LENGTH,
        "last": " ".join(text[-1]),
        "agreement": round(float(np.corrcoef(first, second)[0, 1]), 4),
        "cosines": [round(float(x), 4) for x in first],
    }
    Path(__file__).with_name("gensim.json").write_text(json.dumps(golden) + "\n")
    print(golden["agreement"], first.mean(), second.mean(), first.min(), first.max())


main()
