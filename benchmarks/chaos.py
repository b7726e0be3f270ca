"""Run the rounds of tests/integration/chaos.py: `python benchmarks/chaos.py --rounds 200`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "broker")]

from integration.chaos import main  # noqa: E402 - its place is made above

main()
