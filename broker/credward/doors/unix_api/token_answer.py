"""The answer that hands out tokens: the body in the format that was asked for, and its facts.

`routes` obtains them, `formats` know how each looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from credward.folder import FOLDER_HEADER
from credward.formats.registry import Shaped, ShapeRequest, merge, shape
from credward.http.messages import HttpResponse
from credward.issuing.released import Released
from credward.policy.client_variables import VARIABLES_HEADER
from credward.tokens import Token, TokenRequest

__all__ = ["token_answer"]


def token_answer(
    tokens: Sequence[Released], token_request: TokenRequest, now: float
) -> HttpResponse:
    """Return one answer with all *tokens*; several have one body, and last as long as the first.

    *now* is Unix time.
    """
    shaped = _shape(tokens, token_request.format, now)
    held = [each.held for each in tokens]
    headers = [
        ("Credential", ",".join(each.credential.name for each in tokens)),
        ("Token-Id", ",".join(each.token_id for each in held)),
        ("Issued-At", str(int(min(each.issued_at for each in held)))),
        ("Cache-Control", "no-store"),
    ]
    ends = [each.expires_at for each in held if each.expires_at is not None]
    if ends:
        headers.append(("Expires-At", str(int(min(ends)))))
    if any(each.short for each in tokens):
        headers.append(("Lifetime-Short", "true"))
    if token_request.folder is not None:
        # An older daemon that knows nothing about folders would not say so.
        headers.append((FOLDER_HEADER, "judged"))
    if token_request.variables_told:
        headers.append((VARIABLES_HEADER, "judged"))
    return HttpResponse(
        status=200,
        body=shaped.body,
        content_type=shaped.content_type,
        headers=headers,
        wipe=True,
    )


def _shape(tokens: Sequence[Released], format_name: str, now: float) -> Shaped:
    parts = [_part(each, now) for each in tokens]
    if len(parts) > 1:
        return merge(format_name, parts)
    return shape(format_name, *parts[0])


def _part(released: Released, now: float) -> tuple[Token, ShapeRequest]:
    credential = released.credential
    shape_request = ShapeRequest(
        credential=credential.name,
        now=now,
        header=credential.header,
        headers=credential.meaning.headers,
        env_name=credential.env_name,
    )
    return released.token(), shape_request
