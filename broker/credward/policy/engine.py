"""Decide with Cedar; every error is a deny.

Facts come from `entities`, files from `load`; the text of a denial is made here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import msgspec

from credward.callers.caller import Caller
from credward.errors import BrokerError, Kind
from credward.policy.cedar import cedarpy
from credward.policy.entities import CallerFacts, Resource, caller_facts, entity
from credward.policy.load import Loaded, Obligation, Statement, load_policies

__all__ = ["Decision", "Obligation", "PolicyEngine", "Resource"]

# How many different sets of facts to remember; a flood of new ones only slows decisions.
_MEMO = 4096


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, and all *rules* that determined it, by `@id`, else `file:line`.

    *obligations*: what the permits demand, together. *reason* follows the name of the credential:
    "denied by policy …".
    """

    allowed: bool
    rules: tuple[str, ...]
    reason: str
    obligations: tuple[Obligation, ...] = ()


class PolicyEngine:
    """One version of the policy; a reload makes another engine."""

    def __init__(self, loaded: Loaded, *, owner_uid: int, allow_uids: Iterable[int]) -> None:
        self._loaded = loaded
        self._owner_uid = owner_uid
        self._allow_uids = frozenset(allow_uids)
        self._memo: dict[tuple[CallerFacts, str, Resource], Decision] = {}
        self.epoch = loaded.epoch

    @classmethod
    def load(
        cls,
        *,
        mode: str,
        owner_uid: int,
        allow_uids: Iterable[int] = (),
        directory: Path | None = None,
    ) -> Self:
        """Read the policies: every mode ships forbids, user mode also permits; you add the rest."""
        if directory is not None:
            # A mistyped directory must not count as one without rules.
            try:
                next(directory.iterdir(), None)
            except OSError as error:
                raise BrokerError(
                    Kind.FIX_CONFIGURATION,
                    f'policy.directory "{directory}" cannot be read ({error.strerror}): '
                    "make it, or correct its name",
                ) from error
        files = sorted(directory.glob("*.cedar")) if directory is not None else []
        loaded = load_policies(files, mode=mode)
        return cls(loaded, owner_uid=owner_uid, allow_uids=allow_uids)

    def decide(self, caller: Caller, action: str, resource: Resource) -> Decision:
        """Return whether *caller* may do *action* to *resource*; never raises."""
        facts = caller_facts(caller, owner_uid=self._owner_uid, allow_uids=self._allow_uids)
        # Policies cannot read the pid, so a thousand helpers share one decision.
        question = (facts, action, resource)
        found = self._memo.get(question)
        if found is None:
            found = self._decide(facts, action, resource)
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            self._memo[question] = found
        return found

    def _decide(self, facts: CallerFacts, action: str, resource: Resource) -> Decision:
        request = {
            "principal": {"type": "Caller", "id": "caller"},
            "action": {"type": "Action", "id": action},
            "resource": {"type": "Credential", "id": resource.credential},
            "context": {},
        }
        entities = [
            entity("Caller", "caller", msgspec.to_builtins(facts)),
            entity("Credential", resource.credential, {"provider": resource.provider}),
        ]
        loaded = self._loaded
        try:
            known = cedarpy.Entities.from_json_str(
                msgspec.json.encode(entities).decode(), loaded.schema
            )
            result = cedarpy.is_authorized(request, loaded.policies, known, loaded.schema)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in there is a deny
            return _denied([], f"policy error ({type(error).__name__})")
        numbers = (int(each.removeprefix("policy")) for each in result.diagnostics.reasons)
        decided = sorted((loaded.statements[each] for each in numbers), key=lambda each: each.name)
        # Cedar skips a policy that fails, even a forbid: so any error denies.
        if result.diagnostics.errors:
            return _denied(decided, "policy error")
        if not result.allowed:
            return _denied(decided)
        demanded = {obligation for each in decided for obligation in each.obligations}
        return Decision(
            allowed=True,
            rules=tuple(each.name for each in decided),
            reason="allowed",
            obligations=tuple(sorted(demanded)),
        )


def _denied(decided: list[Statement], error: str | None = None) -> Decision:
    first = decided[0] if decided else None
    if error is not None:
        reason = f"denied by a {error}: run credward config check"
    elif first is None:
        reason = "denied, no policy permits it: run credward doctor"
    elif first.advice is not None:
        reason = f'denied by policy "{first.name}": {first.advice}'
    elif first.rule is not None:
        reason = f'denied by policy "{first.rule}" ({first.place}): run credward doctor'
    else:
        reason = f"denied by the policy at {first.place}: run credward doctor"
    return Decision(allowed=False, rules=tuple(each.name for each in decided), reason=reason)
