"""The line that an error is about, marked, and never with a secret in it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from canaries import MARK, canary
from credward.cli.excerpt import excerpt, shown_line
from credward.config.layers import toml_place
from unit.cli.conftest import Run


def write(config_file: Path, text: str) -> None:
    config_file.write_text(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            '[credentials.a]\nprovider = "local"\nlifetme = 3\n',
            "     3 | lifetme = 3\n       | ^^^^^^^\n",
        ),
        (
            '[credentials.a]\nprovider = "local"\nlifetime = "x"\n',
            '     3 | lifetime = "x"\n       | ^^^^^^^^\n',
        ),
        (
            "[credentials.a]\nprovider = local\n",
            "     2 | provider = local\n       |            ^\n",
        ),
        ("[credentials.a\n", "     1 | [credentials.a\n       |               ^\n"),
        (
            '[credentials.a]\nprovider = "static"\nsecret = { stoer = "name" }\n',
            '     3 | secret = { stoer = "***" }\n       |            ^^^^^\n',
        ),
    ],
    ids=["unknown key", "wrong type", "no quotes", "no end", "reference"],
)
def test_the_line_is_shown_with_a_mark(run: Run, config_file: Path, text: str, shown: str) -> None:
    """Below the key, or where the text stops being TOML."""
    write(config_file, text)
    ran = run("config", "check")

    assert ran.code == 78
    assert ran.err.startswith(f"{config_file}:")
    assert ran.err.endswith(shown), ran.err


@pytest.mark.parametrize(
    "line",
    [
        'secret = "{}"',
        "client_secret = '{}'",
        'secret = "{}',
        'env = {{ API_KEY = "{}" }}',
        'api_key = {{ store = "k", x = "{}" }}',
        '"api_key" = "{}"',
        "password = {}",
        'anything = "{}"',
        '\tprivate_key = """{}',
    ],
)
def test_a_secret_that_is_written_out_is_not_shown(run: Run, config_file: Path, line: str) -> None:
    """That it is there is the error; its value helps nobody."""
    write(config_file, f'[credentials.a]\nprovider = "static"\n{line.format(canary("file"))}\n')
    ran = run("config", "check")

    assert ran.code == 78
    assert MARK not in ran.out + ran.err
    assert MARK not in shown_line(line.format(canary("file")))


def test_an_error_without_a_place_has_no_excerpt(tmp_path: Path) -> None:
    """Nor has one whose file is gone, or is shorter by now."""
    path = tmp_path / "config.toml"
    gone = excerpt(f"{path}:1: text")
    path.write_text("x = 1\n")

    assert gone is None
    assert excerpt("the daemon is not running") is None
    assert excerpt(f"{path}:9: text") is None
    assert excerpt(f"{path}:1: text") == "     1 | x = 1\n       | ^^^^^"


def test_the_place_at_the_end_is_the_last_line() -> None:
    """The parser names no line there."""
    text = 'a = 1\nb = """x'
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)

    assert toml_place(caught.value, text) == (2, len('b = """x') + 1)
