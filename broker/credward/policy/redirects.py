"""May a token be handed out in a folder whose settings files could have an agent send it elsewhere.

Pure. A claim of the caller's that can only deny: an agent follows a repository's settings where its
helper does not see them. Reading the files is `claude_settings`, where clients go under a set of
variables `destinations`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, combinations
from types import MappingProxyType

import msgspec

from credward.policy.base_url import listed, written
from credward.policy.destinations import CLIENTS, Destination, destinations, in_use
from credward.settings.checks import origin_of
from credward.tokens import Folder

__all__ = ["check_folder", "counts", "shown"]

# What one file may set, by variable.
_File = Mapping[str, Collection[str]]

# What stands between a client and its server, by the flag that a credential may allow.
_BETWEEN: Mapping[str, str] = MappingProxyType(
    {
        "HTTPS_PROXY": "proxy",
        "HTTP_PROXY": "proxy",
        "ALL_PROXY": "proxy",
        "CLAUDE_CODE_HTTPS_PROXY": "proxy",
        "CLAUDE_CODE_HTTP_PROXY": "proxy",
        "NODE_TLS_REJECT_UNAUTHORIZED": "tls-off",
        "NODE_EXTRA_CA_CERTS": "extra-ca",
        "SSL_CERT_FILE": "extra-ca",
        "SSL_CERT_DIR": "extra-ca",
    }
)
# An agent reads no more of them.
_MOST = 4
# Of a path or a name, in a line of which 500 characters are shown.
_LONGEST = 160
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
        """The variable of a client that it sets; those of a family count as one."""
        return next((each for each in _FAMILIES if self.name.startswith(each)), self.name)


def counts(name: str) -> bool:
    """Return whether a variable decides where requests go, or what reads them on the way."""
    return name in _NAMES or name in _BETWEEN or name.startswith(_FAMILIES)


def check_folder(
    base_urls: Sequence[str], allowed_flags: Collection[str], folder: Folder
) -> str | None:
    """Return why the token is not handed out in *folder*, None where it may be.

    Every value in every file may come to be in force, beside what the caller's environment says.
    That environment may hold what the files set: an agent may hand it to its helper.
    """
    if not base_urls:
        return None
    for file in folder.files:
        if file.fault:
            return f"is not handed out here, for {shown(file.path)} {file.fault}"
    settings = [
        _Setting(path=file.path, name=name, value=value)
        for file in folder.files
        for name, value in file.variables
    ]
    for setting in settings:
        if (flag := _flag(setting)) is not None and flag not in allowed_flags:
            return (
                f"is not handed out here, for {shown(setting.path)} sets {setting.name}: "
                f'remove it there, or write "{flag}" into allow_client_flags'
            )
    allowed = {origin_of(each) for each in base_urls}
    for each in _added(dict(folder.variables), settings):
        if each.address is None or origin_of(each.address) not in allowed:
            return f"is for {listed(base_urls)} only, and {_elsewhere(each, settings)}"
    return None


def _flag(setting: _Setting) -> str | None:
    if setting.name == "NODE_TLS_REJECT_UNAUTHORIZED":
        return "tls-off" if setting.value == "0" else None
    return _BETWEEN.get(setting.name) if setting.value else None


def _added(environ: Mapping[str, str], settings: Sequence[_Setting]) -> Iterator[Destination]:
    """Yield where requests may go with *settings*, but not what *environ* alone surely decides.

    Some of the files may be in force, or all of them, in whatever order.
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
    """Yield what may be in force of these files; of many, each alone and all."""
    sizes = range(1, len(files) + 1) if len(files) <= _MOST else (1, len(files))
    return chain.from_iterable(combinations(files, size) for size in sizes)


def _values(some: Sequence[_File], environ: Mapping[str, str], name: str) -> Collection[str]:
    return sorted(_set_by(some, name)) or (environ.get(name, ""),)


def _values_before(
    files: Sequence[_File], environ: Mapping[str, str], name: str
) -> Collection[str]:
    """Return what a variable was without the files; nothing where *environ* may have it of one."""
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
    # Where none of its own is set, another client was switched off.
    switches = [each for each in settings if each.name in _SWITCHES]
    cause = [*exact, *named, *switches][0]
    origin = None if destination.address is None else origin_of(destination.address)
    where = "an address that is not known" if origin is None else written(origin)
    return f"{shown(cause.name)} in {shown(cause.path)} sends it to {where}: remove it there"


def shown(text: str) -> str:
    """Return a path or a name from outside: it moves no cursor and leaves room for the rest."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return plain if len(plain) <= _LONGEST else f"…{plain[-_LONGEST:]}"
