"""What an `apiKeyHelper` line runs, judged without running it: a repository may have written it."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from credward.cli.setup.claude_code import helper_call, ours
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError
from credward.guess import guess
from credward.issuing.asking import DEFAULT_NAME, find_credential

__all__ = ["Fault", "asks_for_unknown", "fault_of", "program_of"]

_NAME = "credward-helper"
# It is shown, so it must not look like something else to type.
_PLAIN = re.compile(r"[\w./+@ -]+")
_CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Fault(NamedTuple):
    """Why a line does not serve; *set_up_again*: set-up corrects it and loses nothing."""

    text: str
    set_up_again: bool = False


def fault_of(
    line: str,
    helper: Path,
    config: Config,
    credential: CredentialConfig,
    *,
    again: str,
    replacing: str,
    unnamed: str = DEFAULT_NAME,
) -> Fault | None:
    """Return why *line* does not serve *credential*, None if it runs our helper for it.

    *unnamed*: what a line without a name asks for. *again* corrects a line of ours, *replacing*
    another one. The line itself is not repeated: it
    may be a stranger's.
    """
    call = helper_call(line, helper)
    if call is not None:
        name = unnamed if call.name == DEFAULT_NAME else call.name
        return _asks_for(name, config, credential, again)
    if not ours(line):
        return Fault(f"names another helper, which is not tried here: {replacing}")
    program = program_of(line)
    found = None if program is None else shutil.which(program)
    if program is None or (found is not None and Path(found).samefile(helper)):
        return Fault(
            f"has a line that is not a plain call of this helper and is not tried here: {again}"
        )
    if found is None:
        return Fault(f"names {program}, which is gone: {again}", set_up_again=True)
    return Fault(f"names {program}, the helper of another installation than {helper}: {again}")


def program_of(line: str) -> str | None:
    """Return the helper that *line* calls by its path, None if it is not such a call."""
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    words = words[1:] if words[:1] == ["exec"] else words
    if not words or Path(words[0]).name != _NAME or not _PLAIN.fullmatch(words[0]):
        return None
    return words[0]


def asks_for_unknown(name: str, config: Config) -> str:
    """Return what is wrong with a line that asks for *name*; only a possible name is repeated."""
    if _CREDENTIAL.fullmatch(name):
        return f'asks for "{name}", which is not configured{guess(name, config.credentials)}'
    return "asks for a credential that is not configured"


def _asks_for(name: str, config: Config, credential: CredentialConfig, again: str) -> Fault | None:
    try:
        asked = find_credential(config, name)
    except BrokerError:
        if name == DEFAULT_NAME:
            return Fault(
                f"names no credential, and none is chosen: run credward use {credential.name}"
            )
        return Fault(f"{asks_for_unknown(name, config)}: {again}", set_up_again=True)
    if asked.name == credential.name:
        return None
    return Fault(
        f'asks for "{asked.name}", not for "{credential.name}": '
        f"run credward doctor {asked.name}; to change it, {again}"
    )
