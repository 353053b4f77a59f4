"""What holds for all tests."""

from hypothesis import settings

# An example that takes longer than the one before says more about the machine than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
