"""Which paths lie on the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.store.mounts import network_file_system

MOUNTINFO = """\
22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:31 / /home rw,relatime shared:2 - nfs4 server:/home rw,vers=4.2
31 30 0:32 / /home/me/local rw - xfs /dev/vdb rw
32 22 0:33 / /mnt/two\\040words rw - fuse.sshfs host: rw
33 22 0:34 / /mnt/over rw - cifs //server/share rw
34 22 0:35 / /mnt/over rw - tmpfs tmpfs rw
"""


@pytest.fixture
def mounts(tmp_path):
    """Return a list of mounts as the kernel writes it."""
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/credward", None),
        ("/home/me/.local/state/credward", "nfs4"),
        ("/home", "nfs4"),
        ("/homeless", None),
        ("/home/me/local/state", None),
        ("/mnt/two words/state", "fuse.sshfs"),
        ("/mnt/over/state", None),
    ],
)
def test_the_deepest_and_last_mount_counts(mounts, path, kind):
    """As the kernel resolves the path."""
    assert network_file_system(Path(path), mounts=mounts) == kind


def test_without_a_list_it_is_taken_for_local(tmp_path):
    """Systems without /proc."""
    assert network_file_system(tmp_path, mounts=tmp_path / "none") is None
    assert network_file_system(Path("/proc")) is None
