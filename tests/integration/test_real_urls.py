"""The providers' real URLs: a network of its own, its own /etc/hosts, TLS at port 443.

Nothing leaves the machine, see `namespaces`. What is minted by a worker alone is in `real_urls.py`, what
`credward get` gets from a whole daemon in `real_gets.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration import real_gets
from integration.namespaces import WAYS, run_inside
from integration.real_urls import CASES, Outcome
from marks import quick


def run(name: str, folder: Path, *, trusted: bool = True) -> Outcome:
    """Run one case inside a namespace of its own."""
    # Not below HOME of the worker, which the case fills.
    home = folder / "home"
    home.mkdir()
    printed = run_inside(
        "integration.real_urls",
        name,
        str(home),
        "trusted" if trusted else "untrusted",
        hosts=dict.fromkeys(CASES[name].hosts, "127.0.0.1"),
        folder=folder / "private",
    )
    return Outcome(**json.loads(printed))


def get(way: str | None, folder: Path, *, trusted: bool = True) -> real_gets.Outcome:
    """Run a daemon inside (*way* None: whichever is permitted), and `credward get` for each of its credentials."""
    home = folder / "home"
    home.mkdir()
    printed = run_inside(
        "integration.real_gets",
        str(home),
        "trusted" if trusted else "untrusted",
        hosts=real_gets.HOSTS,
        folder=folder / "private",
        way=way,
    )
    found = json.loads(printed)
    got = {name: real_gets.Got(**each) for name, each in found["got"].items()}
    return real_gets.Outcome(got=got, asked=found["asked"])


@pytest.mark.parametrize("name", quick(next(iter(CASES)), among=CASES))
def test_mints_at_the_real_urls(name, tmp_path):
    """By names and certificates, with `network.ca` as the only thing that was configured for it."""
    outcome = run(name, tmp_path)

    assert (outcome.message, outcome.owner) == (None, CASES[name].owner)
    assert tuple(outcome.asked) == CASES[name].hosts
    assert outcome.threads == 1, "an SDK left a thread behind"


@pytest.mark.slow
@pytest.mark.parametrize("provider", sorted({case.provider for case in CASES.values()}))
def test_sends_nothing_to_a_server_that_it_does_not_trust(provider, tmp_path):
    """Without `network.ca` the operating system's authorities count; the message says what to set."""
    name = next(name for name, case in CASES.items() if case.provider == provider)
    outcome = run(name, tmp_path, trusted=False)

    assert (outcome.owner, outcome.kind, outcome.asked) == (None, "provider-unreachable", [])
    assert "network.ca" in outcome.message


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_credward_get_through_a_daemon_at_the_real_urls(way, tmp_path):
    """All four as they are configured everywhere, but for one CA; as root and as a user."""
    outcome = get(way, tmp_path)

    errors = {name: each.errors for name, each in outcome.got.items() if each.exit_code}
    assert errors == {}
    assert {name: each.owner for name, each in outcome.got.items()} == real_gets.OWNERS
    assert set(outcome.asked) == set(real_gets.HOSTS)


@pytest.mark.slow
def test_credward_get_says_what_to_set_for_a_server_that_is_not_trusted(tmp_path):
    """Nothing was sent, and the user reads of `network.ca`."""
    outcome = get(None, tmp_path, trusted=False)

    for each in outcome.got.values():
        assert (each.exit_code, each.owner) == (75, None)
        assert "network.ca" in each.errors
    assert outcome.asked == []
