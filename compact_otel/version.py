"""The version, apart from the package so that every layer may read it."""

__version__ = "0.1.0"
"""The version of the package, as PEP 440 has it."""
