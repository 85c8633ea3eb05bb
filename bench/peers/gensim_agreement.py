"""How near word vectors come to gensim's: python gensim_agreement.py TEXT VECTORS

TEXT is what the vectors were trained on, VECTORS a file in word2vec's text format; both with gensim's
defaults. For the 200 commonest words, prints the correlation of the cosines of all pairs with those of
gensim, and of gensim's with its own under another seed. Ends with 1 where the former is lower by more
than 0.05. For the film reviews that Rondo knows as `reviewPolarity`:

    tar xzf review_polarity.tar.gz && cat txt_sentoken/*/*.txt > reviews.txt
    rondo vectors reviews.txt --output reviews.vec --seed 1
    python gensim_agreement.py reviews.txt reviews.vec
"""

import sys

import numpy as np
from gensim.models import KeyedVectors, Word2Vec
from gensim.models.word2vec import LineSentence

COMMONEST, ALLOWED = 200, 0.05


def cosines(vectors, words):
    chosen = np.stack([vectors[word] for word in words])
    chosen = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
    return (chosen @ chosen.T)[np.triu_indices(len(words), 1)]


def correlation(a, b):
    return float(np.corrcoef(a, b)[0, 1])


text, path = sys.argv[1:]
ours = KeyedVectors.load_word2vec_format(path)
one, other = (
    Word2Vec(LineSentence(text), sg=1, vector_size=ours.vector_size, workers=1, seed=seed).wv
    for seed in (1, 2)
)
words = one.index_to_key[:COMMONEST]
with_ours = correlation(cosines(ours, words), cosines(one, words))
with_itself = correlation(cosines(other, words), cosines(one, words))
print(f"with gensim {with_ours:.4f}, gensim with itself {with_itself:.4f}")
sys.exit(with_ours < with_itself - ALLOWED)
