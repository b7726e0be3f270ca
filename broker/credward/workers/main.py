"""The worker's side of the link: reads one request, has the provider mint, answers, wipes.

One mint at a time and no deadline of its own: the daemon kills this process when it takes too long.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from credward import __version__
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.io import WorkerIo
from credward.providers.provider import Provider, ProviderRequest
from credward.providers.registry import load_provider
from credward.settings.network import NetworkSettings
from credward.settings.registry import settings_of
from credward.tokens import Token
from credward.workers.confine import confine
from credward.workers.environment import rules_of
from credward.workers.link import (
    MAX_LINE,
    Failed,
    Hello,
    Minted,
    MintRequest,
    decode_mint_request,
    encode_answer,
)
from credward.workers.token_bytes import find_unprintable, wipe

if TYPE_CHECKING:
    from credward.providers.transport import Transport

__all__ = ["main"]


def main(provider: str, descriptor: int) -> int:
    """Serve mints on *descriptor* until the daemon closes it; return the exit code."""
    confine(rules_of(provider))
    os.set_inheritable(descriptor, False)
    with socket.socket(fileno=descriptor) as link:
        # Before the provider is loaded, which is where another version would fail strangely.
        _send(link, Hello(version=__version__, provider=provider))
        buffer = bytearray(MAX_LINE)
        minter = _Minter(provider)
        while size := _receive(link, buffer):
            answer = minter.answer(memoryview(buffer)[:size])
            wipe(buffer)
            _send(link, answer)
            _reap()
    return 0


class _Minter:
    """Loads the provider once, at the first mint, and turns every outcome into an answer."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._provider: Provider | None = None
        self._transports: dict[NetworkSettings, Transport] = {}

    def answer(self, line: memoryview) -> Minted | Failed:
        """Mint what the line asks for."""
        try:
            return self._mint(decode_mint_request(line))
        except BrokerError as failure:
            return Failed.of(failure)
        except Exception as error:  # noqa: BLE001 - the last resort: the text may hold a secret
            return Failed.of(
                BrokerError(
                    Kind.INTERNAL,
                    f'provider "{self._name}" failed by a defect ({type(error).__name__}): '
                    "run credward doctor",
                    sent="maybe",
                )
            )

    def _mint(self, mint_request: MintRequest) -> Minted:
        if self._provider is None:
            self._provider = load_provider(self._name)
        io = WorkerIo(
            clock=SystemClock(),
            now=mint_request.now,
            credential=mint_request.credential,
            environ=os.environ,  # built for this worker alone, by `environment`
            transport=self._transport(mint_request.network),
        )
        token = self._provider.mint(
            ProviderRequest(
                credential=mint_request.credential,
                settings=msgspec.convert(mint_request.settings, settings_of(self._name)),
                audience=mint_request.audience,
                scopes=tuple(mint_request.scopes),
                grant=mint_request.grant,
                secrets=mint_request.secrets,
            ),
            io,
        )
        return _describe(token, mint_request.credential, io.warning)

    def _transport(self, network: NetworkSettings) -> Callable[[], Transport]:
        """Return what makes the transport, at its first use: most providers dial nowhere."""

        def make() -> Transport:
            from credward.providers.transport import Transport  # noqa: PLC0415 - 15 MB, 40 ms

            if network not in self._transports:
                self._transports[network] = Transport(network)
            return self._transports[network]

        return make


def _describe(token: Token, credential: str, warning: str | None) -> Minted:
    text = token.secret.reveal()
    if not text or len(text) > MAX_LINE // 2 or find_unprintable(text.encode()) >= 0:
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got something that is no token ({len(text)} characters, expected '
            f"printable ASCII, at most {MAX_LINE // 2}): run credward doctor",
        )
    return Minted(
        token=msgspec.Raw(msgspec.json.encode(text)),
        kind=token.kind,
        issued_at=token.issued_at,
        expires_at=token.expires_at,
        audience=token.audience,
        upstream_id=token.upstream_id,
        warning=warning,
    )


def _receive(link: socket.socket, buffer: bytearray) -> int:
    """Read one line into *buffer* and return its length; 0 when the daemon is gone."""
    used = 0
    with memoryview(buffer) as view:
        while used < len(buffer):
            try:
                received = link.recv_into(view[used:])
            except OSError:
                return 0
            if not received:
                return 0
            used += received
            if buffer[used - 1] == ord("\n"):
                return used
    return 0


def _send(link: socket.socket, answer: Hello | Minted | Failed) -> None:
    line = encode_answer(answer)
    try:
        link.sendall(line)
    except OSError:
        # The daemon is gone, and this process is about to find out.
        pass
    finally:
        wipe(line)


def _reap() -> None:
    """Bury what programs left behind: as a subreaper this process inherits their orphans."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
