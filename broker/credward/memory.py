"""Overwrites freed memory that still holds old data, as far as Python allows.

A `str` cannot be overwritten while it lives; after it is freed, its memory can. THREAT_MODEL.md
lists what this does not reach.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable, Iterator

__all__ = ["overwrite_free_blocks", "overwrite_when_freed"]

# From malloc.h of glibc.
_M_PERTURB, _M_ARENA_MAX = -6, -8
_PATTERN = 0x5A
# obmalloc.c: blocks up to this size, in steps of 16, come from Python's own pools (bytes).
_SMALL, _STEP = 512, 16
# No daemon has more free blocks of one size than fit in this (bytes), or than so many.
_EACH, _MOST = 256 * 1024, 4096
_AT_ONCE = 512
# bytesobject.h: the overhead of a bytes object before and after its content.
_HEAD = sys.getsizeof(b"")
# malloc.c: each thread keeps up to 7 free chunks of each size up to this one (bytes).
_CACHED, _PER_SIZE = 1040, 8


def overwrite_when_freed() -> bool:
    """Make the allocator of the C library overwrite freed memory; return whether it can.

    For large blocks and for libraries; Python's own small blocks need `overwrite_free_blocks`. One
    arena for all threads, so that it reaches them too.
    """
    mallopt = _of_glibc("mallopt")
    return bool(mallopt(_M_ARENA_MAX, 1)) and bool(mallopt(_M_PERTURB, _PATTERN))


def overwrite_free_blocks() -> Iterator[None]:
    """Overwrite the free blocks, one size after the other, each in a fraction of a millisecond.

    It allocates all free blocks, zeroes and frees them; at the end whole free pages go back to the
    system.
    """
    # Objects in reference cycles are not free yet.
    gc.collect()
    yield
    held: list[bytes | bytearray] = []
    for size in range(_STEP, _SMALL + 1, _STEP):
        for _ in range(0, min(_MOST, _EACH // size), _AT_ONCE):
            held += [_block(size) for _ in range(_AT_ONCE)]
            yield
        held.clear()
    for size in range(_SMALL + _STEP, _CACHED + 1, _STEP):
        held += [bytearray(size - 1) for _ in range(_PER_SIZE)]
        held.clear()
    yield
    _of_glibc("malloc_trim")(0)


def _of_glibc(name: str) -> Callable[..., int]:
    """Return a function of the C library; in another library, one that does nothing."""
    found: Callable[..., int] | None = None
    if sys.platform == "linux":
        # musl has none of them.
        found = getattr(ctypes.CDLL(None), name, None)
    return found or (lambda *_: 0)


def _block(size: int) -> bytes | bytearray:
    """Return an object in a zeroed block of this *size*, with as little overhead as possible."""
    inside = size - _HEAD
    # A shorter one has a block for its head and one for its content.
    return bytes(inside) if inside > 1 else bytearray(size - 1)
