"""One session, lived through twice: without compact_otel, then with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from openai import AsyncOpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON
from opentelemetry.trace import NoOpTracer, get_tracer_provider

import compact_otel
from compact_otel.demo.agent import play
from compact_otel.demo.figures import Figures, compactions
from compact_otel.demo.model import RecordedModel
from compact_otel.demo.recording import Recording
from compact_otel.demo.settings import Settings
from compact_otel.testing import LocalOpenAI

Part = Literal["without", "with"]

_OVERFLOW = "context_length_exceeded"


async def run(
    settings: Settings,
    recording: Recording,
    session_tokens: int,
    on_turn: Callable[[Part, int], None],
) -> Figures:
    """Play the session in both parts, and return what was seen.

    A live run has the second part only: OpenAI's windows are larger than the session, so the first
    one would not die, and would pay for the whole history in every call.

    Args:
        settings: How to play.
        recording: What to play.
        session_tokens: Tokens of its largest call, for the record.
        on_turn: Told the part and the number of every turn that is over.
    """
    # Below `opentelemetry-instrument` it is switched on already.
    compact_otel.uninstrument()
    exporter = InMemorySpanExporter()
    provider = _provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("compactctl")
    # A new one for each run, or the checkpoints of the last run would be used again. Lower case:
    # then it is the name of its folder, too.
    session_id = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    part = partial(play, recording, settings, session_id=session_id)
    count_without, count_with = partial(on_turn, "without"), partial(on_turn, "with")

    without, needs, overflow_errors = None, None, None
    if settings.live:
        with _compacting(settings, provider):
            with_ = await part(client=AsyncOpenAI(), tracer=tracer, on_turn=count_with)
    else:
        with LocalOpenAI(RecordedModel(recording.responses), context_window=settings.window) as api:
            without = await part(client=api.client(), tracer=NoOpTracer(), on_turn=count_without)
        model = RecordedModel(recording.responses)
        with (
            LocalOpenAI(model, context_window=settings.window) as api,
            _compacting(settings, provider),
        ):
            with_ = await part(client=api.client(), tracer=tracer, on_turn=count_with)
        needs = model.needs
        overflow_errors = sum(request.error_code == _OVERFLOW for request in api.requests)
    spans = exporter.get_finished_spans()
    exporter.shutdown()  # the provider may outlive the run
    archive = settings.archive / session_id
    return Figures(
        settings=settings,
        turns=len(recording.turns),
        session_tokens=session_tokens,
        without=without,
        with_=with_,
        overflow_errors=overflow_errors,
        needs=needs,
        spans=spans,
        compactions=compactions(spans),
        archive=archive,
        archive_files=sorted(file.name for file in archive.iterdir()) if archive.is_dir() else [],
    )


def _provider() -> TracerProvider:
    """Return what `opentelemetry-instrument` has set up, if all spans can be seen there.

    So they go where those of any program would go: into a collector, a viewer, the console.
    """
    configured = get_tracer_provider()
    if isinstance(configured, TracerProvider) and configured.sampler in (ALWAYS_ON, DEFAULT_ON):
        return configured
    return TracerProvider(sampler=ALWAYS_ON)


@contextmanager
def _compacting(settings: Settings, provider: TracerProvider) -> Iterator[None]:
    compact_otel.instrument(config=settings.config, tracer_provider=provider)
    try:
        yield
    finally:
        compact_otel.uninstrument()
