"""Fixtures of the integration tests: a daemon of one's own, started the way users start it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.oauth_server import OAuthServer
from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from integration.other_account import Account, open_account
from integration.sinks import own_folder


@pytest.fixture
def start_daemon(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DaemonFactory]:
    """Start daemons from configuration text; all are stopped and searched for canaries afterwards."""
    yield from daemons_in(tmp_path, request)


@pytest.fixture(scope="module")
def start_shared_daemon(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[DaemonFactory]:
    """Do the same for all tests of a module: for those that leave a daemon as they found it."""
    yield from daemons_in(tmp_path_factory.mktemp("shared"), request)


def daemons_in(folder: Path, request: pytest.FixtureRequest) -> Iterator[DaemonFactory]:
    """Give a factory of daemons below *folder*."""
    factory = DaemonFactory(folder, warm=request.node.get_closest_marker("cold") is None)
    try:
        yield factory
    finally:
        found = factory.close()

    assert found == []


@pytest.fixture
def daemon(start_daemon: DaemonFactory) -> RunningDaemon:
    """Run a daemon with one credential `demo` of the provider `local`."""
    return start_daemon('[credentials.demo]\nprovider = "local"\n')


@pytest.fixture
def program(tmp_path: Path) -> MintProgram:
    """Return a program that mints to order."""
    return MintProgram(tmp_path / "upstream")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder for sinks."""
    return own_folder(tmp_path / "place")


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    """Run an authorization server."""
    with OAuthServer() as running:
        yield running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path leaves room for a socket's."""
    path = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def account() -> Iterator[Account]:
    """Give an account of its own for a daemon and its callers; skip where there can be none."""
    with open_account() as opened:
        yield opened
