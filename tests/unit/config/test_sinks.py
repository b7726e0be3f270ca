"""Files that are kept fresh, as they are written in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import Config, Paths, SinkConfig, find_paths, load_config
from credward.errors import ConfigErrors

CREDENTIALS = """[credentials.keys]
provider = "command"
command = ["x"]
kind = "aws"
[credentials.given]
provider = "command"
command = ["x"]
[credentials.bound]
provider = "command"
command = ["x"]
base_url = "https://llm.example.com"
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HOME", "/h/ada")
    found = find_paths({"HOME": str(tmp_path)}, uid=1)
    found.config_file.parent.mkdir(parents=True)
    return found


def load(paths: Paths, text: str) -> Config:
    paths.config_file.write_text(CREDENTIALS + text)
    paths.config_file.chmod(0o600)
    return load_config(paths, paths.config_file)


def block(*lines: str) -> str:
    return "[[sinks]]\n" + "".join(f"{line}\n" for line in lines)


def test_a_sink_has_a_credential_a_path_and_a_format(paths: Paths) -> None:
    config = load(
        paths,
        block('credential = "given"', 'path = "~/a/../token"', 'format = "token"', 'mode = "0640"')
        + block(
            'credential = "keys"',
            'path = "~/.aws/credentials"',
            'format = "aws-credentials"',
            'on_change = ["true", "x"]',
        ),
    )

    assert config.sinks == (
        SinkConfig(
            credential="given",
            path=Path("/h/ada/token"),
            format="token",
            mode=0o640,
            origin=f"{paths.config_file}:12",
        ),
        SinkConfig(
            credential="keys",
            path=Path("/h/ada/.aws/credentials"),
            format="aws-credentials",
            profile="keys",
            on_change=("true", "x"),
            origin=f"{paths.config_file}:17",
        ),
    )


def test_profiles_share_a_file(paths: Paths) -> None:
    """As other tools' profiles do; the same one twice is an error."""
    one = ('credential = "keys"', 'path = "/c"', 'format = "aws-credentials"')

    assert len(load(paths, block(*one) + block(*one, 'profile = "other"')).sinks) == 2
    with pytest.raises(ConfigErrors, match=r"is written by the sink at .*:12 already"):
        load(paths, block(*one) + block(*one))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (('credential = "given"', 'path = "/f"', 'format = "tokn"'), 'no "tokn": one of'),
        (('credential = "given"', 'path = "f"', 'format = "token"'), 'path "f" is not absolute'),
        (('credential = "given"', 'format = "token"'), '"path" is missing'),
        (('credential = "givn"', 'path = "/f"', 'format = "token"'), "is not a configured"),
        (
            ('credential = "given"', 'path = "/f"', 'format = "token"', 'mode = "0644"'),
            "a file with a token is never open to all",
        ),
        (
            ('credential = "given"', 'path = "/f"', 'format = "token"', 'mode = "rw"'),
            'mode "rw" is not possible',
        ),
        (
            ('credential = "given"', 'path = "/f"', 'format = "env"', "single_use = true"),
            "single_use is for format token",
        ),
        (
            ('credential = "given"', 'path = "/f"', 'format = "env"', 'profile = "p"'),
            "format env has no profile",
        ),
        (
            ('credential = "given"', 'path = "/f"', 'format = "anthropic-profile"', 'mode = "640"'),
            "remove mode",
        ),
        (
            ('credential = "keys"', 'path = "/f"', 'format = "aws-credentials"', 'profile = "a]"'),
            'profile "a]" is not a name',
        ),
        (
            ('credential = "keys"', 'path = "/f"', 'format = "token"'),
            '"keys" is AWS keys, which format token cannot hold',
        ),
        (
            ('credential = "bound"', 'path = "/f"', 'format = "token"'),
            "programs that read a file do not say where they send",
        ),
        (
            ('credential = "given"', 'path = "/f"', 'format = "token"', "on_change = []"),
            "on_change is a program and its arguments",
        ),
    ],
)
def test_a_wrong_sink_is_reported_with_its_place(
    paths: Paths, lines: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(paths, block(*lines))

    assert expected in caught.value.lines[0]
    assert caught.value.lines[0].startswith(f"{paths.config_file}:1")
