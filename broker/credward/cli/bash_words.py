"""What bash makes of a word with `=` in it: three words, of which it completes the last.

click asks for the whole; `completion` prints the script that asks.
"""

from __future__ import annotations

from click.shell_completion import BashComplete, CompletionItem, add_completion_class

__all__ = ["join_words"]


class _Bash(BashComplete):
    # What bash keeps by itself, before the part that it completes.
    _kept = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        args, incomplete = super().get_completion_args()
        if incomplete == "=":
            args, incomplete = [*args, "="], ""
        if len(args) > 1 and args[-1] == "=":
            self._kept = f"{args[-2]}="
            return args[:-2], self._kept + incomplete
        return args, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        value = str(item.value).removeprefix(self._kept)
        return super().format_completion(CompletionItem(value, type=item.type))


def join_words() -> None:
    """Have bash complete such words from now on."""
    add_completion_class(_Bash, "bash")
