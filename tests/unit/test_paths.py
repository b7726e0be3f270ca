"""Where things lie."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from credward.config import candidate_sockets, environment, find_paths
from credward.errors import BrokerError, Kind

HOME = {"HOME": "/h/a"}


def sockets(environ: dict[str, str], **words: str) -> list[str]:
    return [str(path) for path in find_paths(environ, uid=4_000_000_000, **words).sockets]  # type: ignore[arg-type]


def test_the_search_order() -> None:
    """Runtime directory, state directory, the system's."""
    assert sockets({**HOME, "XDG_RUNTIME_DIR": "/r"}) == [
        "/r/credward/credward.sock",
        "/h/a/.local/state/credward/run/credward.sock",
        "/run/credward/credward.sock",
    ]


def test_macos_has_its_own_place() -> None:
    """Below Library, and 104 bytes at most."""
    assert sockets(HOME, platform="darwin")[0] == (
        "/h/a/Library/Application Support/credward/run/credward.sock"
    )


def test_xdg_directories_are_honoured_unless_relative() -> None:
    """As the specification has it."""
    paths = find_paths({**HOME, "XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "relative"}, uid=1)

    assert paths.config_file == Path("/c/credward/config.toml")
    assert paths.state_dir == Path("/h/a/.local/state/credward")


def test_a_named_configuration_stands_alone() -> None:
    """CREDWARD_CONFIG: no other layer is read."""
    paths = find_paths({**HOME, "CREDWARD_CONFIG": "/x.toml"}, uid=1)

    assert paths.config_file == Path("/x.toml")
    assert paths.config_alone
    assert not find_paths(HOME, uid=1).config_alone


def test_a_named_socket_is_the_only_one() -> None:
    """CREDWARD_SOCKET wins and nothing else is tried."""
    paths = find_paths({**HOME, "CREDWARD_SOCKET": "/s"}, uid=1)

    assert candidate_sockets(paths) == (Path("/s"),)
    assert paths.socket_named


def test_s6_too_long_places_are_skipped_and_a_too_long_name_is_an_error() -> None:
    """S6: 107 bytes on Linux; alike in daemon, command line and helper."""
    long = "/" + "x" * 100
    assert sockets({**HOME, "XDG_RUNTIME_DIR": long})[0].startswith("/h/a/")
    with pytest.raises(BrokerError, match="CREDWARD_SOCKET") as caught:
        find_paths({**HOME, "CREDWARD_SOCKET": long + long}, uid=1)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize("named", ["@abstract", "relative.sock", "./x"])
def test_s8_abstract_and_relative_names_are_refused(named: str) -> None:
    """S8: an abstract address has neither owner nor permissions."""
    with pytest.raises(BrokerError) as caught:
        find_paths({**HOME, "CREDWARD_SOCKET": named}, uid=1)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_environment_is_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place where it is read."""
    monkeypatch.setenv("CREDWARD_TEST_WORD", "here")

    assert environment()["CREDWARD_TEST_WORD"] == "here"


@pytest.mark.parametrize(
    "name", ["credward/config.toml", "etc/config.toml", "etc/config.d/50-fleet.toml"]
)
def test_any_file_that_the_daemon_reads_makes_it_configured(tmp_path: Path, name: str) -> None:
    """Also a fragment alone; then a client starts the daemon."""
    found = find_paths({"HOME": "/", "XDG_CONFIG_HOME": str(tmp_path)}, uid=1)
    paths = replace(found, system_config_dir=tmp_path / "etc")
    assert not paths.is_configured

    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    assert paths.is_configured
