"""A researcher who reads ten times what its model holds, and still knows what it read first.

    python examples/long_research.py           # offline, some seconds
    python examples/long_research.py --live    # with OPENAI_API_KEY: some 150 calls of a model

It reads 72 papers, more than 200,000 tokens, with a window of 16,384. After each round of twelve it
prints what stands in a call by then, layer by layer: instructions, the user's protected question,
the summary, what is still word for word, and room for the next paper. In the end it is asked for
figures of the first papers: what the summary lost is found by the agent's own recall tool.
"""

import argparse
import asyncio
import random
import sys

from agents import (
    Agent,
    Model,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)

import compact_otel
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

WINDOW, PAPERS, A_ROUND = 16_384, 72, 12
QUESTION = "Which alloys stay below 40 percent porosity? Keep the figure of every paper in mind."
ELEMENTS = ("nickel", "titanium", "cobalt", "zirconium", "niobium", "chromium", "vanadium")


def paper(number: int) -> str:
    """Return a paper: one figure that matters, in more words than anybody wants to keep."""
    dice = random.Random(number)
    alloy = f"{ELEMENTS[number % 7]}-{ELEMENTS[(number * 3 + 1) % 7]} {dice.randint(10, 99)}"
    runs = "\n".join(
        f"Sample {run} was sintered for {dice.randint(20, 90)} minutes at "
        f"{dice.randint(900, 1400)} degrees under argon and cooled at "
        f"{dice.randint(2, 30)} kelvin a minute; its surface was "
        f"{dice.choice(('smooth', 'rough', 'cracked', 'dull'))} and its edges were "
        f"{dice.choice(('sharp', 'round', 'worn'))}, as in the earlier series of the laboratory."
        for run in range(1, 46)
    )
    return (
        f"Paper {number}: the {alloy} alloy.\n{runs}\nPorosity of it: {figure(number)} percent.\n"
    )


def figure(number: int) -> str:
    """Return what a paper says."""
    return f"{(number * 37) % 600 / 10 + 5:.1f}"


@function_tool
def read_paper(number: int) -> str:
    """Return a paper."""
    return paper(number)


def play(request: ModelRequest) -> Step:
    """Play the model: read what is asked for, and look up what it no longer sees."""
    newest, asked = request.items[-1], request.newest_user_text
    number = int(asked.rstrip("?.").split()[-1])
    known = f"Porosity of it: {figure(number)} percent"
    is_new = newest.get("role") == "user"
    if asked.startswith("Read") and is_new:
        return Step(calls=[("read_paper", {"number": number})], needs=[QUESTION])
    if asked.startswith("Read"):
        return Step(f"Paper {number} says {figure(number)} percent.", needs=[known])
    if not is_new:
        return Step(f"{figure(number)} percent; I looked it up.", needs=[figure(number)])
    if f"Paper {number} says {figure(number)} percent" in request.text:
        return Step(f"{figure(number)} percent; I still had it before me.")
    return Step(calls=[("recall_conversation", {"query": f"Paper {number} porosity"})])


class Layers:
    """An exporter that remembers what the last call was made of, and counts the compactions."""

    def __init__(self) -> None:
        self.last: dict = {}
        self.summary = self.compactions = 0

    def export(self, event: dict) -> None:
        """Take an event."""
        if event["event"] == "compact.token_estimate":
            self.last = event
        if event["event"] == "compact.summary_created":
            self.compactions += 1
            self.summary = event["compact.summary.tokens"]

    def told(self) -> str:
        """Return the layers of the last call as a line."""
        sizes = {part: self.last[f"compact.tokens.{part}"] for part in PARTS}
        total = sum(sizes.values())
        sizes["messages"] -= self.summary
        layers = [("instructions", sizes["system"]), ("tools", sizes["tools_schema"])]
        layers += [("summary", self.summary), ("word for word", sizes["messages"])]
        told = ", ".join(f"{name} {tokens:,}" for name, tokens in layers)
        return f"{told}; room for {WINDOW - total:,} more ({self.compactions} summaries so far)"


PARTS = ("system", "developer", "tools_schema", "messages")


async def research(model: Model | None, layers: Layers, papers: int) -> None:
    """Read all papers, then ask for the first ones; None is the SDK's own default model."""
    agent = Agent(
        "researcher",
        instructions="You read papers one by one. Answer briefly, with the figure.",
        model=model,
        tools=[read_paper, compact_otel.recall_tool()],
    )
    session = SQLiteSession("long-research")
    question = {"role": "user", "content": QUESTION}
    await session.add_items([compact_otel.protect(question, "research question")])
    for number in range(1, papers + 1):
        await Runner.run(agent, f"Read paper {number}.", session=session)
        if number % A_ROUND == 0:
            print(f"after paper {number:2}: {layers.told()}")
    for number in (1, 2, papers // 2, papers):
        asked = f"What porosity did you find in paper {number}?"
        answer = (await Runner.run(agent, asked, session=session)).final_output
        print(f"{asked} {answer}  (it is {figure(number)})")


async def main() -> None:
    """Read the options, switch compact_otel on, and research."""
    options = argparse.ArgumentParser()
    options.add_argument("--live", action="store_true", help="ask OpenAI, with OPENAI_API_KEY")
    options.add_argument("--papers", type=int, default=PAPERS, help="how many to read")
    given = options.parse_args()
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    layers = Layers()
    compact_otel.instrument(max_context_tokens=WINDOW, exporters=[layers])
    if given.live:
        await research(None, layers, given.papers)
        return
    with LocalOpenAI(play, context_window=WINDOW) as api:
        await research(OpenAIResponsesModel("gpt-4", api.client()), layers, given.papers)
    if api.missing:
        sys.exit(f"forgotten: {api.missing}")
    refused = [request for request in api.requests if request.error is not None]
    print(f"{len(api.requests)} model calls, {len(refused)} refused by the server")


if __name__ == "__main__":
    asyncio.run(main())
