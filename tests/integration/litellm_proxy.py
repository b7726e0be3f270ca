"""The real LiteLLM proxy, as somebody installed it; skipped where it is not.

It has many dependencies, so the tests install nothing: `TEST_LITELLM` names its program, such as
VENV/bin/litellm after `pip install "litellm[proxy]" google-auth requests`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme

from fakes.bedrock import Bedrock
from fakes.connect_proxy import leading_to
from fakes.google_server import Google, service_account
from fakes.messages_api import MessagesApi
from waiting import until

__all__ = ["CUSTOM_AUTH", "litellm_proxy", "pass_through", "version"]

# What the documentation of LiteLLM calls custom auth: accepts the tokens that a file names.
CUSTOM_AUTH = """\
from pathlib import Path

from fastapi import HTTPException, Request
from litellm.proxy._types import UserAPIKeyAuth

FOLDER = Path(__file__).parent


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    token = api_key.removeprefix("Bearer ")
    with (FOLDER / "asked").open("a") as log:
        log.write(token + "\\n")
    if token in (FOLDER / "accepted").read_text().split():
        return UserAPIKeyAuth(api_key=token)
    status = int((FOLDER / "status").read_text())
    if status == 0:
        raise ValueError("the token has expired")
    raise HTTPException(status_code=status, detail="the token has expired")
"""
# The import of the proxy alone takes long.
_PATIENCE = 180.0


def _program() -> str:
    named = os.environ.get("TEST_LITELLM") or shutil.which("litellm")
    if not named:
        pytest.skip(
            'no LiteLLM: pip install "litellm[proxy]" google-auth requests, and name its program in TEST_LITELLM'
        )
    return named


@contextlib.contextmanager
def litellm_proxy(
    folder: Path, upstream: str, environment: Mapping[str, str] = {}, **general: Any
) -> Iterator[str]:
    """Run a proxy in front of the API at *upstream* with these general settings; yield its URL.

    *environment*: of its pass-through.
    """
    folder.mkdir(exist_ok=True)
    parameters = {"model": "anthropic/*", "api_base": upstream, "api_key": "sk-of-the-proxy"}
    # The models of Bedrock have to be listed, or they count as those of the Claude API.
    bedrock = {"model": "bedrock/us.anthropic.*"}
    config = {
        "model_list": [
            {"model_name": "*", "litellm_params": parameters},
            {"model_name": "us.anthropic.*", "litellm_params": bedrock},
        ],
        "general_settings": general,
    }
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    words = ("--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
        **environment,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [_program(), *words, "--telemetry", "False"],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            until(lambda: process.poll() is not None or _answers(url), _PATIENCE)
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            yield url
        finally:
            process.terminate()
            process.wait(60)


@contextlib.contextmanager
def pass_through(
    folder: Path, api: MessagesApi, bedrock: Bedrock, google: Google
) -> Iterator[dict[str, str]]:
    """Give the environment of a proxy whose clouds are *bedrock* and, for Vertex AI, *api*.

    It has keys of its own for both, which it trades for tokens at *google*.
    """
    token_url = f"http://127.0.0.1:{google.port}/oauth2.googleapis.com/token"
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    key = folder / "service-account.json"
    key.write_text(json.dumps(service_account(token_uri=token_url)))
    with leading_to(int(api.url.rpartition(":")[2]), ca) as https:
        yield {
            "AWS_ACCESS_KEY_ID": "AKIAOFTHEPROXY",
            "AWS_SECRET_ACCESS_KEY": "of-the-proxy",
            "AWS_REGION_NAME": "us-east-1",
            "AWS_BEDROCK_RUNTIME_ENDPOINT": bedrock.url,
            "DEFAULT_VERTEXAI_PROJECT": "project",
            "DEFAULT_VERTEXAI_LOCATION": "global",
            "DEFAULT_GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "HTTPS_PROXY": https,
            "SSL_CERT_FILE": str(folder / "ca.pem"),
        }


def version() -> str:
    """Return the version of the program."""
    said = subprocess.run(
        [_program(), "--version"], capture_output=True, text=True, timeout=_PATIENCE
    )
    return said.stdout.split()[-1]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/liveliness", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
