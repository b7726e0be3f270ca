"""The text of `credward status`: a table of credentials, one of logins, and the problems.

Pure: the commands show it, and the daemon for those that ask for text. The daemon's clock counts.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator

from credward.errors import Kind
from credward.text.durations import format_duration
from credward.text.styles import styled, unstyled
from credward.text.tables import Column, cut, ending, lines_of, plain, width_of
from credward.text.viewer import Viewer
from credward.text.wrapping import wrapped
from credward.wire import CredentialStatus, GrantStatus, SinkStatus, StatusList, edited_since

__all__ = [
    "NONE",
    "asker_text",
    "detail",
    "files",
    "logins",
    "page",
    "problems",
    "table",
    "text_of",
]

_COLOURS = {
    "fresh": "green",
    "refreshing": "green",
    "minting": "cyan",
    "suspect": "yellow",
    "stale": "yellow",
    "expired": "red",
    "needs-you": "red",
    "rejected": "red",
    "ambiguous": "yellow",
    "locked": "red",
    # Of grants.
    "valid": "green",
    "needs-login": "red",
    "untried": "yellow",
    # Of files.
    "empty": "red",
    "denied": "red",
}
_NONE_CHOSEN = "a caller that names none gets none: run credward use NAME"
NONE = "no credential is configured: run credward add"


def page(listed: StatusList, viewer: Viewer, *, coloured: bool) -> str:
    """Return all that a plain `credward status` prints."""
    text = "".join(f"{line}\n" for line in text_of(listed, viewer, in_detail=False))
    return text if coloured else unstyled(text)


def text_of(
    listed: StatusList, viewer: Viewer, *, in_detail: bool, known: Collection[str] = ()
) -> Iterator[str]:
    """Yield the lines for *viewer*, with colours; the problems are never cut off.

    *known*: all names, if not all are listed.
    """
    if not listed.credentials:
        yield NONE
    elif in_detail:
        yield from detail(listed, viewer)
        yield from files(listed, viewer)
    else:
        yield from table(listed, viewer)
        below = [each for each in (logins(listed, viewer), files(listed, viewer)) if each]
        for each in below:
            yield from ("", *each)
        if below:
            yield ""
    yield from (wrapped(each, viewer.width) for each in problems(listed, viewer))
    if not in_detail and len(listed.credentials) > 1:
        names = known or [each.name for each in listed.credentials]
        active = viewer.explain(listed.active, listed.active_because, names)
        yield f"* without a name: {active}" if active else _NONE_CHOSEN


def table(listed: StatusList, viewer: Viewer) -> list[str]:
    """Return the credentials, a row for each."""
    rows = listed.credentials
    now, doubtful = listed.now, _doubtful(listed)
    columns = [
        Column(title="NAME", cells=[_marked(each.name, listed, viewer) for each in rows], least=24),
        Column(title="PROVIDER", cells=[each.provider for each in rows], goes=6),
        Column(title="STATE", cells=[_state(each, doubtful) for each in rows]),
        Column(title="EXPIRES", cells=[_expires(each, now) for each in rows], goes=1),
        Column(title="NEXT-REFRESH", cells=[_in(each.refresh_at, now) for each in rows], goes=3),
        Column(title="LOGIN-ENDS", cells=[_in(each.login_ends_at, now) for each in rows], goes=4),
        Column(title="ASKS", cells=[str(each.asks) for each in rows], goes=2),
        Column(title="MINTS", cells=[str(each.mints) for each in rows], goes=5),
        Column(
            title="LAST-ASKED-BY",
            cells=[asker_text(each, viewer) or "-" for each in rows],
            least=24,
            shorten=_cut_folder,
        ),
    ]
    return lines_of(columns, viewer.width, _COLOURS)


def logins(listed: StatusList, viewer: Viewer) -> list[str]:
    """Return the grants behind these credentials, a row for each; none: no line."""
    shown = {each.grant for each in listed.credentials}
    rows = [each for each in listed.grants if each.name in shown]
    if not rows:
        return []
    now = listed.now
    columns = [
        Column(title="GRANT", cells=[each.name for each in rows], least=12, goes=3),
        Column(title="STATE", cells=[each.state or "-" for each in rows]),
        Column(title="ACCOUNT", cells=[each.account or "-" for each in rows], least=12),
        Column(title="SINCE", cells=[_since(each, now) for each in rows], goes=1),
        Column(title="ENDS", cells=[_in(each.ends_at, now) for each in rows], goes=2),
        Column(title="CREDENTIALS", cells=[", ".join(each.credentials) for each in rows], least=16),
    ]
    return lines_of(columns, viewer.width, _COLOURS)


def files(listed: StatusList, viewer: Viewer) -> list[str]:
    """Return the files that hold tokens of these credentials, a row for each; none: no line."""
    rows = _shown_files(listed)
    if not rows:
        return []
    now = listed.now
    columns = [
        Column(title="FILE", cells=[_file(each, viewer) for each in rows], least=24),
        Column(title="CREDENTIAL", cells=[each.credential for each in rows], goes=1),
        Column(title="FORMAT", cells=[each.format for each in rows], goes=2),
        Column(title="STATE", cells=[each.state for each in rows]),
        Column(title="EXPIRES", cells=[_in(each.expires_at, now) for each in rows], goes=3),
    ]
    return lines_of(columns, viewer.width, _COLOURS)


def problems(listed: StatusList, viewer: Viewer) -> Iterator[str]:
    """Yield the problems, each once even if several credentials share the grant."""
    yield from (plain(each) for each in _failures(listed, viewer))
    for warning in listed.warnings:
        yield f"warning: {plain(warning)}"
    if not listed.locked and listed.store and listed.store != "not opened":
        yield f"store: {plain(_short_in(listed.store, viewer))}"
    if listed.attestation.startswith("degraded"):
        yield f"attestation: {plain(listed.attestation)}"


def asker_text(status: CredentialStatus, viewer: Viewer) -> str | None:
    """Return who asked last, and in which folder; None if nobody has."""
    if status.last_asked_by is None:
        return None
    folder = status.last_asked_in
    return status.last_asked_by + ("" if folder is None else f" in {viewer.short(folder)}")


def _marked(name: str, listed: StatusList, viewer: Viewer) -> str:
    return f"{name} *" if name == viewer.active_name(listed.active) else name


def _failures(listed: StatusList, viewer: Viewer) -> Iterator[str]:
    if listed.locked:
        yield "the store is locked: run credward unlock"
    told = set()
    shown = {each.grant for each in listed.credentials}
    for each in listed.credentials:
        if each.failure is not None and each.failure.message not in told:
            told.add(each.failure.message)
            again = f". Next try in {_in(each.refresh_at, listed.now)}" if each.refresh_at else ""
            yield f"{each.failure.message}{again}"
        if each.doubt is not None:
            yield each.doubt.message
        if each.denied_last:
            yield f'"{each.name}" was last denied {_denied(each, viewer, listed.now)}'
    for sink in _shown_files(listed):
        if sink.failure is not None and sink.failure.message not in told:
            told.add(sink.failure.message)
            yield f"{_file(sink, viewer)}: {sink.failure.message}"
    for path in listed.edited:
        yield edited_since(path)
    for grant in listed.grants:
        if grant.name in shown and grant.ambiguous_at is not None:
            names = ", ".join(grant.credentials)
            since = format_duration(listed.now - grant.ambiguous_at)
            yield f"{names}: its last renewal, {since} ago, may or may not have worked; retrying"


def detail(listed: StatusList, viewer: Viewer) -> Iterator[str]:
    """Yield all about the first credential, a line for each fact that is known."""
    (each, *_), now = listed.credentials, listed.now
    grant = next((grant for grant in listed.grants if grant.name == each.grant), None)
    state = _state(each, _doubtful(listed))
    facts = [
        ("name", styled(plain(each.name), "bold")),
        ("provider", plain(each.provider)),
        ("without a name", "this one" if each.name == viewer.active_name(listed.active) else None),
        ("state", styled(state, _COLOURS.get(state))),
        ("expires", _at(each.expires_at, now) or _expires(each, now)),
        ("next refresh", _at(each.refresh_at, now)),
        ("token life", None if each.life is None else format_duration(each.life)),
        ("token id", each.token_id),
        ("issuer's id", each.upstream_id),
        ("audience", each.audience),
        ("for hosts", ", ".join(each.base_urls) or "any"),
        *([] if grant is None else _of_grant(grant, now)),
        ("last asked by", _asked(each, viewer, now)),
        ("last denied", _denied(each, viewer, now)),
        ("asks", f"{each.asks}, {each.waits} of them waited for a mint"),
        ("mints", f"{each.mints}, and {each.failures} failed"),
        ("last failure", None if each.failure is None else each.failure.kind),
    ]
    for title, text in facts:
        if text is not None:
            yield f"{title + ':':<16}{text if title in {'name', 'state'} else plain(text)}"


def _of_grant(grant: GrantStatus, now: float) -> Iterator[tuple[str, str | None]]:
    others = ", ".join(grant.credentials)
    yield "grant", f"{grant.name}, {grant.state or '-'}; for {others}"
    yield "account", grant.account
    yield "login since", None if grant.given_at is None else _ago(grant.given_at, now)
    yield "login ends", _at(grant.ends_at, now)
    yield "last login", _failed_login(grant, now)
    yield "rotations", str(grant.rotations) if grant.rotations else None


def _failed_login(grant: GrantStatus, now: float) -> str | None:
    """Return how the last login failed, None if none has since one worked."""
    failure, at = grant.login_failure, grant.login_failed_at
    if failure is None or at is None:
        return None
    return f"failed {_ago(at, now)} ({failure.kind}): {failure.message}"


def _asked(status: CredentialStatus, viewer: Viewer, now: float) -> str | None:
    if (text := asker_text(status, viewer)) is None:
        return None
    pid = f" (pid {status.last_asked_pid})" if status.last_asked_pid else ""
    when = "" if status.last_asked_at is None else f", {_ago(status.last_asked_at, now)}"
    return f"{text}{pid}{when}"


def _denied(status: CredentialStatus, viewer: Viewer, now: float) -> str | None:
    """Return to whom it was last denied, and why, else what tells why; None: to nobody."""
    if status.denied_at is None:
        return None
    whom = status.denied_to or "somebody"
    folder = "" if status.denied_in is None else f" in {viewer.short(status.denied_in)}"
    rule = "" if status.denied_by is None else f" ({status.denied_by})"
    why = status.denied_because or f"run credward audit tail {status.name}"
    return f"to {whom}{folder}{rule}, {_ago(status.denied_at, now)}: {why}"


def _doubtful(listed: StatusList) -> Container[str]:
    return {each.name for each in listed.grants if each.ambiguous_at is not None}


def _state(status: CredentialStatus, doubtful: Container[str]) -> str:
    """Return the state in the words of people; programs get `parked`."""
    if status.state == "parked":
        login = status.failure is not None and status.failure.kind == Kind.LOGIN_REQUIRED.slug
        return "needs-login" if login else "needs-you"
    return "ambiguous" if status.grant in doubtful else status.state


def _shown_files(listed: StatusList) -> list[SinkStatus]:
    shown = {each.name for each in listed.credentials}
    return [each for each in listed.sinks if each.credential in shown]


def _file(sink: SinkStatus, viewer: Viewer) -> str:
    path = viewer.short(sink.path)
    return plain(f"{path} [{sink.profile}]" if sink.profile else path)


def _expires(status: CredentialStatus, now: float) -> str:
    unending = status.token_id is not None and status.expires_at is None
    return "never" if unending else _in(status.expires_at, now)


def _since(grant: GrantStatus, now: float) -> str:
    since = grant.parked_at or grant.ambiguous_at or grant.given_at
    return "-" if since is None else _ago(since, now)


def _in(at: float | None, now: float) -> str:
    return "-" if at is None else format_duration(at - now)


def _ago(at: float, now: float) -> str:
    return f"{format_duration(now - at)} ago"


def _at(at: float | None, now: float) -> str | None:
    """Return a duration, and the instant by the user's clock."""
    if at is None:
        return None
    from datetime import datetime  # noqa: PLC0415 - only details need it

    clock = datetime.fromtimestamp(at)  # noqa: DTZ006 - the user's clock
    day = "%H:%M:%S" if abs(at - now) < 86_400 else "%a %d %b %H:%M"
    return f"in {format_duration(at - now)} ({clock:{day}})" if at >= now else _ago(at, now)


def _short_in(text: str, viewer: Viewer) -> str:
    """Return *text* with `~` for the home in a path at its end."""
    before, between, path = text.partition(" /")
    return f"{before} {viewer.short(f'/{path}')}" if between else text


def _cut_folder(text: str, width: int) -> str:
    """Shorten `claude in ~/src/app` so that the name and the end of the folder stay."""
    name, between, folder = text.partition(" in ")
    room = width - width_of(name + between) - 1
    if not between or room < 4:
        return cut(text, width)
    return f"{name}{between}…{ending(folder, room)}"
