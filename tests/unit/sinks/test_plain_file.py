"""A sink that is a whole file."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import SinkConfig, SinkFormat
from credward.sinks.ours import Marks, NotOursError
from credward.sinks.plain_file import PlainFile
from unit.sinks.rig import CREDENTIAL, bearer_token, own_folder


def file_in(folder: Path, form: SinkFormat = "token") -> PlainFile:
    path = own_folder(folder) / "file"
    return PlainFile(SinkConfig(credential="given", path=path, format=form))


@pytest.mark.parametrize(("form", "expected"), [("token", b"tok"), ("env", b"MY_TOKEN=tok\n")])
def test_the_format_is_that_of_the_socket_and_a_token_has_no_line_end(
    tmp_path: Path, form: SinkFormat, expected: bytes
) -> None:
    """SDKs of AWS refuse a token file with one."""
    sink = file_in(tmp_path, form)
    sink.write(sink.shaped(bearer_token(), CREDENTIAL, 0.0), CREDENTIAL, ())

    assert (tmp_path / "place/file").read_bytes() == expected


def write(sink: PlainFile, ours: Marks, text: str = "tok") -> Marks:
    """Write a token; return by what it is known."""
    body = sink.shaped(bearer_token(text), CREDENTIAL, 0.0)
    sink.write(body, CREDENTIAL, ours)
    return sink.marks(body, CREDENTIAL)


def test_what_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    """Also in place of a file of ours, at the last moment; ours again if it is put back."""
    sink, path = file_in(tmp_path, "env"), tmp_path / "place/file"
    assert sink.check(()) == ()
    assert not sink.holds(())
    ours = write(sink, ())
    ours = write(sink, ours, "tok2")
    kept = path.read_bytes()
    assert sink.check(ours) == ours
    assert sink.holds(ours)
    path.write_bytes(kept + b"MORE=mine\n")
    for attempt in (sink.check, sink.holds, sink.remove, lambda marks: write(sink, marks)):
        with pytest.raises(NotOursError) as caught:
            attempt(ours)
        assert caught.value.message == (
            f'"{path}" was written or changed by somebody else: move it away, '
            "then run credward daemon reload"
        )
    assert path.read_bytes() == kept + b"MORE=mine\n"
    path.write_bytes(kept)
    sink.remove(ours)
    assert not path.exists()


def test_while_one_replaces_the_other_both_are_ours(tmp_path: Path) -> None:
    """And no more than is there is remembered."""
    sink = file_in(tmp_path)
    old = write(sink, ())
    new = sink.marks(bytearray(b"new"), CREDENTIAL)
    assert sink.check(old + new) == old
    (tmp_path / "place/file").write_bytes(b"new")
    assert sink.check(old + new) == new
    (tmp_path / "place/file").unlink()
    assert sink.check(old + new) == ()


def test_a_removal_of_nothing_is_done(tmp_path: Path) -> None:
    sink = file_in(tmp_path)
    assert not sink.remove(())
    assert not sink.remove(write(sink, ()))
    assert list((tmp_path / "place").iterdir()) == []
