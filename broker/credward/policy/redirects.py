"""Denies tokens in a folder whose settings files could make an agent send them elsewhere.

Pure. The caller's claim can only deny: an agent follows a repository's settings that its helper
does not see. `claude_settings` reads the files, `destinations` knows where clients go with a set of
variables.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, combinations
from types import MappingProxyType

import msgspec

from credward.policy.base_url import listed, remedy, shown, written
from credward.policy.client_variables import (
    CERTIFICATE_FOLDER,
    CERTIFICATES,
    TLS,
    authorities,
)
from credward.policy.destinations import CLIENTS, Destination, destinations, in_use
from credward.settings.checks import origin_of
from credward.settings.client_flags import allows, is_the_systems, proxy_address, proxy_word
from credward.tokens import ClientFlag, Folder

__all__ = ["check_folder", "counts", "shown"]

# What one file may set, by variable.
_File = Mapping[str, Collection[str]]

# What is between a client and its server, by the flag that a credential may allow.
_BETWEEN: Mapping[str, str] = MappingProxyType(
    {
        "HTTPS_PROXY": "proxy",
        "HTTP_PROXY": "proxy",
        "ALL_PROXY": "proxy",
        "CLAUDE_CODE_HTTPS_PROXY": "proxy",
        "CLAUDE_CODE_HTTP_PROXY": "proxy",
        TLS: "tls-off",
        **dict.fromkeys((*CERTIFICATES, CERTIFICATE_FOLDER), "extra-ca"),
    }
)
# An agent reads no more files than this.
_MOST = 4
_NAMES = frozenset(name for each in CLIENTS for name in each.names if name)
_FAMILIES = tuple(name for name in _NAMES if name.endswith("_"))
_SWITCHES = frozenset(each.switch for each in CLIENTS)


class _Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One variable in one file."""

    path: str
    name: str
    value: str

    @property
    def counts_as(self) -> str:
        """The client variable that it sets; those of a family count as one."""
        return next((each for each in _FAMILIES if self.name.startswith(each)), self.name)


def counts(name: str) -> bool:
    """Return whether a variable decides where requests go, or who reads them on the way."""
    return name in _NAMES or name in _BETWEEN or name.startswith(_FAMILIES)


def check_folder(
    base_urls: Sequence[str],
    allowed_flags: Collection[str],
    folder: Folder,
    *,
    name: str = "NAME",
) -> str | None:
    """Return why the token is not handed out in *folder*, None if it may be.

    *name* is for the command to type.

    Every value in every file may take effect, in addition to the caller's environment. That
    environment may already hold values from the files: an agent may pass them to its helper.
    """
    if not base_urls:
        return None
    for file in folder.files:
        if file.fault:
            return f"is not handed out here, because {shown(file.path)} {file.fault}"
    settings = [
        _Setting(path=file.path, name=name, value=value)
        for file in folder.files
        for name, value in file.variables
    ]
    environ = dict(folder.variables)
    for setting in settings:
        flag = _flag(setting, environ)
        if flag is not None and not allows(allowed_flags, flag.word):
            return (
                f"is not handed out here, because {shown(setting.path)} sets {setting.name}"
                f"{_shown_value(flag)}: remove it there, or {remedy([flag], name)}"
            )
    allowed = {origin_of(each) for each in base_urls}
    for each in _added(environ, settings):
        if each.address is None or origin_of(each.address) not in allowed:
            return f"is for {listed(base_urls)} only, and {_elsewhere(each, settings)}"
    return None


def _flag(setting: _Setting, environ: Mapping[str, str]) -> ClientFlag | None:
    """Return what a setting brings between client and server.

    Nobody read a file of authorities that it names, except if the caller has the same one in the
    same variable: by an absolute path, since the agent may work in another folder, and one whose
    every byte is known.
    """
    kind = _BETWEEN.get(setting.name)
    if kind is None or not setting.value or (kind == "tls-off" and setting.value != "0"):
        return None
    word, file = kind, ""
    if kind == "proxy":
        word = proxy_word(proxy_address(setting.value))
    elif kind == "extra-ca":
        file = setting.value
        if is_the_systems(file):
            return None
        known, path = authorities(environ.get(setting.name, ""))
        exact = file.startswith("/") and "\N{REPLACEMENT CHARACTER}" not in file
        word = known if exact and path == file else kind
    return ClientFlag(word=word, variable=setting.name, file=file)


def _shown_value(flag: ClientFlag) -> str:
    value = shown(flag.file) or flag.word.partition("=")[2]
    return f" to {value}" if value else ""


def _added(environ: Mapping[str, str], settings: Sequence[_Setting]) -> Iterator[Destination]:
    """Yield where requests may go because of *settings*, without what *environ* alone decides.

    Some or all of the files may take effect, in any order.
    """
    by_path: dict[str, dict[str, set[str]]] = {}
    for each in settings:
        by_path.setdefault(each.path, {}).setdefault(each.counts_as, set()).add(each.value)
    files = list(by_path.values())
    before = partial(_values_before, files, environ)
    known = {each for client in in_use(before) for each in destinations(client, before)}
    for some in _subsets(files):
        values = partial(_values, some, environ)
        for client in in_use(values):
            yield from (each for each in destinations(client, values) if each not in known)


def _subsets(files: Sequence[_File]) -> Iterator[Sequence[_File]]:
    """Yield the combinations of files that may take effect; of many files, each alone and all."""
    sizes = range(1, len(files) + 1) if len(files) <= _MOST else (1, len(files))
    return chain.from_iterable(combinations(files, size) for size in sizes)


def _values(some: Sequence[_File], environ: Mapping[str, str], name: str) -> Collection[str]:
    return sorted(_set_by(some, name)) or (environ.get(name, ""),)


def _values_before(
    files: Sequence[_File], environ: Mapping[str, str], name: str
) -> Collection[str]:
    """Return a variable without the files; nothing if *environ* may have it from one of them."""
    value = environ.get(name, "")
    return () if value in _set_by(files, name) else (value,)


def _set_by(files: Sequence[_File], name: str) -> set[str]:
    return set().union(*(each.get(name, ()) for each in files))


def _elsewhere(destination: Destination, settings: Sequence[_Setting]) -> str:
    decisive = (destination.variable, destination.value)
    exact = [each for each in settings if (each.counts_as, each.value) == decisive]
    named = [
        each for name in destination.client.names for each in settings if each.counts_as == name
    ]
    # If none of its own is set, another client was switched off.
    switches = [each for each in settings if each.name in _SWITCHES]
    cause = [*exact, *named, *switches][0]
    origin = None if destination.address is None else origin_of(destination.address)
    where = "an unknown address" if origin is None else written(origin)
    return f"{shown(cause.name)} in {shown(cause.path)} sends it to {where}: remove it there"
