"""A request that policy allowed, as a value for all later steps.

`gate` makes it, `recording` logs it, `issuer` answers it.
"""

from __future__ import annotations

import msgspec

from credward.callers.caller import Caller
from credward.config import CredentialConfig
from credward.policy.engine import Obligation
from credward.tokens import TokenRequest

__all__ = ["Authorized"]


class Authorized(msgspec.Struct, frozen=True, kw_only=True):
    """A request that policy allowed, with all that the audit line needs.

    *rules* are all rules that permitted it, *obligations* what they demand together.
    """

    request_id: str
    action: str
    caller: Caller
    token_request: TokenRequest
    credential: CredentialConfig
    rules: tuple[str, ...]
    obligations: tuple[Obligation, ...] = ()
