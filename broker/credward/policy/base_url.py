"""May a token go where the caller would send it? The caller's claim can only deny.

Pure. A repository's settings can redirect an agent to another host; this keeps a company's token
from going there.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

import msgspec

from credward.settings.checks import origin_of
from credward.settings.client_flags import allows
from credward.tokens import ClientFlag

__all__ = ["Refusal", "check_base_url", "check_endpoint", "listed", "remedy", "shown", "written"]

# If the caller does not name the variable.
_VARIABLES = {
    "extra-ca": "NODE_EXTRA_CA_CERTS",
    "proxy": "HTTPS_PROXY or similar",
    "tls-off": "NODE_TLS_REJECT_UNAUTHORIZED",
}
# The maximum length of a path or a name in a message; 500 characters of a line are shown.
_LONGEST = 160
# So much of `sha256:…` tells one file from another.
_DIGEST = len("sha256:") + 12


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a token is not handed out: the *rule*, and the *variables* of the caller that count."""

    reason: str
    rule: str
    variables: tuple[str, ...]


def check_base_url(
    base_urls: Sequence[str],
    allowed_flags: Collection[str],
    client_base_url: str | None,
    client_flags: Collection[ClientFlag],
    *,
    name: str = "NAME",
    by_claude_code: bool = False,
    switches: Sequence[str] = (),
) -> Refusal | None:
    """Return why the token must not go there, None if it may; *name* is for the command to type.

    *by_claude_code*: it asks for itself, so its settings say where it will send the token.
    *switches*: the variables that send its requests there instead of to the usual address.

    Scheme, host and port must be those of one configured base URL; paths do not matter. Without
    configured base URLs the token may go anywhere.
    """
    if not base_urls:
        return None
    only = f"is for {listed(base_urls)} only"
    if switches:
        named = " and ".join(switches)
        unclear = f"with {named} it is not known where requests go"
        add = f"unset {named}, or correct its address, in the shell or in Claude Code's settings"
    else:
        unclear = "the caller did not say where it will send it"
        add = (
            f"run credward setup claude-code {name}"
            if by_claude_code
            else f"add --base-url {base_urls[0]} if you send it there"
        )
    if (where := _elsewhere(base_urls, client_base_url, unclear)) is not None:
        rule = "client-switch" if switches else "base-url"
        return Refusal(reason=f"{only}, {where}: {add}", rule=rule, variables=tuple(switches))
    by_word = {each.word: each for each in sorted(client_flags, key=_order, reverse=True)}
    refused = [each for word, each in sorted(by_word.items()) if not allows(allowed_flags, word)]
    return _between(refused, allowed_flags, name) if refused else None


def check_endpoint(base_urls: Sequence[str], *, bound: bool, origin: str) -> Refusal | None:
    """Return why a token is not handed out at an endpoint whose clients cannot say where it goes.

    None if nobody *bound* it: what only settings imply is where the token is usually sent, and
    clients of a cloud know that as well. *origin*: where the credential is configured.
    """
    if not bound:
        return None
    reason = (
        f"is for {listed(base_urls)} only, and clients of an endpoint do not say where they send "
        f"it: use the helper, or remove base_url in {origin}"
    )
    return Refusal(reason=reason, rule="base-url", variables=())


def _elsewhere(base_urls: Sequence[str], claimed: str | None, unclear: str) -> str | None:
    """Return where else a token would go, as the end of a sentence; None if to *base_urls*."""
    if claimed is None:
        return f"and {unclear}"
    origin = origin_of(claimed)
    if origin is None:
        return "and the caller's base URL is invalid"
    return None if origin in map(origin_of, base_urls) else f"not for {written(origin)}"


def _between(refused: Sequence[ClientFlag], allowed_flags: Collection[str], name: str) -> Refusal:
    """Return the refusal of what is between the caller and its server."""
    described = " and ".join(_described(each, allowed_flags) for each in refused)
    them = "it" if len(refused) == 1 else "them"
    command = remedy(refused, name, own=True)
    kinds = dict.fromkeys(each.word.partition("=")[0] for each in refused)
    return Refusal(
        reason=f"is not handed out to a caller with {described}: unset {them}, or {command}",
        rule=" ".join(kinds),
        variables=tuple(dict.fromkeys(each.variable for each in refused if each.variable)),
    )


def remedy(flags: Sequence[ClientFlag], name: str, *, own: bool = False) -> str:
    """Return what allows *flags* for the credential *name*: a command, or words to write.

    *own*: they are of the caller's environment, so it has looked at the files that they name.
    """
    options, words = "", []
    commands: list[str] = []
    for flag in flags:
        kind, _, value = flag.word.partition("=")
        if kind == "proxy" and value:
            options += f" --allow-proxy {shlex.quote(value)}"
        elif kind == "extra-ca" and own and flag.file and not value:
            commands.append(f"correct the path in {flag.variable or _VARIABLES[kind]}")
        elif kind == "extra-ca" and value:
            options += f" --allow-ca {_typed(flag.file)}"
        else:
            words.append(f'"{kind}"')
    if options:
        commands.append(f"run credward setup claude-code {name}{options}")
    if words:
        some = " and ".join(words)
        commands.append(f"write {some} into allow_client_flags (credward config edit)")
    return " and ".join(commands)


def _typed(path: str) -> str:
    """Return *path* as a shell reads it back; FILE if it cannot be shown as it is.

    A repository may choose the name of a file, and people paste the command.
    """
    exact = shown(path) == path and "\N{REPLACEMENT CHARACTER}" not in path
    return shlex.quote(path) if path and exact else "FILE"


def _order(flag: ClientFlag) -> tuple[str, str]:
    return flag.word, flag.variable


def _described(flag: ClientFlag, allowed_flags: Collection[str]) -> str:
    kind, _, value = flag.word.partition("=")
    variable = flag.variable or _VARIABLES.get(kind, kind)
    if kind == "proxy" and value:
        return f"{variable} set to {value}"
    if kind == "extra-ca" and flag.file:
        text = f"{variable} set to {shown(flag.file)}"
        return text + (_changed(allowed_flags) if value else " (unreadable)")
    return f"{variable} set"


def _changed(allowed_flags: Collection[str]) -> str:
    """Return how certificates differ from those that are allowed, empty if none are.

    Only digests are kept: whether it is the same file, with another content, is not known.
    """
    words = sorted(each for each in allowed_flags if each.startswith("extra-ca="))
    if not words:
        return ""
    some = ", ".join(f"{each.partition('=')[2][:_DIGEST]}…" for each in words)
    return f" (changed, or another file than allowed: {some})"


def shown(text: str) -> str:
    """Return a path or a name from outside, without control characters and not too long."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return plain if len(plain) <= _LONGEST else f"…{plain[-_LONGEST:]}"


def listed(base_urls: Sequence[str]) -> str:
    """Return base URLs as part of a sentence."""
    *others, last = base_urls
    return f"{', '.join(others)} and {last}" if others else last


def written(origin: tuple[str, str, int]) -> str:
    """Return an origin as people write it: without the default port."""
    scheme, host, port = origin
    bare = f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
    return bare if origin_of(bare) == origin else f"{bare}:{port}"
