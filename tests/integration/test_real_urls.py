"""Mints at the providers' real URLs: a network of its own, its own /etc/hosts, TLS at port 443.

Nothing leaves the machine, and the host's own files are not touched. What is minted is in `real_urls.py`.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration.real_urls import CASES, Outcome

TESTS = Path(__file__).parents[1]
# $0 holds the private files; the rest is the program.
INSIDE = """
ip link set lo up
mount --make-rprivate /
mount --bind "$0/hosts" /etc/hosts
mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf
exec "$@"
"""


@functools.cache
def namespaces() -> tuple[str, ...] | None:
    """Return the command that makes a network of one's own, None where that is not permitted."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return None
    for command in (("unshare", "-n", "-m"), ("unshare", "-U", "-r", "-n", "-m")):
        probe = ["sh", "-ec", "ip link set lo up; mount --make-rprivate /"]
        if subprocess.run([*command, *probe], capture_output=True).returncode == 0:
            return command
    return None


def run(name: str, folder: Path, *, trusted: bool = True) -> Outcome:
    """Run one case inside a namespace of its own."""
    if (command := namespaces()) is None:
        pytest.skip("network namespaces are not permitted here (unshare -n -m), or there is no ip")
    # Not below HOME of the worker, which the case fills.
    private, home = folder / "private", folder / "home"
    private.mkdir()
    home.mkdir()
    (private / "hosts").write_text(f"127.0.0.1 localhost {' '.join(set(CASES[name].hosts))}\n")
    (private / "nsswitch.conf").write_text("hosts: files\n")
    inner = [sys.executable, "-m", "integration.real_urls", name, str(home)]
    done = subprocess.run(
        [*command, "sh", "-ec", INSIDE, private, *inner, "trusted" if trusted else "untrusted"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "broker"), str(TESTS)]),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Outcome(**json.loads(done.stdout))


@pytest.mark.parametrize("name", CASES)
def test_mints_at_the_real_urls(name, tmp_path):
    """By names and certificates, with `network.ca` as the only thing that was configured for it."""
    outcome = run(name, tmp_path)

    assert (outcome.message, outcome.owner) == (None, CASES[name].owner)
    assert tuple(outcome.asked) == CASES[name].hosts
    assert outcome.threads == 1, "an SDK left a thread behind"


@pytest.mark.parametrize("provider", sorted({case.provider for case in CASES.values()}))
def test_sends_nothing_to_a_server_that_it_does_not_trust(provider, tmp_path):
    """Without `network.ca` the operating system's authorities count; the message says what to set."""
    name = next(name for name, case in CASES.items() if case.provider == provider)
    outcome = run(name, tmp_path, trusted=False)

    assert (outcome.owner, outcome.kind, outcome.asked) == (None, "provider-unreachable", [])
    assert "network.ca" in outcome.message
