"""One at a time may compact a session: what every claim keeps, and what those on files do."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from compact_otel.adapters import FileStorage, MemoryStorage, claims
from compact_otel.core.errors import StorageError

LONG_S = 30.0
"""Far more than anything here takes: nobody waits for so long unless something is broken."""


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


@pytest.fixture(params=["fs", "memory"])
def storage(request, archive):
    return FileStorage(archive) if request.param == "fs" else MemoryStorage()


@pytest.fixture
def files(archive):
    return FileStorage(archive)


def is_free(storage, session_id="s", key="k"):
    with storage.claim(session_id, key, 0) as held:
        return held


# Every storage.


def test_a_claim_keeps_others_away_until_it_is_left(storage):
    with storage.claim("s", "k", 0) as held:
        assert held
        assert not is_free(storage)
    assert is_free(storage)


def test_a_claim_that_could_not_be_had_takes_nothing_away(storage):
    with storage.claim("s", "k", 0):
        with storage.claim("s", "k", 0) as second:
            assert not second
        assert not is_free(storage)


def test_a_claim_ends_when_what_it_was_for_fails(storage):
    with pytest.raises(OSError, match=r"^of the user$"), storage.claim("s", "k", 0):
        raise OSError("of the user")
    assert is_free(storage)


def test_conversations_do_not_wait_for_one_another(storage):
    strange = ("s", "S", "", "../s", "s" * 500, "\ud800", "s k")
    with ExitStack() as stack:
        for session_id in strange:
            for key in strange:
                assert stack.enter_context(storage.claim(session_id, key, 0))


def test_waiting_ends_after_the_timeout(storage):
    with storage.claim("s", "k", 0):
        start = time.monotonic()
        with storage.claim("s", "k", 0.2) as held:
            assert not held
        assert 0.2 <= time.monotonic() - start < LONG_S


@pytest.mark.parametrize("timeout", [-1.0, float("inf")])
def test_any_number_is_a_timeout(storage, timeout):
    with storage.claim("s", "k", timeout) as held:
        assert held


def test_a_claim_is_had_as_soon_as_it_is_free(storage):
    claim = storage.claim("s", "k", 0)
    assert claim.__enter__()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: storage.claim("s", "k", LONG_S).__enter__())
        time.sleep(0.1)
        assert not waiting.done()
        claim.__exit__(None, None, None)
        assert waiting.result(LONG_S / 2)


def test_a_claim_may_be_left_in_another_thread_than_it_was_entered_in(storage):
    claim = storage.claim("s", "k", 0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(claim.__enter__).result()
    assert not is_free(storage)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(claim.__exit__, None, None, None).result()
    assert is_free(storage)


def test_threads_hold_a_claim_one_at_a_time_and_all_get_it(storage):
    inside, worst, turns = 0, 0, 0
    counting = threading.Lock()

    def take_turns(_):
        nonlocal inside, worst, turns
        for _ in range(5):
            with storage.claim("s", "k", LONG_S) as held:
                assert held
                with counting:
                    inside, turns = inside + 1, turns + 1
                    worst = max(worst, inside)
                time.sleep(0.001)
                with counting:
                    inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take_turns, range(8)))
    assert (worst, turns) == (1, 40)


def test_a_claim_makes_no_record(storage):
    with storage.claim("s", "k", 0) as held:
        assert held
        assert storage.steps("s") == []
        assert list(storage.load_checkpoints("s")) == []
        assert storage.save_transcript("s", [{"role": "user"}]).step == 1


def test_claims_in_memory_cost_nothing_when_they_are_over():
    storage = MemoryStorage()
    for number in range(100):
        with storage.claim(f"s{number}", "k", 0), storage.claim(f"s{number}", "k", 0):
            pass
    assert storage.sessions() == []
    assert not storage._claims._places


# On files.

posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and kill -9 of POSIX")
forking = pytest.mark.skipif(sys.platform != "linux", reason="forks with threads: Linux only")

HOLDER = """
import sys, time
from compact_otel.adapters import FileStorage

with FileStorage(sys.argv[1]).claim("s", "k", 0) as held:
    print(held, flush=True)
    time.sleep(60)
"""


def holder(archive):
    """Return a process that holds the claim on session `s`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, archive], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "True\n"
    return process


def test_two_storages_of_one_folder_share_their_claims(files, archive):
    with files.claim("s", "k", 0):
        assert not is_free(FileStorage(archive))


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_descriptors_are_given_back(files, archive):
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        with files.claim("s", "k", 0), files.claim("s", "k", 0.06):
            pass
    assert len(list(descriptors.iterdir())) == before


@posix
def test_a_claim_ends_with_a_process_that_is_killed(files, archive):
    with holder(archive) as process:
        assert not is_free(files)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_free(files)


@posix
def test_those_who_wait_go_on_when_the_holder_is_killed(files, archive):
    with holder(archive) as process, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: files.claim("s", "k", LONG_S).__enter__())
        time.sleep(0.1)
        assert not waiting.done()
        process.send_signal(signal.SIGKILL)
        assert waiting.result(LONG_S / 2)


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_only_the_owner_may_read_the_file(files, archive, umask):
    before = os.umask(umask)
    try:
        with files.claim("s", "k", 0):
            (path,) = (archive / "s").iterdir()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert stat.S_IMODE((archive / "s").stat().st_mode) == 0o700


@posix
def test_a_link_is_not_followed(files, archive, tmp_path):
    with files.claim("s", "k", 0):
        (path,) = (archive / "s").iterdir()
    path.symlink_to(tmp_path / "elsewhere")
    (archive / "t").symlink_to(tmp_path / "target")
    (tmp_path / "target").mkdir()
    for session_id in ("s", "t"):
        with (
            pytest.raises(StorageError, match=r"\.lock`: .* links are not followed here"),
            files.claim(session_id, "k", LONG_S),
        ):
            pass
    assert not (tmp_path / "elsewhere").exists()
    assert list((tmp_path / "target").iterdir()) == []


@posix
def test_nothing_is_left_of_a_claim(files, archive):
    for _ in range(2):
        with files.claim("s", "k", 0), files.claim("s", "k", 0), files.claim("s", "other", 0):
            assert len(list((archive / "s").iterdir())) == 2
        assert list((archive / "s").iterdir()) == []


@posix
def test_a_file_that_is_removed_claims_nothing_for_those_who_come_later(files, archive):
    with files.claim("s", "k", 0):
        (path,) = (archive / "s").iterdir()
        path.unlink()
        with files.claim("s", "k", 0) as held:
            assert held
            assert not is_free(files)
    assert is_free(files)


@posix
def test_a_lock_on_a_file_removed_in_the_meantime_does_not_count(archive):
    archive.mkdir()
    path = archive / "claim.lock"

    def opened_and_removed(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        path.unlink()
        return descriptor

    assert claims.hold(path, opened_and_removed) is None


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_makes_nobody_wait_and_is_told_of_once(
    files, archive, monkeypatch, caplog, number
):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)  # there is no such file system at hand
    for _ in range(3):
        start = time.monotonic()
        with files.claim("s", "k", LONG_S) as held:
            assert not held
        assert time.monotonic() - start < LONG_S / 2
    (record,) = caplog.records
    assert errno.errorcode[number] in record.getMessage()
    assert str(archive) not in record.getMessage()
    assert list((archive / "s").iterdir()) == []


# Forks. The child of a pytest run would be a second pytest run, so a program of its own forks.


def run(program, archive):
    """Run a program that forks; it says what went wrong by an assertion."""
    subprocess.run([sys.executable, "-c", program, archive], check=True, timeout=LONG_S)


CHILD_OF_A_HOLDER = """
import os, sys
from compact_otel.adapters import FileStorage, MemoryStorage

files, memory = FileStorage(sys.argv[1]), MemoryStorage()
with files.claim("s", "k", 0) as held, memory.claim("s", "k", 0):
    assert held
    child = os.fork()
    if child == 0:
        with files.claim("s", "k", 0) as mine, memory.claim("s", "k", 0) as own:
            os._exit(10 + mine + 2 * own)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 12
    with FileStorage(sys.argv[1]).claim("s", "k", 0) as again:
        assert not again
"""


@forking
def test_a_forked_child_does_not_hold_what_its_parent_holds(archive):
    run(CHILD_OF_A_HOLDER, archive)


CHILD_THAT_LEAVES = """
import os, sys
from compact_otel.adapters import FileStorage

files = FileStorage(sys.argv[1])
child = 0
with files.claim("s", "k", 0) as held:
    child = os.fork()
    if child == 0:
        # Its number may be that of another file by now, which must stay open.
        reused = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
    else:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status == 0, status
        with files.claim("s", "k", 0) as again:
            assert not again
if child == 0:
    for descriptor in reused:
        os.fstat(descriptor)
    with files.claim("s", "k", 0) as mine:
        os._exit(int(mine))
"""


@forking
def test_a_forked_child_that_leaves_the_block_ends_nothing(archive):
    run(CHILD_THAT_LEAVES, archive)


CHILD_THAT_SURVIVES = """
import os, signal, sys, time
from compact_otel.adapters import FileStorage

files = FileStorage(sys.argv[1])
told, tell = os.pipe()
parent = os.fork()
if parent == 0:
    with files.claim("s", "k", 0):
        child = os.fork()
        if child == 0:
            time.sleep(60)
        os.write(tell, b"%d" % child)
        time.sleep(60)
child = int(os.read(told, 20))
try:
    with files.claim("s", "k", 0) as held:
        assert not held
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    with files.claim("s", "k", 10) as held:
        assert held
    os.kill(child, 0)  # is still there
finally:
    os.kill(child, signal.SIGKILL)
"""


@forking
def test_a_claim_ends_with_its_holder_and_not_with_the_children_of_the_holder(archive):
    run(CHILD_THAT_SURVIVES, archive)


COPY_OF_SOMEBODY_ELSE = """
import ctypes, os, signal, sys, time
from compact_otel.adapters import FileStorage

files = FileStorage(sys.argv[1])
with files.claim("s", "k", 0):
    copy = ctypes.PyDLL(None).fork()  # as a library does it, which tells Python nothing
    if copy == 0:
        time.sleep(60)
        os._exit(0)
try:
    with files.claim("s", "k", 0) as held:
        assert held
finally:
    os.kill(copy, signal.SIGKILL)
"""


@forking
def test_a_claim_that_is_left_is_free_whoever_has_a_copy_of_the_process(archive):
    run(COPY_OF_SOMEBODY_ELSE, archive)


BUSY_PARENT = """
import os, signal, sys, threading
from compact_otel.adapters import FileStorage, MemoryStorage

sys.setswitchinterval(1e-6)
files, memory = FileStorage(sys.argv[1]), MemoryStorage()
over = threading.Event()

def work(number):
    while not over.is_set():
        for storage in (files, memory):
            with storage.claim(f"s{number}", "k", 0):
                storage.save_event(f"s{number}", {})
                storage.save_transcript("all", [])

workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for worker in workers:
    worker.start()
for _ in range(150):
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a lock that nobody opens
        for number in range(3):
            memory.save_event("child", {})
            with memory.claim(f"s{number}", "k", 0) as held:
                if not held:
                    os._exit(1)
            with files.claim(f"s{number}", "k", 0):
                pass
        os._exit(len(memory.load_events("child")) - 3)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        over.set()
        sys.exit(f"a child ended with {status}")
over.set()
for worker in workers:
    worker.join()
"""


@forking
@pytest.mark.slow
def test_a_process_may_fork_while_other_threads_are_at_work_in_its_storages(archive):
    run(BUSY_PARENT, archive)
