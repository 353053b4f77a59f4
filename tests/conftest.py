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


@pytest.fixture(scope="session", autouse=True)
def nothing_waits_at_the_end():
    """Or the end of the process would try storages again that tests have left behind."""
    yield
    spool = sys.modules.get("compact_otel.engine.spool")
    if spool is not None:
        spool.SPOOL._forget()
