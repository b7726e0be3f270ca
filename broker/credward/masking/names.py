"""Which names of settings, variables, headers and options belong to secrets.

Judges names alone; where a name and its value stand in a text is `pairs`.
"""

from __future__ import annotations

import re

__all__ = ["CHOICES", "HEADERS", "REFERENCES", "is_count_name", "is_error_name", "is_secret_name"]

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
        "directory",
        "endpoint",
        "env",
        "error",
        "exception",
        "executable",
    }
    | {"expires", "expiry", "file", "files", "folder", "format", "helper", "in", "kind", "length"}
    | {"lifetime", "limit", "manager", "method", "methods", "mount", "ms", "name", "path"}
    | {"policy", "process", "provider", "ref", "seconds", "service", "size", "source", "status"}
    | {"stdin", "store", "ttl", "type", "uri", "url", "urls", "version", "warning"}
)
# `credentials.json: …` is about a file; the value of `CREDENTIALS_JSON` is one.
_FILE = re.compile(
    r"[\w.-]+\.(?:bash|cfg|conf|db|exe|ini|js|json|log|pem|ps1|py|sh|toml|txt|ya?ml)"
)
# A path; permissions of a job; a unit's file and what it is called; a name; a number.
_KNOWN = frozenset(
    {"credward_credential", "google_application_credentials", "id-token", "loadcredential"}
    | {"loadcredentialencrypted", "node_tls_reject_unauthorized"}
)
# In the name of an error, which a sentence follows: `invalid_token: …`.
_FAULTS = frozenset(
    {"bad", "denied", "error", "exception", "expired", "failed", "failure", "invalid"}
    | {"match", "mismatch", "missing", "not", "rejected", "unauthorized", "unknown"}
    | {"unsupported"}
)
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# The members of a reference to a secret (`settings.references`), and of those of other tools.
REFERENCES = frozenset(
    {"store", "env", "file", "command", "keychain", "credential", "service", "account"}
    | {"keyring", "helper", "spiffe", "audience"}
)
# Settings of ours that say which kind of secret is wanted, with the words for it.
CHOICES = {
    "key": frozenset({"key_file", "keychain", "memory", "passphrase", "systemd"}),
    "token": frozenset({"access", "id"}),
}
# What follows the name of such a header is secret up to the end of its line.
HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


def is_secret_name(name: str) -> bool:
    """Return whether what has this name may be a secret."""
    words = [word.lower() for word in _CAMEL.findall(name)]
    if not words or words[-1] in _HARMLESS or name.lower() in _KNOWN or _FILE.fullmatch(name):
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
