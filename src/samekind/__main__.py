"""`python -m samekind` is the same as `samekind`."""

from samekind.cli import main

if __name__ == "__main__":
    main()
