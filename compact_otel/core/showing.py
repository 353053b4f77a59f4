"""How results print themselves: one line for a log, a table for a notebook, pairs for rich.

A log line holds numbers and names, never a word of a conversation. A notebook shows a summary to
whoever has it in hand anyway, shortened and escaped.
"""

from __future__ import annotations

from collections.abc import Mapping

_SHOWN = 600


def shortened(text: str, most: int = _SHOWN) -> str:
    """Return a text, or its beginning and how much more there is."""
    if len(text) <= most:
        return text
    return f"{text[:most]}... ({len(text) - most:,} characters more)"


def course(before: int, after: int) -> str:
    """Return tokens before and after on one line."""
    if before == after or not before:
        return f"{after:,} tokens"
    return f"{before:,} -> {after:,} tokens ({(after - before) / before:+.0%})"


def html_table(title: str, rows: Mapping[str, str | None], text: str | None) -> str:
    """Return a table of names and values, and a text below it, as HTML for a notebook.

    Args:
        title: Stands above it.
        rows: What it shows; None is left out.
        text: A long text, None without one.
    """
    import html  # nobody but a notebook asks

    cells = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in rows.items()
        if value is not None
    )
    below = ""
    if text is not None:
        below = (
            "<details><summary>summary</summary>"
            f"<pre style='white-space:pre-wrap'>{html.escape(shortened(text))}</pre></details>"
        )
    return f"<b>{html.escape(title)}</b><table><tbody>{cells}</tbody></table>{below}"
