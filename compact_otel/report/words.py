"""Numbers and names as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from compact_otel.report.tally import Group

LABELS: Final[Mapping[Group, str]] = {
    "fixed": "Instructions and tools",
    "summary": "Summary",
    "user": "User",
    "assistant": "Agent and its calls",
    "tools": "Tool outputs",
    "other": "Images, protected and other",
}
_MONEY = ((1.0, 2), (0.01, 3))


def share(part: float, of: float) -> str:
    """Return a share in per cent."""
    return f"{part / of:.0%}" if of else "-"


def short(tokens: float) -> str:
    """Return a number of tokens for an axis or a tile: `8.7k`, `1.2M`."""
    for limit, unit in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= limit * 0.9995:
            amount = tokens / limit
            return f"{amount:.{0 if amount >= 99.95 or amount == int(amount) else 1}f}{unit}"  # noqa: PLR2004
    return f"{tokens:.0f}"


def dollars(amount: float) -> str:
    """Return a sum of US dollars, with as many digits as it needs."""
    for least, digits in _MONEY:
        if abs(amount) >= least:
            return f"${amount:,.{digits}f}"
    return f"${amount:.2g}" if amount else "$0"


def counted(number: float, what: str) -> str:
    """Return a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
