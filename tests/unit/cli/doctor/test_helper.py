"""What is said about the helper itself; it is run in tests/integration/test_doctor."""

from pathlib import Path

import pytest

from credward import __version__
from credward.cli.doctor import helper
from credward.cli.doctor.finding import Known
from credward.cli.doctor.helper import about
from credward.cli.helper_probe import Build, Probe
from credward.config import load_config
from credward.errors import Kind
from credward.paths import environment, find_paths
from credward.wire import CredentialStatus, StatusList

HELPER = Path("/x/credward-helper")


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
def test_a_slow_helper_is_named_with_its_price(kind: str, mark: str, words: str) -> None:
    """And what to install; where there is no quicker one nothing is said."""
    found = about(HELPER, Build(version=__version__ if kind else "", kind=kind))

    assert found.mark == mark
    assert words in found.text


def test_a_helper_of_another_version_is_a_broken_link() -> None:
    """Half of an installation was replaced."""
    found = about(HELPER, Build(version="0.0.9", kind="static musl"))

    assert found.mark == "fail"
    assert f"is version 0.0.9, and this is {__version__}: run pip install" in found.text


@pytest.mark.parametrize(
    ("digest", "mints", "mark", "words"),
    [
        ("a", {"demo": 1}, "ok", "a token of 3 characters"),
        ("b", {"demo": 1}, "fail", 'prints another token than "demo" gives here'),
        ("b", {"demo": 1, "other": 2}, "fail", 'prints another token than "demo" gives here'),
        ("b", {"demo": 2}, "ok", "a token of 3 characters"),
    ],
)
def test_a_token_that_was_refreshed_meanwhile_is_no_other_one(
    config_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    digest: str,
    mints: dict[str, int],
    mark: str,
    words: str,
) -> None:
    """A mint between the two questions explains a difference, one of another credential does not."""

    class Daemon:
        """One that has minted so often by now."""

        def statuses(self) -> StatusList:
            return listed(mints)

    monkeypatch.setattr(helper, "reach", Daemon)
    assert config_file.exists()
    credential = load_config(find_paths(environment())).credentials["demo"]
    known = Known(name="demo", given="a", statuses=listed({"demo": 1, "other": 1}))
    seen = Probe(exit_code=0, seconds=0.001, length=3, digest=digest)
    (found,) = helper._judge(known, credential, seen)

    assert found.mark == mark
    assert words in found.text


def listed(mints: dict[str, int]) -> StatusList:
    """Return what a daemon says of how often it minted."""
    return StatusList(
        now=1.0,
        pid=1,
        credentials=[
            CredentialStatus(name=name, state="fresh", mints=count) for name, count in mints.items()
        ],
    )


@pytest.mark.parametrize(
    ("seen", "broken", "words"),
    [
        (Probe(exit_code=67, seconds=1, complaint="credward: log in"), set(), "log in"),
        (Probe(exit_code=67, seconds=1, complaint="x"), {Kind.LOGIN_REQUIRED}, None),
        (Probe(exit_code=1, seconds=1), set(), "exit 1"),
        (Probe(exit_code=None, seconds=10), set(), "never ends"),
        (Probe(exit_code=0, seconds=10, held_open=True), set(), "keeps its output open"),
        (Probe(exit_code=0, seconds=1, fault="printed nothing"), set(), "printed nothing: run"),
    ],
)
def test_says_why_the_helper_gave_nothing(
    config_file: Path, seen: Probe, broken: set[Kind], words: str | None
) -> None:
    """Unless an earlier check has said it."""
    assert config_file.exists()
    credential = load_config(find_paths(environment())).credentials["demo"]
    found = list(helper._judge(Known(name="demo", given="a", broken=broken), credential, seen))

    assert [each.mark for each in found] == ([] if words is None else ["fail"])
    assert words is None or words in found[0].text
