"""Checks of the package itself: versions, settings, vocabulary, archive, summariser."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from compact_otel.adapters.s3 import S3Storage
from compact_otel.config import CompactConfig
from compact_otel.config.finding import file_in_force
from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.doctor.finding import Finding, Surroundings, told_of, warnings_of
from compact_otel.engine.parts import storage_of
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.printable import printable
from compact_otel.switch import OLDEST_SDK
from compact_otel.version import __version__

_SDK = "openai-agents"
_RAISED = "Until then `instrument()` raises this error."
_TWO_TOKENS = "hello world"


def versions(_: Surroundings) -> Iterator[Finding]:
    """Look at what is installed."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("versions", "ok", f"compact_otel {__version__} on Python {python}")
    try:
        found = metadata.version(_SDK)
    except metadata.PackageNotFoundError:
        yield Finding(
            "versions",
            "problem",
            f"{_SDK} is not installed here: there are no model calls to look at",
            f"Install {_SDK} >= {OLDEST_SDK}, or run this in the agent's own environment.",
        )
        return
    if _numbers(found) < _numbers(OLDEST_SDK):
        yield Finding(
            "versions",
            "problem",
            f"{_SDK} {found} is too old: compact_otel stays off",
            f"Upgrade to {_SDK} >= {OLDEST_SDK}.",
        )
    else:
        yield Finding("versions", "ok", f"{_SDK} {found}")


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")[:2] if part.isdigit()]


def settings(around: Surroundings) -> Iterator[Finding]:
    """Look at the file, at the COMPACT_ variables, and at what they have in common."""
    given = sorted(name for name in around.environment if name.startswith("COMPACT_"))
    with warnings_of("compact_otel") as said:
        try:
            config, file = CompactConfig.load(), file_in_force()
        except ConfigError as error:
            remedy = "Correct or unset it. Until then `instrument()` raises this error."
            yield Finding("settings", "problem", str(error), remedy)
            return
    for warning in said:
        remedy = "Correct it, or unset it: as it is it changes nothing."
        yield Finding("settings", "problem", warning, remedy)
    if not said:
        given = [*([printable(file)] if file else []), *given]
        listed = f"{', '.join(given)} make sense" if given else "all settings are as they come"
        yield Finding("settings", "ok", listed)
    if config.mode == "off":
        remedy = "Take it out (COMPACT_MODE) to let compact_otel work."
        yield Finding("settings", "note", "`mode` is off: nothing is done or told", remedy)
    elif config.mode == "observe":
        text = "`mode` is observe: it is told what would be done, and nothing is"
        yield Finding("settings", "note", text)


def vocabulary(_: Surroundings) -> Iterator[Finding]:
    """Look whether tokens can be counted."""
    estimator = TiktokenEstimator()
    try:
        estimator.warm_up()
        counted = estimator.count_text(_TWO_TOKENS)
    except RuntimeError as error:
        yield Finding("vocabulary", "problem", str(error), "Install compact_otel anew.")
        return
    if counted != len(_TWO_TOKENS.split()):
        text = f"{_TWO_TOKENS!r} has {counted} tokens"
        yield Finding("vocabulary", "problem", text, "Install compact_otel anew.")
        return
    text = f"{estimator.name} is in the package and counts; nothing is downloaded"
    yield Finding("vocabulary", "ok", text)


def archive(_: Surroundings) -> Iterator[Finding]:
    """Look whether what is compacted away can be written down."""
    config = _config()
    if config is None:
        return
    adapter = config.storage.adapter
    if adapter == "none":
        text = "`storage.adapter` is none: what is compacted away cannot be read again"
        yield Finding("archive", "note", text)
        return
    if adapter == "memory":
        text = "what is compacted away is kept in memory, and gone with the process"
        yield Finding("archive", "note", text)
        return
    try:
        storage = storage_of(config, config.redaction.gate())
    except ConfigError as error:
        yield Finding("archive", "problem", str(error), _RAISED)
        return
    where = config.storage
    kept = "encrypted" if where.encryption_key and where.encrypt is not False else "not encrypted"
    if isinstance(storage, S3Storage):
        yield _bucket(storage, config, kept)
    else:
        yield _folder(Path(config.storage.path), kept)


def _bucket(storage: S3Storage, config: CompactConfig, kept: str) -> Finding:
    """Ask a bucket for something that is not there."""
    place = f"s3://{config.storage.bucket}/{config.storage.prefix}"
    try:
        storage.steps("compactctl doctor")
    except StorageError as error:
        remedy = "Until then nothing that is compacted away can be read again."
        return Finding("archive", "problem", error.strerror or str(error), remedy)
    return Finding("archive", "ok", f"{place} can be read; nothing was written; {kept} by us")


def _folder(place: Path, kept: str) -> Finding:
    """Look whether files can be made in a folder, or would be."""
    above = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        remedy = "Let the agent's user write there, or set COMPACT_STORAGE_PATH."
        text = f"nothing can be written to {place}: {why}"
        return Finding("archive", "problem", text, remedy)
    return Finding("archive", "ok", f"{place} can be written; {kept}")


def summarizer(around: Surroundings) -> Iterator[Finding]:
    """Look who writes the summaries."""
    config = _config()
    if config is None:
        return
    named = config.summarizer
    if named.model is None and not named.native:
        text = "the extractive summariser writes the summaries, which needs no model"
        yield Finding("summariser", "ok", text)
        return
    if named.model is None:
        yield Finding("summariser", "ok", "the provider compacts through the agent's own client")
        return
    if not around.environment.get("OPENAI_API_KEY"):
        yield Finding(
            "summariser",
            "problem",
            f"{named.model} is to write the summaries, and OPENAI_API_KEY is not set",
            "Set it (and OPENAI_BASE_URL for another server), or unset COMPACT_SUMMARIZER_MODEL: "
            "until then the extractive summariser writes them.",
        )
        return
    address = around.environment.get("OPENAI_BASE_URL")
    where = told_of(address) if address else "OpenAI"
    yield Finding("summariser", "ok", f"{named.model} at {where} writes the summaries; not asked")


def _config() -> CompactConfig | None:
    """Return the settings; None where they make no sense, which `settings` has told."""
    with warnings_of("compact_otel"):
        try:
            return CompactConfig.load()
        except ConfigError:
            return None
