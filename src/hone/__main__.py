"""`python -m hone` is `hone`."""

from hone.cli import main

if __name__ == "__main__":
    main()
