"""Which names of settings, variables, headers and options belong to secrets.

Judges names alone; where a name and its value stand in a text is `pairs`.
"""

from __future__ import annotations

import re

__all__ = ["HEADERS", "REFERENCES", "is_count_name", "is_error_name", "is_secret_name"]

# In any place of a name, written together: `dbPassword`, `x-api-key`, `MYACCESSTOKEN`.
_STEMS = re.compile(
    "passw|passphrase|passcode|secret|token|credential|cookie|authoriz|assertion|signature"
    "|bearer|headers|sessionid|connectionstring"
)
# As a word, or at the end of one: `db_pw`, `PGPASS`, `apikey`, `MYSQL_PWD`.
_ENDS = ("key", "keys", "pass", "pwd", "pw")
_WORDS = frozenset(
    {"auth", "authentication", "cred", "creds", "jwt", "otp", "pat", "pin", "psk", "pswd", "sas"}
    | {"seed", "sid", "sig"}
)
# A name that ends so says something about a secret, or where one is, which people need to see.
_HARMLESS = frozenset(
    {
        "age",
        "algorithm",
        "count",
        "dir",
        "endpoint",
        "env",
        "error",
        "exception",
        "expires",
        "expiry",
        "file",
        "files",
    }
    | {"folder", "format", "helper", "in", "kind", "length", "lifetime", "limit", "manager", "ms"}
    | {"name", "path", "policy", "process", "provider", "ref", "seconds", "service", "size"}
    | {
        "source",
        "status",
        "stdin",
        "store",
        "ttl",
        "type",
        "uri",
        "url",
        "urls",
        "version",
        "warning",
    }
)
# In the name of an error, which a sentence follows: `invalid_token: …`.
_FAULTS = frozenset(
    {"bad", "denied", "expired", "failed", "failure", "invalid"}
    | {"match", "mismatch", "missing", "not", "rejected", "unknown", "unsupported"}
)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# The members of a reference to a secret (`settings.references`), and of those of other tools.
REFERENCES = frozenset(
    {"store", "env", "file", "command", "keychain", "credential", "service", "account"}
    | {"keyring", "helper"}
)
# What follows the name of such a header is secret up to the end of its line.
HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


def is_secret_name(name: str) -> bool:
    """Return whether what has this name may be a secret."""
    words = [word.lower() for word in _CAMEL.findall(name)]
    if not words or words[-1] in _HARMLESS:
        return False
    return (
        _STEMS.search("".join(words)) is not None
        or any(word.endswith(_ENDS) for word in words)
        or not _WORDS.isdisjoint(words)
    )


def is_error_name(name: str) -> bool:
    """Return whether it is the name of an error about a secret."""
    return not _FAULTS.isdisjoint(word.lower() for word in _CAMEL.findall(name))


def is_count_name(name: str) -> bool:
    """Return whether a number with this name counts something, as in `max_tokens`."""
    return name.lower().rstrip("\"'").endswith("tokens")
