"""What holds for all tests."""

# Where it is loaded after a tracer provider with a bare `Resource` was made, OpenTelemetry's own
# handler of forks hangs in the child (SDK 1.45).
import concurrent.futures.thread  # noqa: F401
import sys

import pytest
from hypothesis import settings

# An example that takes longer than the one before says more about the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# For `bash .ci/run mutation`: the same few examples in each of its thousands of runs.
settings.register_profile("mutation", deadline=None, derandomize=True, max_examples=10)

_UNCOUNTED = {"chaos", "processes", "properties", "sabotage", "soak"}


def pytest_collection_modifyitems(items):
    """Coverage is what the other tests reach.

    These lead the same code through thousands of rounds, which takes twice the time where each line
    is counted, and what they reach by chance nobody asserts.
    """
    for item in items:
        if item.path.parent.name in _UNCOUNTED:
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_at_the_end():
    """Or the end of the process would try storages again that tests have left behind."""
    yield
    spool = sys.modules.get("compact_otel.engine.spool")
    if spool is not None:
        spool.SPOOL._forget()
