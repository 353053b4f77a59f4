"""What users, models and tools say."""

from __future__ import annotations

import json
import random
import re
from typing import Literal

Kind = Literal["prose", "json", "lines", "foreign", "secret"]
KINDS: tuple[Kind, ...] = ("prose", "prose", "json", "lines", "foreign", "secret")

_WORDS = re.findall(
    r"\S+",
    "order invoice parcel pump seal valve customer refund date price branch commit test module "
    "file error retry server window Vienna Lisbon Osaka 2026-03-14 A-1771 41.50 EUR",
)
_FOREIGN = re.findall(
    r"\S+", "Auftrag Prüfung Straße заказ возврат сервер naïve précédent 注文 返金 확인 주문 ✓ 🙂"
)
SECRET = re.compile(r"ghp_[0-9A-Za-z]{36}")
"""What a tool lets slip, and no archive may hold unless it is told to."""


def text(dice: random.Random, words: int, kind: Kind = "prose") -> str:
    """Return about so many words."""
    if kind == "foreign":
        return " ".join(dice.choices(_FOREIGN, k=words // 2 + 1))
    said = dice.choices(_WORDS, k=words)
    if kind == "json":
        rows = [said[start : start + 12] for start in range(0, words, 12)]
        return json.dumps([{"id": dice.randrange(10**6), "note": " ".join(row)} for row in rows])
    if kind == "lines":
        rows = [said[start : start + 9] for start in range(0, words, 9)]
        return "\n".join(f"{number}: {' '.join(row)}" for number, row in enumerate(rows))
    if kind == "secret":
        said.append("GITHUB_TOKEN=ghp_" + "".join(dice.choices("0Ab1Cd2Ef3Gh4Jk5Mn6Pq7", k=36)))
    return " ".join(said)


def looked_up(words: int, at: str, kind: Kind) -> str:
    """Return what the tool says, which for the same arguments is the same."""
    return text(random.Random(at), words, kind)
