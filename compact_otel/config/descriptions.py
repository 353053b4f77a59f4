"""What the docstrings say of the fields, for editors and tables."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def descriptions_of(record: type[Any]) -> Mapping[str, str]:
    """Return what the docstring of a class says of its attributes, by name, each on one line.

    Empty where docstrings were left out (`python -OO`).
    """
    attributes = (inspect.getdoc(record) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    return {name: " ".join(text.split()) for name, text in _ENTRY.findall(attributes)}
