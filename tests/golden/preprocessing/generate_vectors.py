"""Writes word vectors as gensim does: `vectors.txt`, `vectors.bin`, and `vectors.json` with what gensim answers.

To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install gensim numpy
    venv/bin/python tests/golden/preprocessing/generate_vectors.py

- similarity: pairs of words and their cosine.
- mostSimilar: positive and negative words, and the words nearest to them with their cosines.
"""

import json
from pathlib import Path

import gensim
import numpy as np
from gensim.models import KeyedVectors

FOLDER = Path(__file__).parent
WORDS = ["</s>", "the", "king", "queen", "man", "woman", "naïve", "中文", "New_York", "isn't", "2017", "。"]
DIMENSION = 5

random = np.random.default_rng(3)
vectors = KeyedVectors(DIMENSION)
values = random.normal(0, 1, (len(WORDS), DIMENSION)).astype("float32")
values[0, 0] = 1e-20
values[1] *= 1e3
vectors.add_vectors(WORDS, values)
vectors.save_word2vec_format(FOLDER / "vectors.txt")
vectors.save_word2vec_format(FOLDER / "vectors.bin", binary=True)

pairs = [("king", "queen"), ("the", "中文"), ("man", "man")]
queries = [(["king"], []), (["king", "woman"], ["man"]), (["the", "2017"], ["naïve", "isn't"])]
golden = {
    "source": f"gensim {gensim.__version__}, NumPy {np.__version__}",
    "words": WORDS,
    "vectors": values.astype("float64").tolist(),
    "similarity": [[a, b, float(vectors.similarity(a, b))] for a, b in pairs],
    "mostSimilar": [
        {"positive": positive, "negative": negative, "nearest": vectors.most_similar(positive, negative, topn=4)}
        for positive, negative in queries
    ],
}
(FOLDER / "vectors.json").write_text(json.dumps(golden, indent=1) + "\n")
print(f"{len(WORDS)} words")
