"""Where Claude Code sends its requests under a set of variables.

Pure. Each variable may have several values here, and values that only a settings file would set
count too. `client_variables` reads what a caller reports of its environment. Source:
code.claude.com, the pages of each cloud, and what Claude Code 2.1.332 does.
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
    "is_yes",
    "switched_on",
    "trimmed",
]

# The possible values of a variable; the empty text if it may be unset. Without any, the value is
# unknown, and only results that do not depend on it are returned.
Values = Callable[[str], Collection[str]]

# White space as JavaScript trims it (ECMA-262, WhiteSpace and LineTerminator); Python's set
# differs, and then a switch could be on for only one of the two.
_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)

_YES = frozenset({"1", "true", "yes", "on"})
_PLACE = re.compile(r"[A-Za-z0-9-]+")
_AWS = ("AWS_REGION", "AWS_DEFAULT_REGION")


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the models, turned on by *switch*; the one without a switch is the default.

    *url* names its address; if unset it is *default* of the first of *places*, None if unknown.
    *urls* and *regions* count if a settings file sets them: more variables for the address of some
    requests and the place of some models; a last `_` means any ending.
    """

    switch: str = ""
    url: str = ""
    places: tuple[str, ...] = ()
    default: Callable[[str], str | None] = lambda _: None
    urls: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that count for it, first those that name an address."""
        return (self.url, *self.urls, *self.places, *self.regions, self.switch)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A possible address of a client, and the variable with the value that decides it.

    *address* is None if unknown, *variable* is empty if the default decides.
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
# The variables that decide in a caller's environment; a caller that sends its folder sends these.
VARIABLES = tuple(
    dict.fromkeys(
        name for each in CLIENTS for name in (each.switch, each.url, *each.places) if name
    )
)


def trimmed(text: str) -> str:
    """Return *text* without white space at its ends, as Claude Code does."""
    return text.strip(_SPACE)


def in_use(values: Values) -> list[Client]:
    """Return the clients that may be in use; if two clouds are switched on, both."""
    plain, *clouds = CLIENTS
    said = [(each, [is_yes(value) for value in values(each.switch)]) for each in clouds]
    switched = [each for each, yes in said if True in yes]
    # An unknown switch may be on too: nothing shows that it is off.
    off = all(False in yes for _, yes in said)
    return [plain, *switched] if off else switched


def destinations(client: Client, values: Values) -> Iterator[Destination]:
    """Yield every possible address of *client*."""
    for name in filter(None, (client.url, *client.urls)):
        for value in filter(None, values(name)):
            yield Destination(client=client, address=value, variable=name, value=value)
    if not client.url or "" in values(client.url):
        yield from _defaults(client, values)


def claimed(environ: Mapping[str, str]) -> str | None:
    """Return where the client of *environ* sends its requests, None if that is not clear."""
    deciding = {name: environ[name] for name in VARIABLES if name in environ}

    def values(name: str) -> Collection[str]:
        return (deciding.get(name, ""),)

    found = {each.address for client in in_use(values) for each in destinations(client, values)}
    return found.pop() if len(found) == 1 else None


def switched_on(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables of *environ* that switch to another client than the usual one."""
    return tuple(
        each.switch for each in CLIENTS if each.switch and is_yes(environ.get(each.switch, ""))
    )


def _defaults(client: Client, values: Values) -> Iterator[Destination]:
    for name in client.regions:
        yield from _at_places(client, name, values)
    for name in client.places:
        yield from _at_places(client, name, values)
        if "" not in values(name):
            return
    # A client with places has no address without a place.
    yield Destination(client=client, address=None if client.places else client.default(""))


def _at_places(client: Client, name: str, values: Values) -> Iterator[Destination]:
    for place in filter(None, values(name)):
        address = client.default(place)
        yield Destination(client=client, address=address, variable=name, value=place)


def is_yes(value: str) -> bool:
    """Return whether this *value* turns a switch on."""
    return bool(value) and trimmed(value).lower() in _YES
