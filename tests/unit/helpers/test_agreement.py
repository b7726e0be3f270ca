"""The C helper and its twin agree on answers that nobody has thought of; the C one under sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from examples import examples
from fakes.daemon import CannedDaemon
from transcripts.programs import program

LINES = st.sampled_from(
    [
        b"Content-Length: 3",
        b"content-length:4",
        b"Content-Length: 0",
        b"Content-Length: 99999",
        b"Content-Length: 1e3",
        b"Transfer-Encoding: chunked",
        b"Credward-Kind: denied",
        b"Credward-Kind:  moon ",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: application/json",
        b"X",
        b": nameless",
        b"Spaced Name: x",
        b" folded",
        b"Bad\rLine: x",
        b"Bad\nLine: x",
        b"",
    ]
)
STATUSES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200",
        b"HTTP/1.0 503 x",
        b"HTTP/1.1 401 ",
        b"HTTP/1.1 99 x",
        b"HTTP/1.1 2000",
    ]
) | st.binary(max_size=12)
BODIES = st.sampled_from([b"abc", b"abc\n", b"ab\n", b"a b\n", b"", b"\n", b"x\ny\n"]) | st.binary(
    max_size=24
)
ANSWERS = st.builds(
    lambda status, lines, body: b"\r\n".join([status, *lines]) + b"\r\n\r\n" + body,
    STATUSES,
    st.lists(LINES, max_size=4),
    BODIES,
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[CannedDaemon]:
    """One daemon whose answer changes."""
    directory = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    with CannedDaemon(directory / "credward/credward.sock", []) as listening:
        yield listening
    shutil.rmtree(directory)


def ask(command: list[str], daemon: CannedDaemon) -> tuple[int, bytes, bytes]:
    """Return exit code, standard output and standard error."""
    done = subprocess.run(
        [*command, "x"],
        env={"CREDWARD_SOCKET": str(daemon.path), "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.examples
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(ANSWERS)
@example(
    b"HTTP/1.1 403 x\r\nContent-Type: text/plain\r\n\r\n\xf0\x9f\xa6\xe2\x82\xac\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80z"
)
@example(b"HTTP/1.1 403 x\r\nContent-Type: text/plain\r\n\r\n" + "é".encode() * 400)
@example(b"HTTP/1.1 403 x\r\nContent-Type: text/plain\r\n\r\n\r\nhint")
@example(b"HTTP/1.1 200 OK\r\nContent-Length:\t3 \r\n\r\nab\n")
@example(b"\r\n\r\n")
@example(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 98286)
@example(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 98285)
def test_both_helpers_say_the_same(daemon: CannedDaemon, whole: bytes) -> None:
    """Exit code, output and words are those of the other; no sanitizer speaks up."""
    native = program("gcc-sanitized") or program("clang-sanitized")
    twin = program("twin")
    if native is None or twin is None:
        pytest.skip("no compiler")
    daemon.script = (whole,)

    assert ask(twin, daemon) == ask(native, daemon)
