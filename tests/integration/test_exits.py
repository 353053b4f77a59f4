"""A program that ends while a thread is in native code ends well; each case ends a real one."""

import subprocess
import sys

import pytest

BEGIN = """
import sys, threading, time
from compact_otel import exits
from compact_otel.exits import UNBROKEN

inside = threading.Event()
def in_a_thread(work):
    threading.Thread(target=work, daemon=True).start()
"""

COUNTING = """
from compact_otel.estimators import text, vocabulary
words = " ".join(map(str, range(100_000)))
encoding = vocabulary.o200k()

def count():
    while True:
        inside.set()
        text.count(words, encoding)

in_a_thread(count)
inside.wait()
"""

LOADING_PRICES = """
from compact_otel.prices import TABLE
TABLE.load()
time.sleep({delay})
"""


def end_of(program, folder, **options):
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_while_tokens_are_counted(tmp_path):
    for _ in range(3):
        end_of(COUNTING, tmp_path)


def test_while_the_vocabulary_is_loaded(tmp_path):
    program = """
from compact_otel.estimators import vocabulary
import tiktoken

def encoding(*_, **__):
    inside.set()
    time.sleep(0.3)
    print("loaded", flush=True)

tiktoken.Encoding = encoding
in_a_thread(vocabulary.o200k)
inside.wait()
"""
    assert end_of(program, tmp_path) == "loaded\n"


def test_while_the_table_of_prices_is_loaded(tmp_path):
    package = (
        "import time; print('begun', flush=True); time.sleep(0.3); print('loaded', flush=True)"
    )
    (tmp_path / "genai_prices.py").write_text(package)
    assert end_of(LOADING_PRICES.format(delay=0.1), tmp_path) == "begun\nloaded\n"


@pytest.mark.parametrize("delay", [0, 0.05, 0.1, 0.2])
def test_at_any_moment_while_the_real_table_is_loaded(delay, tmp_path):
    end_of(LOADING_PRICES.format(delay=delay), tmp_path)


def test_whoever_comes_later_is_not_let_in(tmp_path):
    program = """
def work():
    with UNBROKEN:
        inside.set()
        time.sleep(0.2)
    with UNBROKEN:
        print("again", flush=True)

in_a_thread(work)
inside.wait()
"""
    assert end_of(program, tmp_path) == ""


def test_the_main_thread_and_those_that_are_waited_for_always_are(tmp_path):
    program = """
import atexit

def main():
    with UNBROKEN:
        print("main")

def late():
    time.sleep(0.2)
    with UNBROKEN:
        print("late")

atexit._run_exitfuncs()
atexit.register(main)
threading.Thread(target=late).start()
"""
    assert end_of(program, tmp_path) == "late\nmain\n"


def test_what_never_ends_is_not_waited_for_for_good(tmp_path):
    program = """
exits._PATIENCE_S = 0.2

def work():
    with UNBROKEN:
        inside.set()
        time.sleep(1000)

in_a_thread(work)
inside.wait()
"""
    end_of(program, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_forked_child_does_not_wait_for_the_threads_of_its_parent(tmp_path):
    program = """
import os

def work():
    with UNBROKEN:
        inside.set()
        time.sleep(30)

exits._PATIENCE_S = 30
in_a_thread(work)
inside.wait()
began = time.monotonic()
child = os.fork()
if child:
    os.waitpid(child, 0)
    print("child", time.monotonic() - began < 15, flush=True)
    os._exit(0)
"""
    assert end_of(program, tmp_path) == "child True\n"
