"""Where the output goes: to a terminal of other letters, a full disk, a pipe that closes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.archives import Files

CTL = Path(sys.executable).with_name("compactctl")


def run(folder, *arguments, stdout=subprocess.PIPE, **environment):
    env = {name: text for name, text in os.environ.items() if not name.startswith("COMPACT_")}
    return subprocess.run(
        [CTL, *arguments],
        cwd=folder,
        env={**env, **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


def test_a_page_is_utf_8_whatever_the_terminal_speaks(tmp_path):
    Files(tmp_path / "archive").compact("s", text="→ 😀 ünï")
    page = ["report", "s", "--path", "archive", "-o", "-"]
    done = run(tmp_path, *page, PYTHONIOENCODING="cp1252")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "😀" in done.stdout.decode("utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
@pytest.mark.parametrize("command", ["schema", "show"])
def test_a_full_disk_is_told_in_a_line(tmp_path, command):
    with Path("/dev/full").open("wb") as full:
        done = run(tmp_path, "config", command, stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"Error: cannot write: No space left on device\n"


def test_a_pipe_that_closes_is_nothing_to_talk_about(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        assert run(tmp_path, "config", "schema", stdout=closed).stderr == b""


def test_doctor_tells_of_a_path_that_is_no_text(tmp_path):
    done = run(tmp_path, "doctor", "--timeout", "0.1", COMPACT_STORAGE_PATH="a\udcff")
    assert b"a? can be written" in done.stdout
    assert b"Traceback" not in done.stderr
