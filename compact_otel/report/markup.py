"""HTML and SVG that cannot be injected into: what is not markup of ours is escaped.

`el` is the only way to make markup. Every text and every attribute that goes into it loses its
control, direction and half characters and is escaped, quotes too.
"""

from __future__ import annotations

import html
from collections.abc import Iterable

from compact_otel.printable import printable_lines


class Markup(str):
    """A string that is markup already."""

    __slots__ = ()


Child = str | Iterable[str] | None

_VOID = frozenset({"meta", "input", "br"})


def el(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        *children: Texts, which are escaped, markup, lists of both, or None for nothing.
        **attributes: `class_` is `class`, other underscores are hyphens; True is an attribute
            without a value, None and False are none.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    return Markup(f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Return children one after the other, without an element around them."""
    return Markup("".join(map(_child, children)))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escaped(child)
    return "".join(map(_child, child))


def _attribute(key: str, value: str | float | bool | None) -> str:  # noqa: FBT001 - as in HTML
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return f' {name}="{escaped(text)}"'


def escaped(text: str) -> str:
    """Return a text as it stands in markup."""
    clean = text if text.isprintable() else printable_lines(text)
    return html.escape(clean, quote=True)
