"""A digest of the identity that a token is minted for: the logins and secrets behind the settings.

Covers what the daemon itself can read. Workers read files, programs and keychain items for one mint
each; these are not covered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from credward.config import Config, CredentialConfig
from credward.grants.records import SECRET_PREFIX, GrantRecords
from credward.settings.references import Reference, references_in

__all__ = ["identity_stamp"]

# A reference to another credential may lead to more; other code reports circles.
_DEEPEST = 8


def identity_stamp(
    config: Config, credential: CredentialConfig, records: GrantRecords, environ: Mapping[str, str]
) -> str | None:
    """Return the digest, keyed by the store; None if the grant it needs is missing.

    Raise `store-locked` if the store is locked.
    """
    words = _words(config, credential, records, environ, _DEEPEST)
    if words is None:
        return None
    # Keyed: a plain digest of a short secret would tell too much to anyone who reads the memory.
    key = records.derive("token-identity")
    return hmac.new(key, msgspec.json.encode(words), hashlib.sha256).hexdigest()[:32]


def _words(
    config: Config,
    credential: CredentialConfig,
    records: GrantRecords,
    environ: Mapping[str, str],
    depth: int,
) -> list[object] | None:
    words: list[object] = [credential.epoch]
    terms = credential.meaning.grant
    if terms.logins or terms.rotating:
        record = records.load(credential.grant)
        if terms.logins and (record is None or record.secret is None):
            return None
        # Zero is the origin of a grant that came from no login.
        words.append(record.family if record is not None else 0)
    for field, reference in sorted(references_in(credential.settings).items()):
        match reference:
            case Reference(env=str(name)):
                words.append([field, environ.get(name)])
            case Reference(store=str(name)):
                if (stored := _digest_of_stored(records, name)) is None:
                    return None
                words.append([field, stored])
            case Reference(credential=str(name)):
                other = config.credentials.get(name)
                if other is None or not depth:
                    return None
                behind = _words(config, other, records, environ, depth - 1)
                if behind is None:
                    return None
                words.append([field, behind])
            case _:
                pass
    return words


def _digest_of_stored(records: GrantRecords, name: str) -> str | None:
    plain = records.load_raw(SECRET_PREFIX + name)
    if plain is None:
        return None
    try:
        return hashlib.sha256(plain).hexdigest()
    finally:
        plain[:] = bytes(len(plain))
