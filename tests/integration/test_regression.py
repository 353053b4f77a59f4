"""A scripted agent whose steps need what it saw earlier does as well as with an endless window.

It refunds orders that it looked at long before, from what it can still see: the card and the amount
have to stand behind the order's number, in a record, in its own calls or in a summary.
"""

import json
import random
import re

from agents import Agent, OpenAIResponsesModel, Runner, SQLiteSession, function_tool

import compact_otel
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 5_000
SEEDS = (1, 2, 3)
ORDERS, REFUNDS = 32, 24
ALLOWED_LOSS = 0.03
WARES = ("kettle", "desk lamp", "rucksack", "garden hose", "keyboard", "tent", "blender", "chair")


class Shop:
    """Orders that are looked at one after the other, and refunds of some of those so far.

    Attributes:
        orders: Records by id.
        turns: What the user says.
    """

    def __init__(self, seed):
        pick = random.Random(seed)
        self.orders, self.turns = {}, []
        for number in range(ORDERS):
            ident = f"OR{pick.randrange(10_000, 99_999)}"
            self.orders[ident] = {
                "order_id": ident,
                "status": pick.choice(["shipped", "delivered", "returned"]),
                "placed": f"2026-0{pick.randrange(1, 9)}-1{pick.randrange(9)}",
                "items": [
                    {"name": ware, "quantity": pick.randrange(1, 4), "shelf": pick.randrange(999)}
                    for ware in pick.sample(WARES, 3)
                ],
                "payment": {
                    "card": f"VISA-{pick.randrange(1000, 9999)}",
                    "total": round(pick.uniform(10, 900), 2),
                },
                "carrier_note": "left with a neighbour, who has signed for it; " * 4,
            }
            self.turns.append(f"Look at order {ident}, customer {number} has called about it.")
            if number % 4 == 3:
                self.turns += [
                    f"Now refund order {each}, in full and to the card it was paid with."
                    for each in pick.sample(list(self.orders), 3)
                ]

    def record(self, ident):
        return json.dumps(self.orders[ident])

    def is_right(self, order_id, card, amount):
        return self.orders[order_id]["payment"] == {"card": card, "total": amount}


def nearest(pattern, text, ident):
    """Return what a reader finds behind the name of an order, before another one is named."""
    for found in reversed(list(re.finditer(re.escape(ident), text))):
        told = re.split(r"OR\d{5}", text[found.end() :], maxsplit=1)[0]
        if value := re.search(pattern, told):
            return value[1]
    return None


def order_in(said):
    return re.search(r"OR\d{5}", said)[0]


def refund_of(said, items):
    """Return order, card and amount of a refund, as far as they can be read in what is there."""
    ident, seen = order_in(said), json.dumps(items).replace("\\", "")
    card = nearest(r"(VISA-\d{4})", seen, ident)
    amount = nearest(r"(?:total|amount)\W+(\d+\.\d+)", seen, ident)
    return {"order_id": ident, "card": card or "", "amount": float(amount or 0)}


def plays(request):
    """Play a model that looks at an order when told to, and refunds from what it can still see."""
    if request.items[-1].get("role") != "user":
        return Step("Done. " + "Is there anything else that I can do for the customer? " * 3)
    said = request.newest_user_text
    if said.startswith("Look"):
        return Step(calls=[("get_order", {"order_id": order_in(said)})])
    return Step(calls=[("refund", refund_of(said, request.items[:-1]))])


def right_without_compaction(shop):
    """Return how many refunds are right where everything can be seen."""
    seen, right = [], 0
    for said in shop.turns:
        if said.startswith("Look"):
            seen.append(shop.record(order_in(said)))
        else:
            right += shop.is_right(**refund_of(said, seen))
    return right


async def right_with_compaction(shop):
    """Run the session with the SDK and return how many refunds were right."""
    right = []

    @function_tool
    def get_order(order_id: str) -> str:
        """Return the record of an order."""
        return shop.record(order_id)

    @function_tool
    def refund(order_id: str, card: str, amount: float) -> str:
        """Pay an amount back to a card."""
        right.append(shop.is_right(order_id, card, amount))
        return "refunded"

    with LocalOpenAI(plays, context_window=WINDOW) as api:
        agent = Agent(
            name="clerk",
            instructions="Look at orders, and refund what you are told to.",
            model=OpenAIResponsesModel("gpt-4.1-mini", openai_client=api.client()),
            tools=[get_order, refund],
        )
        session = SQLiteSession("shop")
        for said in shop.turns:
            await Runner.run(agent, said, session=session)
    assert len(right) == REFUNDS
    return sum(right)


async def test_steps_that_need_what_was_seen_earlier_come_out_as_without_compaction(
    exporter, tracer_provider
):
    compact_otel.instrument(
        max_context_tokens=WINDOW,
        soft_trigger_pct=0,  # what is prepared in time depends on the machine
        storage={"adapter": "none"},
        tracer_provider=tracer_provider,
    )
    with_us = 0
    for seed in SEEDS:
        shop = Shop(seed)
        assert right_without_compaction(shop) == REFUNDS  # or the script is at fault
        with_us += await right_with_compaction(shop)
        attributes = exporter.get_finished_spans()[-1].attributes
        assert attributes["compact.tokens.history"] > 2 * WINDOW
    assert with_us >= (1 - ALLOWED_LOSS) * REFUNDS * len(SEEDS)
