"""compactbench's elite practice (Apache-2.0) against the product, read without a model.

The kit asks a model about what a compactor left. A reader that is given everything and says all of
it is the upper bound of every model and needs none: what is to be recalled has to stand in the text
(`retention`), a decision that was taken back must not (`stale_free`). The kit's other checks for
absence ask for what has to be recalled as well: a ban cannot be kept and be gone. They are in
`all_absent`, of which no compactor reaches all.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kit_pipeline import Item, note, text_of

from compact_otel.estimators.vocabulary import encoding

INSTALL = "uv run --with compactbench==0.1.0 python tests/bench/kits.py --templates DIR"
_SEEDS = range(1, 9)
_RATIO = 4


def count(text: str) -> int:
    """Return the kit's tokens of a text, with the vocabulary that is in the wheel."""
    return len(encoding("cl100k_base").encode_ordinary(text))


def kit(module: str) -> Any:
    """Return a module of the kit, or exit with how to install it."""
    try:
        return importlib.import_module(f"compactbench.{module}")
    except ImportError as error:
        raise SystemExit(f"compactbench is not installed ({error}): {INSTALL}") from error


def elite(
    templates: Path | None,
    ratio: float = _RATIO,
    *,
    shortened: Callable[[Sequence[Item], int], list[Item]] | None = None,
) -> dict[str, float]:
    """Return retention and stale-free of the elite practice, in per cent.

    Args:
        templates: Folder with the kit's templates.
        ratio: How many times smaller the text has to be, in the kit's tokens.
        shortened: Reads all that this leaves, not the note of all turns.
    """
    dsl, engine, scoring = kit("dsl"), kit("engine"), kit("scoring")
    if templates is None or not list(templates.glob("*.yaml")):
        raise SystemExit(f"no templates in {templates}: unpack compactbench's sdist; {INSTALL}")
    kept: list[float] = []
    absent: list[float] = []
    free: list[float] = []
    ratios: list[float] = []
    families: defaultdict[str, list[float]] = defaultdict(list)
    for path in sorted(templates.glob("*.yaml")):
        template = dsl.parse_template_file(path)
        for seed in _SEEDS:
            case = engine.generate_case(template, seed, dsl.DifficultyLevel.ELITE)
            text, real = _compacted(case, ratio, shortened)
            ratios.append(real)
            for question in case.evaluation_items:
                score = scoring.run_check(question.expected, text)
                if question.expected["check"] == "forbidden_absent":
                    absent.append(score)
                    if template.family == "decision_override":
                        free.append(score)
                else:
                    kept.append(score)
                    families[template.family].append(score)
    return {
        "retention": 100 * sum(kept) / len(kept),
        "stale_free": 100 * sum(free) / len(free),
        "all_absent": 100 * sum(absent) / len(absent),
        "ratio": sum(ratios) / len(ratios),
        **{name: 100 * sum(scores) / len(scores) for name, scores in families.items()},
    }


def _compacted(
    case: Any, ratio: float, shortened: Callable[[Sequence[Item], int], list[Item]] | None
) -> tuple[str, float]:
    items: list[Item] = [
        {"role": str(turn.role), "content": turn.content} for turn in case.transcript.turns
    ]
    before = sum(count(turn.content) for turn in case.transcript.turns)
    room = int(sum(len(turn.content) for turn in case.transcript.turns) / ratio)
    text = ""
    while room > 0:
        if shortened is not None:
            text = "\n".join(map(text_of, shortened(items, room)))
        else:
            text = note(items, room)
        if count(text) * ratio <= before:
            break
        room -= max(1, room // 50)
    return text, before / max(1, count(text))
