"""Program names that mean something: harnesses, relays and shells.

A name can be forged by its owner. So counting as a harness or a relay only restricts, and counting
as a shell only moves the search one ancestor up.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "CLAUDE_CODE",
    "HARNESS_NAMES",
    "MARKS",
    "UNKNOWN_HARNESS",
    "harness_name",
    "is_terminal",
    "is_transparent",
    "relay_name",
]

# Agent harnesses by the name of their process; the value is what policies and people call them.
_HARNESSES = {
    "claude": "claude",
    "codex": "codex",
    "gemini": "gemini",
    "opencode": "opencode",
    "crush": "crush",
    "goose": "goose",
    "aider": "aider",
    "cursor-agent": "cursor",
    "copilot": "copilot",
    "amp": "amp",
    "pi": "pi",
    "openclaw": "openclaw",
    "zero": "zero",
    "hermes-agent": "hermes",
}
CLAUDE_CODE = "claude"
HARNESS_NAMES = frozenset(_HARNESSES.values())
# For a harness whose file has another name: its installation folder, as a part of the path.
_FOLDERS = {
    "/claude/versions/": "claude",
    "/@anthropic-ai/claude-code": "claude",
    "/@openai/codex": "codex",
    "/@google/gemini-cli": "gemini",
}
# Variables that harnesses set for the programs they run. A program that left its harness (`setsid
# --fork`) still has them. An attacker can remove them, so they can only restrict.
MARKS = {
    "CLAUDECODE": "claude",
    "CODEX_SANDBOX": "codex",
    "CODEX_THREAD_ID": "codex",
    "CURSOR_AGENT": "cursor",
    "GEMINI_CLI": "gemini",
    "OPENCODE": "opencode",
}
# A harness that could not be ruled out.
UNKNOWN_HARNESS = "unknown"
# Programs that pass requests on to our socket for somebody whom the kernel does not name.
_RELAYS = (
    *("ssh", "sshd", "sshd-session", "sshd-auth", "dropbear", "dbclient", "dropbearmulti"),
    # Upstream installs socat 1.8 as `socat1`, and `socat` as a link to it.
    *("socat", "socat1", "docker-proxy", "rootlessport", "systemd-socket-proxyd"),
    # Networks of containers and virtual machines, whose connections come out here.
    *("pasta", "pasta.avx2", "passt", "passt.avx2", "slirp4netns", "gvproxy", "vpnkit"),
    *("nc", "nc.openbsd", "nc.traditional", "ncat", "netcat", "ngrok", "cloudflared"),
)
# The kernel keeps this much of a process's name (TASK_COMM_LEN without its NUL).
_COMM = 15
_RELAY_NAMES = {name: name for name in _RELAYS} | {name[:_COMM]: name for name in _RELAYS}
_SHELLS = frozenset(
    {"sh", "bash", "dash", "zsh", "fish", "ksh", "mksh", "ash", "busybox", "tcsh", "csh"}
)
# Programs that only start another one and wait for it.
_WRAPPERS = frozenset({"env", "timeout", "nohup", "setsid", "xargs", "stdbuf", "nice", "time"})
# Where shells of people are at home: terminals and logins, by process name. For `status` only.
_TERMINALS = frozenset(
    {
        *("alacritty", "foot", "ghostty", "gnome-terminal-", "kgx", "kitty", "konsole", "ptyxis"),
        *("terminator", "tilix", "wezterm-gui", "xfce4-terminal", "xterm", "Terminal", "iTerm2"),
        *("tmux: server", "screen", "zellij", "mosh-server", "sshd", "sshd-session", "dropbear"),
        *("login", "su", "sudo", "doas", "systemd", "init", "launchd"),
    }
)
# Cached answers for programs that ask often.
_REMEMBERED = 512
# Programs that ask for somebody else: the helper itself and the command line.
_HELPERS = frozenset({"credward", "credward-helper"})


@lru_cache(maxsize=_REMEMBERED)
def harness_name(process_name: str, executable: str | None) -> str | None:
    """Return which harness a process is, by its name or its file, or None."""
    if (found := _HARNESSES.get(process_name)) is not None:
        return found
    if executable is None:
        return None
    if (found := _HARNESSES.get(executable.rpartition("/")[2])) is not None:
        return found
    return next((name for folder, name in _FOLDERS.items() if folder in executable), None)


@lru_cache(maxsize=_REMEMBERED)
def relay_name(process_name: str, executable: str | None) -> str | None:
    """Return which relay a process is, by its name or its file, or None.

    The name counts even if the file is certain: a relay may be a link to a file of another name.
    """
    names = (process_name, executable.rpartition("/")[2] if executable else None)
    return next((_RELAY_NAMES[name] for name in names if name in _RELAY_NAMES), None)


def is_terminal(process_name: str) -> bool:
    """Return whether shells below this process are typed into by people."""
    return process_name in _TERMINALS


@lru_cache(maxsize=_REMEMBERED)
def is_transparent(process_name: str, executable: str | None) -> bool:
    """Return whether to look one ancestor higher for who really asks."""
    base = executable.rpartition("/")[2] if executable else process_name
    names = {process_name.removeprefix("-"), base}
    return bool(names & (_SHELLS | _WRAPPERS | _HELPERS))
