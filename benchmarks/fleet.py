"""Play tests/integration/fleet.py whole and print its figures: `python benchmarks/fleet.py`."""

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "broker")]

from integration.fleet import Size, run  # noqa: E402 - its place is made above


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("roles", 100), ("applications", 20), ("users", 20)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("life", 60.0), ("lifetimes", 5.0), ("latency", 0.03)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--idle-after", type=float, help="seconds until idle workers leave (90)")
    size = Size(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        result = run(Path(folder), size, say=lambda text: print(f"… {text}", flush=True))
    for note in result.notes(size):
        print(note)
    print()
    good = True
    for what, found, wanted, holds in result.rows(size):
        good &= holds
        print(f"{'ok  ' if holds else 'BAD '} {what:62} {found:32} must be: {wanted}")
    for failure in result.failures[:5]:
        print(f"     {failure}")
    for what, calls in (("seldom", result.too_seldom), ("often", result.too_often)):
        if calls:
            print(f"     too {what}: {calls}")
    return 0 if good else 1


sys.exit(main())
