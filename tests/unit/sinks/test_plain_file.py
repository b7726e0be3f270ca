"""A sink that is a whole file."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import SinkConfig, SinkFormat
from credward.errors import BrokerError
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
    sink.write(sink.shaped(bearer_token(), CREDENTIAL, 0.0), CREDENTIAL)

    assert (tmp_path / "place/file").read_bytes() == expected


def test_what_somebody_else_wrote_is_left_alone(tmp_path: Path) -> None:
    sink = file_in(tmp_path)
    sink.check(ours=False)
    assert not sink.there()
    (tmp_path / "place/file").write_text("mine")
    sink.check(ours=True)
    assert sink.there()
    with pytest.raises(BrokerError, match="was not written by credward: move it away"):
        sink.check(ours=False)


def test_a_removal_of_nothing_is_done(tmp_path: Path) -> None:
    sink = file_in(tmp_path)
    sink.remove()
    sink.write(bytearray(b"x"), CREDENTIAL)
    sink.remove()
    assert list((tmp_path / "place").iterdir()) == []
