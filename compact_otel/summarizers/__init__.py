"""Summarisers: what turns the dropped part of a history into a text that stands for it.

The facts that a summary has to hold are found in `compact_otel.core.facts`.
"""

from __future__ import annotations

from compact_otel.summarizers.extractive import ExtractiveSummarizer

__all__ = ["ExtractiveSummarizer"]
