"""What callers see while upstream fails, with the whole daemon and a program that fails to order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fakes.watching import gone
from integration.daemon import DaemonFactory
from integration.minting import MintProgram
from waiting import until


def test_t6_a_valid_token_is_served_while_upstream_fails(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T6 and guarantee 3: the refresh fails, callers keep the valid token, the state says so."""
    program.set(lifetime=40)
    daemon = start_daemon(program.block("gateway"))
    assert daemon.get("gateway").text == "opaque-1"
    program.set(exit=75)
    refused = daemon.request("POST", "/v1/credentials/gateway/refresh")
    served = daemon.get("gateway")

    assert refused.headers.get("credward-kind", "") in {"provider-unreachable", ""}
    assert (served.status, served.text) == (200, "opaque-1")
    status = daemon.status("gateway")
    assert status["state"] == "stale"
    assert status["failure"]["recovery"] == "retry"
    assert "canary-upstream-body" not in str(status) + daemon.log()


def test_t3_a_cold_failure_is_told_at_once_and_upstream_is_left_alone(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T3: a hundred asks in a row while upstream is down cost a bounded number of calls."""
    program.set(exit=75)
    daemon = start_daemon(program.block("gateway"))
    began = time.monotonic()
    answers = [daemon.get("gateway") for _ in range(100)]

    assert {answer.status for answer in answers} == {503}
    assert {answer.headers["credward-kind"] for answer in answers} == {"provider-unreachable"}
    # Back-off begins at two seconds with full jitter and doubles: one call for each ask would be a storm.
    assert 1 <= program.mints <= 5 + (time.monotonic() - began)
    assert all("canary" not in answer.text for answer in answers)
    assert any("retry-after" in answer.headers for answer in answers[1:])


def test_t7_an_expired_token_is_never_given_out(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T7: upstream stays down past the end of the token: an error, not the dead token."""
    program.set(lifetime=3)
    daemon = start_daemon(program.block("gateway"))
    first = daemon.get("gateway")
    assert first.status == 200
    program.set(exit=75)
    expires_at = float(first.headers["expires-at"])
    seen = []
    while time.time() < expires_at + 1.5:
        asked_at = time.time()
        answer = daemon.get("gateway", timeout=1)
        seen.append((time.time(), answer.status))
        if answer.status == 200:
            assert float(answer.headers["expires-at"]) > asked_at - 1.05
        time.sleep(0.05)

    assert seen[-1][1] in {503, 504}
    # It may be at it again just now: what was in use is tried until it comes back.
    assert daemon.status("gateway")["state"] in {"expired", "empty", "minting"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("BLANKS", "empty"),
        ("<html><body>Sign in to the Wi-Fi canary-html</body></html>", "HTML"),
        ('{"version": 1, "token": "canary-cut', "truncated JSON"),
        ('{"version": 1, "token": "", "expires_at": 4102444800}', "empty token"),
        ('{"version": 1, "token": "canary-old", "expires_at": 1}', "already expired"),
        ('{"access_token": "canary-neg", "expires_in": -5}', "negative life"),
        ('{"version": 1, "token": "canary\\nline", "expires_at": 4102444800}', "line break"),
        ("x" * 70_000, "over 64 KiB"),
    ],
)
def test_t6_what_is_no_token_is_never_handed_out(
    start_daemon: DaemonFactory, program: MintProgram, raw: str, why: str
) -> None:
    """T6 as far as a program can show it: garbage is an error with a kind, and its text stays inside."""
    program.set(raw=raw)
    daemon = start_daemon(program.block("gateway"))
    answer = daemon.get("gateway")

    assert answer.status >= 500, why
    assert answer.headers["credward-kind"] in {"provider-refused", "fix-configuration"}
    assert "canary" not in answer.text + daemon.log() + str(daemon.status("gateway"))


def test_t5_more_life_than_there_is_gets_the_longest_and_a_flag(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """T5: tokens of a minute for a caller that wants an hour: served, flagged, no refresh loop."""
    program.set(lifetime=60)
    daemon = start_daemon(program.block("gateway"))
    answers = [daemon.get("gateway", min_remaining=3600) for _ in range(20)]

    assert {answer.status for answer in answers} == {200}
    assert {answer.headers.get("lifetime-short") for answer in answers} == {"true"}
    assert program.mints == 1


@pytest.mark.slow
def test_t18_a_hung_program_is_killed_with_its_children(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """T18: at its deadline the program and what it started are gone; other credentials never noticed."""
    pids = tmp_path / "pids"
    hung = tmp_path / "hung.sh"
    hung.write_text(f"#!/bin/sh\nsleep 300 & echo $! >{pids}; echo $$ >>{pids}\nwait\n")
    hung.chmod(0o700)
    daemon = start_daemon(
        f'[credentials.hung]\nprovider = "command"\ncommand = ["{hung}"]\ntimeout = 5\n'
        + program.block("gateway")
    )
    began = time.monotonic()
    answer = daemon.get("hung", timeout=100)
    other = daemon.get("gateway")

    assert answer.headers["credward-kind"] in {"timed-out", "provider-unreachable"}
    assert time.monotonic() - began < 60
    assert other.status == 200
    until(lambda: all(gone(int(pid)) for pid in pids.read_text().split()))
