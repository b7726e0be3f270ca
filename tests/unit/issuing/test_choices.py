"""What is given to a caller that names nothing: by an order written down a second time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.config import Config, CredentialConfig
from credward.issuing.choices import Choice, Choices, chooser
from credward.settings.local import Settings

NAMES = ("home", "work", "spare")
FOLDERS = ("/", "/src", "/src/app", "/src/app/deep", "/srcs")
AGENTS = ("claude", "codex")


def config(*names: str, default: str | None = None) -> Config:
    return Config(
        default=default,
        credentials={
            name: CredentialConfig(
                name=name,
                provider="local",
                settings=Settings(),
                epoch="e",
                grant=name,
                origin="c.toml:1",
            )
            for name in names
        },
    )


def name_of(choices: Choices, known: Config, folder: str | None, agent: str | None) -> str | None:
    found = choices.pick(known, folder=folder, agent=agent).credential
    return None if found is None else found.name


def above(folder: str) -> list[str]:
    """Return the folder and those above it, the nearest first."""
    words = [each for each in folder.split("/") if each]
    return ["/" + "/".join(words[:count]) for count in range(len(words), -1, -1)]


def expected(
    made: dict[tuple[str | None, str | None], str], folder: str | None, agent: str | None
) -> str | None:
    """Look for it as a person would: folder by folder, first for this agent, then for any."""
    for place in [*(above(folder) if folder else []), None]:
        for whom in dict.fromkeys((agent, None)):
            if (place, whom) in made:
                return made[place, whom]
    return None


@given(
    made=st.dictionaries(
        st.tuples(st.sampled_from([None, *FOLDERS]), st.sampled_from([None, *AGENTS])),
        st.sampled_from([*NAMES, "gone"]),
        max_size=8,
    ),
    folder=st.sampled_from([None, *FOLDERS, "/src/application", "/elsewhere"]),
    agent=st.sampled_from([None, *AGENTS, "gemini"]),
    default=st.sampled_from([None, "spare"]),
)
def test_the_nearest_folder_then_the_agent_then_everything(
    made: dict[tuple[str | None, str | None], str],
    folder: str | None,
    agent: str | None,
    default: str | None,
) -> None:
    """And none that is not configured."""
    choices = Choices(
        made=tuple(
            Choice(credential=name, folder=place, agent=whom)
            for (place, whom), name in made.items()
        )
    )
    known = {key: name for key, name in made.items() if name in NAMES}

    assert name_of(choices, config(*NAMES, default=default), folder, agent) == (
        expected(known, folder, agent) or default
    )


def test_without_choices_it_is_the_default_or_the_only_one() -> None:
    """Each with its reason; of several none."""
    none = Choices()

    assert none.pick(config("a", "b", default="b")).because == "default in the configuration"
    assert none.pick(config("a")).because == "the only one"
    assert none.pick(config("a", "b")).credential is None
    assert none.pick(config()).because == ""


def test_one_choice_replaces_another_for_the_same_place_only() -> None:
    """And is forgotten alone."""
    first = Choice(credential="home", folder="/src")
    second = Choice(credential="work", folder="/src", agent="claude")
    choices = (
        Choices()
        .with_one(first)
        .with_one(second)
        .with_one(Choice(credential="spare", folder="/src"))
    )

    assert choices.made == (second, Choice(credential="spare", folder="/src"))
    assert choices.without(uid=None, folder="/src", agent=None).made == (second,)
    assert choices.need_folder
    assert not Choices().with_one(Choice(credential="home")).need_folder


@pytest.mark.parametrize(
    ("choice", "text", "words"),
    [
        (Choice(credential="gone"), "for everything", ""),
        (Choice(credential="gone", agent="claude"), "for claude", " --for claude"),
        (
            Choice(credential="gone", folder="/my src", agent="claude"),
            "for claude in /my src",
            " --for claude --in '/my src'",
        ),
    ],
)
def test_a_choice_of_what_is_not_configured_is_told(choice: Choice, text: str, words: str) -> None:
    """With where it was made, and what to type."""
    (warning,) = Choices(made=(choice,)).warnings(config("home"))

    assert warning == (
        f'"gone" was chosen {text}, but it is not configured: run credward use --clear{words}'
    )


def test_half_a_character_in_a_folder_matches_no_other_folder() -> None:
    """Its name stands for several; those below a plain folder are still found."""
    odd = Choices(made=(Choice(credential="work", folder="/src/\ufffd"),))
    above_it = Choices(made=(Choice(credential="work", folder="/src"),))

    assert name_of(odd, config("work", "home"), "/src/\ufffd", None) is None
    assert name_of(above_it, config("work", "home"), "/src/\ufffd", None) == "work"


def test_each_user_has_its_own_choices() -> None:
    """They count for its callers only, before the owner's; nobody sees or changes another's."""
    own = Choice(credential="home", folder="/src")
    theirs = Choice(credential="work", folder="/src", uid=7)
    anywhere = Choice(credential="spare", uid=8)
    problem = "choices.json cannot be read"
    choices = Choices(problem=problem).with_one(own)
    choices = Choices(made=choices.with_one(theirs).with_one(anywhere).made, problem=problem)

    assert [choices.of(uid) for uid in (None, 7, 8, 9)] == [
        Choices(made=(own,), problem=problem),
        Choices(made=(theirs,)),
        Choices(made=(anywhere,)),
        Choices(),
    ]
    picked = [choices.pick(config(*NAMES), uid=uid, folder="/src") for uid in (None, 7, 8, 9)]
    assert [each.credential and each.credential.name for each in picked] == [
        "home",
        "work",
        "spare",
        "home",
    ]
    assert choices.without(uid=7, folder="/src", agent=None).made == (own, anywhere)
    assert choices.with_one(Choice(credential="spare", folder="/src")).of(7).made == (theirs,)


def test_what_root_chooses_is_the_owners() -> None:
    """Nobody logs in as the user of a daemon that serves several."""
    assert [chooser(uid, 5) for uid in (0, 5, 7)] == [None, None, 7]
