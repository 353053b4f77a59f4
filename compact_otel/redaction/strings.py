"""The strings of JSON data, gathered so that they are looked at together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Final

from compact_otel.redaction.data import REDACTED, free_key
from compact_otel.redaction.names import is_told, kind_of

_SHORT: Final = 64
_NUMBERS: Final = frozenset(("card", "national_id", "bank_account", "phone", "code"))
_PAIRS: Final = ("name", "key", "variable", "header", "field", "parameter", "Name", "Key")
_VALUES: Final = frozenset(("value", "Value", "val", "default"))
_IDENTIFIERS: Final = ("id", "Id", "ID", "ids", "encrypted_content", "hash", "digest")


class _Keys(dict[str, tuple[str | None, bool]]):
    """What keys say of what stands under them: its kind, and whether it may look random."""

    allowed: Collection[str] = ()

    def __missing__(self, key: str) -> tuple[str | None, bool]:
        kind = kind_of(key)
        told = self[key] = None if kind in self.allowed else kind, key.endswith(_IDENTIFIERS)
        return told


class Strings:
    """Strings that are looked at together, each once, with the places where it stands.

    What the key of a string or of a number tells to be secret is replaced at once.

    Args:
        allowed: Kinds of personal data that may stay (see `PERSONAL_KINDS`).
        shortest: Shorter strings stay as they are.
        taken: As the attribute, of those that these strings come from.

    Attributes:
        keys: What the keys say that there were.
        taken: The texts that were replaced.
        places: The strings, each with whether it is the name of something, which may look random,
            and where it stands: in which containers, and where in them.
    """

    __slots__ = ("_shortest", "keys", "places", "taken")

    def __init__(
        self, allowed: Collection[str], shortest: int, taken: set[str] | None = None
    ) -> None:
        self.taken: set[str] = set() if taken is None else taken
        self.places: defaultdict[tuple[str, bool], list[tuple[Any, Any]]] = defaultdict(list)
        self.keys = _Keys()
        self.keys.allowed = allowed
        self._shortest = shortest

    def add(self, text: str, container: Any, place: Any, *, identifier: bool = False) -> None:
        """Add what stands in `container[place]`."""
        if len(text) >= self._shortest:
            self.places[text, identifier].append((container, place))

    def add_member(self, container: Any, place: Any, key: str, member: Any) -> None:
        """Add what stands in `container[place]`, where it is called `key`."""
        kind, is_identifier = self.keys[key]
        if kind is not None and _is_secret(kind, member):
            self.taken.add(str(member))
            container[place] = REDACTED
        elif isinstance(member, str):
            self.add(member, container, place, identifier=is_identifier)
        elif isinstance(member, dict | list):
            self.add_data(member, identifier=is_identifier)

    def add_data(self, data: dict[str, Any] | list[Any], *, identifier: bool = False) -> None:
        """Add all strings in data, but for its keys.

        Args:
            data: As `plain` returns it.
            identifier: Whether the strings of a list are names of something.
        """
        if isinstance(data, list):
            for place, element in enumerate(data):
                if isinstance(element, str):
                    self.add(element, data, place, identifier=identifier)
                elif isinstance(element, dict | list):
                    self.add_data(element, identifier=identifier)
            return
        keys, places, shortest = self.keys, self.places, self._shortest
        name = None if _VALUES.isdisjoint(data) else _name_in(data)
        for key, member in data.items():
            kind, is_identifier = keys[key]
            if type(member) is str and kind is None and name is None:  # most of what there is
                if len(member) >= shortest:
                    places[member, is_identifier].append((data, key))
            else:
                self.add_member(data, key, name if name and key in _VALUES else key, member)

    def put(self, clean: Mapping[int, str]) -> None:
        """Put what strings have become, by their place in `places`, where they stand."""
        for which, places in enumerate(self.places.values()):
            if which in clean:
                for container, place in places:
                    container[place] = clean[which]


def _is_secret(kind: str, member: Any) -> bool:
    if isinstance(member, str):
        return is_told(kind, member, certain=True)
    is_number = kind in _NUMBERS and isinstance(member, int) and not isinstance(member, bool)
    return is_number and is_told(kind, str(member), certain=True)


def renamed(data: Any, names: Mapping[str, str]) -> Any:
    """Return data with other names for some keys; two that become the same are told apart."""
    if isinstance(data, list):
        return [renamed(element, names) for element in data]
    if not isinstance(data, dict):
        return data
    copy: dict[str, Any] = {}
    for key, member in data.items():
        copy[free_key(copy, names.get(key, key))] = renamed(member, names)
    return copy


def is_word(text: str) -> bool:
    """Say whether a text may be a name, and not a sentence."""
    return len(text) <= _SHORT and " " not in text and "\n" not in text


def _name_in(data: dict[str, Any]) -> str | None:
    """Return the name in `{"name": "DB_PASSWORD", "value": "..."}`, if it tells a secret."""
    for pair in _PAIRS:
        name = data.get(pair)
        if isinstance(name, str) and kind_of(name) not in (None, "key"):
            return name
    return None
