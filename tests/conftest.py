"""What holds for all tests."""

# Where it is loaded after a tracer provider with a bare `Resource` was made, OpenTelemetry's own
# handler of forks hangs in the child (SDK 1.45).
import concurrent.futures.thread  # noqa: F401

from hypothesis import settings

# An example that takes longer than the one before says more about the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
