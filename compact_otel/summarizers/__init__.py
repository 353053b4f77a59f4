"""Summarisers: what turns the dropped part of a history into a text that stands for it.

reading -> units -> salience -> selection -> rendering      (`extractive`, no model)
"""

from __future__ import annotations

from compact_otel.summarizers.extractive import ExtractiveSummarizer

__all__ = ["ExtractiveSummarizer"]
