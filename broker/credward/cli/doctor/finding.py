"""What doctor finds, and what the checks tell each other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from credward.cli.setup.claude_code_merged import Merged
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.issuing.asking import DEFAULT_NAME
from credward.wire import StatusList

__all__ = ["PATIENCE", "Finding", "Fixed", "Known", "fail", "failed", "ok", "warn"]

# The default timeout of a request (seconds).
PATIENCE = 4.0

_Mark = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check; *kind* is set if the link is broken.

    *fix*: the words of the `credward` command in *text*, if it loses nothing.
    """

    check: str
    mark: _Mark
    text: str
    kind: Kind | None = None
    fix: tuple[str, ...] = ()


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was run; *problem* is why it did not work, if nobody has seen that yet.

    *examined*: it ended with a doctor of its own, whose exit code is *exit_code*.
    """

    command: str
    done: bool
    problem: str | None
    exit_code: int
    examined: bool


class Known(msgspec.Struct, kw_only=True):
    """What was asked, and results of earlier checks for later ones.

    *settings*: one more settings file of the agent. *live*: ask the service too, for *model* (None:
    the agent's). *policy_epoch*: the digest of the policy files. *given*: the digest of the token
    that the credential gives. *doubt*: why that is probably refused. *shares_files*: the daemon has
    the configuration of this shell. *set_up*: a settings file is meant to run the helper for this
    credential. *astray*: settings run something else, or cannot be read. *line*: the one to try.
    *unnamed*: the credential of a line that names none; *by_use*: chosen by `credward use`. *what*:
    what to set Claude Code up for (`what_to_set_up`). *folder_refused*: nothing is handed out in
    this folder, because of its settings files. *broken*: the kinds of failures so far.
    """

    name: str
    settings: Path | None = None
    live: bool = False
    model: str | None = None
    config: Config | None = None
    policy_epoch: str = ""
    credential: CredentialConfig | None = None
    statuses: StatusList | None = None
    shares_files: bool = False
    given: str | None = None
    doubt: str | None = None
    helper: Path | None = None
    merged: Merged | None = None
    line: str | None = None
    set_up: bool = False
    astray: bool = False
    unnamed: str = DEFAULT_NAME
    folder_refused: bool = False
    by_use: bool = False
    what: str = DEFAULT_NAME
    broken: set[Kind] = msgspec.field(default_factory=set)


def ok(check: str, text: str) -> Finding:
    """Return that this link holds."""
    return Finding(check=check, mark="ok", text=text)


def warn(check: str, text: str) -> Finding:
    """Return what may become a problem."""
    return Finding(check=check, mark="warn", text=text)


def fail(check: str, text: str, kind: Kind, fix: tuple[str, ...] = ()) -> Finding:
    """Return that this link is broken."""
    return Finding(check=check, mark="fail", text=text, kind=kind, fix=fix)


def failed(check: str, error: BrokerError, fix: tuple[str, ...] = ()) -> Finding:
    """Return that this link is broken, in the words of *error*."""
    return fail(check, error.message, error.kind, fix)
