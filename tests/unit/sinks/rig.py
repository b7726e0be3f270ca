"""What sinks are made of in tests: a credential, a token, a folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from credward.config import CredentialConfig
from credward.tokens import Secret, Token

__all__ = ["CREDENTIAL", "aws_token", "bearer_token", "own_folder"]

CREDENTIAL = CredentialConfig(
    name="given",
    provider="command",
    settings=msgspec.defstruct("Settings", [])(),
    epoch="e1",
    grant="given",
    env_name="MY_TOKEN",
    base_urls=("https://api.example.com",),
)


def bearer_token(text: str = "tok") -> Token:
    return Token(secret=Secret(text), issued_at=1.0, expires_at=2000.0)


def aws_token(key: str = "AKIA1") -> Token:
    parts = {"AccessKeyId": key, "SecretAccessKey": "s", "SessionToken": "t"}
    text = msgspec.json.encode(parts).decode()
    return Token(secret=Secret(text), kind="aws", issued_at=1.0, expires_at=2000.0)


def own_folder(folder: Path) -> Path:
    path = folder / "place"
    path.mkdir(mode=0o700)
    return path
