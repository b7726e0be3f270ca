"""Claude Code in its five modes, as `credward setup claude-code` leads it to each service, against loopback."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from integration.claude_code import VERSION, Conversation, find_claude, newest
from integration.claude_modes import LONG, MODES, SHORT, Mode, World, open_world
from integration.client_rows import row
from integration.daemon import DaemonFactory
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EACH = pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.id)
TELLING = [(mode, status) for mode in MODES for status in sorted(mode.tells)]
SILENT = [(mode, status) for mode in MODES for status in sorted({401, 403} - mode.tells)]
# So long an AWS SDK settles, before what it asks means something (issuing/asking.py).
SETTLED = 12.5


@pytest.fixture(scope="module")
def running(
    start_shared_daemon: DaemonFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    with open_world(start_shared_daemon, tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """With long tokens, that nobody refuses."""
    running.lives(LONG)
    yield running
    for service in (running.api, running.bedrock):
        service.refuse = lambda _: False
        service.seen.clear()


def last_token(world: World, mode: Mode) -> str:
    return world.service(mode).seen[-1].token


def goes_on(world: World, mode: Mode, conversation: Conversation) -> None:
    """Say something until a token is used that was not used before: clients keep one for a while."""
    before = last_token(world, mode)

    def another() -> bool:
        result = conversation.turn("go on")
        assert result["is_error"] is False, result
        return last_token(world, mode) != before

    until(another, 60)


@EACH
def test_a_rotation_a_restart_and_the_end_of_its_shell(world: World, mode: Mode) -> None:
    """One process takes up the next token and outlives the daemon; another one outlives its shell."""
    world.lives(SHORT)
    # What is there already lasts longer.
    world.rotate(mode)
    more = () if mode.door != "helper" else ("--ttl", "1")
    with world.set_up(mode, *more):
        conversation = world.claude.converse()
        try:
            first = conversation.turn("begin")
            assert first["is_error"] is False, first
            world.rotate(mode)
            goes_on(world, mode, conversation)
            world.restart()
            after = conversation.turn("go on")
        finally:
            conversation.end()
        alone = from_a_shell_that_ended(world)

    assert after["is_error"] is False, after
    assert alone["is_error"] is False, alone
    assert {each.status for each in world.service(mode).seen} == {200}
    if mode.door == "aws-process":
        row("Claude Code", VERSION, "helper", f"{mode.mode}, credential_process", "works")
    else:
        row("Claude Code", VERSION, mode.door, mode.mode, "works")


def from_a_shell_that_ended(world: World) -> dict[str, object]:
    """Start Claude Code in the background of a shell, and have it begin when that is gone."""
    said = world.claude.folder / "said"
    said.unlink(missing_ok=True)
    words = [*world.claude.command("begin"), "--output-format", "json"]
    # The subshell waits until its parent has ended, whose id is `$$` in both.
    line = (
        '(while kill -0 $$; do sleep 0.05; done; "$@" >said.part; mv said.part said) 2>/dev/null &'
    )
    subprocess.run(
        ["setsid", "sh", "-c", line, "sh", *words],
        env=world.claude.environ,
        cwd=world.claude.folder,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    until(said.exists, 60)
    found: dict[str, object] = json.loads(said.read_text())
    return found


@EACH
def test_the_newest_version(world: World, mode: Mode, request: pytest.FixtureRequest) -> None:
    """It gets its token in the same way."""
    version = newest()
    request.node.user_properties.append(("program", f"Claude Code {version}"))
    with world.set_up(mode):
        result = replace(world.claude, program=find_claude(version)).ask()

    assert result["is_error"] is False, result
    assert {each.status for each in world.service(mode).seen} == {200}


def refuse(world: World, mode: Mode, status: int, *, but_new: bool) -> None:
    """Have the token that was used last refused, or every token."""
    service, bad = world.service(mode), last_token(world, mode)
    service.refuse = lambda token: token == bad or not but_new
    service.refuse_with = status


@pytest.mark.parametrize(("mode", "status"), TELLING, ids=lambda each: getattr(each, "id", each))
def test_a_refused_token_is_replaced_where_its_user_asks_again(
    world: World, mode: Mode, status: int
) -> None:
    """By one mint that nobody else forces; and if the next is refused too, there is no second one."""
    # It remembers what was replaced already, and when.
    world.restart()
    with world.set_up(mode):
        conversation = world.claude.converse()
        try:
            assert conversation.turn("begin")["is_error"] is False
            if mode.door.startswith("aws"):
                time.sleep(SETTLED)
            minted = world.mints(mode)
            refuse(world, mode, status, but_new=True)
            healed = conversation.turn("go on")
            mints = world.mints(mode) - minted
        finally:
            conversation.end()
        refuse(world, mode, status, but_new=False)
        world.claude.environ["CLAUDE_CODE_MAX_RETRIES"] = "2"
        refused = world.claude.ask()
        del world.claude.environ["CLAUDE_CODE_MAX_RETRIES"]

    assert healed["is_error"] is False, healed
    assert mints == 1
    assert refused["is_error"] is True
    assert world.mints(mode) == minted + 1


@pytest.mark.parametrize(("mode", "status"), SILENT, ids=lambda each: getattr(each, "id", each))
def test_where_a_refusal_is_not_told_nothing_is_minted(
    world: World, mode: Mode, status: int
) -> None:
    """It does not ask again, or asks no other way than for any request: if that changes, see `MODES`."""
    world.restart()
    # A file is written anew at a start.
    world.rotate(mode)
    with world.set_up(mode):
        assert world.claude.ask()["is_error"] is False
        minted = world.mints(mode)
        refuse(world, mode, status, but_new=False)
        world.claude.environ["CLAUDE_CODE_MAX_RETRIES"] = "2"
        refused = world.claude.ask()
        del world.claude.environ["CLAUDE_CODE_MAX_RETRIES"]

    assert refused["is_error"] is True
    assert world.mints(mode) == minted
