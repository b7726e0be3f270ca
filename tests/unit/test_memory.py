"""Freed memory is overwritten: Python's own small blocks, and those of the C library."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import ctypes, sys
from credward.memory import overwrite_free_blocks, overwrite_when_freed

size, how = int(sys.argv[1]), sys.argv[2]
if how == "both":
    assert overwrite_when_freed()
texts = [chr(97 + number % 26) * size for number in range(50)]
places = [(id(text) + sys.getsizeof(text) - 1 - size, text.encode()) for text in texts]
del texts
if how != "none":
    for _ in overwrite_free_blocks():
        pass
same = sum(ctypes.string_at(place + size // 2, size // 2) == text[size // 2 :] for place, text in places)
print(same)
"""


def left(size: int, how: str) -> int:
    """Return how many of 50 freed texts can still be read."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(size), how],
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "broker")},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)
@pytest.mark.parametrize("size", [24, 100, 460, 600, 900, 3000])
def test_h4_freed_texts_cannot_be_read_any_more(size: int) -> None:
    """The control shows that they can be without."""
    assert left(size, "none") >= 20
    assert left(size, "both") == 0
