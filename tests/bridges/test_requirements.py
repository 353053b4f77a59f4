"""Each bridge of the table is tested by CI, which makes an environment for each of these files."""

from importlib.metadata import version
from pathlib import Path

import pytest

from tests.bridges.bridges import BRIDGES, ONLY

FOLDER = Path(__file__).parent / "requirements"
NAMES = [name for name, bridge in BRIDGES.items() if bridge.distribution]


def test_no_bridge_is_without_an_environment():
    assert {file.stem for file in FOLDER.iterdir()} == set(NAMES)


@pytest.mark.parametrize("name", [ONLY] if ONLY else NAMES)
def test_the_bridge_is_here_in_its_pinned_version(name):
    bridge = BRIDGES[name]
    if not ONLY and not bridge.installed:
        pytest.skip(f"without {bridge.distribution}; `bash .ci/run bridges` tests with it")
    pins = dict(line.split("==") for line in (FOLDER / f"{name}.txt").read_text().splitlines())
    assert version(bridge.distribution) == pins[bridge.distribution]
