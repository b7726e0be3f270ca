"""What the documents tell people to type is what there is: commands parse, configurations load, pages are found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from credward.cli.main import COMMANDS, credward
from credward.config import find_paths, load_config
from credward.errors import ConfigErrors
from credward.policy.load import load_policies
from repository.tree import BROKER, DOCS, ROOT, committed, modules

PAGES = [path for path in committed() if path.suffix == ".md"]
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
# Words that stand for something of the reader's, where a number is wanted.
NUMBERS = {"S": "1", "N": "1"}
SHELL = re.compile(r"\s(?:\||&&|;|>|>>|<|2>)\s?")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- commands -------------------------------------------------------------------------------


def commands_in(page: Path) -> Iterator[str]:
    """Yield each command line of ours on a page: in blocks and in the running text."""
    text = page.read_text(encoding="utf-8")
    for block in FENCE.finditer(text):
        text_of = block["text"].replace("\\\n", " ")
        if block["language"] == "console":
            # The other lines are what comes back.
            for line in re.findall(r"^\$ (.*)$", text_of, re.MULTILINE):
                yield from ours_in(line)
        elif block["language"] in {"", "sh"}:
            for line in text_of.splitlines():
                yield from ours_in(line.strip().removeprefix("$ "))
    for span in SPAN.findall(FENCE.sub("", text)):
        if span.startswith(("credward ", "credward-helper ")):
            yield from ours_in(span.replace("\\|", "|"))


def ours_in(line: str) -> Iterator[str]:
    """Yield those parts of a shell line that call us."""
    for part in SHELL.split(line):
        if part.startswith(("credward ", "credward-helper ")):
            yield part


EXAMPLES = sorted({(name_of(page), line) for page in PAGES for line in commands_in(page)})


def test_examples_are_found() -> None:
    """An empty list would prove nothing."""
    lines = {line for _, line in EXAMPLES}

    assert len(lines) > 40
    assert any(line.startswith("credward login gateway") for line in lines)
    assert any(line.startswith("credward-helper ") for line in lines)


@pytest.mark.parametrize(("page", "line"), EXAMPLES)
def test_every_command_in_the_documents_can_be_typed(page: str, line: str) -> None:
    """With its options and arguments, by the parser that users meet."""
    if line.startswith("credward-helper"):
        check_helper(line)
    elif re.search(r"[\[|]", line):
        check_synopsis(line)
    else:
        check_example(line)


def check_helper(line: str) -> None:
    known = set(re.findall(r"--[a-z-]+", (ROOT / "helpers/arguments.c").read_text()))

    assert set(re.findall(r"--[a-z-]+", line)) <= known


def check_synopsis(line: str) -> None:
    """`[--option]` and alternatives: every option exists."""
    command, _ = find_command(line.split()[1:])
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}

    assert set(re.findall(r"--[a-z-]+", line)) <= known


def check_example(line: str) -> None:
    words = [NUMBERS.get(word, word) for word in shlex.split(line, comments=True)[1:]]
    command, rest = find_command([word for word in words if word != "…"])
    if isinstance(command, click.Group) and not rest:
        return
    try:
        command.make_context(line, rest)
    except click.exceptions.Exit:
        # --help, --version
        return
    except click.MissingParameter:
        # `credward add` in the running text names the command, not all that it takes.
        assert not rest, line


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that *words* name, and the words that are left for it."""
    command: click.Command = credward
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no {words[0]}"
        command, words = found, words[1:]
    return command, words


def test_a_wrong_example_is_noticed() -> None:
    """The parser is the real one: an unknown option or command does not pass."""
    with pytest.raises(click.UsageError):
        check_example("credward login gateway --browserless")
    with pytest.raises(AssertionError):
        check_example("credward sign-in gateway")
    with pytest.raises(AssertionError):
        check_synopsis("credward login [NAME] [--browserless]")
    with pytest.raises(AssertionError):
        check_helper("credward-helper --wait 3")


def test_the_examples_in_the_help_can_be_typed() -> None:
    """What `--help` shows under each command, too."""

    def walk(command: click.Command) -> Iterator[str]:
        for example in (command.epilog or "").split("\n\n"):
            yield from ours_in(example.removeprefix("Example: "))
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), name)
                assert found is not None
                yield from walk(found)

    lines = list(walk(credward))
    for line in lines:
        check_example(line)

    assert len(lines) >= len(COMMANDS) - 2


def test_commands_in_messages_exist() -> None:
    """`run credward …` in an error names a command, and one of its subcommands where it has such."""
    wrong = []
    for path in modules():
        for words in re.findall(r"run credward((?: [a-z][a-z-]*)+)", path.read_text()):
            first, *others = words.split()
            command = credward.get_command(click.Context(credward), first)
            if command is None or (
                isinstance(command, click.Group)
                and others
                and command.get_command(click.Context(command), others[0]) is None
            ):
                wrong.append(f"{path.relative_to(BROKER)}: credward{words}")

    assert wrong == []


# --- configurations -------------------------------------------------------------------------


def configurations() -> Iterator[tuple[str, str]]:
    """Yield each example of a configuration, and the rows of README as the blocks that they stand for."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in FENCE.finditer(text):
            if block["language"] == "toml":
                yield name_of(page), block["text"]
    for row in re.findall(
        r"^\| (`provider = .*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE
    ):
        yield "README.md", "[credentials.row]\n" + "\n".join(SPAN.findall(row)) + "\n"


CONFIGURATIONS = list(configurations())


def load(text: str, folder: Path) -> None:
    """Load *text*; credentials that it speaks of without showing them are made up."""
    file = folder / "config.toml"
    paths = find_paths({"HOME": str(folder), "CREDWARD_CONFIG": str(file)})
    for _ in range(4):
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        try:
            load_config(paths, file)
        except ConfigErrors as errors:
            missing = re.findall(r'credential "([\w.-]+)", which is not', "\n".join(errors.lines))
            missing += re.findall(r'falls back on "([\w.-]+)", which is', "\n".join(errors.lines))
            if not missing:
                raise
            text += "".join(f'\n[credentials.{each}]\nprovider = "local"\n' for each in missing)
        else:
            return
    raise AssertionError("it goes on naming others")


@pytest.mark.parametrize(
    ("page", "text"),
    CONFIGURATIONS,
    ids=[f"{page}-{number}" for number, (page, _) in enumerate(CONFIGURATIONS)],
)
def test_every_configuration_in_the_documents_loads(page: str, text: str, tmp_path: Path) -> None:
    """By the loader that users meet, unknown keys and all."""
    load(text, tmp_path)


def test_a_wrong_configuration_is_noticed(tmp_path: Path) -> None:
    """The loader is the real one: an unknown key does not pass."""
    with pytest.raises(ConfigErrors):
        load('[credentials.gateway]\nprovider = "local"\nlivetime = 60\n', tmp_path)

    assert len(CONFIGURATIONS) > 20


# --- policies -------------------------------------------------------------------------------


def test_every_policy_in_the_documents_is_valid(tmp_path: Path) -> None:
    """Under the schema that is shipped, beside the policy of user mode."""
    found = 0
    for page in PAGES:
        for block in FENCE.finditer(page.read_text(encoding="utf-8")):
            if block["language"] == "cedar":
                found += 1
                file = tmp_path / f"{found}.cedar"
                file.write_text(block["text"], encoding="utf-8")
                load_policies([file], mode="user")

    assert found >= 2


# --- pages ----------------------------------------------------------------------------------


def test_every_page_is_found_from_the_index() -> None:
    """By links alone; a page that nobody reaches is not read."""
    seen: set[Path] = set()
    todo = [DOCS / "index.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        for link in re.findall(r"\]\(([^)\s#]+)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                todo.append((page.parent / link).resolve())

    assert [name_of(page) for page in PAGES if DOCS in page.parents and page not in seen] == []
