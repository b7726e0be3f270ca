"""Names that mean something among ancestors."""

import pytest

from credward.callers.programs import harness_name, is_terminal, is_transparent, relay_name


@pytest.mark.parametrize(
    ("name", "file", "harness"),
    [
        ("claude", "/usr/bin/node", "claude"),
        ("MainThread", "/h/a/.local/share/claude/versions/2.1.329", "claude"),
        ("node", "/x/node_modules/@anthropic-ai/claude-code-linux-x64/claude", "claude"),
        ("codex", None, "codex"),
        ("bash", "/bin/bash", None),
        ("claude-not", "/opt/claude-not", None),
    ],
)
def test_a_harness_is_known_by_its_name_or_its_file(
    name: str, file: str | None, harness: str | None
) -> None:
    """The process name, the file's name, or the folder of its installation."""
    assert harness_name(name, file) == harness


def test_shells_and_wrappers_are_looked_through() -> None:
    """Also login shells; not interpreters, which may be anything."""
    assert is_transparent("sh", "/bin/dash")
    assert is_transparent("-bash", "/bin/bash")
    assert is_transparent("timeout", None)
    assert is_transparent("x", "/opt/bin/credward-helper")
    assert not is_transparent("python3", "/usr/bin/python3.12")


def test_terminals_are_where_people_type() -> None:
    """By the name of their process, which the kernel cuts off after 15 bytes."""
    assert is_terminal("tmux: server")
    assert is_terminal("gnome-terminal-")
    assert not is_terminal("claude")


@pytest.mark.parametrize(
    ("name", "file", "relay"),
    [
        ("sshd", None, "sshd"),
        ("sshd-session", None, "sshd-session"),
        ("x", "/usr/bin/socat", "socat"),
        # A link to a file of another name, and that file by itself.
        ("socat", "/usr/bin/socat1", "socat"),
        ("x", "/usr/bin/socat1", "socat1"),
        ("dbclient", "/usr/bin/dropbearmulti", "dbclient"),
        ("x", "/usr/bin/dropbearmulti", "dropbearmulti"),
        ("socat", "/usr/bin/curl", "socat"),
        ("x", "/usr/bin/ssh", "ssh"),
        # The kernel keeps fifteen characters of a name.
        ("systemd-socket-", None, "systemd-socket-proxyd"),
        ("x", "/lib/systemd/systemd-socket-proxyd", "systemd-socket-proxyd"),
        ("curl", "/usr/bin/curl", None),
        ("x", None, None),
    ],
)
def test_s3_a_relay_is_known_by_its_name_or_its_file(
    name: str, file: str | None, relay: str | None
) -> None:
    """S-3: either is enough."""
    assert relay_name(name, file) == relay
