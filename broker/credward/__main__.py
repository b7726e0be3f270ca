"""The program `credward`, also as `python -m credward`.

The command line, or less if that is enough: `start`, for which helpers wait, and what people and
scripts ask most, a plain `get` or `status`.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command, and import only what it needs."""
    words = sys.argv[1:]
    if words[:1] == ["get"]:
        from credward.cli.becoming import become_helper  # noqa: PLC0415

        become_helper(words[1:])
    if words[:1] == ["status"]:
        from credward.cli.glance import print_status  # noqa: PLC0415

        if print_status(words[1:]):
            return
    if words == ["start"]:
        from credward.paths import environment  # noqa: PLC0415

        # In a worker the command line refuses this command like all others.
        if not environment().get("CREDWARD_WORKER"):
            from credward.starting.main import main as start  # noqa: PLC0415

            sys.exit(start())
    from credward.cli.main import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
