"""The digest of a configuration."""

from pathlib import Path

import pytest

from credward.config import load_config
from credward.config.digest import digest_of
from credward.paths import find_paths

TEXT = """
[credentials.one]
provider = "command"
command = ["/bin/echo", "x"]
base_url = "https://a.example"
allow_client_flags = ["proxy", "tls-off"]

[credentials.two]
provider = "local"

[audit]
path = "/x"
"""


def digest(folder: Path, text: str) -> str:
    """Return the digest of a configuration with this text."""
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return digest_of(load_config(find_paths({"HOME": str(folder)}), path))


@pytest.mark.parametrize(
    "edit",
    [
        ('"x"', '"y"'),
        ("a.example", "b.example"),
        ('path = "/x"', 'path = "/y"'),
        ('"proxy", ', ""),
        ('provider = "local"', 'provider = "local"\nheader = "X-Key"'),
        ("[credentials.two]", "[credentials.three]"),
        ("[audit]", '[store]\nkey = "memory"\n[audit]'),
        ("\n[credentials.one]", 'default = "two"\n[credentials.one]'),
    ],
    ids=lambda edit: edit[1].strip().splitlines()[0] if edit[1] else "less",
)
def test_every_setting_counts(tmp_path: Path, edit: tuple[str, str]) -> None:
    """Those of the daemon too, and what affects no token."""
    assert edit[0] in TEXT
    assert digest(tmp_path, TEXT.replace(*edit, 1)) != digest(tmp_path, TEXT)


def test_how_it_is_written_does_not_count(tmp_path: Path) -> None:
    """Comments, the order of tables and of flags."""
    first, second = TEXT.split("\n\n", 1)[0], TEXT.split("\n\n", 1)[1]
    other = f"# mine\n{second}\n{first}\n".replace('["proxy", "tls-off"]', '[ "tls-off", "proxy" ]')

    assert digest(tmp_path, other) == digest(tmp_path, TEXT)
    assert len(digest(tmp_path, TEXT)) == 16
