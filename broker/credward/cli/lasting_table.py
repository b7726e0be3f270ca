"""`credward status --for`: which logins last so long, as a table and as lines that say what to do.

`lasting` judges.
"""

from __future__ import annotations

from collections.abc import Mapping

import click

from credward.cli.lasting import Forecast, Lasting, Login, Verdict, forecast
from credward.cli.output import print_json, print_table, say
from credward.text.durations import format_duration
from credward.wire import StatusList

__all__ = ["show_forecast"]

# As `credward status --check`.
_EXIT_CODES: Mapping[Verdict, int] = {"lasts": 0, "ends": 1, "fails": 1, "unknown": 2}
_COLOURS = {"lasts": "green", "unknown": "yellow", "ends": "red", "fails": "red"}


def show_forecast(listed: StatusList, seconds: float, *, as_json: bool) -> int:
    """Print whether these credentials last *seconds* without a person; return the exit code."""
    found = forecast(listed, {each.name for each in listed.credentials}, seconds)
    if as_json:
        print_json(found)
    else:
        _draw(found)
    return _EXIT_CODES[found.verdict]


def _draw(found: Forecast) -> None:
    span = format_duration(found.seconds)
    rows = [row for each in found.credentials for row in _rows(each, found.now)]
    print_table(("NAME", f"FOR {span}", "LOGIN", "ENDS"), rows, colour_of=_COLOURS)
    lines = [f"{each.line}: run credward login {each.credential}" for each in found.logins("ends")]
    lines += [*found.failures, *(each.line for each in found.logins("unknown"))]
    if lines:
        click.echo()
    for line in lines:
        say(line, err=False)


def _rows(lasting: Lasting, now: float) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = [
        (lasting.name, login.verdict, _whose(login), _end(login, now)) for login in lasting.logins
    ]
    if lasting.failure:
        return [(lasting.name, lasting.verdict, "-", "-")]
    return rows or [(lasting.name, lasting.verdict, "needs none", "-")]


def _whose(login: Login) -> str:
    return login.kept_by or login.account or login.credential


def _end(login: Login, now: float) -> str:
    return "-" if login.ends_at is None else format_duration(login.ends_at - now)
