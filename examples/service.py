"""A service with several workers, one archive in S3, and sessions that any worker goes on with.

    python examples/service.py           # starts all of it on this machine, talks to it, stops it
    python examples/service.py --live    # the same with a real model, and OPENAI_API_KEY

What runs in production is the upper half of this file:

    gunicorn --workers 4 --worker-class uvicorn_worker.UvicornWorker service:app

with OPENAI_API_KEY, COMPACT_STORAGE_BUCKET and the worker's role for S3 in its environment. Here
the model is the local imitation of OpenAI, S3 is moto's server, and three clients talk at once,
each request to whatever worker is free: a compaction that one worker made is replayed by all
others, who find it in the archive. Needs fastapi, gunicorn, uvicorn-worker and `compact-otel[s3]`,
and `moto[server]` for the local part.
"""

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents import Agent, Runner, SQLiteSession, set_tracing_disabled
from fastapi import FastAPI
from pydantic import BaseModel

import compact_otel
from compact_otel.testing import LocalOpenAI, ModelRequest, Step

# --- the service: begin ---
compact_otel.instrument(storage={"adapter": "s3", "bucket": os.environ.get("BUCKET", "archive")})
set_tracing_disabled(True)  # the SDK would send its own traces to OpenAI
app = FastAPI()


class Message(BaseModel):
    """What a customer says."""

    text: str


@app.post("/sessions/{session_id}/messages")
async def answer(session_id: str, message: Message) -> dict[str, str | int]:
    """Answer a customer; sessions are in a database that all workers share."""
    agent = Agent("advisor", instructions="You advise on pumps.")
    session = SQLiteSession(session_id, os.environ.get("SESSIONS", "sessions.db"))
    result = await Runner.run(agent, message.text, session=session)
    return {"answer": result.final_output, "worker": os.getpid()}


@app.get("/sessions/{session_id}")
def known(session_id: str) -> dict[str, str | int | None]:
    """Say what is remembered of what was compacted away."""
    status = compact_otel.status(session_id)
    return {"version": status.version, "dropped": status.dropped, "summary": status.summary}


# --- the service: end ---

TURNS, CLIENTS, WORKERS = 16, 3, 2
WAIT_S = 60


def play(request: ModelRequest) -> Step:
    """Play the model: the first order number has to stand in every call."""
    asked = request.newest_user_text
    client = asked.split()[1]
    needs = [f"order-{client}-77"]
    return Step(
        f"As for {client}: {'the seal may be changed under water, the ring not. ' * 30}",
        needs=needs,
    )


@contextmanager
def bucket() -> Iterator[str]:
    """Start a server that speaks S3, with a bucket; yield its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # or it prints every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="archive")
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def workers(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start gunicorn with this file's `app`; yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "gunicorn", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"]
    command += ["--worker-class", "uvicorn_worker.UvicornWorker", "--log-level", "warning"]
    here = Path(__file__).resolve()
    process = subprocess.Popen(
        [sys.executable, *command, "--chdir", str(here.parent), f"{here.stem}:app"],
        env={**os.environ, **environment, "SESSIONS": str(folder / "sessions.db")},
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=WAIT_S)


def ask(address: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """Return what the service answers."""
    request = urllib.request.Request(
        f"{address}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT_S) as reply:
        return json.load(reply)


def talk(address: str, name: str) -> str:
    """Lead a conversation; return who answered, and what is remembered of it."""
    answered: Counter[int] = Counter()
    for turn in range(TURNS):
        text = f"Customer {name} of order-{name}-77, question {turn}: may I change the seal myself?"
        reply = ask(address, f"/sessions/{name}/messages", {"text": text})
        answered[reply["worker"]] += 1
    memory = ask(address, f"/sessions/{name}")
    by = " and ".join(map(str, answered.values()))
    return (
        f"{name}: {by} answers by {len(answered)} workers; "
        f"summary v{memory['version']} stands for {memory['dropped']} items"
    )


def wait_for(address: str) -> None:
    """Return when the service answers."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            ask(address, "/openapi.json")
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def main(address: str) -> None:
    """Let several customers talk at once."""
    wait_for(address)
    with ThreadPoolExecutor(CLIENTS) as pool:
        for told in pool.map(lambda n: talk(address, f"c{n}"), range(CLIENTS)):
            print(told)


def model_at(base_url: str) -> dict[str, str]:
    """Return the environment in which the SDK asks a server for its default model."""
    return {
        "OPENAI_BASE_URL": base_url,
        "OPENAI_API_KEY": "local",
        "OPENAI_DEFAULT_MODEL": "gpt-4",
    }


if __name__ == "__main__":
    live = "--live" in sys.argv
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}  # moto takes any
    os.environ |= keys | {"AWS_DEFAULT_REGION": "us-east-1", "COMPACT_MAX_CONTEXT_TOKENS": "6000"}
    with (
        tempfile.TemporaryDirectory() as folder,
        bucket() as store,
        LocalOpenAI(play, context_window=8_192) as api,
        workers(
            Path(folder),
            {"COMPACT_STORAGE_ENDPOINT": store, **({} if live else model_at(api.base_url))},
        ) as address,
    ):
        main(address)
    refused = sum(request.error is not None for request in api.requests)
    if api.missing or refused:
        sys.exit(f"forgotten: {api.missing}; refused: {refused}")
    if not live:
        print(f"{len(api.requests)} model calls, none refused")
