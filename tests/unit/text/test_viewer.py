"""What is different for each who looks."""

from __future__ import annotations

from credward.text.viewer import Viewer

ANYBODY = Viewer()


def test_what_the_daemon_chose_is_said_with_its_reason() -> None:
    """None, if it chose none."""
    assert ANYBODY.active_name("work") == "work"
    assert ANYBODY.explain("work", "the only one", ["work"]) == "work (the only one)"
    assert ANYBODY.active_name(None) is None
    assert ANYBODY.explain(None, "", []) is None


def test_the_name_of_a_folder_moves_no_cursor() -> None:
    """It is part of the reason, and whoever made the folder chose it."""
    assert ANYBODY.explain("work", "chosen in /\x1b[2J", ["work"]) == "work (chosen in /\ufffd[2J)"


def test_a_variable_of_the_shell_counts_more() -> None:
    """And shows no control characters; a name that is not configured is no choice."""
    spare, hostile = Viewer(choice="spare"), Viewer(choice="spare\x1b[2J")
    known = ["spare", "work"]

    assert hostile.active_name("work") == "spare\x1b[2J"
    said = spare.explain("work", "the only one", known)
    assert said == "spare (CREDWARD_CREDENTIAL of this shell)"
    assert hostile.explain("work", "the only one", known) == (
        "spare\ufffd[2J (CREDWARD_CREDENTIAL of this shell), which is not configured, perhaps "
        '"spare": unset CREDWARD_CREDENTIAL'
    )


def test_a_home_is_short() -> None:
    """Only whole folders are; a root that is a home is none."""
    ada = Viewer(home="/h/ada/")

    assert [ada.short(each) for each in ("/h/ada", "/h/ada/x", "/h/adam", "/x")] == [
        *("~", "~/x", "/h/adam", "/x")
    ]
    assert Viewer(home="/").short("/x") == "/x"
