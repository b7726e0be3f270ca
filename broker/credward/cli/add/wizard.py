"""The dialogue of `credward add` on a terminal: a choice, its few questions, the plan, a yes.

Every answer is checked when it is typed, and nothing is written before the yes; `adding` writes and
tries, `take_over` moves what was found.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from credward.cli.add.adding import Added, Options, carry_out, plan, tell, tell_next
from credward.cli.add.block import Wanted, full_program
from credward.cli.add.choice import Choice, Question
from credward.cli.add.choices import find_choices, general_choices
from credward.cli.add.listing import configured
from credward.cli.add.present import answer_now, block_now, is_of, other_words, program_now
from credward.cli.add.take_over import Store, end_leftover, end_script, free_secret_name, noted
from credward.cli.add.trial import Trial, issuer_named
from credward.cli.hidden_prompt import hidden_prompt
from credward.errors import Kind
from credward.paths import environment
from credward.tokens import Secret

__all__ = ["ask"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_KEY = 32 * 1024
# The answer that leaves out what has a default.
_NOTHING = "-"


def ask(name: str | None, options: Options) -> None:
    """Ask what to add, add it, and offer the next step; Ctrl-C at any time leaves nothing."""
    choices = [each for each in (*find_choices(), *general_choices()) if each.printable]
    choice = _choose(choices, block_now(name))
    name = name or _ask_name(choice)
    block = block_now(name)
    if not is_of(choice, block):
        block = {}
    secret = None if choice.moves is None else choice.moves.secret or _ask_key()
    program = _ask_program(program_now(block)) if choice.program is None else choice.program
    answers = [(each.key, _ask_question(each, block)) for each in choice.questions]
    words = [*choice.words, *((key, answer) for key, answer in answers if answer)]
    words += other_words(choice, block)
    store = None
    if choice.moves is not None and secret is not None:
        origin = choice.moves.origin
        store = Store(
            name=free_secret_name(name),
            secret=secret,
            taken=None if origin is None else noted(origin),
        )
        words.insert(0, (choice.moves.field, f'{{ store = "{store.name}" }}'))
    wanted = Wanted(
        name=name, provider=choice.provider, program=full_program(program), words=tuple(words)
    )
    _carry_out(choice, wanted, store, options)


def _carry_out(choice: Choice, wanted: Wanted, store: Store | None, options: Options) -> None:
    """Show the plan, get a yes, do it, and go on with what comes next."""
    change = plan(wanted, options)
    click.echo(f"\n{change.diff}", nl=False)
    if store is not None:
        click.echo(f'and the key goes into the sealed store, as "{store.name}"')
    if options.dry_run:
        return
    click.confirm(
        f"{'Replace' if change.replaces else 'Add'} {wanted.name}?", abort=True, default=True
    )
    added = carry_out(change, options, store=store)
    again = _corrected(wanted, added.trial) if added.trial.taken_back and store is None else None
    if again is not None:
        _carry_out(choice, again, store, options)
        return
    code = tell(added, options, with_next=False)
    if added.trial.taken_back:
        sys.exit(code)
    if added.trial.minted is not None:
        if choice.moves is not None and store is not None:
            end_leftover(choice.moves, store)
        if choice.script is None:
            # After the last question, so that it is what the reader sees last.
            tell_next(added.credential, unset=_still_set(choice))
    _go_on(choice, added, code)


def _corrected(wanted: Wanted, trial: Trial) -> Wanted | None:
    """Return *wanted* with the issuer as its server writes it, if that is agreed to."""
    other = trial.failure and issuer_named(trial.failure)
    if not other or "issuer" not in dict(wanted.words):
        return None
    if not click.confirm(f"The server calls its issuer {other}. Use that?", default=True):
        return None
    words = tuple((key, other if key == "issuer" else word) for key, word in wanted.words)
    return msgspec.structs.replace(wanted, words=words)


def _still_set(choice: Choice) -> str:
    """Return the variable that held the moved key, if this shell still has it: agents send it."""
    key = choice.moves.shell if choice.moves is not None else None
    return key.variable if key is not None and key.variable in environment() else ""


def _go_on(choice: Choice, added: Added, code: int) -> None:
    """Offer the login, and that a tool asks for it from now on."""
    name, trial = added.change.name, added.trial
    if trial.failure is not None and trial.failure.kind is Kind.LOGIN_REQUIRED:
        if not click.confirm(f"Log in now (credward login {name})?", default=True):
            return
        from credward.cli.login import command as login

        login.main([name], prog_name="credward login", standalone_mode=False)
        tell_next(added.credential)
    elif trial.failure is not None:
        sys.exit(code)
    if choice.script is not None:
        end_script(choice.script, name)


# --- questions -----------------------------------------------------------------------------------


def _choose(choices: list[Choice], block: Mapping[str, Any]) -> Choice:
    click.echo("Where do agents get a credential from?")
    for number, each in enumerate(choices, 1):
        click.echo(f" {number:2}) {each.what}")
    now = next((number for number, each in enumerate(choices, 1) if is_of(each, block)), 1)
    picked: int = click.prompt("Number", type=click.IntRange(1, len(choices)), default=now)
    return choices[picked - 1]


def _ask_name(choice: Choice) -> str:
    taken = configured()
    names = (choice.name, *(f"{choice.name}-{number}" for number in range(2, 100)))
    default = next((name for name in names if name not in taken), choice.name)
    found: str = click.prompt("Name of the credential", default=default, value_proc=_check_name)
    return found


def _ask_program(now: str | None) -> tuple[str, ...]:
    label = "Program and its arguments"
    found: str = click.prompt(label, default=now, value_proc=_check_program)
    return tuple(shlex.split(found))


def _ask_question(question: Question, block: Mapping[str, Any]) -> str:
    """Return the answer; the default is that of the present *block*, if it has one."""

    def check(text: str) -> str:
        text = text.strip()
        if question.default is not None and text == _NOTHING:
            return ""
        if text and question.check is not None:
            try:
                question.check(text)
            except ValueError as error:
                raise click.BadParameter(str(error)) from error
        if not text and question.default is None:
            raise click.BadParameter("it is needed: ask your administrator (Ctrl-C leaves)")
        return text

    label = question.label[:1].upper() + question.label[1:]
    now = answer_now(block, question.key)
    if now is None:
        # What the block leaves out stays out.
        now = "" if block and question.default is not None else question.default
    if question.without:
        label += f" ({_NOTHING if now else 'empty'}: {question.without})"
    found: str = click.prompt(label, default=now, show_default=bool(now), value_proc=check)
    return found


def _ask_key() -> Secret:
    return Secret(hidden_prompt("The key (not shown)", err=False, check=_check_key))


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "letters, digits, dot, dash, underscore, at most 64, beginning with a letter or digit"
        )
    return name


def _check_program(line: str) -> str:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise click.BadParameter("a quote is not closed") from error
    if not words:
        raise click.BadParameter("it is needed")
    (first, *_) = full_program(words)
    if shutil.which(first) is None:
        raise click.BadParameter(f"{words[0]} is not a program that this shell finds")
    return line


def _check_key(text: str) -> str:
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or len(text) > _LONGEST_KEY:
        raise click.BadParameter("it is one line of printable ASCII")
    return text
