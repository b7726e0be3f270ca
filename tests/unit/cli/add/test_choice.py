"""One choice of the dialogue: what is offered can be shown as it is."""

from __future__ import annotations

import pytest

from credward.cli.add.choice import Choice, Question

PLAIN = Question(key="profile", label="profile", word="NAME", default="work")
HOSTILE = "\x1b]52;c;aWQ=\a"


def choice(*questions: Question, what: str = "a profile", name: str = "aws") -> Choice:
    return Choice(what=what, name=name, provider="aws", questions=questions)


@pytest.mark.parametrize(
    "hostile",
    [
        choice(what=HOSTILE),
        choice(name=HOSTILE),
        choice(PLAIN, Question(key="profile", label=HOSTILE, word="NAME")),
        choice(Question(key="profile", label="profile", word=HOSTILE)),
        choice(Question(key="profile", label="profile", word="NAME", default=HOSTILE)),
        choice(Question(key="profile", label="profile", word="NAME", without=HOSTILE)),
    ],
)
def test_what_a_terminal_would_obey_is_not_offered(hostile: Choice) -> None:
    """Names of profiles are from files; questions show them too."""
    assert choice(PLAIN).printable
    assert not hostile.printable
