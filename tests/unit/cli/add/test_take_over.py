"""A secret on its way into the store, with a daemon that does not answer; the rest is test_add."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from credward.cli.add.take_over import Store
from credward.cli.signals import held
from credward.errors import BrokerError, Kind
from credward.tokens import Secret
from fakes.daemon import HOLD, CannedDaemon, answer
from unit.cli.test_signals import usual
from waiting import until

NAMES = answer(body=b'{"names":[],"secrets":[]}', content_type="application/json")


@pytest.fixture
def path(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the daemon of this home listens."""
    found = home / "run/credward/credward.sock"
    monkeypatch.setenv("CREDWARD_SOCKET", str(found))
    return found


def test_a_signal_ends_the_wait_for_a_keychain(path: Path) -> None:
    """The store is opened where signals are heeded; nothing was sent that had to be taken back."""
    with CannedDaemon(path, [HOLD]) as daemon, usual():

        def come() -> None:
            until(lambda: len(daemon.asked) == 1)
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=come)
        thread.start()
        with pytest.raises(KeyboardInterrupt), held(), Store(name="k", secret=Secret("x")) as store:
            store.put()
        thread.join()

    assert [each.split(" ")[:2] for each in daemon.asked] == [["GET", "/v1/secrets"]]


def test_an_open_store_that_does_not_answer_is_given_up(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody can interrupt that wait, so it is short; what may be in the store is taken back."""
    with CannedDaemon(path, [HOLD]) as daemon:
        daemon.by_verb["GET"] = [NAMES]
        store = Store(name="k", secret=Secret("x"), patience=0.3)
        with pytest.raises(BrokerError) as given_up, held(), store:
            store.put()

    assert given_up.value.kind is Kind.TIMED_OUT
    assert [each.split(" ")[0] for each in daemon.asked] == ["GET", "PUT", "DELETE"]
    assert '"k" may still be in the store' in capsys.readouterr().err
