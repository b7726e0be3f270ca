"""Runs a program of the user's that prints a token.

What the printed text means is `answers`; the program's environment and its end are `io`.
"""

from __future__ import annotations

from credward.providers.answers import read_answer
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import Io, ProviderRequest
from credward.settings.command import Settings
from credward.tokens import Token

__all__ = ["CommandProvider"]


class CommandProvider:
    """Mints by running the configured program once."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Run the program and read its answer."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        env = dict(settings.env)
        # Tells a program how to narrow the token; a program that cannot will ignore it.
        if token_request.audience:
            env["CREDWARD_AUDIENCE"] = token_request.audience
        if token_request.scopes:
            env["CREDWARD_SCOPES"] = " ".join(token_request.scopes)
        # Before the program runs: a life that is counted from then on can only be too short.
        now = io.now()
        result = io.run_command(settings.command, env=env, timeout=settings.timeout)
        refuse_failure(token_request.credential, settings.command[0], result)
        return read_answer(result.output, token_request.credential, settings, now)
