"""Messages in a narrow window."""

import pytest

from credward.text.wrapping import wrapped

LONG = '"gateway" is not handed out here: run credward setup claude-code gateway, or wait'


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (None, [LONG]),
        (0, [LONG]),
        (len(LONG), [LONG]),
        (
            50,
            [
                '"gateway" is not handed out here: run',
                "credward setup claude-code gateway, or wait",
            ],
        ),
        (
            20,
            [
                *('"gateway" is not', "handed out here: run", "credward setup"),
                *("claude-code gateway,", "or wait"),
            ],
        ),
    ],
)
def test_lines_end_at_blanks(width: int | None, lines: list[str]) -> None:
    """A command is broken only if it is longer than the window."""
    assert wrapped(LONG, width) == "\n".join(lines)


def test_a_long_word_stays_whole() -> None:
    """A path or an address is copied as one."""
    assert wrapped("see https://login.example.com/device?code=1", 12).split("\n") == [
        *("see", "https://login.example.com/device?code=1")
    ]
