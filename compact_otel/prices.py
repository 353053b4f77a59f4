"""What a model's input costs, by the table of `genai-prices` where that is installed."""

from __future__ import annotations

import importlib
import threading
from functools import lru_cache
from typing import Any

from compact_otel.core.types import Price
from compact_otel.exits import UNBROKEN
from compact_otel.forks import LOADING_S, mutex

_TOKENS = 1000
"""Few enough for the lowest tier of models whose price depends on the length of the request."""


_loading = mutex(LOADING_S)


class _Table:
    """The table, loaded in a thread when it is first asked for: that takes a second."""

    def __init__(self) -> None:
        self.module: Any = None
        self._loading: threading.Thread | None = None

    def load(self) -> threading.Thread:
        """Begin to load the table, once; return the thread that does."""
        if self._loading is None:
            self._loading = threading.Thread(
                target=self._load, name="compact_otel prices", daemon=True
            )
            self._loading.start()
        return self._loading

    def _load(self) -> None:
        try:
            with UNBROKEN, _loading:
                module = importlib.import_module("genai_prices")
                _price(module, "gpt-4o")  # it loads its data with the first question
            self.module = module
        except Exception:  # noqa: BLE001 - not installed, or broken: no price is known then
            self.module = None


TABLE = _Table()


def price_of(model: str | None) -> Price | None:
    """Return the price of a model by its name, None if it is not known, or not yet.

    Args:
        model: Name as given to the SDK, a provider prefix included.
    """
    TABLE.load()
    return None if model is None or TABLE.module is None else _price(TABLE.module, model)


@lru_cache(maxsize=256)
def _price(table: Any, model: str) -> Price | None:
    try:
        name = model.rpartition("/")[2]
        anew = table.calc_price(table.Usage(input_tokens=_TOKENS), model_ref=name)
        known = table.Usage(input_tokens=_TOKENS, cache_read_tokens=_TOKENS)
        cached = table.calc_price(known, model_ref=name)
        return Price(
            input=float(anew.input_price) / _TOKENS, cached=float(cached.input_price) / _TOKENS
        )
    except Exception:  # noqa: BLE001 - unknown there, or a table of another make
        return None
