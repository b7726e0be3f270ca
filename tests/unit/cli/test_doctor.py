"""`credward doctor` stops at the first broken link."""

import json
from pathlib import Path

import pytest

from credward.cli import doctor
from credward.cli.doctor import Finding
from unit.cli.conftest import Run


def test_a_broken_configuration_is_the_first_link(run: Run, config_file: Path) -> None:
    """Nothing behind it is looked at."""
    config_file.write_text("broken = \n")
    ran = run("doctor")

    assert ran.code == 78
    assert ran.out.startswith(f"fail configuration: {config_file}:1:")
    assert ran.out.count("\n") == 1


def test_an_unknown_credential_is_named_with_its_neighbour(run: Run, config_file: Path) -> None:
    """Exit 78, and a guess."""
    ran = run("doctor", "demp")

    assert config_file.exists()
    assert ran.code == 78
    assert 'perhaps "demo"' in ran.out


def test_no_daemon_is_the_next_link(run: Run, config_file: Path) -> None:
    """With the command to type; the findings before it stand."""
    ran = run("doctor", "--json")

    found = json.loads(ran.out)
    assert config_file.exists()
    assert ran.code == 69
    assert found["well"] is False
    assert [each["mark"] for each in found["findings"]] == ["ok", "ok", "fail"]
    assert "run credward daemon start" in found["findings"][-1]["text"]


def test_what_all_share_is_looked_at_before_one_is_named(run: Run, config_file: Path) -> None:
    """Without a default among several, a daemon that is not there is the first broken link."""
    config_file.write_text(config_file.read_text() + '[credentials.b]\nprovider = "local"\n')
    ran = run("doctor")

    assert ran.code == 69
    assert "run credward daemon start" in ran.out


@pytest.mark.parametrize(
    ("kind", "mark", "words"),
    [
        ("static musl", "ok", "/x/credward-helper (static musl)"),
        ("dynamic libc", "ok", "/x/credward-helper (dynamic libc)"),
        ("", "ok", "/x/credward-helper"),
        (
            "static glibc",
            "warn",
            "takes about 1.5 times as long for each request: install musl-gcc",
        ),
        ("dynamic glibc", "warn", "takes about 2 times as long for each request: install musl-gcc"),
        ("Python", "warn", "takes about 200 times as long for each request: install musl-gcc"),
    ],
)
def test_a_slow_helper_is_named_with_its_price(
    monkeypatch: pytest.MonkeyPatch, kind: str, mark: str, words: str
) -> None:
    """And what to install; where there is no quicker one nothing is said."""
    monkeypatch.setattr(doctor, "kind_of", lambda _: kind)
    found = doctor._kind(Path("/x/credward-helper"))

    assert isinstance(found, Finding)
    assert found.mark == mark
    assert words in found.text
