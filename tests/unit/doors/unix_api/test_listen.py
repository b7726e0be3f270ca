"""The listening socket: modes, staleness, the lock beside it."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from credward.doors.unix_api.directory import umask
from credward.doors.unix_api.listen import LONGEST_PATH, bind_socket
from credward.errors import BrokerError, Kind


def mode_of(path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def answers(path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture
def path(short_dir) -> Path:
    return short_dir / "run" / "credward.sock"


@pytest.fixture
def bound():
    """Return `bind_socket`; whatever it made is closed at the end."""
    made = []

    def bind(*arguments, **keywords):
        made.append(bind_socket(*arguments, **keywords))
        return made[-1]

    yield bind
    for each in made:
        each.release()
        each.socket.close()


@pytest.mark.parametrize("mask", [0o000, 0o077])
@pytest.mark.parametrize(
    ("mode", "directory", "file"),
    [("user", 0o700, 0o600), ("system", 0o755, 0o660), ("sidecar", 0o750, 0o660)],
)
def test_s5_modes_do_not_depend_on_the_umask(path, bound, mask, mode, directory, file):
    """S5: directory and socket have the modes of the table under any umask, without chmod."""
    with umask(mask):
        bound(path, mode)

    assert mode_of(path.parent) == directory
    assert mode_of(path) == file
    assert mode_of(path.with_name("credward.sock.lock")) == 0o600
    assert answers(path)


def test_admits_a_group(path, bound):
    """In system mode members of the group may connect."""
    bound(path, "system", group=str(os.getegid()))

    assert path.lstat().st_gid == os.getegid()
    with pytest.raises(BrokerError, match="does not exist"):
        bind_socket(path, "system", group="no-such-group-here")


def test_descriptors_are_not_inherited(path, bound):
    """H5: neither the socket nor the lock reaches a worker."""
    made = bound(path)

    assert not os.get_inheritable(made.socket.fileno())
    assert not os.get_inheritable(made._lock)


def test_s3_a_second_daemon_leaves_a_live_socket_alone(path, bound):
    """S3: already running, and the file is not touched."""
    first = bound(path)

    with pytest.raises(BrokerError) as caught:
        bind_socket(path)

    assert caught.value.kind is Kind.ALREADY_RUNNING
    assert caught.value.message == f"already running at {path}"
    assert first.still_there()
    assert answers(path)


@pytest.mark.parametrize("full", [False, True])
def test_s3_a_live_socket_without_our_lock_is_alive_too(path, full):
    """S3: a service manager holds its socket without a lock; also when its queue is full."""
    path.parent.mkdir(mode=0o700)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        for client in clients if full else []:
            client.setblocking(False)
            client.connect_ex(str(path))
        inode = path.lstat().st_ino

        with pytest.raises(BrokerError, match="already running at"):
            bind_socket(path)

        assert path.lstat().st_ino == inode
        for client in clients:
            client.close()


def test_s4_replaces_a_stale_socket(path, bound):
    """S4: nobody listens there any more."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
        stale.listen()

    bound(path)

    assert answers(path)


def test_s4_replaces_it_only_under_the_lock(path):
    """S4: while another starter holds the lock, a stale socket stays where it is."""
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    lock = bind_socket(path.with_name("other"))
    os.rename(path.with_name("other.lock"), path.with_name("credward.sock.lock"))
    inode = path.lstat().st_ino

    with pytest.raises(BrokerError, match="already running at"):
        bind_socket(path)

    assert path.lstat().st_ino == inode
    lock.release()
    lock.socket.close()


def test_s4_fifty_starters_make_one_socket(path):
    """S4: of many at the same instant one binds, the others hear that it runs."""
    # Processes, as in life: the umask that a start sets belongs to all threads of one.
    fork = multiprocessing.get_context("fork")
    gate, tried = fork.Barrier(50), fork.Barrier(50)

    def start() -> None:
        gate.wait()
        try:
            bound = bind_socket(path)
        except BrokerError as error:
            tried.wait()
            os._exit(1 if error.kind is Kind.ALREADY_RUNNING else 2)
        tried.wait()
        os._exit(0 if bound.still_there() else 3)

    starters = [fork.Process(target=start) for _ in range(50)]
    for each in starters:
        each.start()
    for each in starters:
        each.join(60)

    assert sorted(each.exitcode for each in starters) == [0, *[1] * 49]


@pytest.mark.parametrize("what", ["file", "link", "dangling"])
def test_s2_leaves_anything_but_a_socket_alone(path, what):
    """S2: a link or a file at the socket's place is refused, never removed."""
    path.parent.mkdir(mode=0o700)
    if what == "file":
        path.write_text("precious")
    else:
        target = path.parent / ("there" if what == "link" else "nowhere")
        (path.parent / "there").write_text("precious")
        path.symlink_to(target)

    with pytest.raises(BrokerError) as caught:
        bind_socket(path)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert caught.value.message.endswith(f"run rm {path}")
    assert os.path.lexists(path)


def test_s2_does_not_follow_a_link_to_the_lock(path):
    """S2: a planted lock would make us open somebody's file."""
    path.parent.mkdir(mode=0o700)
    path.with_name("credward.sock.lock").symlink_to(path.parent / "victim")

    with pytest.raises(BrokerError, match="is a symbolic link"):
        bind_socket(path)

    assert not (path.parent / "victim").exists()


def test_s6_refuses_a_path_that_no_address_can_hold(short_dir, bound):
    """S6: one byte too long is an error that says so; the longest one works."""
    room = LONGEST_PATH - len(str(short_dir)) - 1
    bound(short_dir / "run" / ("a" * (room - 4)))

    with pytest.raises(BrokerError, match=f"{LONGEST_PATH + 1} bytes long") as caught:
        bind_socket(short_dir / ("a" * (room + 1)))

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert "CREDWARD_SOCKET" in caught.value.message


@pytest.mark.parametrize("name", ["@credward", "\0credward", "credward.sock", "./credward.sock"])
def test_s8_never_an_abstract_or_relative_address(name):
    """S8: an abstract address has no permissions."""
    with pytest.raises(BrokerError, match="is not an absolute path"):
        bind_socket(Path(name))


def test_s7_notices_that_it_is_gone_and_binds_again(path, bound):
    """S7: the directory removed underneath us is seen and made anew."""
    first = bound(path)
    assert first.still_there()
    shutil.rmtree(path.parent)
    assert not first.still_there()

    first.release()
    again = bound(path)
    assert again.still_there()
    assert not first.still_there()
    assert answers(path)


def test_removes_only_its_own_file(path, bound):
    """What somebody else put in our place stays; what is ours goes, and the place is free again."""
    first = bound(path)
    path.rename(path.with_name("moved"))
    first.release()
    second = bound(path)
    first.remove()
    assert second.still_there()

    second.remove()
    assert not path.exists()
    second.remove()
    assert bound(path).still_there()
