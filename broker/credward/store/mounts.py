"""The type of file system that holds a path, from the kernel's list of mounts.

Two hosts may write to a network file system at once; the daemon decides what to refuse then.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["network_file_system"]

_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = {"afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
_NETWORK |= {"nfs4", "ocfs2", "smb3", "smbfs"}
_NETWORK_FUSE = {"ceph", "ceph-fuse", "gcsfuse", "glusterfs", "rclone", "s3fs", "sshfs"}


def network_file_system(path: Path, *, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network file system that holds *path*, None if it is local.

    Also None if the system has no such list (proc_pid_mountinfo(5)).
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    real = path.resolve()
    depth, kind = -1, ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        mount = Path(_unescape(fields.split(" ")[4]))
        # The deepest mount counts, and the last of several at one place.
        if real.is_relative_to(mount) and len(mount.parts) >= depth:
            depth, kind = len(mount.parts), rest.split(" ")[0]
    family, _, name = kind.partition(".")
    is_network = kind in _NETWORK or (family == "fuse" and name in _NETWORK_FUSE)
    return kind if is_network else None


def _unescape(text: str) -> str:
    """Undo the octal escapes of space, tab, newline and backslash."""
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        text = text.replace(f"\\{code}", character)
    return text
