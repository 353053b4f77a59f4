"""Calls for `compactctl dry-run`, `diff` and `compact`, in the forms in which they come."""

import asyncio
import json
from functools import cache

from agents import SQLiteSession

from compact_otel.demo.recording import bundled

KEY = "sk-abcdefghijklmnop1234"
LISTING = "\n".join(f"line {number} of the file, as it always was" for number in range(30))


def chat_of(items):
    """Return items of the Responses API as messages of Chat Completions."""
    made = []
    for item in items:
        if item.get("type") == "function_call":
            call = {name: item[name] for name in ("name", "arguments")}
            call = {"id": item["call_id"], "type": "function", "function": call}
            made.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif item.get("type") == "function_call_output":
            message = {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
            made.append(message)
        else:
            made.append({"role": item["role"], "content": item["content"]})
    return made


def lines_of(items):
    return "".join(f"{json.dumps(item)}\n" for item in items)


@cache
def recorded(turns=None):
    """Return the session of the demo, or its first turns: items, and what a model would get."""
    found = bundled(turns)
    items, tools = list(found.items), list(found.tools)
    responses = {
        "model": "gpt-4o",
        "instructions": found.instructions,
        "tools": tools,
        "input": items,
        "temperature": 0.5,
    }
    functions = [
        {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
        for tool in tools
    ]
    chat = {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": found.instructions}, *chat_of(items)],
        "tools": functions,
    }
    return items, responses, chat


def shop(turns=12):
    """Return a session with a secret, an escape, and a tool that is asked the same again."""
    items = [
        {"role": "system", "content": "You sell shoes."},
        {"role": "user", "content": "Order 4711 first.", "meta": {"protected": True}},
    ]
    for n in range(turns):
        shelves = [{"name": "look", "arguments": f'{{"shelf": {shelf}}}'} for shelf in range(3)]
        seen = [
            {"call_id": f"c{n}-{shelf}", "output": f"{LISTING}\n{n} {shelf}"} for shelf in range(3)
        ]
        text = f"Shoe {n}, please; my api_key={KEY} \x1b[31mred\x1b[0m"
        items += [
            {"role": "user", "content": text},
            *(
                {"type": "function_call", "call_id": one["call_id"], **call}
                for one, call in zip(seen, shelves, strict=True)
            ),
            *({"type": "function_call_output", **one} for one in seen),
            {"role": "assistant", "content": f"Shoe {n} is <b>there</b> for {n} EUR."},
        ]
    return items


def stored(path, items, *sessions):
    """Make a database of the Agents SDK in which each session has these items."""

    async def fill():
        for session_id in sessions:
            session = SQLiteSession(session_id, path)
            await session.add_items(items)
            session.close()

    asyncio.run(fill())
