"""JSON data as rows of `key value` leaves, and the names by which a reader knows them.

`{"reservation_id": "JU7N2K", "cabin": "business", "flights": [{"flight_number": "HAT1", ...}]}`
is about `reservation JU7N2K`; its rows are `cabin business` and `flights flight_number HAT1`, ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from compact_otel.core.facts.reading import parse_json
from compact_otel.core.facts.units import BETWEEN_LEAVES, BETWEEN_ROWS, label_of

_MAX_DEPTH = 20
_MAX_LEAF_CHARS = 160
_MAX_LABEL_CHARS = 60
_HUGE = 10**80
# What the last word of a key may be: `order_id` and `orderId` identify, `file-name` names.
_ID_WORDS = frozenset({"uuid", "guid", "number", "no", "key", "code", "sku", "ref", "reference"})
_NAME_WORDS = frozenset({"name", "title", "path", "file", "filename", "url", "symbol", "label"})
_PATH_WORDS = frozenset({"path", "file", "filename", "filepath", "dir", "directory", "folder"})
# Keys whose value may be a secret, or belong to a person.
_TELLING = re.compile(
    r"(?i)pass(?:w|p|c|$)|pwd|secret|token|credential|authori[sz]|auth$|cookie|mnemonic|seed_?phrase"
    r"|(?:api|access|secret|private|auth|signing|encryption|master|service|account|license|session"
    r"|client|consumer|deploy|shared|storage|subscription|recovery|app|application)[ _-]?key"
    r"|(?:security|verification|auth|recovery|backup|mfa|one_?time)[ _-]?code"
    r"|\b(?:pin|otp|cv[vc])\b|phone|mobile|\bfax|\btel\b|iban"
    r"|(?:credit|debit)[ _-]?card|card[ _-]?(?:n|$)"
    r"|(?:account|routing|passport|tax|licen[cs]e|insurance|identity|national|social)[ _-]?(?:n|id)"
    r"|\bssn|passport|\bdob\b|birth"
)
_PATH = re.compile(r"[~.]?[\w@.-]*(?:/[\w@.-]+)+|[\w-]+\.\w{1,5}")
_NOUN = re.compile(r"(?i)[_-]?(?:id|uuid|guid|number|no|key)$")
# Nearly every value is one of these, and asking whether it is a Mapping takes ten times as long.
_SCALARS = (str, int, float)


class Leaf(NamedTuple):
    """A scalar with the key it stands under inside its row."""

    key: str
    value: str


class Row(NamedTuple):
    """Leaves that belong together: an object in a list, an object under a key, a lone attribute.

    Attributes:
        attribute: The key of the whole under which the row stands.
        label: The path of keys, and the leaf that identifies the row; empty for a lone attribute.
        head: The identifying value in `label`, empty if there is none.
        leaves: The other leaves.
        on_own_line: The one leaf is a text of several lines.
    """

    attribute: str
    label: str
    head: str
    leaves: tuple[Leaf, ...]
    on_own_line: bool = False

    @property
    def key(self) -> str:
        """The label as far as it is the same for other rows of the list."""
        head = self.head.partition(" ")[0]
        return self.label.rpartition(head)[0].rstrip() if head else self.label


def rows_of(data: Any, *, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Row]:
    """Yield the rows of JSON data in the order in which it was written.

    Only of the `wanted` keys of the outermost object; a list or a scalar stands under "".
    """
    for key, value in data.items() if isinstance(data, Mapping) else [("", data)]:
        attribute = str(key)
        if wanted(attribute):
            yield from _rows_under(attribute, attribute, value, _MAX_DEPTH)


def named(tool: str, data: Any, arguments: Any) -> tuple[str, str] | None:
    """Return the label and the identifying value of what a result is about, if there is one.

    The result's own identifier counts before the one that was asked for: a booking made for a
    customer is about the booking.
    """
    for source in (data, arguments):
        for key, value in _scalars(source):
            if _is_id(key) and _identifies(value):
                return f"{_NOUN.sub('', key) or tool} {value}", value
    return None


def named_by_arguments(
    tool: str, arguments: Any, rows: Iterable[Row]
) -> tuple[str, str, list[str]]:
    """Return a call's label, the path that it is about or "", and the values shown in the label."""
    paths = [
        leaf.value
        for row in rows
        for leaf in (*row.leaves, Leaf(row.label.rpartition(" ")[0], row.head))
        if _last_word(leaf.key.rpartition(" ")[2]) in _PATH_WORDS and _PATH.fullmatch(leaf.value)
    ]
    shown: list[str] = paths[:1]
    parts = list(shown)
    for key, value in _scalars(arguments):
        if value in shown or len(value) > _MAX_LABEL_CHARS or "\n" in value:
            continue
        if sum(map(len, parts)) + len(key) + len(value) > _MAX_LABEL_CHARS:
            break
        shown.append(value)
        parts.append(told(key, value))
    return label_of(f"{tool}({', '.join(parts)})"), (paths[0] if paths else ""), shown


def told(key: str, value: str) -> str:
    """Return a field as a note says it.

    A value that may be a secret keeps a sign in front of it, by which redaction knows it again:
    `password=...` is one, and of `password ...` nobody can tell.
    """
    return f"{key}={value}" if _TELLING.search(key) else f"{key} {value}"


def _rows_under(attribute: str, label: str, value: Any, depth: int) -> Iterator[Row]:
    """Yield the rows of what stands under `label`, a path of keys."""
    if isinstance(value, str):
        parsed = parse_json(value)
        if parsed is not value:
            yield from _rows_under(attribute, label, parsed, depth - 1)
            return
    if depth <= 0 or isinstance(value, _SCALARS):
        yield from _lone(attribute, label, value)
    elif isinstance(value, Mapping):
        yield from _rows_of_object(attribute, label, value, depth)
    elif isinstance(value, list | tuple):
        texts = [text for one in value if (text := _text(one)) is not None]
        if texts:
            yield Row(attribute, label or "items", "", tuple(Leaf("", text) for text in texts))
        for one in value:
            if not isinstance(one, _SCALARS):
                yield from _rows_under(attribute, label, one, depth - 1)


def _lone(attribute: str, label: str, value: Any) -> Iterator[Row]:
    text = _text(value)
    if text is None:
        return
    if not _fits_a_line(text):
        yield Row(attribute, f"{label or 'text'}:", "", (Leaf("", text),), on_own_line=True)
    elif " " in label:
        yield Row(attribute, label, "", (Leaf("", text),))
    else:
        yield Row(attribute, "", "", (Leaf(label, text),))


def _rows_of_object(
    attribute: str, label: str, data: Mapping[Any, Any], depth: int
) -> Iterator[Row]:
    leaves: list[Leaf] = []
    nested: list[tuple[str, Any]] = []
    for key, inner in data.items():
        found = _leaves(str(key), inner)
        if found is None:
            nested.append((str(key), inner))
        else:
            leaves += found
    heads = _heads(leaves)
    head = " ".join(leaf.value for leaf in heads)
    # An object under its own identifier (`{"A1": {"id": "A1"}}`) is named by its path.
    if heads and not label.endswith(head):
        label = " ".join([label, *(f"{leaf.key} {leaf.value}" for leaf in heads)]).strip()
    if leaves:
        rest = tuple(leaf for leaf in leaves if leaf not in heads)
        yield Row(attribute, label, head, rest)
    for key, inner in nested:
        yield from _rows_under(attribute, f"{label} {key}".strip(), inner, depth - 1)


def _leaves(key: str, value: Any) -> list[Leaf] | None:
    """Return what reads well within a row: a short scalar, or a flat object of them; else None."""
    if isinstance(value, _SCALARS):
        text = _text(value)
        if text is None:
            return []
        return [Leaf(key, text)] if _fits_a_row(text) else None
    if not isinstance(value, Mapping):
        return None if isinstance(value, list | tuple) else []
    leaves: list[Leaf] = []
    for inner_key, inner in value.items():
        found = None if isinstance(inner, Mapping) else _leaves(f"{key} {inner_key}", inner)
        if found is None or _is_id(str(inner_key)):
            return None  # deep, or an entity of its own
        leaves += found
    return leaves


def _heads(leaves: list[Leaf]) -> list[Leaf]:
    """Return the leaf that identifies an object, or the parts of its name."""
    for is_head, most in ((_is_id, 1), (_is_name, 2)):
        found = [leaf for leaf in leaves if is_head(leaf.key) and _identifies(leaf.value)]
        if found:
            return found[:most]
    return []


def _is_id(key: str) -> bool:
    is_one = key[-2:].lower() == "id" or _last_word(key) in _ID_WORDS
    return is_one and _TELLING.search(key) is None  # or a secret would be what a thing is called


def _is_name(key: str) -> bool:
    return _last_word(key) in _NAME_WORDS


def _last_word(key: str) -> str:
    return key.lower().replace("-", "_").rpartition("_")[2]


def _fits_a_row(text: str) -> bool:
    return _fits_a_line(text) and text.lstrip()[:1] not in ("{", "[")


def _fits_a_line(text: str) -> bool:
    """Say whether a value can stand among others, and be read back as the one that it is."""
    return (
        len(text) <= _MAX_LEAF_CHARS
        and "\n" not in text
        and BETWEEN_LEAVES not in text
        and BETWEEN_ROWS not in text
    )


def _identifies(value: str) -> bool:
    return 1 < len(value) <= _MAX_LABEL_CHARS and "\n" not in value


def _scalars(data: Any) -> list[tuple[str, str]]:
    if not isinstance(data, Mapping):
        return []
    return [(str(key), text) for key, one in data.items() if (text := _text(one)) is not None]


def _text(value: Any) -> str | None:
    """Return a scalar as text; None for what is no scalar or says nothing."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        # `str` refuses integers of more than 4,300 digits; a 256-bit one has 78.
        return repr(value) if abs(value) < _HUGE else "a huge number"
    return repr(value) if isinstance(value, float) else None
