"""What there is has its page: kinds of errors, providers, formats, paths, commands, keys; and no link is dead."""

from __future__ import annotations

import re
from pathlib import Path

import click
import msgspec
import pytest

from credward.cli.main import COMMANDS, credward
from credward.config.sections import (
    AuditSection,
    CommonSection,
    ListenSection,
    PolicySection,
    ServeSection,
    SinkSection,
    StoreSection,
)
from credward.doors.unix_api.routes import ROUTES
from credward.errors import Kind
from credward.formats.registry import FORMATS
from credward.settings.registry import SETTINGS
from credward.wire import CredentialStatus, GrantStatus, SinkStatus, StatusList, Unusable
from repository.tree import DOCS, ROOT, TESTS, committed

PAGES = [path for path in committed() if path.suffix == ".md"]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Return what can be linked to within a page, as the usual renderers name it."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def section(page: Path, heading: str) -> str:
    """Return the text below a heading of the second level, empty where there is none."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and a heading in it."""
    dead = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)

    assert dead == []


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_every_kind_of_error_has_its_section(kind: Kind) -> None:
    """Its slug is the end of its address; status and exit code are those of the table."""
    page = DOCS / "reference/errors.md"
    status = str(kind.status) if kind.status else "\N{EN DASH}"
    row = f"| [{kind.slug}](#{kind.slug}) | {status} | {kind.exit_code} |"

    assert row in page.read_text()


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_every_kind_of_error_says_what_it_means_what_to_type_and_what_we_do(kind: Kind) -> None:
    """First, in this order; a command can be typed, unless there is nothing to type."""
    parts = section(DOCS / "reference/errors.md", kind.slug).split("\n\n")[:3]
    labels, texts = zip(*(part.split(" ", 1) for part in parts), strict=True)

    assert labels == ("**Means:**", "**Type:**", "**Meanwhile:**")
    assert [text for text in texts if not text.endswith(".") or len(text) < 30] == []
    assert "`" in texts[1] or texts[1].startswith(("nothing", "what the message says"))


def test_commands_in_the_page_of_errors_exist() -> None:
    """Nobody is told to type a command that there is not."""
    text = (DOCS / "reference/errors.md").read_text()
    named = re.findall(r"`credward ([a-z]+)(?: ([a-z]+))?", text)

    assert named
    for first, second in named:
        command = credward.get_command(click.Context(credward), first)
        assert command is not None, first
        if isinstance(command, click.Group) and second:
            assert second in command.commands


@pytest.mark.parametrize("provider", sorted(SETTINGS))
def test_every_provider_has_its_page(provider: str) -> None:
    """With each key of its settings, and a link from the index."""
    page = DOCS / f"reference/providers/{provider}.md"
    text = page.read_text()
    keys = [field.encode_name for field in msgspec.structs.fields(SETTINGS[provider])]

    assert [key for key in keys if f"`{key}`" not in text] == []
    assert f"reference/providers/{provider}.md" in (DOCS / "index.md").read_text()


def test_every_format_and_path_is_in_the_reference() -> None:
    """The socket API is described whole."""
    text = (DOCS / "reference/http-api.md").read_text()

    assert [name for name in FORMATS if f"`{name}`: " not in text] == []
    assert [
        f"{route.verb} {route.path}"
        for route in ROUTES
        if f"`{route.verb} {route.path}" not in text
    ] == []
    assert [
        name
        for route in ROUTES
        for name in route.query
        if f"`{name}`" not in text and f"?{name}=" not in text
    ] == []


def test_s14_what_is_said_of_macos_was_not_run_there() -> None:
    """S-14: every paragraph, row and point that speaks of it says so, until somebody did."""
    parts = [
        (str(page.relative_to(ROOT)), " ".join(part.split()))
        for page in PAGES
        if "decisions" not in page.parts
        for part in re.split(r"\n\n|\n(?=[|*] )", page.read_text(encoding="utf-8"))
    ]
    silent = [
        (name, part)
        for name, part in parts
        if "macOS" in part and not part.startswith("#") and "not run on a Mac by us" not in part
    ]

    assert silent == []


def test_decisions_are_numbered_and_honest() -> None:
    """Each has its number once, is on the list, and says what it costs."""
    records = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    numbers = [record.name[:4] for record in records]
    listed = (DOCS / "decisions/README.md").read_text()

    assert numbers == [f"{number:04d}" for number in range(1, len(records) + 1)]
    assert [record.name for record in records if record.name not in listed] == []
    assert [
        record.name for record in records if not re.search(r"costs?\b", record.read_text())
    ] == []


@pytest.mark.parametrize(
    ("section", "prefix"),
    [
        (CommonSection, ""),
        (ServeSection, "serve."),
        (ListenSection, ""),
        (SinkSection, ""),
        (PolicySection, ""),
        (AuditSection, ""),
        (StoreSection, ""),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_key_of_the_configuration_is_in_the_reference(
    section: type[msgspec.Struct], prefix: str
) -> None:
    """Under the name that people write."""
    text = (DOCS / "reference/config.md").read_text()
    keys = [prefix + field.encode_name for field in msgspec.structs.fields(section)]

    assert [key for key in keys if key != "serve" and f"`{key}`" not in text] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_reference(name: str) -> None:
    """With its subcommands; and its help says what it does and shows an example."""
    text = (DOCS / "reference/cli.md").read_text()
    command = credward.get_command(click.Context(credward), name)
    assert command is not None
    inner = sorted(command.commands) if isinstance(command, click.Group) else []

    assert f"`credward {name}" in text
    assert [each for each in inner if f"`credward {name} {each}" not in text] == []
    assert command.help
    assert f"credward {name}" in (command.epilog or "")


@pytest.mark.parametrize(
    ("listed", "heading"),
    [
        (StatusList, None),
        (CredentialStatus, "`credentials`"),
        (GrantStatus, "`grants`"),
        (SinkStatus, "`sinks`"),
        (Unusable, "`unusable`"),
    ],
)
def test_every_field_of_the_status_is_in_the_reference(
    listed: type[msgspec.Struct], heading: str | None
) -> None:
    """Below the name of its list."""
    page = DOCS / "reference/status.md"
    text = page.read_text().partition("\n## ")[0] if heading is None else section(page, heading)
    fields = [field.encode_name for field in msgspec.structs.fields(listed)]

    assert [name for name in fields if f"`{name}`" not in text] == []


def test_the_limits_of_attestation_are_documented() -> None:
    """P8: what a debugger or a preloaded library can do is said, and so is H7, what is swapped out."""
    text = (ROOT / "THREAT_MODEL.md").read_text().lower()

    assert "ld_preload" in text
    assert "ptrace" in text or "debugger" in text
    assert "swap" in text


@pytest.mark.parametrize(
    "name", ["ARCHITECTURE.md", "THREAT_MODEL.md", "docs/explanation/rotation.md"]
)
def test_promises_name_tests_that_exist(name: str) -> None:
    """Whoever wants to know how a promise is held finds the test under the name that is written there."""
    text = (ROOT / name).read_text()
    known = {
        found
        for path in committed()
        if path.suffix == ".py" and TESTS in path.parents
        for found in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))
    }
    named = re.findall(r"`(test_\w+)(\N{HORIZONTAL ELLIPSIS}?)`", text)
    paths = re.findall(r"`(tests/[\w./]+)`", text)

    assert paths
    assert [each for each in paths if not (ROOT / each).exists()] == []
    assert [
        each
        for each, more in named
        if not (each in known or (more and any(full.startswith(each) for full in known)))
    ] == []
