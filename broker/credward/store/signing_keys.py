"""The signing keys of `local` credentials: made once, each kept in its own file, published.

`providers.local` signs; it gets a key for one mint.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import stat
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from credward.errors import BrokerError, Kind
from credward.named_files import open_file, opened, read_all, sync_directory
from credward.tokens import Secret

__all__ = ["load_or_create", "path_of", "public_jwk"]

_DIRECTORY = "signing_keys"
# Allowed names of a credential, checked again because the name becomes a path.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_SIZE = 16 * 1024


def load_or_create(state_dir: Path, name: str) -> Secret:
    """Return the key called *name* as PEM; made and durable on disk if it did not exist.

    An unreadable key is reported, never replaced: services that trust it would refuse a new one.
    """
    path = path_of(state_dir, name)
    try:
        if (text := _read(path)) is None:
            text = _create(path)
    except OSError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f"signing key {path} cannot be read or written ({error.strerror}): "
            "set XDG_STATE_HOME to your own directory",
        ) from error
    _load(text, path)
    return Secret(text)


def path_of(state_dir: Path, name: str) -> Path:
    """Return the file of the key called *name*; raise `fix-configuration` for no such name."""
    if not _NAME.fullmatch(name):
        raise BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" cannot name a signing key')
    return state_dir / _DIRECTORY / f"{name}.pem"


def public_jwk(pem: Secret) -> dict[str, str]:
    """Return the public half as a JWK whose `kid` is the thumbprint of RFC 7638."""
    numbers = _load(pem.reveal(), None).public_key().public_numbers()
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _encode(numbers.x.to_bytes(32, "big")),
        "y": _encode(numbers.y.to_bytes(32, "big")),
    }
    # The RFC wants sorted members and no white space; they are sorted above.
    thumbprint = _encode(hashlib.sha256(msgspec.json.encode(members)).digest())
    return members | {"kid": thumbprint, "use": "sig", "alg": "ES256"}


def _read(path: Path) -> str | None:
    try:
        with opened(path, follow=False) as descriptor:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise BrokerError(
                    Kind.FIX_CONFIGURATION,
                    f"signing key {path} can be read by others: run chmod 0600 {path}",
                )
            return read_all(descriptor, _MAX_SIZE).decode("ascii", "replace")
    except FileNotFoundError:
        return None


def _create(path: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, follow=False)
        with os.fdopen(descriptor, "wb") as file:
            # Corrects what the umask or the directory's default ACL changed.
            os.fchmod(descriptor, 0o600)
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    # Make each directory entry durable too: else a crash could lose the key of signed tokens.
    for directory in (path.parent, path.parent.parent):
        sync_directory(directory)
    return pem.decode("ascii")


def _load(text: str, path: Path | None) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(text.encode("ascii", "replace"), password=None)
    except ValueError:
        key = None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
        return key
    where = f" {path}" if path else ""
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f"signing key{where} is damaged (a P-256 key in PEM is expected): "
        "restore it, or move it away to get a new one",
    )


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
