"""What a failure of the first mint means for the block: one row for each kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.cli.add.trial import Trial, Written, what_next
from credward.errors import BrokerError, ConfigErrors, Failure, Kind
from unit.cli.conftest import Run

OUT = {Kind.BAD_REQUEST, Kind.PROVIDER_REFUSED, Kind.FIX_CONFIGURATION, Kind.RECURSION}
GOOD = '[credentials.x]\nprovider = "local"\n'


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_only_what_is_wrong_in_itself_is_taken_out(kind: Kind) -> None:
    """What waits for a person, the network or us stays, and a command comes next."""
    failure = Failure.of(kind, '"x" got no token: look at it')

    assert Trial(in_force=True, failure=failure).stays == (kind not in OUT)
    for in_force in (True, False):
        line = what_next("x", Trial(in_force=in_force, failure=failure))
        assert line.startswith("credward ")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            '"x" refers to "k", which is not in the store: run credward secret set k',
            "credward secret set k, then credward get x",
        ),
        (
            'secret "k" is bound to other hosts: run credward secret allow k, or remove it',
            "credward secret allow k, then credward get x",
        ),
    ],
)
def test_what_a_command_of_ours_mends_stays(text: str, command: str) -> None:
    """The block is right, something else is missing."""
    failure = Failure.of(Kind.FIX_CONFIGURATION, text)

    assert Trial(in_force=True, failure=failure).stays
    assert what_next("x", Trial(in_force=True, failure=failure)) == command


def test_a_locked_store_is_opened_before_the_reload() -> None:
    """A reload of a locked daemon is refused."""
    failure = Failure.of(Kind.STORE_LOCKED, "the store is locked: run credward unlock")
    line = what_next("x", Trial(in_force=False, failure=failure))

    assert line == "credward unlock, then credward daemon reload"


@pytest.mark.usefixtures("home")
def test_what_is_stopped_leaves_nothing(config_file: Path) -> None:
    """The old file comes back byte for byte, with its mode."""
    before = config_file.read_text() + "# no end\r\n\n"
    config_file.write_text(before, newline="")
    config_file.chmod(0o640)
    with pytest.raises(KeyboardInterrupt), Written(config_file, before, GOOD) as written:
        written.write()
        assert config_file.read_text() == GOOD
        raise KeyboardInterrupt

    assert config_file.read_bytes() == before.encode()
    assert config_file.stat().st_mode & 0o777 == 0o640


@pytest.mark.usefixtures("home")
def test_what_was_not_written_yet_needs_no_way_back(config_file: Path) -> None:
    """It is noted before it is done; taking back twice is the same as once."""
    before = config_file.read_text()
    written = Written(config_file, before, GOOD)
    written.take_back()
    written.write()
    written.take_back()
    written.take_back()

    assert config_file.read_text() == before


def test_a_file_and_folders_that_were_not_there_are_gone_again(home: Path) -> None:
    """A clean home is clean."""
    target = home / "config/credward/config.toml"
    with pytest.raises(KeyboardInterrupt), Written(target, None, GOOD) as written:
        written.write()
        raise KeyboardInterrupt

    assert not (home / "config").exists()


@pytest.mark.usefixtures("run")
def test_what_somebody_else_wrote_meanwhile_stays(config_file: Path, run: Run) -> None:
    """And it is said that the block is in it."""
    written = Written(config_file, config_file.read_text(), GOOD)
    written.write()
    config_file.write_text(GOOD + "# theirs\n")

    with pytest.raises(BrokerError, match="was changed by another program"):
        written.take_back()
    assert config_file.read_text() == GOOD + "# theirs\n"


@pytest.mark.usefixtures("home")
def test_a_wrong_configuration_is_never_written(config_file: Path) -> None:
    """Not even for a moment."""
    before = config_file.read_text()
    with pytest.raises(ConfigErrors):
        Written(config_file, before, '[credentials.x]\nprovider = "loca"\n').write()

    assert config_file.read_text() == before
