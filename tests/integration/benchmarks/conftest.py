"""Lets `pytest` find the benchmarks, which are no part of the installed package; `python -m pytest` finds them by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
