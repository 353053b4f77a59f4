"""Storages of each kind, with what they store packed in each way."""

from collections.abc import Mapping
from typing import Any

from compact_otel.adapters import FileStorage, MemoryStorage, S3Storage

KEY = "bjAgc2VjcmV0cyBhcmUga2VwdCBpbiB0aGlzIG9uZSE="
OLD_KEY = "61206b657920746861742077617320676976656e207570207965737465726461"

PACKINGS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "compressed": {"compress": True},
    "encrypted": {"keys": KEY},
    "both": {"keys": KEY, "compress": True},
}
ALL = ("fs", "memory", "s3", "fs-compressed", "fs-encrypted", "fs-both", "s3-both")


def made(kind, request):
    """Return the storage of a name in `ALL`."""
    adapter, _, packing = kind.partition("-")
    packed = PACKINGS[packing or "plain"]
    if adapter == "memory":
        return MemoryStorage()
    if adapter == "fs":
        return FileStorage(request.getfixturevalue("tmp_path") / "archive", **packed)
    endpoint = request.getfixturevalue("s3_endpoint")
    return S3Storage(request.getfixturevalue("bucket"), endpoint=endpoint, **packed)
