"""Which script a text is written in: enough to see that a summary is in the wrong language.

Names, code and quotations are Latin in any language, and a user may paste a page of another one;
so only what is plain counts: nothing of the users' script is left, or most is in a script that
no user has written in.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

_ENOUGH = 24  # letters; of less nothing can be said
_WORDS = 12  # letters; who has written so many writes in that script
_MOST = 0.6
_LEFT = 0.1
_LOOKED_AT = 8_000  # characters
_ONE = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"})  # one character is a part of a word


def is_foreign(summary: str, said: Iterable[str]) -> bool:
    """Say whether a summary is in another script than what the users wrote.

    Args:
        summary: The summary.
        said: What users wrote, newest first; the first 8,000 characters are looked at.
    """
    users, note = _letters(said), _letters([summary])
    if min(users.total(), note.total()) < _ENOUGH:
        return False
    theirs, its = _main(users), _main(note)
    if its not in (None, "LATIN") and users[its] < _WORDS:
        return True
    return theirs not in (None, "LATIN") and note[theirs] < _LEFT * note.total()


def _main(letters: Counter[str | None]) -> str | None:
    """Return the script of most letters, None if they are mixed."""
    ((name, count),) = letters.most_common(1)
    return name if count >= _MOST * letters.total() else None


def _letters(texts: Iterable[str]) -> Counter[str | None]:
    """Return how many letters there are of each script."""
    counts: Counter[str | None] = Counter()
    left = _LOOKED_AT
    for text in texts:
        for character, times in Counter(text[:left]).items():
            if character.isalpha():
                script, weight = _script(character)
                counts[script] += weight * times
        left -= len(text)
        if left <= 0:
            break
    return counts


@lru_cache(maxsize=4096)
def _script(character: str) -> tuple[str, int]:
    """Return the script of a letter and its weight against a letter of an alphabet."""
    name = unicodedata.name(character, "UNKNOWN").split(maxsplit=1)[0].partition("-")[0]
    if name in _ONE:
        return ("HANGUL" if name == "HANGUL" else "CJK"), 3
    return name, 1
