"""Where a client at an endpoint sends its token, as part of the request, as far as that is known.

At the socket a helper says it itself (`unix_api.inputs`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import PurePath

import msgspec

from credward.callers.caller import Caller
from credward.policy.claude_settings import read_folder
from credward.policy.client_variables import read_claims
from credward.tokens import TokenRequest

__all__ = ["ClientClaims", "claimless"]


class ClientClaims:
    """Finds out what a client does not say.

    *report* returns what a helper of a caller would say, None if that is not known
    (`callers.client_reports`); *home* is that of all callers, None if each has its own.
    """

    def __init__(
        self, report: Callable[[Caller], Awaitable[bytes | None]], home: PurePath | None
    ) -> None:
        self._report = report
        self._home = home

    async def added(self, token_request: TokenRequest, caller: Caller) -> TokenRequest:
        """Return *token_request* with what *caller* would claim."""
        said = await self._report(caller)
        if said is None:
            return claimless(token_request)
        line, _, body = said.partition(b"\n")
        claims = read_claims(line.decode())
        folder = read_folder(body, home=self._home)
        return msgspec.structs.replace(
            token_request,
            claims="found",
            client_base_url=claims.base_url,
            environment_base_url=(claims.base_url,),
            client_flags=claims.flags,
            client_switches=claims.switches,
            folder=msgspec.structs.replace(folder, variables=tuple(claims.variables.items())),
        )


def claimless(token_request: TokenRequest) -> TokenRequest:
    """Return *token_request* of a client of which nothing is known."""
    return msgspec.structs.replace(token_request, claims="none")
