"""gensim's word vectors: python gensim_peer.py THREADS TEXT. It speaks as `protocol.py` has it, and
answers work "vectors" of kind "train" with milliseconds for a million words of the text, in one pass."""

import json
import sys
import time

from protocol import limit_threads

threads = limit_threads()
text = sys.argv[2]

import gensim  # noqa: E402  (after the threads are limited)
from gensim.models import Word2Vec  # noqa: E402
from gensim.models.word2vec import LineSentence  # noqa: E402


def answer(**line):
    print(json.dumps(line), flush=True)


model = Word2Vec(sg=1, workers=threads, seed=1)  # vector_size 100, window 5, negative 5, min_count 5, sample 1e-3
model.build_vocab(LineSentence(text))


def train():
    # corpus_file is its fastest way: every worker reads a part of the file by itself.
    start = time.perf_counter()
    model.train(
        corpus_file=text,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=1,
    )
    return time.perf_counter() - start


answer(peer="gensim", version=gensim.__version__, threads=threads, ready=True)
for line in sys.stdin:
    request = json.loads(line)
    work, kind = request["work"], request["kind"]
    if (work, kind) != ("vectors", "train"):
        answer(work=work, kind=kind, unsupported=f"no work {work}")
        continue
    answer(work=work, kind=kind, ms=1e9 * train() / model.corpus_total_words, repetitions=1)
