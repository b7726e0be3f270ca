"""Draw the README's first picture by tests/integration/drawing.py: `make drawing`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "broker")]

from integration.drawing import main  # noqa: E402 - its place is made above

main(ROOT / "docs/images")
