"""`credward config`: everything that is wrong at once, and nothing lost."""

import json
from pathlib import Path

import pytest

from canaries import MARK, canary
from credward.cli.config import replace_file
from credward.errors import ConfigErrors
from unit.cli.conftest import Run


def test_check_prints_every_error_with_its_line(run: Run, config_file: Path) -> None:
    """Exit 78 and one line each."""
    config_file.write_text(
        'default = "other"\n[credentials.a]\nprovider = "comand"\n[credentials.b]\n'
        'provider = "local"\nlifetme = 5\n'
    )
    ran = run("config", "check")

    assert ran.code == 78
    assert f'{config_file}:3: credentials.a: no provider "comand", perhaps "command"' in ran.err
    assert (
        f'{config_file}:6: unknown key "lifetme" for provider local, perhaps "lifetime"' in ran.err
    )


def test_check_says_good(run: Run, config_file: Path) -> None:
    """One line, with the files that were read."""
    ran = run("config", "check")

    assert (ran.code, ran.out) == (0, f"{config_file}: good, 1 credential\n")


def test_show_names_the_origin(run: Run, config_file: Path) -> None:
    """Where each credential comes from, for people and for programs."""
    shown = json.loads(run("config", "show", "--json").out)

    assert shown["credentials"]["demo"]["origin"] == f"{config_file}:1"
    assert f"[credentials.demo]  # {config_file}:1" in run("config", "show").out


def test_show_masks_secrets_that_a_command_holds(run: Run, config_file: Path) -> None:
    """For people and for programs; a reference stays, it says where a secret is."""
    env, user, url = (canary(each) for each in ("env", "user", "url"))
    config_file.write_text(
        f'[credentials.a]\nprovider = "command"\nenv = {{ DB_PASS = "{env}" }}\n'
        f'command = ["/usr/bin/curl", "-u", "me:{user}", "https://me:{url}@id.example.com/x"]\n'
        '[credentials.b]\nprovider = "static"\nsecret = { store = "gateway-key" }\n'
    )
    ran = run("config", "show")

    assert MARK not in ran.out
    assert 'command = ["/usr/bin/curl","-u","***","https://***@id.example.com/x"]' in ran.out
    assert '"store":"gateway-key"' in ran.out
    as_json = run("config", "show", "--json").out
    a, b = (json.loads(as_json)["credentials"][name] for name in "ab")
    assert MARK not in as_json
    assert a["command"] == ["/usr/bin/curl", "-u", "***", "https://***@id.example.com/x"]
    assert a["env"] == {"DB_PASS": "***"}
    assert b["secret"] == {"store": "gateway-key"}


def test_path_is_where_the_file_is(run: Run, config_file: Path) -> None:
    """For use in other commands."""
    assert run("config", "path").out == f"{config_file}\n"


def test_a_broken_edit_keeps_the_old_file_and_itself(
    run: Run, config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost: neither what worked nor what was typed."""
    before = config_file.read_text()
    editor = config_file.parent / "editor"
    editor.write_text('#!/bin/sh\necho "broken = " > "$1"\n')
    editor.chmod(0o700)
    monkeypatch.setenv("EDITOR", str(editor))
    monkeypatch.setenv("VISUAL", str(editor))
    ran = run("config", "edit")

    assert ran.code == 78
    assert config_file.read_text() == before
    rejected = config_file.with_name("config.toml.rejected")
    assert rejected.read_text() == "broken = \n"
    assert f"{rejected}:1: " in ran.err
    assert ran.err.endswith("the old configuration stays: run credward config edit to go on\n")

    # The next one begins where this one ended.
    editor.write_text('#!/bin/sh\ncp "$1" "$1.seen"; echo "default = \\"demo\\"" >> "$1"\n')
    again = run("config", "edit")
    assert again.code == 78
    assert rejected.read_text() == 'broken = \ndefault = "demo"\n'
    editor.write_text(f'#!/bin/sh\ncat {config_file} > "$1"; echo "# mine" >> "$1"\n')
    done = run("config", "edit")

    assert done.code == 0, done.err
    assert config_file.read_text() == before + "# mine\n"
    assert not rejected.exists()


def test_replace_keeps_mode_and_link(home: Path, config_file: Path) -> None:
    """A link of a dotfile manager stays a link, and its target changes."""
    real = home / "dotfiles.toml"
    config_file.rename(real)
    config_file.symlink_to(real)
    replace_file(config_file, '[credentials.x]\nprovider = "local"\n')

    assert config_file.is_symlink()
    assert "credentials.x" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigErrors) as caught:
        replace_file(config_file, "oops")
    assert str(config_file) in caught.value.lines[0]
