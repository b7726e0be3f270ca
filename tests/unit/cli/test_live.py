"""A status and a word become one line with what to type, for each service."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from credward.cli.live import Verdict, live, models_in, result_of, verdict_of
from credward.client import Client
from credward.errors import Kind
from credward.providers.upstream import ERRORS
from credward.upstream import Trouble
from credward.wire import ProbeResult

SERVICES = ["gateway", "claude", "claude-on-aws", "bedrock", "vertex", "foundry", "of-tomorrow"]


def result(status: int = 0, error: str = "", service: str = "gateway", **facts) -> ProbeResult:
    known = {
        "credential": "work",
        "token_id": "0123456789abcdef",
        "address": "https://llm.example.com",
        "model": "claude-haiku-5-5",
        "request_id": "req_1",
    }
    return ProbeResult(status=status, error=error, service=service, **known | facts)


@pytest.mark.parametrize(
    ("status", "error", "service", "verdict", "said"),
    [
        (200, "", "gateway", "accepted", "takes the token and answers"),
        (400, "invalid_request_error", "claude", "invalid", "--live --model MODEL"),
        (400, "ValidationException", "bedrock", "invalid", "check the model claude-haiku-5-5"),
        (400, "auth_error", "gateway", "refused", "credward get --fresh work"),
        (401, "authentication_error", "claude", "refused", "credward get --fresh work"),
        (401, "", "gateway", "refused", "which audience and scope the gateway expects"),
        (401, "", "foundry", "refused", "https://ai.azure.com"),
        (401, "PermissionDenied", "foundry", "forbidden", "Cognitive Services User"),
        (401, "UNAUTHENTICATED", "vertex", "refused", "cloud-platform"),
        (403, "ExpiredTokenException", "bedrock", "refused", "credward get --fresh work"),
        (403, "AccessDeniedException", "bedrock", "forbidden", "bedrock:InvokeModel"),
        (403, "PERMISSION_DENIED", "vertex", "forbidden", "roles/aiplatform.user"),
        (403, "", "gateway", "forbidden", "ask the administrator"),
        (404, "ResourceNotFoundException", "bedrock", "missing", "in eu-central-1"),
        (404, "NOT_FOUND", "vertex", "missing", "Model Garden"),
        (404, "DeploymentNotFound", "foundry", "missing", "deploy it in the resource"),
        (
            404,
            "not_found_error",
            "gateway",
            "not-found",
            "or nothing at this path",
        ),
        (404, "not_found_error", "claude", "not-found", "check base_url, to which /v1/messages"),
        (404, "not_found_error", "foundry", "not-found", "is deployed there"),
        (404, "", "gateway", "no-path", "check base_url"),
        (405, "", "gateway", "no-path", "check base_url"),
        (402, "billing_error", "claude", "billing", "add credit"),
        (429, "", "gateway", "limited", "in a minute"),
        (429, "RESOURCE_EXHAUSTED", "vertex", "limited", "higher quota"),
        (302, "", "gateway", "redirected", "set base_url"),
        (500, "auth_error", "gateway", "broken", "trouble of its own"),
        (529, "overloaded_error", "claude", "broken", "nothing to correct on this machine"),
    ],
)
def test_each_answer_has_its_meaning_and_remedy(status, error, service, verdict, said):
    """The status of one service is another's; the word decides."""
    answer = result(status, error, service, region="eu-central-1")
    line = result_of(answer)

    assert verdict_of(answer) == verdict
    assert said in line.text
    assert f"HTTP {status}" in line.text
    assert "request req_1" in line.text
    assert (line.kind is None) == (line.mark != "fail")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 402, 403, 404, 429, 503])
def test_every_service_has_a_line_for_every_answer(service, status):
    """One line, without a gap; that of a newer daemon too."""
    for error in ("", "a_word_of_tomorrow", *sorted(ERRORS)):
        text = result_of(result(status, error, service)).text
        assert "\n" not in text
        assert "{" not in text
        assert not text.endswith(": ")


@pytest.mark.parametrize("trouble", [*get_args(Trouble), "of-tomorrow"])
def test_every_trouble_has_a_line(trouble):
    """With what to do; whose trouble it is shows."""
    line = result_of(result(trouble=trouble))
    through = result_of(result(trouble=trouble, proxied=True))

    assert line.mark == "fail"
    assert line.kind is not None
    assert line.text.startswith("https://llm.example.com ")
    assert ": " in line.text.removeprefix("https:")
    assert "(through the proxy)" in through.text


def test_an_untrusted_certificate_names_the_setting():
    """And the kinds tell what to do."""
    assert "network.ca" in result_of(result(trouble="tls-untrusted")).text
    assert result_of(result(trouble="tls-untrusted")).kind is Kind.FIX_CONFIGURATION
    assert result_of(result(trouble="timeout")).kind is Kind.TIMED_OUT
    assert result_of(result(trouble="dns")).kind is Kind.PROVIDER_UNREACHABLE


def test_all_verdicts_are_reached():
    """None is left over."""
    reached = {verdict_of(result(status)) for status in range(200, 600)}
    reached |= {verdict_of(result(404, each)) for each in ("NOT_FOUND", "not_found_error")}
    reached.add(verdict_of(result(trouble="dns")))

    assert reached == set(get_args(Verdict))


@pytest.mark.parametrize(
    ("variables", "models"),
    [
        ({}, []),
        ({"ANTHROPIC_MODEL": "claude-opus-5-5[1m]"}, ["claude-opus-5-5"]),
        ({"ANTHROPIC_MODEL": "opus", "ANTHROPIC_SMALL_FAST_MODEL": "claude-x"}, ["claude-x"]),
        ({"ANTHROPIC_MODEL": "a", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "b"}, ["a", "b"]),
        ({"ANTHROPIC_SMALL_FAST_MODEL": "b", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "c"}, ["c"]),
        ({"ANTHROPIC_MODEL": "a", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "a"}, ["a"]),
        ({"ANTHROPIC_MODEL": "opusplan"}, []),
        ({"ANTHROPIC_MODEL": "not a model"}, []),
        ({"ANTHROPIC_MODEL": "eu.anthropic.claude-x-v1:0"}, ["eu.anthropic.claude-x-v1:0"]),
    ],
)
def test_takes_the_models_that_claude_code_would_ask(variables, models):
    """Not a word that only Claude Code knows; each once."""
    assert models_in(variables) == models


def test_a_login_is_named_only_where_there_is_one():
    """A command that cannot help is no help."""
    refused = result(401)

    assert result_of(refused).text.endswith("run credward get --fresh work")
    assert result_of(refused, can_login=True).text.endswith(", or credward login work")


def test_an_invalid_model_is_not_sent(tmp_path: Path):
    """The daemon would only say that the body is wrong."""
    line = live(Client([tmp_path / "nobody.sock"]), "work", model="my model")

    assert (line.mark, line.kind) == ("fail", Kind.BAD_REQUEST)
    assert "--model" in line.text


def test_a_failure_is_a_line_too(tmp_path: Path):
    """Without a daemon there is nobody to ask."""
    line = live(Client([tmp_path / "nobody.sock"]), "work")

    assert (line.mark, line.kind) == ("fail", Kind.NOT_RUNNING)
    assert "credward daemon start" in line.text


def test_a_key_that_no_mint_replaces_is_replaced_at_its_source():
    """Minting again would give the same key; what else may be wrong is said as before."""
    secret = "run credward secret set work-key"
    for service in ("gateway", "claude"):
        refused = result_of(result(401, service=service), remedy=secret)
        assert refused.text.endswith(
            f"refuses the token (model claude-haiku-5-5, HTTP 401, request req_1): {secret}"
        )

    assert secret not in result_of(result(403), remedy=secret).text
