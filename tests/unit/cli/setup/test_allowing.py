"""What is between Claude Code and its server: asked about once, and written down by name."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from credward.cli.setup import allowing
from credward.cli.start import paths
from credward.config import load_config
from unit.cli.conftest import Run
from unit.cli.setup.test_command import settings

__all__ = ["settings"]

GATEWAY = """\
[credentials.gateway]  # keep me
provider = "local"
base_url = "https://llm.example.com"
"""


@pytest.fixture
def authorities(home: Path, config_file: Path) -> Path:
    config_file.write_text(GATEWAY)
    path = home / "corp.pem"
    path.write_text("certificates")
    return path


def digest(path: Path) -> str:
    return f"extra-ca=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def allowed(config_file: Path) -> set[str]:
    return set(load_config(paths(), config_file).credentials["gateway"].allowed_flags)


def test_s2_what_is_named_is_allowed_and_nothing_else(
    run: Run, settings: Path, config_file: Path, authorities: Path
) -> None:
    """By digest and by host; the rest of the file stays, and a second run changes nothing."""
    words = ("--allow-ca", str(authorities), "--allow-proxy", "http://me:canary@Proxy.Corp:3128/")
    ran = run("setup", "claude-code", "gateway", "--yes", *words)
    after = config_file.read_text()
    again = run("setup", "claude-code", "gateway", "--yes", *words)

    assert allowed(config_file) == {digest(authorities), "proxy=proxy.corp:3128"}
    assert after.startswith(GATEWAY)
    assert f"{config_file}: allowed {digest(authorities)}, proxy=proxy.corp:3128\n" in ran.out
    assert "+allow_client_flags = [" in ran.out
    assert "canary" not in ran.out + ran.err + after
    assert config_file.read_text() == after
    assert "allowed" not in again.out
    assert "credward-helper" in settings.read_text()


def test_a_new_file_of_authorities_joins_the_old_one(
    run: Run, settings: Path, config_file: Path, authorities: Path
) -> None:
    """A company renews it; other machines may still have the old one."""
    run("setup", "claude-code", "gateway", "--yes", "--allow-ca", str(authorities))
    before = digest(authorities)
    authorities.write_text("renewed")
    run("setup", "claude-code", "gateway", "--yes", "--allow-ca", str(authorities))

    assert allowed(config_file) == {before, digest(authorities)}


@pytest.mark.parametrize(
    "words",
    [
        ("--allow-ca", "missing.pem"),
        ("--allow-ca", "."),
        ("--allow-proxy", "http://me:canary@proxy.corp:3128/canary"),
        ("--allow-proxy", "canary"),
    ],
)
def test_what_names_nothing_is_refused(
    run: Run, settings: Path, config_file: Path, authorities: Path, words: tuple[str, str]
) -> None:
    """Before anything is written; an address is not quoted."""
    was = settings.read_text()
    ran = run("setup", "claude-code", "gateway", "--yes", *words)

    assert (ran.code, config_file.read_text(), settings.read_text()) == (64, GATEWAY, was)
    assert "canary" not in ran.err


def test_a_dry_run_shows_both_changes_and_makes_none(
    run: Run, settings: Path, config_file: Path, authorities: Path
) -> None:
    """The settings and the configuration."""
    was = settings.read_text()
    ran = run("setup", "claude-code", "gateway", "--dry-run", "--allow-ca", str(authorities))

    assert digest(authorities) in ran.out
    assert '+  "apiKeyHelper"' in ran.out
    assert (config_file.read_text(), settings.read_text()) == (GATEWAY, was)


@pytest.mark.parametrize("answer", ["y", "n"])
def test_s2_what_is_set_is_asked_about_by_name(
    run: Run,
    settings: Path,
    config_file: Path,
    authorities: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    """The environment and the user's own settings; what is allowed already is not asked again."""
    settings.write_text('{"env": {"HTTPS_PROXY": "http://me:canary@proxy.corp:3128"}}')
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(authorities))
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(
        "click.confirm", lambda text, **_: asked.append(text) or (answer == "y" or "Change" in text)
    )
    ran = run("setup", "claude-code", "gateway")
    again = len(asked)
    run("setup", "claude-code", "gateway")

    assert asked[:2] == [
        f"Allow the certificates in {authorities}?",
        "Allow the proxy proxy.corp:3128?",
    ]
    assert (
        "HTTPS_PROXY is set: the proxy proxy.corp:3128 could read the tokens of gateway." in ran.out
    )
    assert "canary" not in ran.out + ran.err
    if answer == "y":
        assert allowed(config_file) == {digest(authorities), "proxy=proxy.corp:3128"}
        assert len(asked) == again
    else:
        assert allowed(config_file) == set()


def test_s2_a_repository_is_not_asked_about(
    run: Run,
    home: Path,
    settings: Path,
    config_file: Path,
    authorities: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a cloned folder sets is not of this machine; nor is anything asked without a host."""
    folder = home / "project"
    (folder / ".claude").mkdir(parents=True)
    (folder / ".claude/settings.json").write_text('{"env": {"HTTPS_PROXY": "http://evil:1"}}')
    monkeypatch.chdir(folder)
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text) or True)
    run("setup", "claude-code", "gateway")
    config_file.write_text('[credentials.gateway]\nprovider = "local"\n')
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    run("setup", "claude-code", "gateway")

    assert not [text for text in asked if text.startswith("Allow")]


def test_a_credential_of_the_system_is_not_changed(
    run: Run, settings: Path, authorities: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says which file to change, and how."""
    real = paths()
    elsewhere = msgspec.structs.replace(real, config_file=Path("/other"))
    monkeypatch.setattr(allowing, "paths", lambda: elsewhere)
    ran = run("setup", "claude-code", "gateway", "--yes", "--allow-proxy", "http://p:1")

    assert ran.code == 78
    assert "not in your file: add proxy=p:1 to its allow_client_flags there" in ran.err
