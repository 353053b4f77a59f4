"""Where what is compacted away is kept: on disk (`fs`) or in the process (`memory`)."""

from compact_otel.adapters.fs import FileStorage
from compact_otel.adapters.memory import MemoryStorage

__all__ = ["FileStorage", "MemoryStorage"]
