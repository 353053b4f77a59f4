"""Names and types are kept: what users' dashboards rest on changes on purpose or not at all."""

import pytest

from tests.telemetry.snapshots import FOLDER, SHOWN, emitted, path_of


@pytest.mark.parametrize("run", SHOWN)
async def test_a_run_emits_exactly_these_names_and_types(run, signals):
    assert await emitted(run, signals) == path_of(run).read_text(encoding="utf-8")


def test_no_snapshot_is_of_a_run_that_is_gone():
    assert {path.stem for path in FOLDER.iterdir()} == set(SHOWN)
