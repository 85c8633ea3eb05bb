"""Writes `entities.json`: scores of tagged sentences, many of them with broken tags, by seqeval and by conlleval.

To regenerate, in any folder outside the repository (conlleval is the Perl script of the CoNLL shared tasks, which is no part
of this repository; see https://www.cnts.ua.ac.be/conll2000/chunking/conlleval.txt):

    python3 -m venv venv && venv/bin/pip install seqeval
    venv/bin/python tests/golden/crf/generate_entities.py path/to/conlleval.pl

`strict`: seqeval's strict mode with the schemes IOB2 and IOBES; `conlleval`: the mode of seqeval that follows that script,
and where the script itself knows the scheme (BIO), its own counts, which must be the same. BMES is given to both as IOBES.
"""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import seqeval
from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_scores
from seqeval.scheme import IOB2, IOBES, Entities

random.seed(11)
LABELS = ["PER", "LOC", "ORG"]
LETTERS = {"BIO": "BI", "BIOES": "BIES"}
SCHEMES = {"BIO": IOB2, "BIOES": IOBES}


def sentence(scheme):
    tags = ["O"] + [f"{letter}-{label}" for label in LABELS for letter in LETTERS[scheme]]
    truth, length = [], random.randint(1, 12)
    while len(truth) < length:  # mostly sound
        label, n = random.choice(LABELS), random.randint(1, 3)
        if random.random() < 0.4:
            truth.append("O")
        elif scheme == "BIO":
            truth += [f"B-{label}"] + [f"I-{label}"] * (n - 1)
        else:
            truth += [f"S-{label}"] if n == 1 else [f"B-{label}"] + [f"I-{label}"] * (n - 2) + [f"E-{label}"]
    truth = truth[:length]
    broken = [random.choice(tags) if random.random() < 0.1 else tag for tag in truth]
    return broken, [random.choice(tags) if random.random() < 0.25 else tag for tag in broken]


def counts(spans_true, spans_had):
    return {
        label: [
            sum(len([e for e in s if e[0] == label]) for s in spans_true),
            sum(len([e for e in s if e[0] == label]) for s in spans_had),
            sum(len([e for e in a & b if e[0] == label]) for a, b in zip(spans_true, spans_had, strict=True)),
        ]
        for label in LABELS
    }


def perl(script, truth, had):
    lines = [f"w {t} {h}" for a, b in zip(truth, had, strict=True) for t, h in [*zip(a, b, strict=True), ("", "")]]
    text = "\n".join(line if line.strip() != "w" else "" for line in lines) + "\n"
    out = subprocess.run(["perl", script], input=text, capture_output=True, text=True, check=True).stdout
    found = re.search(r"with (\d+) phrases; found: (\d+) phrases; correct: (\d+)", out)
    return [int(n) for n in found.groups()]


cases = []
for scheme in ("BIO", "BIOES"):
    pairs = [sentence(scheme) for _ in range(150)]
    truth, had = [a for a, _ in pairs], [b for _, b in pairs]
    loose = [[{tuple(e) for e in get_entities(tags)} for tags in side] for side in (truth, had)]
    exact = [
        [{e.to_tuple()[1:] for e in sent} for sent in Entities(side, SCHEMES[scheme]).entities] for side in (truth, had)
    ]
    exact = [[{(tag, start, end) for tag, start, end in sent} for sent in side] for side in exact]
    strict, conll = counts(*exact), counts(*loose)
    for scores, table in (
        (strict_scores(truth, had, average="micro", mode="strict", scheme=SCHEMES[scheme]), strict),
        (precision_recall_fscore_support(truth, had, average="micro"), conll),
    ):
        wanted, found, both = (sum(row[i] for row in table.values()) for i in range(3))
        assert abs(scores[0] - both / found) < 1e-12 and abs(scores[1] - both / wanted) < 1e-12
    if scheme == "BIO" and len(sys.argv) > 1:
        total = perl(sys.argv[1], truth, had)
        assert total == [sum(row[i] for row in conll.values()) for i in range(3)], (total, conll)
    cases.append(
        {
            "scheme": scheme,
            "truth": [" ".join(tags) for tags in truth],
            "predicted": [" ".join(tags) for tags in had],
            "strict": strict,
            "conlleval": conll,
            "accuracy": accuracy_score(truth, had),
            "report": report,
        }
    )
source = f"seqeval {seqeval.__version__ if hasattr(seqeval, '__version__') else '1.2.2'}, conlleval.pl"
Path(__file__).with_name("entities.json").write_text(
    json.dumps({"source": source, "labels": LABELS, "cases": cases}, indent=1) + "\n"
)
