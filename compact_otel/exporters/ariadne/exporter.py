"""The exporter itself: what OpenTelemetry asks of one, and what goes ahead of it."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from weakref import WeakValueDictionary

from opentelemetry import metrics
from opentelemetry.environment_variables import OTEL_PYTHON_METER_PROVIDER
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from compact_otel.config import TelemetryConfig
from compact_otel.config.effective import for_telemetry
from compact_otel.config.sections import EventRows, Group
from compact_otel.content import captured
from compact_otel.exporters.ariadne.courier import Courier
from compact_otel.exporters.ariadne.delivery import PATIENCE_S, Delivered, Delivery
from compact_otel.exporters.ariadne.once import Once
from compact_otel.exporters.ariadne.payload import encoded
from compact_otel.exporters.ariadne.rows import Look, Row, Rows, is_local_root
from compact_otel.exporters.ariadne.settings import LONGEST_TIMEOUT_S, settled
from compact_otel.forks import mutex
from compact_otel.redaction import Gate
from compact_otel.schema import METRICS, SCHEMA_URL, SCOPE
from compact_otel.version import __version__

_log = logging.getLogger("compact_otel")

_COUNTER = "compact.ariadne.events"

_MOST_TRACES = 4_096
"""So many traces are remembered as named; an older one would be named once more, which is harmless:
the viewer keeps the first version."""

_knowing = mutex()
_made: WeakValueDictionary[int, AriadneSpanExporter] = WeakValueDictionary()
_numbers = count()


def in_use() -> AriadneSpanExporter | None:
    """Return the newest exporter of the process that was not shut down, None without one."""
    with _knowing:
        known = sorted(_made.items(), reverse=True)
    return next((exporter for _, exporter in known if not exporter.is_shut), None)


class AriadneSpanExporter(SpanExporter):
    """Sends finished spans to the Ariadne trace viewer, ours and everybody's, as one tree.

    `OTEL_TRACES_EXPORTER=otlp,ariadne` makes one without arguments; then file and environment
    decide. By hand, with a delay that suits a viewer:

        BatchSpanProcessor(AriadneSpanExporter(), schedule_delay_millis=100)

    Nothing waits for the viewer, and nothing fails for its sake: where it is away, spans are
    dropped and counted. It shows only what arrives while its page is open. Every string is redacted
    first, as the section `redaction` of the configuration says, and texts of a conversation are
    left out unless `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` asks for them on spans.

    Args:
        endpoint: Address of the viewer; None for `telemetry.ariadne_url`. Spans leave in clear:
            elsewhere than on this machine that is said once.
        timeout: Seconds for one request, above 0 and at most 2; None for
            `telemetry.ariadne_timeout`.
        event_rows: Whose events are rows of their own: `compact` ours and exceptions, `all`,
            `none`; None for `telemetry.ariadne_event_rows`.
        group: What traces stand together by, `agent` or `session`; None for
            `telemetry.ariadne_group`.
        icon: Whether compactions stand out; None for `telemetry.ariadne_icon`.
        redactor: What every string goes through; None for what `redaction` says.
        settings: The section `telemetry`; None for that of file and environment.

    Raises:
        ConfigError: If an argument is impossible. What is wrong in the file or the environment is
            told in the log, and counts as not set: to raise would leave the program without any
            telemetry.

    Attributes:
        endpoint: Address of the viewer.
        is_shut: Whether it sends nothing any more.
        counts: Rows by what became of them: `delivered`, `rejected`, `dropped`. The same is the
            metric `compact.ariadne.events`.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        timeout: float | None = None,
        event_rows: EventRows | None = None,
        group: Group | None = None,
        icon: bool | None = None,
        redactor: Gate | None = None,
        settings: TelemetryConfig | None = None,
    ) -> None:
        if settings is None or redactor is None:
            configured, redaction = for_telemetry()
            settings = configured if settings is None else settings
            redactor = redaction.gate() if redactor is None else redactor
        telemetry = settled(
            {
                "endpoint": endpoint,
                "timeout": timeout,
                "event_rows": event_rows,
                "group": group,
                "icon": icon,
            },
            settings,
        )
        look = Look(
            event_rows=telemetry.ariadne_event_rows,
            group=telemetry.ariadne_group,
            icon=telemetry.ariadne_icon,
            content=captured().on_spans,
        )
        self.counts = {"delivered": 0, "rejected": 0, "dropped": 0}
        self.endpoint = telemetry.ariadne_url
        self.is_shut = False
        self._rows = Rows(look, redactor)
        self._delivery = Delivery(telemetry.ariadne_url, telemetry.ariadne_timeout)
        self._lock = mutex()
        self._named: OrderedDict[int, None] = OrderedDict()
        self._announced: OrderedDict[int, Row] = OrderedDict()
        self._once = Once()
        self._courier = Courier(self._send_ahead)
        # A meter provider that was shut down, as at exit, complains of being asked. One that the
        # environment names would be made by the question, before the program can set its own.
        self._counter = None if OTEL_PYTHON_METER_PROVIDER in os.environ else _counter()
        with _knowing:
            _made[next(_numbers)] = self

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, within five seconds whatever the viewer does."""
        if self.is_shut:
            return SpanExportResult.FAILURE
        began = time.monotonic()
        try:
            rows = self._once.rest(self._made(spans), PATIENCE_S - LONGEST_TIMEOUT_S)
            done = self._sent(rows, PATIENCE_S - (time.monotonic() - began))
        except Exception as error:  # noqa: BLE001 - telemetry never ends a run
            _log.warning("[Ariadne] %d spans were lost: %s", len(spans), type(error).__name__)
            return SpanExportResult.FAILURE
        self._count(done)
        has_all = done.delivered == len(rows)
        return SpanExportResult.SUCCESS if has_all else SpanExportResult.FAILURE

    def show_ahead(self, span: ReadableSpan, event: tuple[int, Event] | None = None) -> None:
        """Send what of a span cannot wait for `export`, which then leaves it out. Waits for nobody.

        Args:
            span: One that is over, or has a new event.
            event: The event that is meant, behind its place among all that were added; None for
                the row of the span itself.
        """
        if not self.is_shut:
            self._courier.bring((span, event))

    def _send_ahead(self, waiting: Sequence[tuple[ReadableSpan, tuple[int, Event] | None]]) -> None:
        rows: list[Row] = []
        for span, event in waiting:
            try:
                rows += self._ahead(span, event)
            except Exception as error:  # noqa: BLE001 - `export` tries again, and tells
                _log.debug("[Ariadne] a row did not go ahead: %s", type(error).__name__)
        if self.is_shut:
            return
        with self._once.ahead(rows) as mine:
            done = Delivered(dropped=len(mine))
            try:
                done = self._sent(mine)
            except Exception as error:  # noqa: BLE001 - the same
                _log.debug("[Ariadne] rows did not go ahead: %s", type(error).__name__)
            self._once.give_back(mine[len(mine) - done.dropped :])
        done.dropped = 0  # `export` has them still
        self._count(done)

    def _ahead(self, span: ReadableSpan, event: tuple[int, Event] | None) -> list[Row]:
        """Return a row, behind the name of its trace.

        That has no times yet: nobody knows when it ends, and the viewer would show it as running
        for ever. It comes once more, with times, for a page that was opened meanwhile.
        """
        row = self._rows.of_span(span) if event is None else self._rows.of_event(span, *event)
        if row is None:
            return []
        if self._once.has(row["trace_id"]):
            return [row]
        trace = self._rows.trace([span])
        trace = {key: trace[key] for key in trace if key not in ("started_at", "ended_at")}
        with self._lock:
            self._announced[span.context.trace_id] = trace
            if len(self._announced) > _MOST_TRACES:
                self._announced.popitem(last=False)
        return [trace, row]

    def is_healthy(self) -> bool:
        """Ask the viewer whether it is there; waits as long as for any request."""
        return self._delivery.is_healthy()

    def shutdown(self, timeout_millis: float = 30_000) -> None:  # noqa: ARG002 - the SDK gives it
        """Send nothing more. What was given to `export` has gone, or is lost, already."""
        self.is_shut = True

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - nothing is held
        """Return true: nothing is held back here."""
        return True

    def _made(self, spans: Sequence[ReadableSpan]) -> list[Row]:
        rows: list[Row] = []
        for span in spans:
            rows += self._rows.of(span)
        # Of siblings that begin in the same millisecond the viewer shows the later one first.
        rows.sort(key=lambda row: str(row.get("started_at", "")), reverse=True)
        return [*self._traces(spans), *rows]

    def _traces(self, spans: Sequence[ReadableSpan]) -> list[Row]:
        """Return what names the traces whose local root has come."""
        named = []
        for root in filter(is_local_root, spans):
            ident = root.context.trace_id
            with self._lock:
                known = ident in self._named
                announced = self._announced.pop(ident, {})
                self._named[ident] = None
                if len(self._named) > _MOST_TRACES:
                    self._named.popitem(last=False)
            if not known:
                others = [span for span in spans if span.context.trace_id == ident]
                # The agent whose name it gets is that which was asked first.
                others.sort(key=lambda span: span.start_time or 0)
                named.append({**self._rows.trace([root, *others]), **announced})
        return named

    def _sent(self, rows: Sequence[Row], patience: float = PATIENCE_S) -> Delivered:
        return self._delivery.deliver(map(encoded, rows), patience)

    def _count(self, done: Delivered) -> None:
        for result in self.counts:
            rows = getattr(done, result)
            if rows:
                with self._lock:
                    self.counts[result] += rows
                self._counter = self._counter or _counter()
                self._counter.add(rows, {"compact.ariadne.result": result})


def _counter() -> metrics.Counter:
    meter = metrics.get_meter(SCOPE, __version__, schema_url=SCHEMA_URL)
    metric = METRICS[_COUNTER]
    return meter.create_counter(_COUNTER, metric.unit, metric.meaning)
