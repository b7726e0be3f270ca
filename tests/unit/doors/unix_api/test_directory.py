"""The directory of the socket is made right or refused."""

from __future__ import annotations

import os
import stat

import pytest

from credward.doors.unix_api.directory import prepare_directory, umask
from credward.errors import BrokerError, Kind

MODES = [("user", 0o700), ("system", 0o755), ("sidecar", 0o750)]


def mode_of(path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(("mode", "permissions"), MODES)
def test_s1_s5_makes_it_with_its_mode_in_one_step(tmp_path, monkeypatch, mask, mode, permissions):
    """S1, S5: the mode is there from the first instant, whatever the umask; chmod is never called."""
    monkeypatch.setattr(os, "chmod", None)
    before = os.umask(0o022)
    os.umask(before)
    with umask(mask):
        prepare_directory(tmp_path / "new" / "credward", mode)
        assert os.umask(mask) == mask

    assert mode_of(tmp_path / "new" / "credward") == permissions
    assert mode_of(tmp_path / "new") == 0o700
    prepare_directory(tmp_path / "new" / "credward", mode)


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o770, 0o777, 0o755, 0o707])
def test_s1_refuses_a_directory_open_to_others(tmp_path, mode):
    """S1: any bit for group or others, and the message holds the command."""
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(mode)

    with pytest.raises(BrokerError) as caught:
        prepare_directory(directory, "user")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert f"(mode {mode:04o}): run chmod 700 {directory}" in caught.value.message
    assert mode_of(directory) == mode


def test_s1_refuses_what_is_no_directory(tmp_path):
    """S1: a file in its place is named, not replaced."""
    (tmp_path / "file").write_text("precious")

    with pytest.raises(BrokerError, match="is not a directory") as caught:
        prepare_directory(tmp_path / "file", "user")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize("mode", ["user", "system", "sidecar"])
def test_s1_refuses_a_directory_of_somebody_else(tmp_path, mode):
    """S1: whoever owns the directory could put another socket there."""
    directory = tmp_path / "theirs"
    directory.mkdir(mode=0o700)
    os.chown(directory, 12345, -1)

    with pytest.raises(BrokerError, match="belongs to uid 12345"):
        prepare_directory(directory, mode)


def test_s2_refuses_a_symbolic_link(tmp_path):
    """S2: even one that leads to a good directory."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    with pytest.raises(BrokerError, match="is a symbolic link"):
        prepare_directory(tmp_path / "link", "user")


@pytest.mark.parametrize("mode", ["user", "system", "sidecar"])
def test_s2_refuses_a_linked_parent_that_anybody_could_have_made(tmp_path, mode):
    """S2: a link in a world-writable directory is somebody else's choice, sticky or not."""
    (tmp_path / "real").mkdir(mode=0o700)
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o1777)
    (public / "link").symlink_to(tmp_path / "real")

    with pytest.raises(BrokerError, match="is a symbolic link in a directory that everybody"):
        prepare_directory(public / "link" / "credward", mode)

    assert not (tmp_path / "real" / "credward").exists()


def test_s2_follows_a_linked_parent_that_only_its_owner_could_have_made(tmp_path):
    """S2: /var/run -> /run is no attack."""
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")

    prepare_directory(tmp_path / "link" / "credward", "user")

    assert mode_of(tmp_path / "real" / "credward") == 0o700


def test_s2_refuses_a_parent_in_which_anybody_may_rename(tmp_path):
    """S2: without the sticky bit our directory could be replaced; a pod's volume is like that by design."""
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o777)

    with pytest.raises(BrokerError, match="lets everybody replace"):
        prepare_directory(public / "credward", "user")

    prepare_directory(public / "credward", "sidecar")


def test_says_why_it_cannot_be_made(tmp_path):
    """A parent that is a file is a problem of the configuration."""
    (tmp_path / "file").write_text("")

    with pytest.raises(BrokerError, match="cannot be made") as caught:
        prepare_directory(tmp_path / "file" / "credward", "user")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
