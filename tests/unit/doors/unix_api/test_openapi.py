"""The document describes what the table dispatches."""

from __future__ import annotations

import json
import re

from credward.doors.unix_api.openapi import openapi_document
from credward.doors.unix_api.routes import ROUTES

DOCUMENT = json.loads(openapi_document(ROUTES))


def test_describes_every_route():
    """Each verb on each path, with its parameters in the path."""
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.verb.lower()]
        in_path = {each["name"] for each in operation["parameters"] if each["in"] == "path"}

        assert in_path == set(re.findall(r"{(\w+)}", route.path))
        assert "default" in operation["responses"]


def test_s2_says_what_a_folder_comes_in():
    """A media type of our own, whose frame the reference describes."""
    operation = DOCUMENT["paths"]["/v1/credentials/{name}/{format}"]["post"]

    assert list(operation["requestBody"]["content"]) == ["application/vnd.credward.folder"]


def test_every_reference_leads_somewhere():
    """No schema is named that is not there."""
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(DOCUMENT)))

    assert names <= set(DOCUMENT["components"]["schemas"])
    assert {"Problem", "StatusList", "CredentialStatus"} <= names


def test_says_what_else_an_answer_may_be():
    """What the Accept header chooses."""
    content = DOCUMENT["paths"]["/v1/credentials"]["get"]["responses"]["200"]["content"]

    assert list(content) == ["application/json", "text/plain"]
