"""Clients of boto3 whose requests travel by our transport: no retries, no search for keys.

Signing, serializing and parsing are its engine's, botocore's; what a failure means is `errors`.
"""

from __future__ import annotations

import io as io_module
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar, cast

import boto3.session
import botocore.session
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.loaders import Loader

from credward.errors import BrokerError, Kind
from credward.named_files import check_file
from credward.providers.aws.errors import explain
from credward.providers.aws.keys import Keys
from credward.providers.provider import HttpRequest, Io

__all__ = ["Aws", "attempt"]

_Result = TypeVar("_Result")


class _SharedLoader(Loader):
    """Descriptions of services, read once per worker and not once per session."""

    @property
    def search_paths(self) -> list[str]:
        # A copy: each session of boto3 appends the same folder.
        return list(super().search_paths)


_loader = _SharedLoader(include_default_search_paths=True)
# Headers that the transport sets by itself from the body and the URL.
_OF_TRANSPORT = frozenset({"content-length", "host", "connection", "transfer-encoding"})

# What AWS itself says with status 429, in JSON and in XML.
_SLOW_DOWN = (
    b'{"__type": "Throttling"}',
    b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>",
)


class Aws:
    """AWS as one mint sees it: sessions and clients over *io*, for one credential.

    *timeout* (seconds) is that of one request; *ends_at* (Unix seconds) is the end of them all.
    """

    def __init__(
        self, credential: str, io: Io, *, timeout: float, ends_at: float | None = None
    ) -> None:
        self.credential = credential
        self.io = io
        self._timeout = timeout
        self._ends_at = ends_at

    def remaining(self) -> float:
        """Return how long the next step may take, in seconds; raise `timed-out` if it is too late.

        Several slow steps must not add up to more than the deadline of the worker, whose death says
        less than they do.
        """
        if self._ends_at is None:
            return self._timeout
        if (left := self._ends_at - self.io.now()) > 0:
            return min(left, self._timeout)
        raise BrokerError(
            Kind.TIMED_OUT,
            f'"{self.credential}" timed out after {self._timeout:g} s: raise timeout',
        )

    def session(self, profile: str | None = None) -> botocore.session.Session:
        """Return a session that reads the user's AWS files, and sends everything through us."""
        environ = self.io.environment()
        home = environ.get("HOME", "/nonexistent")
        files = {
            "config_file": environ.get("AWS_CONFIG_FILE", f"{home}/.aws/config"),
            "credentials_file": environ.get(
                "AWS_SHARED_CREDENTIALS_FILE", f"{home}/.aws/credentials"
            ),
        }
        for path in files.values():
            self._check_file(path)
        session = botocore.session.Session(profile=profile)
        session.register_component("data_loader", _loader)
        for name, path in files.items():
            session.set_config_variable(name, path)
        # One attempt: trying again is the lifecycle's.
        session.set_default_client_config(
            Config(retries={"total_max_attempts": 1, "mode": "standard"})
        )
        session.register("before-send", cast("Any", self._send))
        return session

    def _check_file(self, path: str) -> None:
        """Refuse what would hold botocore, which opens the file itself; one need not be there."""
        try:
            check_file(Path(path).expanduser())
        except FileNotFoundError:
            pass
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self.credential}" got no token, {path} cannot be read ({error.strerror}): '
                "correct the file or its mode",
            ) from error

    def client(self, service: str, *, region: str | None, keys: Keys | None = None) -> Any:
        """Return a client of *service*; without *keys* its requests are not signed."""
        options: dict[str, Any] = {}
        if keys is None:
            options["config"] = Config(signature_version=UNSIGNED)
        else:
            options["aws_access_key_id"] = keys.access_key_id
            options["aws_secret_access_key"] = keys.secret_access_key
            options["aws_session_token"] = keys.session_token
        session: Any = boto3.session.Session(botocore_session=cast("Any", self.session()))
        return session.client(
            service,
            # The old global endpoint signs for us-east-1 and answers everywhere in its partition.
            region_name=region or "aws-global",
            endpoint_url=self.endpoint(service),
            **options,
        )

    def endpoint(self, service: str) -> str | None:
        """Return the URL that AWS_ENDPOINT_URL_… names for *service*, else None: the usual one."""
        environ = self.io.environment()
        name = f"AWS_ENDPOINT_URL_{service.replace('-', '_').upper()}"
        return environ.get(name) or environ.get("AWS_ENDPOINT_URL") or None

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Take over botocore's request; the returned answer replaces its own sending."""
        body = cast("Any", request.body) or b""
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes | bytearray):
            body = body.read()
        headers = {
            name: value.decode("latin-1") if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
            if name.lower() not in _OF_TRANSPORT
        }
        response = self.io.send(
            HttpRequest(
                method=str(request.method),
                url=str(request.url),
                headers=headers,
                body=bytes(body),
                timeout=self.remaining(),
            )
        )
        answer = response.body
        by_form = "x-www-form-urlencoded" in str(request.headers.get("Content-Type", ""))
        if not _is_from_aws(answer, by_form=by_form):
            # A load balancer's words, of which botocore makes the worst.
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                answer = _SLOW_DOWN[by_form]
            elif response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                # It reads the status if there is no body.
                answer = b""
        headers = dict(response.headers)
        return AWSResponse(request.url, response.status, cast("Any", headers), _Raw(answer))


def _is_from_aws(body: bytes, *, by_form: bool) -> bool:
    """Return whether *body* may be an answer of AWS: XML for a form, else JSON."""
    start = body.lstrip()[:9].lower()
    return start.startswith(b"<" if by_form else b"{") and not start.startswith(
        (b"<html", b"<!doctype")
    )


class _Raw(io_module.BytesIO):
    """The body as botocore reads it, in the way of urllib3."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """Yield the body."""
        yield self.read()


def attempt(
    credential: str, call: Callable[[], _Result], *, service: str, **explanation: Any
) -> _Result:
    """Return what *call* does, or raise what its failure means (see `aws_errors.explain`)."""
    try:
        return call()
    except BrokerError:
        raise
    except Exception as error:  # noqa: BLE001 - parsers raise whatever they stumble over
        failure = explain(credential, error, service=service, **explanation)
    # Not raised from the error: its text quotes what was sent or answered.
    raise failure
