"""A manager that writes summaries ahead of time, and all that its spans tell."""

import pytest
from agents import set_tracing_disabled

import compact_otel
from tests.ahead.program import Watch


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture
def watch():
    with Watch() as watch:
        yield watch
    compact_otel.uninstrument()
