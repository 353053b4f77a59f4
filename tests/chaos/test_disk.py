"""The disk of the archive fills, and is emptied again, in the middle of a session."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compact_otel.testing import LocalOpenAI
from tests.chaos.program import looks_up_then_answers

PROGRAM = Path(__file__).with_name("full_disk.py")
MOUNTED = 'mount -t tmpfs -o size=512k none "$0" && exec "$@"'
IN_A_SPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED]


def can_mount(folder):
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*IN_A_SPACE, folder, "true"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.slow
def test_what_found_no_room_is_archived_once_there_is_some(tmp_path):
    """tests/engine/test_spool.py does the same with a limit where nobody may mount anything."""
    if not can_mount(tmp_path):
        pytest.skip("needs Linux, and the right to mount a tmpfs in a name space of one's own")
    with LocalOpenAI(looks_up_then_answers) as server:
        command = [*IN_A_SPACE, tmp_path, sys.executable, PROGRAM, server.base_url, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["errno"] == errno.ENOSPC
    assert found["answers"] == [
        f"The record says: the record of What of customer {number}" for number in range(3)
    ]
    assert ["StorageError", True] in found["while full"]
    assert all(error is None for error, _ in found["afterwards"])
    assert found["steps"] == [1, 2, 3]
    assert found["items"] == sorted(set(found["items"]))
    assert found["faults"] == []
    assert "customer" not in done.stderr
