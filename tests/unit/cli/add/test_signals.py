"""What a signal does while a change is tried, and while it is taken back."""

from __future__ import annotations

import os
import signal

import pytest

from credward.cli.add.signals import undisturbed, unwinding


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_an_end_unwinds_and_what_is_taken_back_is_whole(number: signal.Signals) -> None:
    """The second one, and any Ctrl-C, comes too late to stop it."""
    done = []
    with pytest.raises(KeyboardInterrupt), unwinding():
        try:
            os.kill(os.getpid(), number)
        finally:
            with undisturbed():
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), signal.SIGINT)
                done.append("all")

    assert done == ["all"]
    assert signal.getsignal(number) is signal.SIG_DFL
