"""Signing keys: made once, private, durable, never replaced."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.signing_keys import load_or_create, public_jwk
from credward.tokens import Secret


def key_file(state_dir, name="gateway"):
    """Where the key of this name lies."""
    return state_dir / "signing_keys" / f"{name}.pem"


def test_a_key_is_made_once(tmp_path):
    """The second call reads what the first one made; another name is another key."""
    first = load_or_create(tmp_path, "gateway").reveal()

    assert first == load_or_create(tmp_path, "gateway").reveal()
    assert first == key_file(tmp_path).read_text()
    assert first != load_or_create(tmp_path, "other").reveal()


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_s5_modes_do_not_depend_on_the_umask(tmp_path, umask):
    """The file 0600; the directory closed to others."""
    before = os.umask(umask)
    try:
        if umask != 0o777 or os.geteuid() == 0:
            load_or_create(tmp_path, "gateway")
        else:
            pytest.skip("a directory made under umask 777 is closed to its owner too")
    finally:
        os.umask(before)

    assert key_file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert key_file(tmp_path).parent.stat().st_mode & 0o077 == 0


def test_s9_nothing_else_is_left_behind(tmp_path):
    """No temporary file after success, none after a failure."""
    load_or_create(tmp_path, "gateway")
    assert os.listdir(key_file(tmp_path).parent) == ["gateway.pem"]


@pytest.mark.parametrize("call", ["os.open", "os.rename"])
def test_s9_a_death_at_any_step_leaves_the_old_or_the_new_file(tmp_path, call):
    """The process is killed right before each such call, then the key is asked for again."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from credward.store.signing_keys import load_or_create\n"
        "seen = 0\n"
        "def hook(event, args):\n"
        "    global seen\n"
        f"    if event == {call.replace('os.open', 'open')!r} and 'signing_keys' in str(args[0]):\n"
        "        seen += 1\n"
        "        if seen == int(sys.argv[2]): os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
        "load_or_create(Path(sys.argv[1]), 'gateway')\n"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[3] / "broker")}
    for step in range(1, 6):
        state_dir = tmp_path / str(step)
        state_dir.mkdir()
        subprocess.run([sys.executable, "-c", program, str(state_dir), str(step)], env=environ)

        pem = load_or_create(state_dir, "gateway")

        assert public_jwk(pem)["kty"] == "EC"
        assert load_or_create(state_dir, "gateway").reveal() == pem.reveal()


def test_an_open_file_is_refused(tmp_path):
    """With the command that closes it."""
    load_or_create(tmp_path, "gateway")
    key_file(tmp_path).chmod(0o640)

    with pytest.raises(BrokerError, match="run chmod 0600") as caught:
        load_or_create(tmp_path, "gateway")

    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_reported_and_kept(tmp_path, content):
    """Whoever trusts the old key would refuse tokens of a new one."""
    load_or_create(tmp_path, "gateway")
    key_file(tmp_path).write_bytes(content)

    with pytest.raises(BrokerError, match="is damaged") as caught:
        load_or_create(tmp_path, "gateway")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert key_file(tmp_path).read_bytes() == content


def test_s2_a_link_in_the_files_place_is_refused(tmp_path):
    """It might point anywhere."""
    load_or_create(tmp_path, "gateway")
    key_file(tmp_path, "link").symlink_to(key_file(tmp_path))

    with pytest.raises(BrokerError, match="cannot be read"):
        load_or_create(tmp_path, "link")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a\0", "x" * 65])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    """Names of credentials are checked before, and here once more."""
    with pytest.raises(BrokerError, match="cannot name a signing key"):
        load_or_create(tmp_path, name)

    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_reported(tmp_path):
    """With the way to another one."""
    (tmp_path / "signing_keys").write_text("")

    with pytest.raises(BrokerError, match="XDG_STATE_HOME"):
        load_or_create(tmp_path, "gateway")


def test_the_public_half_says_nothing_of_the_private_one(tmp_path):
    """Its name is the thumbprint of RFC 7638, computed here by hand."""
    pem = load_or_create(tmp_path, "gateway")

    jwk = public_jwk(pem)

    assert set(jwk) == {"crv", "kty", "x", "y", "kid", "use", "alg"}
    members = json.dumps({k: jwk[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    digest = hashlib.sha256(members.encode()).digest()
    assert jwk["kid"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert all(len(base64.urlsafe_b64decode(jwk[axis] + "=")) == 32 for axis in "xy")


def test_no_public_half_of_garbage():
    """A BrokerError, without the text."""
    with pytest.raises(BrokerError) as caught:
        public_jwk(Secret("canary"))

    assert "canary" not in caught.value.message
