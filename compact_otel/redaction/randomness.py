"""Whether a word was made by chance or by people."""

from __future__ import annotations

import re
import string
from itertools import pairwise
from typing import Final

# What stands side by side in words of people, in programs and in the languages of Europe; in a
# random text of letters it is one pair in six.
_PAIRS: Final = frozenset(
    pair
    for line in (
        "th he in er an re nd on en at ou ed ha to or it is hi es ng st te se le ar al ti ve",
        "as me de co io ra ri ro li ne om ca el la ma ce ic ch ll ge na ta si il et ur us ec",
        "ac ct lo ot nt ns em ea ss tr id ad am pe po pr un ut di do be fi fo ho mo no so wi",
        "ai ay ee ei ie im ir ke ld ly nc ni op os ow pa pl rd rs rt sh su ts ul um up vi we",
        "wh wo ye ue ub ui ag ap ib ig ab cl cr da ef eg ep ev ex ey gr if ki ks ms pi ty sc",
        "sk sp sq sy",
    )
    for pair in line.split()
)
_CLASSES = str.maketrans(
    string.ascii_lowercase + string.ascii_uppercase + string.digits,
    "l" * 26 + "u" * 26 + "d" * 10,
)
_HEXADECIMAL = re.compile(r"[0-9a-fA-F-]+")
_PARTS = re.compile(r"[A-Za-z0-9]+")
_SWITCH: Final = ("lu", "ld", "ul", "ud", "dl", "du")
_SWITCHES = 0.3
_PEOPLES = 0.38


def is_random(word: str, *, shortest: int = 20, hexadecimal: bool = False) -> bool:
    """Say whether a word looks as if it had been made by chance.

    It does if, in a part without punctuation or in all of them together, kinds of characters
    (small, capital, digit) change often and few pairs of letters are those of words.

    Args:
        word: Without blanks.
        shortest: Letters and digits that it takes to tell.
        hexadecimal: Whether what may be a hash, a commit or a UUID counts, too.
    """
    if len(word) < shortest:
        return False
    word = word.removeprefix("0x")
    if _HEXADECIMAL.fullmatch(word):
        digits = sum(map(str.isdigit, word))
        return hexadecimal and len(word) >= shortest and 0 < digits < len(word.replace("-", ""))
    parts = _PARTS.findall(word)
    if not parts:
        return False
    longest = max(parts, key=len)
    if len(longest) >= shortest:
        return _is_random(longest)
    together = "".join(parts)
    # Many short parts are a path or a sentence in a name, whatever stands in them.
    few = len(together) >= 8 * len(parts)
    return few and len(together) >= max(shortest, 20) and _is_random(together)


def _is_random(word: str) -> bool:
    classes = word.translate(_CLASSES)
    switches = sum(map(classes.count, _SWITCH)) / (len(word) - 1)
    if switches < _SWITCHES / 2:
        return False
    pairs = ["".join(pair) for pair in pairwise(word.lower())]
    letters = [pair for pair in pairs if pair.isalpha()]
    of_words = sum(map(_PAIRS.__contains__, letters)) / max(1, len(letters))
    has_all = "d" in classes and ("u" in classes or "l" in classes)
    if not has_all:
        if of_words > _PEOPLES:
            return False
        return len(word) >= 32 and "u" in classes and "l" in classes and switches >= _SWITCHES  # noqa: PLR2004
    if len(word) >= 24 and of_words <= _PEOPLES / 2:  # noqa: PLR2004 - no language is like that
        return switches >= _SWITCHES / 2
    return switches >= _SWITCHES and (of_words <= _PEOPLES or switches >= 0.5)  # noqa: PLR2004
