"""The program `credward`, also as `python -m credward`: the command line, or only `start`."""

import sys

from credward.paths import environment

__all__ = ["main"]


def main() -> None:
    """Run the command, and import only what it needs: helpers wait for `start`."""
    # In a worker the command line refuses this command like all others.
    if sys.argv[1:] == ["start"] and not environment().get("CREDWARD_WORKER"):
        from credward.starting.main import main as start  # noqa: PLC0415

        sys.exit(start())
    from credward.cli.main import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
