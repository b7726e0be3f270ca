"""The OpenAPI document, built from the table of routes and the structs of `wire`.

Describes and dispatches nothing; the table itself is in `routes`.
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
_NUMBERS = {"min_remaining", "cache_ttl", "timeout"}


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One verb on one path: who answers, and what goes in and out.

    *body_media*: of a body that is not JSON and may be left out.
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
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": [
            *(_parameter(name, "path") for name in re.findall(r"{(\w+)}", route.path)),
            *(_parameter(name, "query") for name in route.query),
        ],
        "responses": {
            str(route.status): {
                "description": route.summary,
                "content": {route.media: {"schema": schema}},
            },
            "default": {
                "description": "A problem (RFC 9457); the header Credward-Kind holds its kind",
                "content": {"application/problem+json": {"schema": schemas[wire.Problem]}},
            },
        },
    }
    if route.body is not None:
        content = {"application/json": {"schema": schemas[route.body]}}
        operation["requestBody"] = {"content": content}
    elif route.body_media is not None:
        operation["requestBody"] = {"content": {route.body_media: {}}}
    return operation


def _parameter(name: str, place: str) -> dict[str, Any]:
    kind = "number" if name in _NUMBERS else "string"
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": kind}}
