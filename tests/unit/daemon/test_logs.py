"""The daemon's log: one JSON object a line, and the last line of defence against secrets."""

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from credward.daemon.logs import configure_logging
from credward.errors import BrokerError, Kind


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


def written(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_one_json_object_in_a_private_file(tmp_path: Path) -> None:
    """The file is made 0600 and each record is one object with time, level, logger and message."""
    path = tmp_path / "log" / "daemon.log"
    configure_logging("info", path)
    logging.getLogger("credward.x").info("two\nlines")

    (line,) = written(path)
    assert (line["level"], line["logger"], line["message"]) == ("info", "credward.x", "two\nlines")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl",
        "Bearer canary-0123456789abcdef",
        "sk-ant-api03-canary0123456789",
        "hvs.canary0123456789",
        "password='canary of two words'",
        "postgres://me:can/ary@x@db.example.com",
    ],
)
def test_h3_known_shapes_of_secrets_are_masked(tmp_path: Path, secret: str) -> None:
    """H3: what a foreign library might let slip into a message or a traceback does not reach the file."""
    path = tmp_path / "daemon.log"
    configure_logging("debug", path)
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("credward.x").exception("upstream said %s", secret)

    text = path.read_text()
    assert secret not in text
    assert "***" in text


def test_an_unknown_level_names_the_known_ones() -> None:
    """A mistyped level is the caller's mistake, told in one line."""
    with pytest.raises(BrokerError) as caught:
        configure_logging("loud", None)

    assert caught.value.kind is Kind.BAD_REQUEST
    assert "debug, info, warning or error" in caught.value.message
