"""A sink that is one profile in a file with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import SinkConfig
from credward.errors import BrokerError
from credward.sinks import aws_credentials
from credward.sinks.aws_credentials import AwsCredentials
from credward.sinks.folder import SinkFolder
from unit.sinks.rig import CREDENTIAL, aws_token, own_folder

MINE = b"[default]\naws_access_key_id = AKIAMINE\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return own_folder(tmp_path) / "credentials"


@pytest.fixture
def sink(path: Path) -> AwsCredentials:
    return AwsCredentials(
        SinkConfig(credential="given", path=path, format="aws-credentials", profile="agent")
    )


def write(sink: AwsCredentials, key: str = "AKIA1") -> None:
    sink.write(sink.shaped(aws_token(key), CREDENTIAL, 0.0), CREDENTIAL)


def test_a_file_is_made_and_goes_with_its_last_profile(path: Path, sink: AwsCredentials) -> None:
    write(sink)
    assert path.read_bytes().startswith(b"[agent]\naws_access_key_id = AKIA1\n")
    assert path.stat().st_mode & 0o777 == 0o600
    sink.remove()
    assert not path.exists()


def test_other_profiles_stay(path: Path, sink: AwsCredentials) -> None:
    path.write_bytes(MINE)
    write(sink)
    write(sink, "AKIA2")
    assert path.read_bytes().startswith(MINE + b"[agent]\naws_access_key_id = AKIA2\n")
    sink.remove()
    assert path.read_bytes() == MINE
    sink.remove()
    assert path.read_bytes() == MINE


def test_a_profile_of_somebody_else_is_refused(path: Path, sink: AwsCredentials) -> None:
    path.write_bytes(MINE)
    sink.check(ours=False)
    assert not sink.there()
    path.write_bytes(MINE + b"[agent]\n")
    sink.check(ours=True)
    assert sink.there()
    with pytest.raises(BrokerError, match='a profile "agent" that credward did not write'):
        sink.check(ours=False)


def test_what_another_program_writes_meanwhile_is_not_lost(
    path: Path, sink: AwsCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read again if it changed since."""
    times = 2

    class Interrupted(SinkFolder):
        def read(self, name: str) -> bytes | None:
            nonlocal times
            found = super().read(name)
            if times > 0:
                times -= 1
                path.write_bytes((found or b"") + b"# %d\n" % times)
            return found

    monkeypatch.setattr("credward.sinks.folder.SinkFolder", Interrupted)
    write(sink)
    assert path.read_bytes().startswith(b"# 1\n# 0\n[agent]\n")
    times = aws_credentials._TRIES * 2
    with pytest.raises(OSError, match="busy"):
        write(sink, "AKIA2")
