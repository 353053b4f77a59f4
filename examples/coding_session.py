"""A coding assistant that works on and on: rules that must stay, `/compact` by hand, traces.

    python examples/coding_session.py             # a recorded day, without a key
    python examples/coding_session.py --viewer    # the same day, shown in the Ariadne viewer
    python examples/coding_session.py --live      # you type, with OPENAI_API_KEY; /quit ends it
    python examples/coding_session.py --viewer --live

The assistant works with real tools on a small project in a temporary folder. What it may never
forget is said once, at the beginning: the team's policy is protected by hand, and what the user
asks for in passing ("from now on ...") is a constraint that every summary carries on.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

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

POLICY = "Team policy: never edit files below migrations/, and run the tests before you say done."
MODULES = {  # a shop: what each module is for, and the figure that matters in it
    "taxes": ("what the state gets", "VAT_GERMANY = 0.19"),
    "shipping": ("what a parcel costs", "FREE_FROM_EUR = 49"),
    "discounts": ("who pays less", "MOST_PERCENT = 35"),
    "stock": ("what is in the shelves", "REORDER_AT = 120"),
    "refunds": ("what comes back", "DAYS_TO_RETURN = 30"),
    "invoices": ("what is owed", "DUE_AFTER_DAYS = 14"),
    "loyalty": ("points for the faithful", "POINTS_A_EURO = 3"),
}
DAY = [
    "Read src/orders.py and tell me what it does. From now on answer in British English.",
    *(f"Read src/{name}.py and tell me its figure." for name in MODULES),
    "/compact keep what we know about orders",
    "Fix the rounding in src/orders.py: totals shall be rounded to 2 decimals.",
    "Run the tests.",
    *(f"Read src/{name}.py once more: what else is in it?" for name in MODULES),
    "Which figure did src/taxes.py have?",
    "/status",
]


def make_project(root: Path) -> None:
    """Write a project whose orders have a bug, and which is long to read."""
    (root / "src").mkdir()
    (root / "src" / "orders.py").write_text(
        '"""Orders: what a customer pays."""\n\n\ndef total(prices):\n    return sum(prices)\n'
    )
    for name, (purpose, figure) in MODULES.items():
        steps = "\n\n\n".join(
            f"def {name}_{step}(order, customer):\n"
            f'    """Do the {step} step of {purpose}."""\n'
            f"    if order.is_open and customer.country in SUPPORTED:\n"
            f"        return order.{step}(customer.{name})\n"
            f"    return None"
            for step in (
                "find",
                "check",
                "price",
                "split",
                "book",
                "print",
                "send",
                "undo",
                "count",
            )
        )
        text = f'"""{name.title()}: {purpose}."""\n\n{figure}\n\n\n{steps}\n'
        (root / "src" / f"{name}.py").write_text(text)
    (root / "test_orders.py").write_text(
        "from src.orders import total\n\nassert total([0.1, 0.2]) == 0.3, total([0.1, 0.2])\n"
    )


def tools_of(root: Path) -> list:
    """Return what the assistant can do, inside of `root` only."""

    def inside(path: str) -> Path:
        found = (root / path).resolve()
        if not found.is_relative_to(root.resolve()) or "migrations" in found.parts:
            raise PermissionError(f"{path} is not yours to touch")
        return found

    @function_tool
    def read_file(path: str) -> str:
        """Return the text of a file."""
        return inside(path).read_text()

    @function_tool
    def edit_file(path: str, old: str, new: str) -> str:
        """Replace a piece of a file."""
        file = inside(path)
        text = file.read_text()
        if text.count(old) != 1:
            return f"`old` stands there {text.count(old)} times: nothing was changed"
        file.write_text(text.replace(old, new))
        return f"{path}: changed"

    @function_tool
    def run_tests() -> str:
        """Run the project's tests."""
        done = subprocess.run(
            [sys.executable, "-m", "test_orders"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        return "passed" if done.returncode == 0 else done.stderr.splitlines()[-1]

    return [read_file, edit_file, run_tests]


def play(request: ModelRequest) -> Step:
    """Play the model of the recorded day: one call of a tool, then an answer."""
    newest, asked = request.items[-1], request.newest_user_text
    if newest.get("role") != "user":
        told = str(newest["output"]).splitlines()
        figure = next((line for line in told if " = " in line), told[0])
        return Step(f"It says: {figure}", needs=["British English"])
    if "Which figure" in asked:
        return Step("VAT_GERMANY = 0.19", needs=["VAT_GERMANY = 0.19"])
    if path := re.search(r"Read (\S+\.py)", asked):
        return Step(calls=[("read_file", {"path": path[1]})])
    if "Fix" in asked:
        change = {"old": "return sum(prices)", "new": "return round(sum(prices), 2)"}
        return Step(calls=[("edit_file", {"path": "src/orders.py", **change})], needs=[POLICY])
    return Step(calls=[("run_tests", {})], needs=[POLICY, "British English"])


async def answer(line: str, agent: Agent, session: SQLiteSession) -> str:
    """Do what a line asks for: a command of the chat, or work for the assistant."""
    if line.startswith("/compact"):
        note = line.removeprefix("/compact").strip() or "manual"
        result = await compact_otel.compact_session(session, note)
        return f"{result.outcome}: {result.tokens_before:,} -> {result.tokens_after:,} tokens"
    if line.startswith("/status"):
        known = compact_otel.status(session)
        beginning = "\n".join((known.summary or "nothing was compacted yet").splitlines()[:12])
        return f"summary v{known.version}, which stands for {known.dropped} items:\n{beginning}"
    return (await Runner.run(agent, line, session=session)).final_output


async def chat(model: Model | None, root: Path, lines: list[str] | None) -> None:
    """Answer `lines`, or a person at the keyboard; None is the SDK's own default model."""
    agent = Agent(
        "coder",
        instructions="You work on the user's project with your tools. Be brief.",
        model=model,
        tools=tools_of(root),
    )
    session = SQLiteSession("coding-session")
    policy = {"role": "developer", "content": POLICY}
    await session.add_items([compact_otel.protect(policy, "team policy")])
    for line in lines if lines is not None else iter(lambda: input("you> "), "/quit"):
        if lines is not None:
            print(f"you> {line}")
        print(f"     {await answer(line, agent, session)}")


async def main() -> None:
    """Read the options, switch compact_otel on, and chat."""
    options = argparse.ArgumentParser()
    options.add_argument("--live", action="store_true", help="ask OpenAI, with OPENAI_API_KEY")
    options.add_argument("--viewer", action="store_true", help="show it in Ariadne")
    given = options.parse_args()
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    compact_otel.instrument(telemetry={"exporter": "ariadne" if given.viewer else "none"})
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_project(root)
        if given.live:
            await chat(None, root, None)
            return
        with LocalOpenAI(play, context_window=8_192) as api:
            await chat(OpenAIResponsesModel("gpt-4", api.client()), root, DAY)
        if api.missing:  # policy, constraint or figure were not in a call that needed them
            sys.exit(f"forgotten: {api.missing}")
        calls, largest = len(api.requests), max(request.tokens for request in api.requests)
        print(f"{calls} model calls, the largest had {largest:,} tokens of 8,192")


if __name__ == "__main__":
    asyncio.run(main())
