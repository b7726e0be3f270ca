"""A block of ours in a shell's file: added, replaced, taken out, and nothing else."""

import pytest

from credward.cli.setup.shell_block import get_member, remove_member, set_member
from credward.cli.setup.unreadable import UnreadableError

LINES = "export A=1\nexport B=2\n"


@pytest.mark.parametrize(
    "text", ["", "# mine\nalias x=y\n", "# mine\r\nalias x=y\r\n", "alias x=y", "\n\n"]
)
def test_a_block_comes_last_and_goes_without_a_trace(text: str) -> None:
    """A last line without an end gets one."""
    after = set_member(text, ("gcp",), LINES)
    ended = text if not text or text.endswith("\n") else text + "\n"

    assert after.startswith(text)
    assert get_member(after, ("gcp",)) == LINES
    assert remove_member(after, ("gcp",)) == ended
    assert set_member(after, ("gcp",), LINES) == after


def test_blocks_are_apart() -> None:
    """Another tool's block stays; what a user wrote behind ours does, too."""
    text = set_member(set_member("", ("gcp",), LINES), ("ant",), "ant() {\n}\n") + "last\n"
    after = set_member(text, ("gcp",), "export C=3\n")

    assert get_member(after, ("gcp",)) == "export C=3\n"
    assert get_member(after, ("ant",)) == "ant() {\n}\n"
    assert after.endswith("last\n")
    assert remove_member(remove_member(after, ("gcp",)), ("ant",)) == "last\n"
    assert get_member(after, ("aws",)) is None


@pytest.mark.parametrize(
    "text",
    [
        "# >>> credward gcp >>>\nexport A=1\n",
        "export A=1\n# <<< credward gcp <<<\n",
        "# >>> credward gcp >>>\n# <<< credward gcp <<<\n" * 2,
        "# >>> credward gcp >>>\n# >>> credward gcp >>>\nx\n# <<< credward gcp <<<\n",
    ],
)
def test_half_a_block_is_left_to_its_user(text: str) -> None:
    """Nobody can tell where it was to end."""
    with pytest.raises(UnreadableError, match="without its other end"):
        set_member(text, ("gcp",), LINES)
