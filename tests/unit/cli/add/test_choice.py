"""One choice of the dialogue: what is offered can be shown as it is."""

from __future__ import annotations

import pytest

from credward.cli.add.choice import Choice, Question, issuer_questions

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


def test_the_gateway_itself_is_no_answer_to_where_people_log_in() -> None:
    """It is the address that its user knows, so it is typed first; the line says whom to ask."""
    issuer, _ = issuer_questions("https://llm.example.com")
    assert issuer.check is not None
    with pytest.raises(ValueError, match=r"the gateway itself.*: ask your administrator"):
        issuer.check("https://llm.example.com/")
    issuer.check("https://login.example.com/")
    issuer.check("https://llm.example.com/login")
