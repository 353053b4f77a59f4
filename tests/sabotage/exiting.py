"""Programs that end while a part of theirs hangs.

python exiting.py BASE_URL

Each scene is a process of its own, forked so that all share the time it takes to load the SDK.
What they say, and how long they took, is printed as JSON by scene.
"""

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled

import compact_otel
from compact_otel.adapters import MemoryStorage
from compact_otel.config import CompactConfig, StorageConfig, SummarizerConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.engine import performing, runs
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.paths.program import MODEL
from tests.sabotage.parts import Writer
from tests.sabotage.program import EARLY, WINDOW, client_of, earlier, look_up

HANGS_S = 60
SOON = {"soft_trigger_pct": 0.3}
"""Begins a preparation with the first call; the second one is not due yet."""


AT_ONCE = 3
HANGING = []


def hangs(*args):
    HANGING.append(time.monotonic())
    time.sleep(HANGS_S)


async def ahangs(*args):
    HANGING.append(time.monotonic())
    await asyncio.sleep(HANGS_S)


class Thread(Writer):
    summarize = staticmethod(hangs)


class Loop(Writer):
    summarize = staticmethod(ahangs)


class Storage(MemoryStorage):
    save_transcript = save_event = staticmethod(hangs)


class Estimator(TiktokenEstimator):
    count_items = staticmethod(hangs)


class Cold(TiktokenEstimator):
    warm_up = staticmethod(hangs)

    def is_warm_for(self, model):
        return False


def agent_of(url):
    client = client_of(url)
    return client, Agent("clerk", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))


def run(url, history, *, within=HANGS_S):
    """Run the agent in a loop of its own."""

    async def running():
        client, agent = agent_of(url)
        async with client, asyncio.timeout(within):
            await Runner.run(agent, history)

    try:
        asyncio.run(running())
    except TimeoutError:
        if within == HANGS_S:
            raise


def give_up(url, history):
    """Run it for so long only that a part is hanging."""
    run(url, history, within=1)


def run_sync(url, history):
    """Run it in the SDK's own loop, which is left as it is at the end."""
    _, agent = agent_of(url)
    Runner.run_sync(agent, history)


def preflight(url, history):
    """Ask without any loop, and end when a part hangs."""
    compact_otel.instrument().preflight("s", history)
    while not HANGING:
        time.sleep(0.01)


# The part, the policy, what has a limit of 0.5 s, and how it is run.
SCENES = {
    "background, thread": ({"summarizer": Thread()}, SOON, "", run),
    "background, loop": ({"summarizer": Loop()}, SOON, "", run),
    "background, thread, run_sync": ({"summarizer": Thread()}, SOON, "", run_sync),
    "background, loop, run_sync": ({"summarizer": Loop()}, SOON, "", run_sync),
    "background, no loop": ({"summarizer": Loop()}, SOON, "", preflight),
    "foreground, thread": ({"summarizer": Thread()}, EARLY, "summarizer", run),
    "foreground, loop": ({"summarizer": Loop()}, EARLY, "summarizer", run),
    "foreground, loop, run_sync": ({"summarizer": Loop()}, EARLY, "summarizer", run_sync),
    "foreground, no loop": ({"summarizer": Thread()}, EARLY, "summarizer", preflight),
    "foreground, coroutine, no loop": ({"summarizer": Loop()}, EARLY, "summarizer", preflight),
    "given up, thread": ({"summarizer": Thread()}, EARLY, "", give_up),
    "given up, loop": ({"summarizer": Loop()}, EARLY, "", give_up),
    "storage": ({"storage": Storage()}, EARLY, "storage", run),
    "estimator": ({"estimator": Estimator()}, EARLY, "step", run),
    "given up, estimator": ({"estimator": Estimator()}, EARLY, "", give_up),
    "given up, estimator that warms up": ({"estimator": Cold()}, EARLY, "", give_up),
}


def play(url, scene):
    parts, policy, short, run_it = SCENES[scene]
    if short == "step":
        performing.STEP_LIMIT = runs.STEP_LIMIT = 0.5
    config = CompactConfig(
        max_context_tokens=WINDOW,
        policy=CompactPolicy(**policy),
        summarizer=SummarizerConfig(timeout=0.5 if short == "summarizer" else 60),
        storage=StorageConfig(adapter="none", timeout=0.5 if short == "storage" else 10),
    )
    compact_otel.instrument(config=config, **parts)
    run_it(url, earlier(9 if policy is EARLY else 5))


def begin(scene, folder):
    """Fork; return the child's process id, None in the child, which goes on as a program."""
    child = os.fork()
    if child:
        return child
    for descriptor, name in ((1, "said"), (2, "complaints")):
        path = folder / f"{scene}.{name}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    return None


def look_at(scene, folder, code, began, ended):
    said = (folder / f"{scene}.said").read_text()
    done, hanging = json.loads(said) if said else (ended, 0)
    return {
        "code": os.waitstatus_to_exitcode(code),
        "hanging": hanging,
        "run_s": done - began,
        "exit_s": ended - done,
        "complaints": (folder / f"{scene}.complaints").read_text().splitlines(),
    }


def main(url):
    folder = Path(tempfile.mkdtemp())
    run(url, earlier(1))  # what takes long the first time has been done when they are forked
    TiktokenEstimator().warm_up()
    gc.collect()
    gc.freeze()  # or each child would take a second to take down what it never used
    waiting, running, seen = list(SCENES), {}, {}
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            scene = waiting.pop()
            child = begin(scene, folder)
            if child is None:
                play(url, scene)
                sys.stdout.write(json.dumps([time.monotonic(), len(HANGING)]))
                sys.stdout.flush()
                return  # and so the program ends, as programs do
            running[child] = scene, time.monotonic()
        child, code = os.wait()
        scene, began = running.pop(child)
        seen[scene] = look_at(scene, folder, code, began, time.monotonic())
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    set_tracing_disabled(True)
    main(sys.argv[1])
