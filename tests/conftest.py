"""What holds for every test: random order, asyncio's debug mode, and a hunt for canary secrets (H3)."""

from __future__ import annotations

import logging
import os
import random
import signal
import tracemalloc  # noqa: F401 - see below
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from canaries import MARK, LogHunt, canary

# pytest imports tracemalloc when it first reports a forgotten file. If the collector finds a second
# one just then, it meets a half-imported module, and whatever test runs at that moment fails.

# How long an example takes is no property of the code, and whether a run passes is no matter of luck:
# the same examples each time. To look further: pytest --hypothesis-profile=explore.
hypothesis.settings.register_profile("explore", deadline=None)
hypothesis.settings.register_profile(
    "credward",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("credward")

_SEED = "CREDWARD_TEST_SEED"


def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed before workers are started: all of them must collect in one order."""
    del config
    os.environ.setdefault(_SEED, str(random.SystemRandom().randrange(1_000_000)))
    # Read by asyncio when a loop is made: blocked loops and forgotten coroutines get reported.
    os.environ.setdefault("PYTHONASYNCIODEBUG", "1")
    # As in a terminal, also below nohup or in the background of a script: programs heed that a signal
    # is ignored, and tests send these.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # What a worker would inherit from the shell of whoever runs the tests decides nothing here.
    for name in [name for name in os.environ if name.startswith("CREDWARD_") and name != _SEED]:
        if not name.startswith("CREDWARD_REQUIRE_"):
            del os.environ[name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shuffle modules, and tests within them: neighbours stay together for the sake of their fixtures."""
    order = random.Random(os.environ[_SEED])
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    names = sorted(modules)
    order.shuffle(names)
    items.clear()
    for name in names:
        order.shuffle(modules[name])
        items += modules[name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Name the real programs of no fixed version, and the order when it may have mattered."""
    reports = [each for group in terminalreporter.stats.values() for each in group]
    found = {
        value
        for each in reports
        for name, value in getattr(each, "user_properties", ())
        if name == "program"
    }
    for program in sorted(found):
        terminalreporter.write_line(f"ran against {program}")
    if exitstatus:
        terminalreporter.write_line(f"to repeat this order: {_SEED}={os.environ[_SEED]}")


@pytest.fixture(scope="session", autouse=True)
def canary_hunt() -> Iterator[None]:
    """H3: no log record of this whole session holds one of the secrets that are set here."""
    hunt = LogHunt()
    broker = logging.getLogger("credward")
    level = broker.level
    broker.setLevel(logging.DEBUG)
    hunt.start()
    os.environ["CANARY_SECRET"] = canary("environment")
    yield
    del os.environ["CANARY_SECRET"]
    hunt.stop()
    broker.setLevel(level)

    assert hunt.found == []


@pytest.fixture(scope="module", autouse=True)
def no_bundle(request: pytest.FixtureRequest) -> Iterator[None]:
    """Read no bundle of authorities for each context of TLS, which takes 0.05 s; what their folder holds is found."""
    with pytest.MonkeyPatch.context() as patch:
        # Not for tests that start programs of others, which may need it.
        if {"unit", "contract", "property"} & set(request.path.parts):
            patch.setenv("SSL_CERT_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def process_as_before() -> Iterator[None]:
    """No test leaves the process in another directory or with another umask: the next one would suffer."""
    before = Path.cwd(), _umask()
    yield

    assert before == (Path.cwd(), _umask())


def _umask() -> int:
    # There is no way to ask without setting it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case by something else than a canary: each process of a run draws its own."""
    shown = val.decode("latin-1") if isinstance(val, bytes) else val
    return "canary" if isinstance(shown, str) and MARK in shown else None
