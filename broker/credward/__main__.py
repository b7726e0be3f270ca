"""The program `credward`, also as `python -m credward`: the command line, or `start` alone."""

import sys

from credward.paths import environment

__all__ = ["main"]


def main() -> None:
    """Run what was asked for, and import no more than that takes: helpers wait for `start`."""
    # Within a worker the command line refuses this one as all others.
    if sys.argv[1:] == ["start"] and not environment().get("CREDWARD_WORKER"):
        from credward.starting.main import main as start  # noqa: PLC0415

        sys.exit(start())
    from credward.cli.main import main as command_line  # noqa: PLC0415

    command_line()


if __name__ == "__main__":
    main()
