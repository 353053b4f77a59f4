"""Long sessions of four kinds, made from a seed, with what a hand-over of them must hold.

An entity is *key* when a user named it, when a later call took it, or when it is what came of a
piece of work. Around them stands what sessions are full of: fields that nobody reads, pleasantries,
rows of results that led nowhere.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Session:
    """A history, and its key entities as they are written in it."""

    items: list[dict[str, Any]] = field(default_factory=list)
    entities: list[str] = field(default_factory=list)

    def user(self, text: str) -> None:
        self.items.append({"role": "user", "content": text})

    def assistant(self, text: str) -> None:
        self.items.append({"role": "assistant", "content": text})

    def call(self, name: str, arguments: dict[str, Any], output: Any) -> None:
        ident = f"call_{len(self.items)}"
        given = json.dumps(arguments, ensure_ascii=False)
        said = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
        self.items += [
            {"type": "function_call", "call_id": ident, "name": name, "arguments": given},
            {"type": "function_call_output", "call_id": ident, "output": said},
        ]

    def key(self, *entities: str) -> None:
        self.entities += entities


class Dice:
    """Random choices that are the same on every version of Python: only `random()` is promised."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def number(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low))

    def one(self, options: Sequence[str]) -> str:
        return options[self.number(0, len(options))]

    def code(self, length: int) -> str:
        return "".join(self.one("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(length))

    def digest(self) -> str:
        return f"{self.number(2**24, 2**28):07x}"


def customer_service(seed: int, length: int) -> Session:
    """Return a session in which one order after the other is looked up and put right."""
    dice, made = Dice(seed), Session()
    phone = f"07700 900{dice.number(100, 999)}"
    made.user(
        f"Hello, I run a small shop and several of my orders went wrong. My number is {phone}. "
        "Never refund to the old card ending in 7731, only to the account, and please write to me "
        "in short sentences."
    )
    made.key(phone, "7731")
    made.assistant("Of course. Please tell me the first order.")
    for _ in range(length):
        order, sku = f"WX-{dice.number(10000, 99999)}", f"SKU-{dice.code(5)}"
        total = f"{dice.number(20, 900)}.{dice.number(10, 99)}"
        day = f"2025-0{dice.number(3, 9)}-{dice.number(10, 28)}"
        refund = f"RF{dice.number(100000, 999999)}"
        made.key(order, refund, day)
        made.user(
            f"Next is order {order}. {dice.one(['The lamp was broken.', 'One box is missing.'])} "
            f"I need the rest by {day}. {dice.one(_CHAT)}"
        )
        made.call(
            "get_order",
            {"order_id": order},
            {
                "order_id": order,
                "status": dice.one(["delivered", "in transit", "partly shipped"]),
                "total": total,
                "lines": [
                    {"sku": sku, "quantity": dice.number(2, 9), "colour": "white"},
                    {"sku": f"SKU-{dice.code(5)}", "quantity": 1, "colour": "black"},
                ],
                "warehouse": {"aisle": dice.number(1, 40), "shelf": dice.code(2), "zone": "B"},
                "audit": {"etag": dice.digest(), "synced": f"{dice.number(10**9, 2 * 10**9)}"},
            },
        )
        made.call(
            "create_refund",
            {"order_id": order, "sku": sku, "amount": total},
            {"refund_id": refund, "order_id": order, "amount": total, "state": "booked"},
        )
        made.call("set_delivery_date", {"order_id": order, "date": day}, {"ok": True, "date": day})
        made.assistant(
            f"I booked refund {refund} over {total} for {order}; the rest arrives by {day}. "
            + dice.one(_POLITE)
        )
    made.user("Thank you. One moment, I look for the next one.")
    return made


def coding(seed: int, length: int) -> Session:
    """Return a session in which one module after the other is read, changed and tested."""
    dice, made = Dice(seed), Session()
    branch = f"fix/timeouts-{dice.number(100, 999)}"
    made.user(
        f"Work on the branch {branch}. Replace the fixed timeouts, and never touch "
        "legacy/billing.py. Use Python 3.11 syntax only."
    )
    made.key(branch, "legacy/billing.py")
    made.assistant("I will go through the modules one by one.")
    for _ in range(length):
        name = f"{dice.one(_PARTS)}_{dice.one(_PARTS)}_{dice.number(2, 99)}"
        path, symbol = f"src/{dice.one(_PARTS)}/{name}.py", f"wait_for_{name}"
        setting, commit = f"{name.upper()}_TIMEOUT", dice.digest()
        line = dice.number(40, 400)
        made.key(path, symbol, setting, commit)
        made.user(f"Now {path}, please. {dice.one(_CHAT)}")
        made.call(
            "read_file",
            {"path": path},
            "\n".join(
                [
                    "from __future__ import annotations",
                    "",
                    "import logging",
                    "import socket",
                    "",
                    f"log = logging.getLogger({name!r})",
                    "",
                    f"def {symbol}(host, port):",
                    '    """Wait until a host answers."""',
                    f"    with socket.create_connection((host, port), {dice.number(3, 60)}):",
                    "        log.info('up')",
                    *(f"# note {number}: {dice.one(_POLITE)}" for number in range(4)),
                ]
            ),
        )
        made.call(
            "edit_file",
            {
                "path": path,
                "new_text": f"def {symbol}(host, port, timeout=settings.{setting}):\n    ...",
            },
            "edited",
        )
        made.call(
            "run_tests",
            {"path": f"tests/test_{name}.py"},
            "\n".join(
                [
                    "collected 14 items",
                    *(f"tests/test_{name}.py::test_{n} PASSED" for n in range(6)),
                    f"{path}:{line}: DeprecationWarning: fixed timeout",
                    f"14 passed in {dice.number(1, 9)}.{dice.number(10, 99)}s",
                ]
            ),
        )
        made.call("commit", {"message": f"Let {setting} decide", "path": path}, {"commit": commit})
        made.assistant(
            f"{symbol} in {path} now takes its limit from {setting}; committed as {commit}. "
            + dice.one(_POLITE)
        )
    made.user("Good. Wait for the review before you go on.")
    return made


def research(seed: int, length: int) -> Session:
    """Return a session in which studies are found, read and compared."""
    dice, made = Dice(seed), Session()
    year = str(dice.number(2009, 2017))
    made.user(
        "Which field trials looked at cover crops and soil moisture? Only peer-reviewed work since "
        f"{year}, and always give me the DOI."
    )
    made.key(year)
    made.assistant("I will search and note what each trial found.")
    for _ in range(length):
        author = dice.one(_SYLLABLES).title() + dice.one(_SYLLABLES) + dice.one(_SYLLABLES)
        doi = f"10.{dice.number(1000, 9999)}/{dice.one(_SYLLABLES)}.{dice.number(10000, 99999)}"
        plots = str(dice.number(112, 989))
        effect = f"{dice.number(2, 19)}.{dice.number(1, 9)} %"
        data = f"{dice.one(_SYLLABLES).upper()}-{dice.number(100, 999)}"
        made.key(author, doi, plots, effect, data)
        made.user(f"What about the trial by {author}? {dice.one(_CHAT)}")
        made.call(
            "search_papers",
            {"query": f"{author} cover crops soil moisture"},
            {
                "results": [
                    {"title": f"Cover crops and water: {author}", "doi": doi, "cited": 12},
                    *(
                        {"title": f"{dice.one(_POLITE)}", "doi": None, "cited": dice.number(0, 90)}
                        for _ in range(3)
                    ),
                ]
            },
        )
        made.call(
            "read_paper",
            {"doi": doi},
            f"Abstract. {author} and colleagues followed {plots} plots over three seasons. "
            f"Soil moisture rose by {effect} under rye. The data are open as {data}. "
            + " ".join(dice.one(_ABSTRACT) for _ in range(7)),
        )
        made.assistant(
            f"{author} (doi {doi}) found {effect} more soil moisture on {plots} plots; "
            f"the data set is {data}. " + dice.one(_POLITE)
        )
    made.user("Please hold on while I read that.")
    return made


def german(seed: int, length: int) -> Session:
    """Return a conversation in German about moving an office, with few tools."""
    dice, made = Dice(seed), Session()
    budget = f"{dice.number(4, 9)}.{dice.number(100, 900)} Euro"
    made.user(
        f"Guten Tag, wir ziehen mit dem Büro um. Das Budget liegt bei höchstens {budget}. Bitte "
        "niemals vor acht Uhr anrufen, und Termine nur schriftlich bestätigen."
    )
    made.key(budget, "niemals vor acht Uhr")
    made.assistant("Guten Tag, gern. Womit fangen wir an?")
    for _ in range(length):
        firm = f"{dice.one(_SYLLABLES).title()}{dice.one(_SYLLABLES)} GmbH"
        contract = f"V-{dice.number(10000, 99999)}"
        price = f"{dice.number(100, 990)},{dice.number(10, 99)} Euro"
        day = f"{dice.number(10, 28)}.0{dice.number(3, 9)}.2025"
        made.key(firm, contract, price, day)
        made.user(
            f"Als Nächstes bitte die {firm} mit dem Vertrag {contract}. Die sollen am {day} "
            f"kommen. {dice.one(_PLAUDEREI)}"
        )
        made.call(
            "vertrag_lesen",
            {"vertrag": contract},
            {
                "vertrag": contract,
                "firma": firm,
                "preis": price,
                "status": dice.one(["offen", "gekündigt", "aktiv"]),
                "ablage": {"fach": dice.number(1, 80), "ordner": dice.code(3)},
            },
        )
        made.assistant(
            f"Die {firm} kommt am {day}; der Vertrag {contract} kostet {price}. "
            + " ".join(dice.one(_PLAUDEREI) for _ in range(3))
        )
        made.user(dice.one(_PLAUDEREI))
        made.assistant(" ".join(dice.one(_PLAUDEREI) for _ in range(4)))
    made.user("Danke, einen Augenblick bitte.")
    return made


SESSIONS: dict[str, Callable[[int, int], Session]] = {
    "customer_service": customer_service,
    "coding": coding,
    "research": research,
    "german": german,
}


def held(entities: Sequence[str], text: str) -> float:
    """Return the share of entities that stand in a text, as wholes.

    Case and the width of spaces do not matter; `WX-123` does not stand in `WX-1234`.
    """
    plain = " ".join(text.casefold().split())
    found = [
        entity
        for entity in entities
        if re.search(rf"(?<!\w){re.escape(entity.casefold())}(?!\w)", plain)
    ]
    return len(found) / len(entities)


_CHAT = (
    "By the way, the weather here is awful today.",
    "I hope this is not too much work for you.",
    "My colleague says hello, too.",
    "Take your time, I am having lunch.",
)
_POLITE = (
    "Please tell me if there is anything else that I can do.",
    "That went well, and nothing else had to be looked at.",
    "I hope that this is what you had in mind.",
    "It took a moment, but everything is in its place now.",
)
_ABSTRACT = (
    "Weather stations stood at the edge of each field.",
    "Earlier work had disagreed about the size of such effects.",
    "The soils were sandy and drained quickly.",
    "Farmers chose the sowing time by themselves.",
    "A model with mixed effects was fitted to all seasons.",
)
_PLAUDEREI = (
    "Das Wetter ist heute wirklich nicht schön.",
    "Ich hoffe, das macht nicht zu viel Arbeit.",
    "Der Kaffee in der Küche ist übrigens wieder leer.",
    "So machen wir das, das klingt vernünftig.",
    "Die Kollegen freuen sich schon sehr auf die neuen Räume.",
)
_PARTS = ("queue", "cache", "mailer", "search", "login", "report", "upload", "index")
_SYLLABLES = ("bra", "kel", "mon", "tir", "ved", "sol", "gar", "nim", "hul", "pes")
