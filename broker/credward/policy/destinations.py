"""Where Claude Code sends its requests under a set of variables.

Pure. Each variable may have several values here, and what only a settings file would set counts
too. What a caller tells of its environment is `client_variables`. Source: code.claude.com, the
pages of each cloud, and what Claude Code 2.1.332 does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping

import msgspec

__all__ = [
    "CLIENTS",
    "VARIABLES",
    "Client",
    "Destination",
    "Values",
    "claimed",
    "destinations",
    "in_use",
    "trimmed",
]

# The values that a variable may have; the empty text where it may be unset. Without one the value
# is not known, and only what does not depend on it is returned.
Values = Callable[[str], Collection[str]]

# White space as JavaScript trims it (ECMA-262, WhiteSpace and LineTerminator); Python's is another
# set, and a difference would be a switch that is on for one of the two only.
_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_YES = frozenset({"1", "true", "yes", "on"})
_PLACE = re.compile(r"[A-Za-z0-9-]+")
_AWS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the models, turned on by *switch*; without one it is what there is otherwise.

    *url* names its address; unset it is *default* of the first of *places*, None where that is not
    known. *urls* and *regions* count where a settings file sets them: further variables for the
    address of some requests, and for the place of some models; a last `_` stands for any ending.
    """

    switch: str = ""
    url: str = ""
    places: tuple[str, ...] = ()
    default: Callable[[str], str | None] = lambda _: None
    urls: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that count for it, those that name an address first."""
        return (self.url, *self.urls, *self.places, *self.regions, self.switch)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a client may have, and the variable with the value that decides it.

    *address* is None where it is not known, *variable* empty where the default decides.
    """

    client: Client
    address: str | None
    variable: str = ""
    value: str = ""


def _around(before: str, after: str) -> Callable[[str], str | None]:
    return lambda place: f"{before}{place}{after}" if _PLACE.fullmatch(place) else None


def _vertex(region: str) -> str | None:
    match region:
        case "global":
            return "https://aiplatform.googleapis.com"
        case "us" | "eu":
            return f"https://aiplatform.{region}.rep.googleapis.com"
        case _:
            return _around("https://", "-aiplatform.googleapis.com")(region)


CLIENTS = (
    Client(
        url="ANTHROPIC_BASE_URL",
        default=lambda _: "https://api.anthropic.com",
        urls=("ANTHROPIC_UNIX_SOCKET",),
    ),
    Client(
        switch="CLAUDE_CODE_USE_BEDROCK",
        url="ANTHROPIC_BEDROCK_BASE_URL",
        places=_AWS,
        default=_around("https://bedrock-runtime.", ".amazonaws.com"),
        urls=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL"),
        regions=("ANTHROPIC_SMALL_FAST_MODEL_AWS_REGION",),
    ),
    Client(
        switch="CLAUDE_CODE_USE_VERTEX",
        url="ANTHROPIC_VERTEX_BASE_URL",
        places=("CLOUD_ML_REGION",),
        default=_vertex,
        regions=("VERTEX_REGION_",),
    ),
    Client(
        switch="CLAUDE_CODE_USE_FOUNDRY",
        url="ANTHROPIC_FOUNDRY_BASE_URL",
        places=("ANTHROPIC_FOUNDRY_RESOURCE",),
        default=_around("https://", ".services.ai.azure.com"),
    ),
    Client(
        switch="CLAUDE_CODE_USE_MANTLE",
        url="ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
        places=_AWS,
        default=_around("https://bedrock-mantle.", ".api.aws"),
    ),
    Client(
        switch="CLAUDE_CODE_USE_ANTHROPIC_AWS",
        url="ANTHROPIC_AWS_BASE_URL",
        places=_AWS,
        default=_around("https://aws-external-anthropic.", ".api.aws"),
    ),
    Client(switch="CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD", url="ANTHROPIC_GOOGLE_CLOUD_BASE_URL"),
    Client(switch="CLAUDE_CODE_USE_GATEWAY"),
)
# What decides in a caller's environment; a caller that hands its folder over tells these.
VARIABLES = tuple(
    dict.fromkeys(
        name for each in CLIENTS for name in (each.switch, each.url, *each.places) if name
    )
)


def trimmed(text: str) -> str:
    """Return *text* without white space at its ends, as Claude Code takes it."""
    return text.strip(_SPACE)


def in_use(values: Values) -> list[Client]:
    """Return the clients that may be in use; two clouds that are switched on are two."""
    plain, *clouds = CLIENTS
    said = [(each, [_is_yes(value) for value in values(each.switch)]) for each in clouds]
    switched = [each for each, yes in said if True in yes]
    # Of a switch that is not known, too, nothing says no: then nobody can tell that it is off.
    off = all(False in yes for _, yes in said)
    return [plain, *switched] if off else switched


def destinations(client: Client, values: Values) -> Iterator[Destination]:
    """Yield every address that *client* may have."""
    for name in filter(None, (client.url, *client.urls)):
        for value in filter(None, values(name)):
            yield Destination(client=client, address=value, variable=name, value=value)
    if not client.url or "" in values(client.url):
        yield from _defaults(client, values)


def claimed(environ: Mapping[str, str]) -> str | None:
    """Return where the client of *environ* sends its requests, None where that is not clear."""
    deciding = {name: environ[name] for name in VARIABLES if name in environ}

    def values(name: str) -> Collection[str]:
        return (deciding.get(name, ""),)

    found = {each.address for client in in_use(values) for each in destinations(client, values)}
    return found.pop() if len(found) == 1 else None


def _defaults(client: Client, values: Values) -> Iterator[Destination]:
    for name in client.regions:
        yield from _at_places(client, name, values)
    for name in client.places:
        yield from _at_places(client, name, values)
        if "" not in values(name):
            return
    # A client with places has no address without one.
    yield Destination(client=client, address=None if client.places else client.default(""))


def _at_places(client: Client, name: str, values: Values) -> Iterator[Destination]:
    for place in filter(None, values(name)):
        address = client.default(place)
        yield Destination(client=client, address=address, variable=name, value=place)


def _is_yes(value: str) -> bool:
    return bool(value) and trimmed(value).lower() in _YES
