"""Writes `scalers.json`: what scikit-learn's scalers learn and make of features, in float64.

To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install scikit-learn numpy
    venv/bin/python tests/golden/preprocessing/generate_scalers.py

A case has the scaler's `options` in scikit-learn's names; `parts`, the rows that it was fitted on, one
after the other; what it learned; `x`, `transformed`, and `y`, `inverted`. null is NaN. All that goes in
is exact in float32.
"""

import json
import math
import warnings
from pathlib import Path

import numpy as np
import sklearn
from sklearn.preprocessing import MinMaxScaler, StandardScaler

random = np.random.default_rng(7)
nan = float("nan")


def float32(values):
    return np.asarray(values, "float32").astype("float64")


PLAIN = float32(random.normal([5, -300, 0.001], [2, 50, 0.0005], (9, 3)))
CONSTANT = float32([[3, 1e8, 0.1, -2], [3, 1e8 + 8, 0.1, 4], [3, 1e8 + 16, 0.1, 1]])
MISSING = float32([[1, nan, nan], [nan, 4, nan], [2, 9, nan], [7, nan, nan]])
FURTHER = float32([[nan, 1, 5], [8, nan, 6]])


def listed(values):
    if isinstance(values, (list, tuple, np.ndarray)):
        return [listed(value) for value in values]
    return None if math.isnan(values) else float(values)


def case(scaler, parts, x, **options):
    made = scaler(**options)
    for part in parts:
        made.partial_fit(part)
    width = parts[0].shape[1]
    names = ("mean_", "var_", "scale_", "n_samples_seen_") if scaler is StandardScaler else ("data_min_", "data_max_")
    learned = {
        name: listed(np.broadcast_to(getattr(made, name), (width,)))
        for name in names
        if getattr(made, name) is not None
    }
    y = float32(random.normal(0, 1, (2, width)))
    return {
        "scaler": scaler.__name__,
        "options": {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()},
        "parts": [listed(part) for part in parts],
        "learned": learned,
        "x": listed(x),
        "transformed": listed(made.transform(x)),
        "y": listed(y),
        "inverted": listed(made.inverse_transform(y)),
    }


warnings.simplefilter("ignore")
cases = [
    case(StandardScaler, [PLAIN], PLAIN),
    case(StandardScaler, [PLAIN[:5]], PLAIN, with_mean=False),
    case(StandardScaler, [PLAIN[:5]], PLAIN, with_std=False),
    case(StandardScaler, [PLAIN[:2], PLAIN[2:3], PLAIN[3:]], PLAIN),
    case(StandardScaler, [CONSTANT], CONSTANT),
    case(StandardScaler, [CONSTANT[:1]], CONSTANT),
    case(StandardScaler, [MISSING], MISSING),
    case(MinMaxScaler, [PLAIN], PLAIN),
    case(MinMaxScaler, [PLAIN[:4]], PLAIN, feature_range=(-1, 3)),
    case(MinMaxScaler, [PLAIN[:4]], PLAIN, clip=True),
    case(MinMaxScaler, [PLAIN[:2], PLAIN[2:]], PLAIN),
    case(MinMaxScaler, [CONSTANT], CONSTANT),
    case(MinMaxScaler, [CONSTANT[:1]], CONSTANT, feature_range=(2, 3)),
    case(MinMaxScaler, [MISSING[:, :2], FURTHER[:, :2]], MISSING[:, :2], clip=True),
]
path = Path(__file__).parent / "scalers.json"
source = json.dumps(f"scikit-learn {sklearn.__version__}, NumPy {np.__version__}, float64")
path.write_text(f'{{"source": {source},\n"cases": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]}\n")
print(f"{path.name}: {len(cases)} cases, {path.stat().st_size:,} bytes")
