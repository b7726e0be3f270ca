"""Work that waits for a disk, in a thread of its own: a file system may never answer.

Not from the pool of the loop: a thread that hangs must delay neither others nor the end of the
daemon. What may run at once is up to the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TypeVar

__all__ = ["aside"]

_T = TypeVar("_T")


async def aside(work: Callable[[], _T]) -> _T:
    """Return what *work* returns, or raise what it raises; it goes on if nobody waits any more."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def run() -> None:
        try:
            end = partial(_return, future, work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            end = partial(_raise, future, error)
        with suppress(RuntimeError):
            # The loop may have ended meanwhile.
            loop.call_soon_threadsafe(end)

    Thread(target=run, daemon=True).start()
    return await future


def _return(future: asyncio.Future[_T], result: _T) -> None:
    if not future.done():
        future.set_result(result)


def _raise(future: asyncio.Future[_T], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
