"""What is between Claude Code and its server on this machine, and allowing it for a credential.

A proxy or a further certificate authority could read a token; a credential with a base URL is not
handed out to a caller with one, unless its `allow_client_flags` names it. Only the owner's own
environment counts here, never a repository's settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec
import tomlkit

from credward import named_files
from credward.cli.config import put_in_force, read_config, replace_file
from credward.cli.setup.settings_file import diff
from credward.cli.start import paths, reach
from credward.cli.surroundings import report
from credward.config import CredentialConfig, load_config
from credward.config.sources import secrets_of_alone
from credward.errors import BrokerError, Kind
from credward.policy.client_variables import read_claims
from credward.settings.client_flags import allows, authority_word, proxy_address, proxy_word
from credward.tokens import ClientFlag

__all__ = ["Allowing", "ask_about", "plan_allowing", "words_for"]

# Reading one file of certificates (seconds).
_PATIENCE = 10.0
_LONGEST_CERTIFICATES = 1024 * 1024


class Allowing(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the configuration, which allows *words*.

    *secrets*: those in the store that only this credential uses; they are bound to such words.
    """

    file: Path
    words: tuple[str, ...]
    secrets: tuple[str, ...]
    before: str
    after: str

    def diff(self) -> str:
        """Return the change for people."""
        return diff(self.file, self.before, self.after)

    def carry_out(self) -> str:
        """Write it, let a running daemon use it, and return a line about that."""
        replace_file(self.file, self.after)
        said = f"{self.file}: allowed {', '.join(self.words)}{put_in_force()}"
        for secret in self.secrets:
            # The owner's yes was for this credential, and only this one uses it.
            with contextlib.suppress(BrokerError):
                reach().secret_allow(secret)
        return said


def words_for(authorities: Iterable[str], proxies: Iterable[str]) -> list[str]:
    """Return the words for files of authorities and addresses of proxies; raise `bad-request`."""
    words = [authority_word(_digest(Path(path).expanduser())) for path in authorities]
    for url in proxies:
        words.append(proxy_word(proxy_address(url)))
        if words[-1] == "proxy":
            # Not quoted: it may hold a password.
            raise BrokerError(
                Kind.BAD_REQUEST,
                "--allow-proxy needs a plain address: such as http://proxy.corp:3128",
            )
    return words


def ask_about(
    credential: CredentialConfig, environ: Mapping[str, str], words: Iterable[str]
) -> list[str]:
    """Return the words for what is set in *environ* and its owner allows, once asked.

    *words* are allowed already. Only on a terminal; and only what names one proxy or file.
    """
    if not credential.base_urls or not sys.stdin.isatty():
        return []
    allowed = {*credential.allowed_flags, *words}
    answers = []
    flags = {each.word: each for each in read_claims(report(environ, _PATIENCE)).flags}
    for word, flag in sorted(flags.items()):
        if "=" in word and not allows(allowed, word) and _is_allowed(credential.name, flag):
            answers.append(word)
    return answers


def plan_allowing(credential: CredentialConfig, words: Iterable[str]) -> Allowing | None:
    """Return the change that makes *credential* allow *words*, None if it does or needs none."""
    new = [each for each in dict.fromkeys(words) if not allows(credential.allowed_flags, each)]
    if not new:
        return None
    target = paths().config_file
    if not credential.origin.startswith(f"{target}:"):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential.name}" is configured in {credential.origin}, not in your file: add '
            f"{', '.join(new)} to its allow_client_flags there",
        )
    before = read_config(target)
    document = tomlkit.parse(before)
    block = document["credentials"][credential.name]
    array = block.setdefault("allow_client_flags", tomlkit.array())
    for word in new:
        array.append(word)
    return Allowing(
        file=target,
        words=tuple(new),
        secrets=tuple(secrets_of_alone(load_config(paths()), credential)),
        before=before,
        after=tomlkit.dumps(document),
    )


def _is_allowed(name: str, flag: ClientFlag) -> bool:
    what = f"the certificates in {flag.file}" if flag.file else f"the proxy {flag.word[6:]}"
    click.echo(f"{flag.variable} is set: {what} could read the tokens of {name}.")
    allowed = click.confirm(f"Allow {what}?", default=False)
    if not allowed:
        click.echo(f"then Claude Code gets no token in this shell until you unset {flag.variable}")
    return allowed


def _digest(path: Path) -> str:
    try:
        with named_files.opened(path) as descriptor:
            content = named_files.read_all(descriptor, _LONGEST_CERTIFICATES)
    except OSError as error:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{path}" cannot be read ({error.strerror}): name a file of certificates',
        ) from error
    return hashlib.sha256(content).hexdigest()
