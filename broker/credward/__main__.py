"""`python -m credward` is the command `credward`."""

from credward.cli.main import main

if __name__ == "__main__":
    main()
