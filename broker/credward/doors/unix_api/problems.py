"""Failures as answers: problem+json (RFC 9457), or two plain lines for clients that parse no JSON.

Only formats the failure; other code decides which one it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from credward import wire
from credward.errors import BrokerError
from credward.http.messages import HttpResponse, RefusedRequest, status_of

__all__ = ["render_problem", "wants_text"]


def render_problem(error: BrokerError, headers: Mapping[str, str]) -> HttpResponse:
    """Return the answer for *error* in the shape that the Accept header asks for."""
    failure = error.failure
    problem = wire.Problem.of(failure, status_of(error))
    extra = [("Credward-Kind", problem.kind), ("Cache-Control", "no-store")]
    if failure.retry_after is not None and math.isfinite(failure.retry_after):
        extra.append(("Retry-After", str(max(0, math.ceil(failure.retry_after)))))
    if isinstance(error, RefusedRequest) and error.allow:
        extra.append(("Allow", error.allow))
    if wants_text(headers):
        lines = f"{_one_line(problem.detail)}\n{_one_line(failure.hint)}\n"
        return HttpResponse(
            status=problem.status,
            body=lines.encode(),
            content_type="text/plain; charset=utf-8",
            headers=tuple(extra),
        )
    return HttpResponse(
        status=problem.status,
        body=wire.encode(problem),
        content_type="application/problem+json",
        headers=tuple(extra),
    )


def wants_text(headers: Mapping[str, str]) -> bool:
    """Return whether the Accept header asks for text, and for no JSON (RFC 9110, 12.5.1)."""
    accept = headers.get("accept", "")
    return "text/plain" in accept and "json" not in accept


def _one_line(text: str) -> str:
    return " ".join(text.split())
