"""What a history says that must not be lost, and whether a summary still says it.

    reading    items -> what was said, what was called
    constraints, updates -> what users demand, and what of all that was said still holds
    splitting  -> units, each with the subject it belongs to
    salience   -> what is lost without each value
    selection  -> the units that save most per token
    rendering  -> the note

`cues`, `kinds` and `attributes` are the tables of words behind constraints and updates; `Facts`
stands on all of these. Deterministic, linear in the history, standard library only.
"""

from __future__ import annotations

from compact_otel.core.facts.checking import Facts, Repaired, Verified
from compact_otel.core.facts.splitting import SAID_AGAIN, outdated

__all__ = ["SAID_AGAIN", "Facts", "Repaired", "Verified", "outdated"]
