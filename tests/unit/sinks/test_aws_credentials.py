"""A sink that is one profile in a file with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import SinkConfig
from credward.sinks.aws_credentials import AwsCredentials
from credward.sinks.ours import Marks, NotOursError
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


def write(sink: AwsCredentials, ours: Marks = (), key: str = "AKIA1") -> Marks:
    """Write keys; return by what they are known."""
    body = sink.shaped(aws_token(key), CREDENTIAL, 0.0)
    sink.write(body, CREDENTIAL, ours)
    return sink.marks(body, CREDENTIAL)


def test_a_file_is_made_and_goes_with_its_last_profile(path: Path, sink: AwsCredentials) -> None:
    ours = write(sink)
    assert path.read_bytes().startswith(b"[agent]\naws_access_key_id = AKIA1\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not sink.remove(ours)
    assert not path.exists()


def test_other_profiles_stay(path: Path, sink: AwsCredentials) -> None:
    path.write_bytes(MINE)
    ours = write(sink, write(sink), "AKIA2")
    assert path.read_bytes().startswith(MINE + b"[agent]\naws_access_key_id = AKIA2\n")
    sink.remove(ours)
    assert path.read_bytes() == MINE
    before = path.stat().st_ino
    sink.remove(ours)
    assert path.stat().st_ino == before


def test_a_profile_of_somebody_else_is_refused(path: Path, sink: AwsCredentials) -> None:
    path.write_bytes(MINE)
    assert sink.check(()) == ()
    assert not sink.holds(())
    path.write_bytes(MINE + b"[agent]\n")
    for attempt in (sink.check, sink.remove, lambda marks: write(sink, marks)):
        with pytest.raises(NotOursError, match=f'^profile "agent" in "{path}" was written or cha'):
            attempt(())
    assert path.read_bytes() == MINE + b"[agent]\n"


def test_keys_that_somebody_put_into_our_profile_are_left_alone(
    path: Path, sink: AwsCredentials
) -> None:
    """One line is enough."""
    ours = write(sink)
    text = path.read_bytes().replace(b"AKIA1", b"AKIALONG")
    path.write_bytes(text)
    for attempt in (sink.check, sink.holds, sink.remove, lambda marks: write(sink, marks)):
        with pytest.raises(NotOursError, match="rename it, or give the sink another one"):
            attempt(ours)
    assert path.read_bytes() == text


def test_other_lines_in_our_profile_stay_and_it_stays_ours(
    path: Path, sink: AwsCredentials
) -> None:
    """However often the keys go and come back."""
    ours = write(sink)
    path.write_bytes(path.read_bytes().replace(b" = ", b"=") + b"region = eu\n")
    assert sink.holds(ours)
    assert sink.remove(ours)
    assert path.read_bytes() == b"[agent]\nregion = eu\n"
    assert sink.check(ours)
    assert not sink.holds(ours)
    again = write(sink, sink.check(ours), "AKIA2")
    assert path.read_bytes().endswith(b"region = eu\n")
    assert b"AKIA2" in path.read_bytes()
    assert sink.holds(again)
