"""The OpenAPI document, built from the table of routes and the structs of `wire`.

Only describes; `routes` holds the table and dispatches.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from credward import __version__, wire
from credward.http.messages import HttpResponse

__all__ = ["Call", "Route", "openapi_document"]

Call = Callable[..., HttpResponse | Awaitable[HttpResponse]]

_REFERENCE = "#/components/schemas/{name}"
_NUMBERS = {"min_remaining", "cache_ttl", "timeout", "width"}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One verb on one path: its handler, and what goes in and out.

    *body_media*: the media type of a body that is not JSON and is optional. *or_media*: what the
    answer is instead for a caller whose Accept header asks for that.
    """

    verb: str
    path: str
    call: Call
    summary: str
    query: tuple[str, ...] = ()
    body: type[msgspec.Struct] | None = None
    body_media: str | None = None
    answer: type[msgspec.Struct] | None = None
    media: str = "application/json"
    or_media: str | None = None
    status: int = 200


def openapi_document(routes: Sequence[Route]) -> bytes:
    """Return the document as JSON."""
    structs: set[type[msgspec.Struct]] = {wire.Problem}
    for route in routes:
        structs.update(each for each in (route.body, route.answer) if each is not None)
    ordered = sorted(structs, key=lambda each: each.__name__)
    references, components = msgspec.json.schema_components(ordered, ref_template=_REFERENCE)
    schemas = dict(zip(ordered, references, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(route, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "credward", "version": __version__},
        "paths": paths,
        "components": {"schemas": components},
    }
    return msgspec.json.encode(document)


def _operation(route: Route, schemas: dict[type[msgspec.Struct], dict[str, Any]]) -> dict[str, Any]:
    schema = schemas[route.answer] if route.answer else {}
    content: dict[str, Any] = {route.media: {"schema": schema}}
    if route.or_media is not None:
        content[route.or_media] = {}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": [
            *(_parameter(name, "path") for name in re.findall(r"{(\w+)}", route.path)),
            *(_parameter(name, "query") for name in route.query),
        ],
        "responses": {
            str(route.status): {"description": route.summary, "content": content},
            "default": {
                "description": "A problem (RFC 9457); the header Credward-Kind holds its kind",
                "content": {"application/problem+json": {"schema": schemas[wire.Problem]}},
            },
        },
    }
    if route.body is not None:
        body = {"application/json": {"schema": schemas[route.body]}}
        operation["requestBody"] = {"content": body}
    elif route.body_media is not None:
        operation["requestBody"] = {"content": {route.body_media: {}}}
    return operation


def _parameter(name: str, place: str) -> dict[str, Any]:
    kind = "number" if name in _NUMBERS else "string"
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}}
