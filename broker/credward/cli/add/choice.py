"""One choice of `credward add`: the block that it leads to, and what it still asks.

`choices` finds them, `wizard` asks the questions.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from credward.cli.add.tools import ToolScript
from credward.cli.shell_files import ShellKey
from credward.settings.checks import check_base_urls, check_server_url
from credward.tokens import Secret

__all__ = [
    "Choice",
    "Leftover",
    "Question",
    "base_url_question",
    "check_scope",
    "issuer_questions",
]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A key of the block that the user answers.

    *word* stands for the answer in a command line. *default* None: it must be answered; "": it may
    be left out, which means *without*. *check* raises `ValueError`.
    """

    key: str
    label: str
    word: str
    default: str | None = None
    without: str = ""
    check: Callable[[str], None] | None = None


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that moves into the store, and where it still is afterwards; *typed*: by the user.

    *shell* is set if it is one line of a shell file.
    """

    secret: Secret | None = None
    field: str = "secret"
    where: str = ""
    shell: ShellKey | None = None

    @property
    def origin(self) -> ShellKey | None:
        """The line that it can be taken out of, and be put back into; None if there is none."""
        return self.shell if self.shell is not None and self.shell.alone else None


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could serve an agent; *what* completes "found …".

    *words* are settled keys of the block, *program* is for the provider `command` (None: asked
    for). *moves* is a secret for the store, *script* the program of a tool that it replaces.
    """

    what: str
    name: str
    provider: str
    words: tuple[tuple[str, str], ...] = ()
    questions: tuple[Question, ...] = ()
    program: tuple[str, ...] | None = ()
    moves: Leftover | None = None
    script: ToolScript | None = None

    @property
    def printable(self) -> bool:
        """Whether it can be shown, and copied, as it is: names are from files and variables."""
        words = (self.what, self.name, *(word for _, word in self.words), *(self.program or ()))
        asked = (
            text
            for each in self.questions
            for text in (each.label, each.word, each.default or "", each.without)
        )
        return all(word.isprintable() for word in (*words, *asked))


def check_scope(scope: str) -> None:
    """Refuse the placeholder of the scope."""
    if "APPLICATION-ID" in scope or not scope.strip():
        raise ValueError("write the application's id, as your gateway's owner has it")


def _check_base_url(url: str) -> None:
    check_base_urls((url,))


def issuer_questions(gateway: str | None) -> tuple[Question, ...]:
    """Ask where people log in, and as which program; *gateway*: an address that is not the answer.

    The issuer itself is asked by the daemon, once there is a block.
    """

    def check(url: str) -> None:
        check_server_url("an issuer", url, "https://login.example.com")
        if gateway is not None and url.rstrip("/") == gateway.rstrip("/"):
            raise ValueError(
                "that is the address of the gateway itself, not of the server where you log in: "
                "ask your administrator for that one (Ctrl-C leaves)"
            )

    return (
        Question(
            key="issuer",
            label="issuer: the address of your login server, not of the gateway",
            word="URL",
            check=check,
        ),
        Question(key="client_id", label="client id", word="ID"),
    )


def base_url_question(found: str, *, asked: bool) -> Question:
    """Ask where the token may be sent; *asked*: it belongs into the command line."""
    return Question(
        key="base_url",
        label="address of your gateway, which alone may get it",
        word=found if asked else "",
        default=found,
        without="any",
        check=_check_base_url,
    )
