"""What a text says again without the sign by which it was known for a secret."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from compact_otel.redaction.data import REDACTED
from compact_otel.redaction.redactor import Gate, Redactor

_SHORTEST: Final = 2
_SHORTEST_NUMBER: Final = 4
_SHORTEST_PART: Final = 6
# Of `Password=or4cles;Encrypt=True` in doubt more was taken than the secret.
_ENDS: Final = re.compile("[&;,]")


class Source:
    """What texts were made from, such as the history that a summary stands for.

    A tool says `{"password": "hunter2"}`, and the summary that a model writes of it says "logged in
    with hunter2": nothing in the summary tells that to be a secret, but its source does. Names of
    people go the same way. Of one letter, or a number below a thousand, too much would go.

    Args:
        gate: What the source would pass on its way out; only a `Redactor` says what it takes.
        items: The source, as JSON data; is read when it is asked for first.
    """

    def __init__(self, gate: Gate, items: Sequence[Any]) -> None:
        self._gate = gate
        self._items = items
        self._secrets: set[str] | None = None

    def taken_out(self, text: str) -> str:
        """Return a text without what its source says is secret, where it stands as a word."""
        said = [secret for secret in self._known() if secret in text]
        if not said:
            return text
        said.sort(key=len, reverse=True)  # of two that begin alike the longer one
        return re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, said))})(?!\w)", REDACTED, text)

    def _known(self) -> set[str]:
        if self._secrets is None:
            taken = self._gate.taken(self._items) if isinstance(self._gate, Redactor) else ()
            shorter = (_ENDS.split(one, 1)[0] for one in taken)
            self._secrets = {one for one in taken if _is_worth_it(one)}
            self._secrets.update(one for one in shorter if len(one) >= _SHORTEST_PART)
        return self._secrets


def _is_worth_it(secret: str) -> bool:
    return len(secret) >= (_SHORTEST_NUMBER if secret.isdecimal() else _SHORTEST)
