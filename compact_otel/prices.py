"""What a model's input costs, by the table of `genai-prices` where that is installed."""

from __future__ import annotations

import importlib
from functools import lru_cache

from compact_otel.core.types import Price

_TOKENS = 1000
"""Few enough for the lowest tier of models whose price depends on the length of the request."""


@lru_cache(maxsize=256)
def price_of(model: str | None) -> Price | None:
    """Return the price of a model by its name, None if it is not known.

    The first call loads the table, which takes a second: not for an event loop.

    Args:
        model: Name as given to the SDK, a provider prefix included.
    """
    if model is None:
        return None
    try:
        table = importlib.import_module("genai_prices")
        name = model.rpartition("/")[2]
        anew = table.calc_price(table.Usage(input_tokens=_TOKENS), model_ref=name)
        known = table.Usage(input_tokens=_TOKENS, cache_read_tokens=_TOKENS)
        cached = table.calc_price(known, model_ref=name)
        return Price(
            input=float(anew.input_price) / _TOKENS, cached=float(cached.input_price) / _TOKENS
        )
    except Exception:  # noqa: BLE001 - not installed, unknown there, or of another make
        return None
