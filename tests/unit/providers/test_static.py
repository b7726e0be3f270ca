"""Secrets that are handed out as they are."""

from __future__ import annotations

import datetime as dt
import os
import traceback

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import ProviderRequest
from credward.providers.static import StaticProvider
from credward.settings.references import Reference
from credward.settings.static import Settings
from credward.tokens import Secret
from fakes.io import NOW, FakeIo


def mint(io=None, *, grant=None, kind="bearer", rotate_after=None, **source):
    """Mint once for credential `gateway`."""
    settings = Settings(secret=Reference(**source), kind=kind, rotate_after=rotate_after)
    request = ProviderRequest(
        credential="gateway",
        settings=settings,
        secrets={} if grant is None else {"secret": Secret(grant)},
    )
    return StaticProvider().mint(request, io or FakeIo())


@pytest.fixture
def secret_file(tmp_path):
    """Return a maker of private files."""

    def make(content, mode=0o600):
        path = tmp_path / "secret"
        path.write_bytes(content)
        path.chmod(mode)
        return str(path)

    return make


def test_a_variable_comes_as_the_grant():
    """The daemon read it; no end of it is known."""
    token = mint(env="KEY", grant="value\n")

    assert token.secret.reveal() == "value"
    assert (token.issued_at, token.expires_at) == (NOW, None)


def test_t12_a_file_is_read_anew_each_time(secret_file):
    """Another program rotates it: the new one is handed out."""
    path = secret_file(b"one\n")
    assert mint(file=path).secret.reveal() == "one"

    secret_file(b"two")
    assert mint(file=path).secret.reveal() == "two"


def test_a_file_below_home(tmp_path, secret_file):
    """`~` is the daemon's user, by the worker's environment."""
    secret_file(b"value")

    token = mint(FakeIo(environ={"HOME": str(tmp_path)}), file="~/secret")

    assert token.secret.reveal() == "value"


def test_a_program_prints_it():
    """As password managers do."""
    io = FakeIo(output=b"value\n")

    assert mint(io, command=("op", "read", "op://x")).secret.reveal() == "value"
    assert io.commands == [(("op", "read", "op://x"), {}, 30.0)]


def test_a_program_that_fails_is_classified():
    """As for `command`."""
    with pytest.raises(BrokerError, match='program "op" needs a login') as caught:
        mint(FakeIo(exit_code=67, output=b"value"), command=("op", "read"))

    assert caught.value.kind is Kind.LOGIN_REQUIRED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_can_read_is_refused(secret_file, mode):
    """With the command that closes it."""
    path = secret_file(b"value", mode)

    with pytest.raises(BrokerError, match=f"run chmod 0600 {path}"):
        mint(file=path)


def test_what_is_no_file_is_refused(tmp_path):
    """A directory, nothing, and a pipe that would hang."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, complaint in (
        (tmp_path, "not a regular file"),
        (tmp_path / "nothing", "No such file"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        with pytest.raises(BrokerError, match=complaint) as caught:
            mint(file=str(path))
        assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty in file"),
        (b"\n\n", "is empty in file"),
        (b"one\ntwo", "not one line of printable ASCII"),
        (b"nul\0", "not one line of printable ASCII"),
        ("schlüssel".encode(), "not one line of printable ASCII"),
        (b"\xff\xfe", "not one line of printable ASCII"),
        (b"x" * 40_000, "longer than 32 KiB"),
        (b"sk-ant-oat01-x", "perhaps a subscription login of Claude.ai"),
        (b'{"claudeAiOauth": {}}', "perhaps a subscription login"),
    ],
)
def test_t7_what_is_no_secret_is_refused(secret_file, content, complaint):
    """An empty token is never a success."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        mint(file=secret_file(content))

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_basic_needs_both_halves():
    """A lone password would be sent as a user's name."""
    assert mint(env="K", grant="me:pass word", kind="basic").kind == "basic"
    with pytest.raises(BrokerError, match="user:password"):
        mint(env="K", grant="password", kind="basic")


def test_a_reminder_from_its_day_on():
    """The secret is handed out all the same."""
    today = dt.datetime.fromtimestamp(NOW, dt.UTC).date()
    for day, warnings in ((today, 1), (today - dt.timedelta(9), 1), (today + dt.timedelta(1), 0)):
        io = FakeIo()
        assert mint(io, env="K", grant="value", rotate_after=day).secret.reveal() == "value"
        assert len(io.warnings) == warnings
        assert all(str(day) in each and "value" not in each for each in io.warnings)


def test_a_variable_that_was_not_handed_over_is_reported():
    """An old daemon, or none at all."""
    with pytest.raises(BrokerError, match="was not handed variable KEY"):
        mint(env="KEY")


def test_h3_no_part_of_the_secret_gets_into_a_message(secret_file):
    """Nor into its causes."""
    for bad in (f"{canary('a')}\n{canary('b')}", f"{canary('c')}\0", canary("d") * 2000):
        with pytest.raises(BrokerError) as caught:
            mint(file=secret_file(bad.encode()))
        shown = "".join(traceback.format_exception(caught.value)) + caught.value.failure.hint
        assert MARK not in shown
