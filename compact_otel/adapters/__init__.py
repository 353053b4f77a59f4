"""Where what is compacted away is kept: on disk (`fs`), in S3 (`s3`), in the process (`memory`)."""

from compact_otel.adapters.fs import FileStorage
from compact_otel.adapters.memory import MemoryStorage
from compact_otel.adapters.s3 import S3Storage

__all__ = ["FileStorage", "MemoryStorage", "S3Storage"]
