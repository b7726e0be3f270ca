"""Tables that fit."""

from credward.text.tables import Column, cut, lines_of, width_of


def test_a_cell_is_cut_with_an_ellipsis() -> None:
    """By places on the terminal, not by characters."""
    assert cut("gateway", 7) == "gateway"
    assert cut("gateway", 5) == "gate\N{HORIZONTAL ELLIPSIS}"
    assert width_of(cut("\N{CJK UNIFIED IDEOGRAPH-6F22}" * 9, 6)) <= 6
    assert width_of("e\N{COMBINING ACUTE ACCENT}") == 1


def test_columns_go_before_cells_are_shortened() -> None:
    """The one that goes first has the highest number; those with none stay."""
    columns = [
        Column(title="A", cells=["a" * 10], least=4),
        Column(title="B", cells=["b" * 10], goes=1),
        Column(title="C", cells=["c" * 10], goes=2),
    ]
    assert [len(lines_of(columns, width)[1].split()) for width in (None, 34, 33, 16, 15)] == [
        *(3, 3, 3, 2, 1)
    ]
    assert lines_of(columns, 16)[1] == "aaa\N{HORIZONTAL ELLIPSIS}  bbbbbbbbbb"
