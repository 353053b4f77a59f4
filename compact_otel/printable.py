"""What stands in a file may be shown on a terminal only as text: no line breaks, no escapes."""

from __future__ import annotations


def printable(text: str, most: int | None = None) -> str:
    """Return `text` on one line, without control, direction and half characters.

    Args:
        text: Any string.
        most: The longest result in characters, None for any length; what is cut ends in `...`.
    """
    beginning = text if most is None else text[: 4 * most]  # blanks in a row become one
    line = " ".join(beginning.split())
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    if most is None or (len(line) <= most and len(beginning) == len(text)):
        return line
    return f"{line[: most - 3]}..."


def printable_lines(text: str) -> str:
    """Return `text` with its line breaks, otherwise as `printable` does; blanks stay as many."""
    return "\n".join("".join(map(_shown, line)) for line in text.splitlines())


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    return " " if letter.isspace() else "?"
