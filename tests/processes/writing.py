"""Processes that write to an archive until they are killed.

python writing.py PATH STORAGE SEED

For each line on its standard input, `SESSION PROCESSES LIFE_S`, it forks so many writers from
itself, as starting Python anew would take longer than all they write. They are killed one after the
other, the first after `LIFE_S` seconds, and what each has been told is written comes back as a line
of JSON. Each of its records holds its own hash, so that a reader can tell a whole one.
"""

import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from compact_otel.adapters import FileStorage
from compact_otel.core.types import Checkpoint
from tests.adapters.packed import KEY

STORAGES = {
    "plain": FileStorage,
    "packed": partial(FileStorage, keys=KEY, compress=True),
}
"""Ways to make the storage of a path; each has to pass."""

KINDS = ("transcript", "summary", "event", "checkpoint")
STATE = Checkpoint(
    key="k", covered=2, kept=(), summary="s", version=1, summary_id="i", strategy="brief",
    tokens_before=2, tokens_after=1,
)  # fmt: skip


def whole(writer, number, size):
    """Return a record that tells whether it is whole."""
    text = f"{writer} {number} " + "text " * size
    return {"writer": writer, "number": number, "text": text, "hash": hash_of(text)}


def hash_of(text):
    return sha256(text.encode()).hexdigest()


def is_whole(record):
    return record["hash"] == hash_of(record["text"])


def write(storage, session_id, writer, number, sizes):
    """Write one record of each kind in turn; return what is to be found of it later."""
    kind = KINDS[number % len(KINDS)]
    record = whole(writer, number, sizes.choice((1, 40, 4_000)))
    if kind == "transcript":
        return kind, storage.save_transcript(session_id, [record] * 2).step
    if kind == "summary":  # one that is replaced now and then
        step = sizes.randint(1, 3)
        storage.save_summary(session_id, step, record)
        return kind, step
    if kind == "event":
        storage.save_event(session_id, {"event": "e", **record})
        return kind, number
    is_own = number % (2 * len(KINDS)) < len(KINDS)  # or one that others write, too
    state = replace(STATE, key=writer if is_own else "k", version=number + 1)
    storage.save_checkpoint(session_id, replace(state, summary=json.dumps(record)))
    return kind if is_own else "another", number + 1


def write_on(storage, session_id, writer, done):
    sizes = random.Random(writer)
    number = sizes.randrange(len(KINDS))
    while True:
        kind, what = write(storage, session_id, writer, number, sizes)
        os.write(done, f"{kind} {what}\n".encode())
        number += 1


def forked(storage, session_id, writer):
    """Fork a writer; return its process and where it says what it has written."""
    said, done = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.close(said)
            write_on(storage, session_id, writer, done)
        finally:
            os._exit(1)
    os.close(done)
    return process, said


def killed(process, said):
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    found = b""
    while piece := os.read(said, 2**16):
        found += piece
    os.close(said)
    assert os.WIFSIGNALED(status), found  # or it has ended by an error of its own
    return [line.split() for line in found.decode().splitlines()]


def main(path, kind, seed):
    storage, moments = STORAGES[kind](path), random.Random(seed)
    write(STORAGES[kind](Path(path, "warm")), "w", "w", 0, moments)  # all is loaded now
    for count, order in enumerate(sys.stdin):
        session_id, processes, life = order.split()
        names = [f"{seed}-{count}-{number}" for number in range(int(processes))]
        writers = [(name, *forked(storage, session_id, name)) for name in names]
        time.sleep(float(life))
        answer = {}
        for name, process, said in writers:
            answer[name] = killed(process, said)
            time.sleep(moments.uniform(0, 0.004))
        print(json.dumps(answer), flush=True)  # noqa: T201 - it answers so


if __name__ == "__main__":
    main(*sys.argv[1:])
