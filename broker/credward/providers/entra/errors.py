"""Turns a refusal of Entra ID into one of our closed kinds, with one clear action.

Pure: the JSON of a refusal in, a failure out. What each code means is the table `codes`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind, Sent
from credward.providers.entra.codes import (
    ERRORS,
    MEANINGS,
    OF_APPLICATIONS,
    UNKNOWN,
    Meaning,
)
from credward.settings.checks import json_object

__all__ = ["Asker", "explain", "read_refusal"]

_CODE = re.compile(r"AADSTS(\d{4,9})")
_GUID = re.compile(r"^[0-9a-fA-F-]{36}$")
# A challenge is a few hundred characters; more would be something else.
_LONGEST_CLAIMS = 2000


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a refusal is explained. *login* is the command for a new login, if one helps."""

    credential: str
    tenant: str = "the tenant"
    client_id: str = "the application"
    login: str | None = None


def read_refusal(answer: Mapping[str, Any], asker: Asker) -> BrokerError:
    """Return the failure that *answer*, the JSON of a refusal, means for *asker*.

    Definite but for faults of the directory: those may have come after a grant was used.
    """
    code, error = _read_code(answer), answer.get("error")
    meaning = _find(code, asker)
    if meaning is None:
        meaning = ERRORS.get(error, UNKNOWN) if isinstance(error, str) else UNKNOWN
    return _make(meaning, code, asker, answer)


def explain(text: str, asker: Asker) -> BrokerError | None:
    """Return the meaning of the first AADSTS code in *text*; None if we know none."""
    found = _CODE.search(text)
    code = int(found[1]) if found else None
    meaning = _find(code, asker)
    return None if meaning is None else _make(meaning, code, asker, {})


def _find(code: int | None, asker: Asker) -> Meaning | None:
    if code is None:
        return None
    special = OF_APPLICATIONS.get(code) if asker.login is None else None
    return special or MEANINGS.get(code)


def _read_code(answer: Mapping[str, Any]) -> int | None:
    """Return the AADSTS code of a refusal, of several the first that the table knows."""
    codes = answer.get("error_codes")
    numbers = [each for each in codes if type(each) is int] if isinstance(codes, list) else []
    text = answer.get("error_description")
    if isinstance(text, str):
        numbers += [int(found) for found in _CODE.findall(text[:1000])]
    numbers = [number for number in numbers if 0 < number < 10**9]
    return next((each for each in numbers if each in MEANINGS), numbers[0] if numbers else None)


def _make(
    meaning: Meaning, code: int | None, asker: Asker, answer: Mapping[str, Any]
) -> BrokerError:
    kind, cause, remedy = meaning
    hint = _hint(answer)
    sent: Sent = "maybe" if kind is Kind.PROVIDER_UNREACHABLE else "no"
    named = f"AADSTS{code}, {cause}" if code else cause
    if kind is Kind.LOGIN_REQUIRED and asker.login is None:
        return BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{asker.credential}" got no token ({named}): '
            "check the application's credential, or have the user of on_behalf_of sign in again",
            hint=hint,
        )
    login = asker.login or "log in"
    remedy = remedy.format(login=login, tenant=asker.tenant, client=asker.client_id) or login
    what = "needs a login" if kind is Kind.LOGIN_REQUIRED else "got no token"
    return BrokerError(
        kind,
        f'"{asker.credential}" {what}',
        reason=named,
        remedy=remedy,
        hint=hint,
        sent=sent,
        # What Conditional Access wants of the user: the next login asks for it.
        challenge=_read_claims(answer.get("claims")) or "",
    )


def _hint(answer: Mapping[str, Any]) -> str:
    """Return what helps beyond the line: the id that administrators want."""
    hints = []
    trace = answer.get("correlation_id")
    if isinstance(trace, str) and _GUID.match(trace):
        hints.append(f"the tenant's sign-in log has it under correlation id {trace}")
    return "; ".join(hints)


def _read_claims(text: object) -> str | None:
    """Return a claims challenge, rewritten as JSON: it asks, and holds no secret."""
    if not isinstance(text, str) or len(text) > _LONGEST_CLAIMS:
        return None
    claims = json_object(text)
    return None if claims is None else msgspec.json.encode(claims).decode()
