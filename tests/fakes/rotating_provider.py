"""A provider of somebody else's whose grants rotate, and which dies by itself where it is told to.

Imported by tests for its settings, and installed beside a worker as it stands (`fakes.plug_in`).
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.provider import Grant, HttpRequest, Io, ProviderRequest
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.tokens import Secret, Token


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """*die*: a file that names the place where this process kills itself; it is removed before."""

    url: str
    die: str
    login: bool = True
    rotating: bool = True
    rotation_retry: bool = True

    @property
    def meaning(self) -> Meaning:
        return Meaning(
            grant=GrantTerms(
                rotating=self.rotating,
                logins=("device",) if self.login else (),
                rotation_retry=self.rotation_retry,
            )
        )


class Provider:
    """Presents the grant, saves the one that comes back, returns the token."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        settings, name = token_request.settings, token_request.credential
        assert isinstance(settings, Settings)
        grant = token_request.grant
        _die(settings, "before send")
        response = io.send(
            HttpRequest(
                method="POST",
                url=settings.url,
                body=(grant.reveal() if grant is not None else "first").encode(),
                timeout=60,
            )
        )
        _die(settings, "after response")
        if response.status == 401:
            raise BrokerError(
                Kind.LOGIN_REQUIRED, f'"{name}" needs a login: run credward login {name}'
            )
        if response.status != 200:
            sent = "no" if response.status == 503 else "maybe"
            raise BrokerError(
                Kind.PROVIDER_UNREACHABLE, f'"{name}" got no token, the server is busy', sent=sent
            )
        answer = json.loads(response.body)
        if answer["grant"] is not None:
            if _told(settings, "before fsync"):
                os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
            io.save_grant(Grant(secret=Secret(answer["grant"])))
            _die(settings, "after seal")
        return Token(secret=Secret(answer["token"]), issued_at=io.now(), expires_at=io.now() + 3600)


def _told(settings: Settings, place: str) -> bool:
    order = Path(settings.die)
    if not order.exists() or order.read_text() != place:
        return False
    order.unlink()
    return True


def _die(settings: Settings, place: str) -> None:
    if _told(settings, place):
        os.kill(os.getpid(), signal.SIGKILL)
