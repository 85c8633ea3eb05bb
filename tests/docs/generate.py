"""Writes `files/signs.keras`, which docs/from-keras.md says that Keras saved: runs the guide's first Python block.

    venv/bin/python tests/docs/generate.py        # keras and tensorflow-cpu; seconds
"""

import os
import re
from pathlib import Path

import keras

HERE = Path(__file__).resolve().parent
GUIDE = HERE.parents[1] / "docs" / "from-keras.md"

keras.utils.set_random_seed(1)
block = re.search(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
os.chdir(HERE / "files")
exec(block[1])
