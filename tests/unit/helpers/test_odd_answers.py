"""Answers that nobody has thought of, to the helper with and without sanitizers."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from credward.errors import Kind
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
def test_s11_odd_answers_mean_the_same_to_every_build(daemon: CannedDaemon, whole: bytes) -> None:
    """No sanitizer speaks up; a success is what was asked for, and a failure is one line."""
    builds = [program(each) for each in ("musl", "gcc-sanitized", "clang-sanitized")]
    commands = [each for each in builds if each is not None]
    if len(commands) < 2:
        pytest.skip("no two compilers")
    daemon.script = (whole,)
    said = [ask(each, daemon) for each in commands]
    code, out, err = said[0]

    assert said == [said[0]] * len(said)
    assert code in {0, *(kind.exit_code for kind in Kind)}
    assert (code == 0) == bool(out)
    assert err.count(b"\n") == (0 if code == 0 else 1)
    assert len(err) <= 501
