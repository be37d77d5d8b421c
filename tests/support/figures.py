"""What a suite measured, for its last lines: `make reliability` prints the file that FIGURES names."""

import os
from pathlib import Path


def report(text: str) -> None:
    """Add a line. Several test processes may write at once: a short line is appended as a whole."""
    print(f"\n{text}")
    if "FIGURES" in os.environ:
        with Path(os.environ["FIGURES"]).open("a") as file:
            file.write(f"{text}\n")
