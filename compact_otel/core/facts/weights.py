"""What the use of a value says about whether it is needed again, in logits.

Fitted by `tests/bench/quality_fit.py`, which also tells how much of it holds on conversations that
the fit has not seen. Every feature is of form and of use; none knows a domain, a tool or a key.
"""

from __future__ import annotations

from collections.abc import Mapping

BIAS = -3.19
WEIGHTS: Mapping[str, tuple[float, ...]] = {
    # Used by a user, by calls (never, once, more often), by the assistant.
    "user": (-0.22, 0.22),
    "calls": (-0.46, 0.35, 0.11),
    "assistant": (-0.23, 0.23),
    # No call took it, but calls took values of its form.
    "sibling": (-0.26, 0.26),
    # It names what other values belong to; it belongs to what a user or a call named.
    "head": (-0.41, 0.41),
    "focus": (-0.13, 0.13),
    # Mentions: 1, 2, up to 4, up to 10, more. Values of its form: 1, up to 5, 20, 80, more.
    "mentions": (-0.53, 0.09, 0.19, 0.14, 0.11),
    "alike": (0.21, 0.64, 0.15, -0.17, -0.83),
    # Items behind its newest use: up to 4, 10, 25, 60, more.
    "age": (0.58, 0.17, 0.03, -0.18, -0.60),
    # Stands in data, else in code and logs, else in prose.
    "place": (0.44, 0.10, -0.54),
}
FORMS: Mapping[str, float] = {
    "identifier": 0.84,
    "path": 1.12,
    "date": 1.21,
    "code name": 0.67,
    "acronym": -0.89,
    "number": 0.15,
    "short code": -0.09,
    "year": -0.08,
    "timestamp": -0.26,
    "name": -1.54,
    "small number": -1.15,
}
