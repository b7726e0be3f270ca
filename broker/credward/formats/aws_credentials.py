"""A profile in an AWS shared credentials file: put in, or taken out, without touching the rest.

Bytes in, bytes out ("Configuration and credential file settings" in the AWS CLI User Guide; read by
botocore with Python's `configparser`). `sinks.aws_credentials` reads and writes the file. Why this
is no library: docs/decisions/0028.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from credward.errors import BrokerError, Kind
from credward.formats.aws_keys import keys_of
from credward.tokens import Token

__all__ = ["has_profile", "key_lines", "keys_in", "with_profile", "without_profile"]

# At the beginning of a line only: what is indented belongs to the value above.
_HEADER = re.compile(rb"\[([^\]\r\n]*)\]")
_KEY = re.compile(
    rb"(aws_access_key_id|aws_secret_access_key|aws_session_token)\s*[=:](.*)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN = re.compile(r"[\x21-\x7e]+")


def key_lines(token: Token, credential: str, now: float) -> bytearray:
    """Return the three lines of a session, two for keys that have no session.

    The file has no place for the end of a session: programs find out when it is refused.
    """
    keys = keys_of(token, credential, now)
    parts: Mapping[str, str] = {
        "aws_access_key_id": keys.access_key_id,
        "aws_secret_access_key": keys.secret_access_key,
        **({"aws_session_token": keys.session_token} if keys.session_token else {}),
    }
    if not all(_PLAIN.fullmatch(each) for each in parts.values()):
        raise BrokerError(
            Kind.PROVIDER_REFUSED, f'"{credential}" minted keys that do not fit on a line'
        )
    return bytearray("".join(f"{name} = {value}\n" for name, value in parts.items()).encode())


def has_profile(content: bytes, profile: str) -> bool:
    """Return whether *content* has a section of this name."""
    lines = content.splitlines(keepends=True)
    return any(_name(line) == profile.encode() for line in lines)


def keys_in(content: bytes, profile: str) -> bytes | None:
    """Return the names and values of the keys of *profile*, sorted; None if it has no section.

    Alike however the lines are spaced, sorted and ended, and whatever else is in the section.
    """
    _, header, body, _ = _split(content, profile)
    return b"\n".join(sorted(_parted(body)[0])) if header else None


def with_profile(content: bytes, profile: str, keys: bytes) -> bytes:
    """Return *content* with *keys* (from `key_lines`) in the section of *profile*.

    A new section comes last. In one that is there only the lines with keys are replaced.
    """
    before, header, body, after = _split(content, profile)
    if not header:
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        return before + gap + b"[" + profile.encode() + b"]\n" + keys
    line_end = b"\r\n" if header.endswith(b"\r\n") else b"\n"
    if not header.endswith(b"\n"):
        header += line_end
    return before + header + keys.replace(b"\n", line_end) + b"".join(_parted(body)[1]) + after


def without_profile(content: bytes, profile: str) -> bytes:
    """Return *content* without the keys of *profile*, and without its header if nothing needs it.

    Comments stay, and so does any other setting that somebody put there, below its header.
    """
    before, header, body, after = _split(content, profile)
    _, others = _parted(body)
    needed = any(line.strip() and line.lstrip()[:1] not in b"#;" for line in others)
    return before + (header if needed else b"") + b"".join(others) + after


def _split(content: bytes, profile: str) -> tuple[bytes, bytes, list[bytes], bytes]:
    """Return what is before the section, its header, the lines of its body, and what is after."""
    lines = content.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if _name(line) == profile.encode()]
    if not starts:
        return content, b"", [], b""
    first = starts[0]
    end = first + 1
    while end < len(lines) and _name(lines[end]) is None:
        end += 1
    return b"".join(lines[:first]), lines[first], lines[first + 1 : end], b"".join(lines[end:])


def _parted(body: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the keys of a section, each as `name=value` and what continues it, and other lines."""
    keys: list[bytes] = []
    others: list[bytes] = []
    # What is indented below no option is one itself, and would continue a key put above it: so it
    # is no line to keep beside keys of ours.
    in_key = True
    for line in body:
        bare = line.strip()
        if not bare or bare[:1] in {b"#", b";"}:
            others.append(line)
            continue
        if line[:1] not in {b" ", b"\t"}:
            found = _KEY.match(line)
            in_key = found is not None
            if found is not None:
                keys.append(found[1].lower() + b"=" + found[2].strip())
                continue
        elif in_key:
            keys.append((keys.pop() + b"\n " if keys else b"") + bare)
            continue
        others.append(line)
    return keys, others


def _name(line: bytes) -> bytes | None:
    """Return the name of the section that *line* begins, None for other lines."""
    found = _HEADER.match(line)
    return None if found is None else found[1].strip()
