"""Whose socket a Python client trusts; that the helper has the same rules is shown in helpers/test_trust."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from credward import trust
from credward.errors import BrokerError, Kind
from unit.helpers.conftest import directory  # noqa: F401 - a fixture

STRANGER = 12345


def forever() -> float:
    return 60.0


@pytest.fixture
def listening(directory: Path):  # noqa: F811
    """A socket in a directory as the daemon makes it."""
    place = directory / "credward"
    place.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "s"))
        listener.listen()
        yield place / "s"


def refusal(path: Path, *, named: bool = False) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        trust.connect(path, forever, named=named)
    return caught.value


def test_connects_where_all_is_well(listening: Path) -> None:
    """The directory is ours, and so is whoever listens."""
    with trust.connect(listening, forever) as connection:
        assert connection.getpeername() == str(listening)


def test_nobody_is_an_error_of_the_system(directory: Path) -> None:  # noqa: F811
    """The next place is tried then."""
    for path in (directory / "none/s", directory / "s"):
        with pytest.raises(FileNotFoundError):
            trust.connect(path, forever)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720])
def test_s1_a_directory_that_others_can_write(listening: Path, mode: int, named: bool) -> None:
    """Also where the user named the socket."""
    listening.parent.chmod(mode)
    error = refusal(listening, named=named)

    assert error.kind is Kind.FIX_CONFIGURATION
    assert error.message == (
        f'"{listening.parent}" can be written by others, so it is not trusted: run chmod go-w on it'
    )


@pytest.mark.parametrize("named", [False, True])
def test_s1_chmod_is_not_advised_for_a_sticky_directory(listening: Path, named: bool) -> None:
    """It is like /tmp: without others' right to write there, this machine does not work."""
    listening.parent.chmod(0o1777)
    message = refusal(listening, named=named).message

    why = f'"{listening.parent}" can be written by others, so it is not trusted: '
    assert message == (
        f'CREDWARD_SOCKET names "{listening}", and {why}unset CREDWARD_SOCKET'
        if named
        else f"{why}set CREDWARD_SOCKET to a socket in a directory of your own"
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_s1_chmod_is_not_advised_for_what_belongs_to_another(listening: Path) -> None:
    """Root could do it, and break what that user shares."""
    os.chown(listening.parent, STRANGER, STRANGER)
    listening.parent.chmod(0o770)

    assert refusal(listening, named=True).message.endswith(": unset CREDWARD_SOCKET")


def test_s2_links_are_refused(listening: Path, directory: Path) -> None:  # noqa: F811
    """Of the directory, and of the socket."""
    (directory / "link").symlink_to(listening.parent)
    (listening.parent / "link").symlink_to(listening)

    assert "is a link or not a directory" in refusal(directory / "link/s").message
    assert "is a link or not a socket" in refusal(listening.parent / "link").message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_s6_another_users_directory(listening: Path) -> None:
    """Refused, unless the user named it: in a pod it is the sidecar's."""
    os.chown(listening.parent, STRANGER, STRANGER)

    assert "belongs to another user" in refusal(listening).message
    trust.connect(listening, forever, named=True).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_p1_another_users_daemon(listening: Path) -> None:
    """The kernel says who listens: names alone could be raced."""
    other = listening.with_name("other")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(other))
    # The kernel notes who calls listen (unix(7), SO_PEERCRED).
    os.seteuid(STRANGER)
    try:
        listener.listen()
    finally:
        os.seteuid(0)
    with listener:
        assert "is served by another user" in refusal(other).message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as another user")
def test_a_locked_out_client(listening: Path, directory: Path) -> None:  # noqa: F811
    """A machine's daemon that this user may not ask: denied, with what to ask for."""
    for each in (directory, listening.parent):
        each.chmod(0o755)
    listening.chmod(0o600)
    shut = directory / "shut"
    shut.mkdir(mode=0o700)
    # The effective uid is the thread's own for the kernel, and Python has no call for one thread.
    os.seteuid(STRANGER)
    try:
        errors = [refusal(listening, named=True), refusal(shut / "below/s", named=True)]
    finally:
        os.seteuid(0)

    assert [error.kind for error in errors] == [Kind.DENIED, Kind.DENIED]
    assert errors[0].message == (
        f'"{listening}" may not be opened by this user: ask for membership of its group'
    )


def test_a_full_queue_is_waited_for(directory: Path) -> None:  # noqa: F811
    """A busy daemon is there, and no time is left at some point."""
    path = directory / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        fillers = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for each in fillers:
            each.setblocking(False)
            each.connect_ex(str(path))
        left = iter([1.0, 1.0])

        def remaining() -> float:
            return next(left)

        with pytest.raises(StopIteration):
            trust.connect(path, remaining)
        taker = threading.Timer(0.05, lambda: listener.accept()[0].close())
        taker.start()
        trust.connect(path, forever).close()
        taker.join()
        for each in fillers:
            each.close()


def test_identity_is_the_initial_namespace() -> None:
    """Where users are shown as they are, owners count."""
    mapped = Path("/proc/self/uid_map").read_text().split()[:3] != ["0", "0", "4294967295"]

    assert trust.ids_are_mapped() == mapped


def test_s6_the_overflow_uid_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An administrator may have set another one; where nothing is said it is the kernel's own."""
    said = tmp_path / "overflowuid"
    monkeypatch.setattr(trust, "_OVERFLOW_FILE", str(said))
    monkeypatch.setattr(trust, "ids_are_mapped", lambda: True)
    before = [trust._is_known(uid) for uid in (65534, 4321)]
    said.write_text("4321\n")
    after = [trust._is_known(uid) for uid in (65534, 4321)]

    assert (before, after) == ([False, True], [True, False])
