"""Workers that are forked from a loaded application (gunicorn with `preload_app`).

A child of the test run would be a second test run, so `forking.py` forks.
"""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="forks beside threads: Linux only"),
]

PROGRAM = Path(__file__).with_name("forking.py")


@pytest.fixture
def play(archive, bill):
    """Play a scene; what goes wrong in it is an error here."""

    def run(scene):
        subprocess.run([sys.executable, PROGRAM, scene, archive, bill], check=True, timeout=120)

    return run


def test_a_manager_made_before_the_fork_serves_parent_and_children_at_once(play):
    play("preloaded")


def test_a_child_forked_in_the_middle_of_a_compaction_waits_for_it_and_replays_it(play):
    play("midway")


def test_a_child_forked_from_a_running_event_loop_makes_its_own(play):
    play("in_a_loop")


def test_a_process_may_fork_wherever_its_other_threads_are_in_a_compaction(play):
    play("busy")


def test_a_process_may_fork_while_another_thread_loads_the_vocabulary(play):
    play("loading")


def test_a_process_may_fork_while_other_threads_count_tokens(play):
    play("counting")
