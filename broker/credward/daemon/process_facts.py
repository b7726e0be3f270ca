"""What the process can tell about itself and what it keeps, for `status`, `doctor` and metrics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import msgspec

from credward.administering.endpoint_views import EndpointView
from credward.administering.leftovers import Leftovers
from credward.administering.sink_views import SinkView
from credward.audit import AuditLog
from credward.callers.attestation import attestation_report
from credward.callers.caller import Ancestor, Caller
from credward.callers.folders import WorkingFolders
from credward.config import CredentialConfig
from credward.config.layers import edited_files
from credward.daemon.hardening import hardening_report
from credward.errors import Failure
from credward.grants.kept import Kept
from credward.issuing.choices import chooser
from credward.issuing.gate import Holder
from credward.issuing.metrics import Sample
from credward.logins.notices import LoginNotices
from credward.minting.minted import Minted

__all__ = ["Outlets", "ProcessFacts"]


class Outlets(msgspec.Struct, frozen=True, kw_only=True):
    """Return the state of the other ways out than the socket: endpoints, and files."""

    endpoints: Callable[[], list[EndpointView]]
    sinks: Callable[[], list[SinkView]]


class ProcessFacts:
    """Fulfils `administering.status_service.ProcessFacts`."""

    def __init__(
        self,
        *,
        holder: Holder,
        kept: Kept,
        minted: Minted,
        notices: LoginNotices,
        audit: AuditLog,
        leftovers: Leftovers,
        outlets: Outlets,
    ) -> None:
        self._holder = holder
        self._kept = kept
        self._minted = minted
        self._notices = notices
        self._audit = audit
        self._leftovers = leftovers
        self._outlets = outlets
        self._folders = WorkingFolders()

    async def wait_for_store(self) -> None:
        """Wait a moment until what the store holds is known."""
        await self._kept.opened_store.wait_until_known()

    def locked(self) -> bool:
        """Return whether the owner locked the store."""
        return self._kept.opened_store.locked_by_owner

    def store(self) -> str:
        """Return where the store's key comes from."""
        return self._kept.opened_store.describe()

    def store_failure(self) -> Failure | None:
        """Return why the store cannot be opened."""
        return self._kept.opened_store.failure

    def audit_failure(self) -> Failure | None:
        """Return why the audit log is not complete or not written."""
        return self._audit.failure()

    async def edited(self) -> list[str]:
        """Return the files of the configuration that changed since it was read."""
        config = self._holder.active.config
        # In a thread: a disk may be slow.
        return await asyncio.to_thread(
            edited_files, zip(config.sources, config.digests, strict=False)
        )

    def policy_epoch(self) -> str:
        """Return a digest of the policy in force."""
        return self._holder.active.policy.epoch

    def warnings(self, viewer: Caller) -> list[str]:
        """Return warnings for people; of choices only those about *viewer*'s own."""
        unsaved = self._kept.records.failure
        active = self._holder.active
        choices = active.choices.of(chooser(viewer.uid, os.geteuid()))
        return [
            *choices.warnings(active.config),
            *self._kept.opened_store.warnings(),
            *([unsaved.message] if unsaved else []),
            *self._notices.warnings(),
            *self._leftovers.warnings(),
        ]

    def attestation(self, caller: Caller) -> str:
        """Return how well *caller* and the served users can be attested."""
        return attestation_report(
            caller,
            own_uid=os.geteuid(),
            served_uids=self._holder.active.config.listen.allow_uids,
        )

    def hardening(self) -> str:
        """Return which parts of the hardening took effect."""
        return hardening_report()

    def refusal(self, credential: CredentialConfig) -> Failure | None:
        """Return why a stored secret is not used for *credential*, None if it may be used."""
        return self._kept.guard.refusal(self._holder.active.config, credential)

    def endpoints(self) -> list[EndpointView]:
        """Return the endpoints on loopback."""
        return self._outlets.endpoints()

    def sinks(self) -> list[SinkView]:
        """Return the files that are kept fresh."""
        return self._outlets.sinks()

    def public_key(self, credential: CredentialConfig) -> dict[str, str]:
        """Return the public key of a `local` credential, as a JWK."""
        return self._minted.secrets.public_key(credential)

    def folder(self, process: Ancestor) -> str | None:
        """Return where a process works, None if that is unknown."""
        return self._folders.of(process)

    def gauges(self) -> list[Sample]:
        """Return the current gauges."""
        keeper = self._kept.keeper
        return [
            Sample(
                name="tokens_held",
                help="Tokens sealed in memory",
                value=float(len(self._minted.tokens)),
            ),
            Sample(
                name="workers", help="Live workers", value=float(len(self._kept.pool.snapshot()))
            ),
            Sample(
                name="grant_rotations",
                help="Grants replaced by their mints since the start",
                value=float(keeper.rotations),
            ),
            Sample(
                name="grant_exchanges_cut_off",
                help="Exchanges that may or may not have used their grant",
                value=float(keeper.ambiguities),
            ),
        ]
