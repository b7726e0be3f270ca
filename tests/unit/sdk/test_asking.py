"""The question of a program in Python, and what becomes of the answer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import credward.sdk.asking as module
from credward.errors import BrokerError, Kind
from credward.sdk.asking import Wanted, ask


def query_of(line: str) -> dict[str, str]:
    pairs = line.split(" ")[1].partition("?")[2].split("&")
    return dict(pair.split("=", 1) for pair in pairs)


def test_it_is_asked_for_as_text_that_nobody_keeps(serve) -> None:
    """A program that comes back early was not refused: `cache_ttl` says so."""
    daemon = serve()
    given = ask(Wanted(name="gateway"), min_remaining=7, other_than="ab")

    assert (given.text(), given.ends_at, given.token_id) == (
        "opaque-1",
        1_800_003_600,
        "0123456789abcdef",
    )
    line = next(each for each in daemon.asked if "/json?" in each)
    assert line.startswith("GET /v1/credentials/gateway/json?")
    query = query_of(line)
    assert (query["cache_ttl"], query["min_remaining"], query["not"]) == ("0.000", "7.000", "ab")
    assert "client_base_url" not in query
    assert "variables=" in line


def test_what_is_wanted_besides_is_asked_for(serve) -> None:
    """Address, audience and scopes, as by `credward get`."""
    daemon = serve()
    ask(Wanted(name="gateway", base_url="https://h", audience="a", scopes=("x", "y")))
    query = query_of(daemon.asked[-1])

    assert query["client_base_url"] == "https%3A%2F%2Fh"
    assert (query["audience"], query["scope"]) == ("a", "x%20y")


@pytest.mark.parametrize(("chosen", "asked"), [("work", "work"), (None, "-")])
def test_without_a_name_it_is_the_helpers_choice(serve, monkeypatch, chosen, asked) -> None:
    """CREDWARD_CREDENTIAL, else what the daemon chooses."""
    if chosen is not None:
        monkeypatch.setenv("CREDWARD_CREDENTIAL", chosen)
    daemon = serve()
    ask(Wanted())

    assert f"/v1/credentials/{asked}/json?" in daemon.asked[-1]


def test_the_folder_is_told(serve, home: Path) -> None:
    """A program that runs in the folder of a repository says what its settings say."""
    (home / ".git").mkdir()
    (home / ".claude").mkdir()
    (home / ".claude/settings.json").write_text('{"env": {}}')
    daemon = serve()
    ask(Wanted(name="gateway"))

    assert daemon.asked[-1].startswith("POST /v1/credentials/gateway/json?")
    assert b'{"env": {}}' in daemon.bodies[-1]


def test_a_token_without_an_end_is_asked_for_again_in_an_hour(serve) -> None:
    """SDKs would keep it for ever."""
    serve(expires_at=None)
    given = ask(Wanted(name="gateway"))

    assert given.token.expires_at is None
    assert 3500 < given.ends_at - module.SystemClock().now() <= 3600


def test_aws_keys_are_no_token(serve) -> None:
    """The line names the function that has them."""
    serve(kind="aws", credential="bedrock", token="{}")
    with pytest.raises(BrokerError, match=r'use credward\.aws_session\("bedrock"\)') as caught:
        ask(Wanted(name="bedrock")).text()
    assert caught.value.kind is Kind.BAD_REQUEST


def test_a_token_that_is_no_line_is_not_returned(serve) -> None:
    """It goes into a header."""
    serve(token="opaque\nX-Evil: 1")
    with pytest.raises(BrokerError, match="printable ASCII"):
        ask(Wanted(name="gateway")).text()


def test_an_odd_answer_is_our_error(serve) -> None:
    """Without what it said."""
    serve(kind="secret-kind")
    with pytest.raises(BrokerError) as caught:
        ask(Wanted(name="gateway"))
    assert caught.value.kind is Kind.INTERNAL
    assert "secret-kind" not in str(caught.value)


def test_a_worker_does_not_ask(serve, monkeypatch) -> None:
    """It would wait for itself."""
    daemon = serve()
    monkeypatch.setenv("CREDWARD_WORKER", "1")
    with pytest.raises(BrokerError) as caught:
        ask(Wanted(name="gateway"))
    assert caught.value.kind is Kind.RECURSION
    assert daemon.asked == []


def test_nothing_shows_where_it_goes_or_what_it_is(serve) -> None:
    """A URL may hold a password; a token is one."""
    serve(token="opaque-hidden")
    wanted = Wanted(name="gateway", base_url="https://u:hidden@h")
    shown = repr(wanted) + repr(ask(wanted))

    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("program", "starts"),
    [("/usr/bin/python3.11", True), ("/usr/bin/uwsgi", False), ("", False), ("/opt/app", False)],
)
def test_s1_only_an_interpreter_is_run_to_start_a_daemon(
    home, monkeypatch, program: str, starts: bool
) -> None:
    """Where Python is embedded or frozen, `sys.executable -m credward` would be another program."""
    started = []
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(module, "reach", lambda **how: started.append(how["start"]) or NoDaemon())
    with pytest.raises(BrokerError):
        ask(Wanted(name="gateway"))

    assert started == [starts]


class NoDaemon:
    def get_token(self, *_: object) -> object:
        raise BrokerError(Kind.NOT_RUNNING, "nobody")
