"""The exporter itself: settings, once-only trace names, and what OpenTelemetry asks of one."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

from opentelemetry import metrics
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from compact_otel.content import captured
from compact_otel.core.errors import ConfigError
from compact_otel.exporters.ariadne.delivery import Delivery
from compact_otel.exporters.ariadne.payload import encoded
from compact_otel.exporters.ariadne.rows import EventRows, Group, Look, Row, Rows, is_local_root
from compact_otel.forks import mutex
from compact_otel.redaction import Gate, Redactor
from compact_otel.schema import METRICS, SCHEMA_URL, SCOPE
from compact_otel.version import __version__

_log = logging.getLogger("compact_otel")

ENDPOINT = "http://127.0.0.1:5175"
"""Where the viewer listens unless it is told otherwise."""

_PREFIX = "COMPACT_ARIADNE_"
_COUNTER = "compact.ariadne.events"

_MOST_TRACES = 4_096
"""So many traces are remembered as named; an older one would be named once more, which is harmless:
the viewer keeps the first version."""


class AriadneSpanExporter(SpanExporter):
    """Sends finished spans to the Ariadne trace viewer, ours and everybody's, as one tree.

    `OTEL_TRACES_EXPORTER=otlp,ariadne` makes one without arguments; then the environment decides.
    By hand, with a delay that suits a viewer:

        BatchSpanProcessor(AriadneSpanExporter(), schedule_delay_millis=100)

    Nothing waits for the viewer, and nothing fails for its sake: where it is away, spans are
    dropped and counted. It shows only what arrives while its page is open. Every string passes the
    redactor first, and texts of a conversation are left out unless
    `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` asks for them on spans.

    Args:
        endpoint: Address of the viewer; None for `COMPACT_ARIADNE_ENDPOINT`, or port 5175 of this
            machine. Spans leave in clear: elsewhere than on this machine that is said once.
        timeout: Seconds for one request, above 0 and at most 2; None for
            `COMPACT_ARIADNE_TIMEOUT`, or 2.
        event_rows: `compact`, `all` or `none`, as in `Look`; None for
            `COMPACT_ARIADNE_EVENT_ROWS`, or `compact`.
        group: `agent` or `session`; None for `COMPACT_ARIADNE_GROUP`, or `agent`.
        icon: Whether compactions stand out; None for `COMPACT_ARIADNE_ICON`, or true.
        redactor: What every string goes through; None is `Redactor()`.

    Raises:
        ConfigError: If an argument is impossible. A wrong value of the environment is told in the
            log, and counts as not set: to raise would leave the program without any telemetry.

    Attributes:
        endpoint: Address of the viewer.
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
    ) -> None:
        given = {
            "endpoint": endpoint,
            "timeout": timeout,
            "event_rows": event_rows,
            "group": group,
            "icon": icon,
        }
        known = {**_DEFAULTS, **_from_environment(os.environ)}
        for name, value in given.items():
            if value is not None:
                known[name] = _CHECKS[name](name, value)
        look = Look(
            event_rows=known["event_rows"],
            group=known["group"],
            icon=known["icon"],
            content=captured().on_spans,
        )
        _warn_of_distance(known["endpoint"])
        self.counts = {"delivered": 0, "rejected": 0, "dropped": 0}
        self.endpoint: str = known["endpoint"]
        self._rows = Rows(look, redactor or Redactor())
        self._delivery = Delivery(known["endpoint"], known["timeout"], self._counted)
        self._lock = mutex()
        self._named: OrderedDict[int, None] = OrderedDict()
        self._is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, within five seconds whatever the viewer does."""
        if self._is_shut:
            return SpanExportResult.FAILURE
        try:
            rows = self._made(spans)
            done = self._delivery.deliver(map(encoded, rows))
        except Exception as error:  # noqa: BLE001 - telemetry never ends a run
            _log.warning("[Ariadne] %d spans were lost: %s", len(spans), type(error).__name__)
            done = False
        return SpanExportResult.SUCCESS if done else SpanExportResult.FAILURE

    def is_healthy(self) -> bool:
        """Ask the viewer whether it is there; waits as long as for any request."""
        return self._delivery.is_healthy()

    def shutdown(self, timeout_millis: float = 30_000) -> None:  # noqa: ARG002 - the SDK gives it
        """Send nothing more. What was given to `export` has gone, or is lost, already."""
        self._is_shut = True

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
                self._named[ident] = None
                if len(self._named) > _MOST_TRACES:
                    self._named.popitem(last=False)
            if not known:
                others = (span for span in spans if span.context.trace_id == ident)
                named.append(self._rows.trace([root, *others]))
        return named

    def _counted(self, result: str, rows: int) -> None:
        with self._lock:
            self.counts[result] += rows
        meter = metrics.get_meter(SCOPE, __version__, schema_url=SCHEMA_URL)
        metric = METRICS[_COUNTER]
        counter = meter.create_counter(_COUNTER, metric.unit, metric.meaning)
        counter.add(rows, {"compact.ariadne.result": result})


def _warn_of_distance(endpoint: str) -> None:
    host = urlsplit(endpoint).hostname or ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if not near:
        _log.warning("[Ariadne] %s is not this machine: spans go there in clear", endpoint)


def _address(name: str, value: Any) -> str:
    try:
        parts = urlsplit(value)
        is_plain = not (parts.query or parts.fragment) and parts.port != 0
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
    except (ValueError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ConfigError(f"need an address such as {ENDPOINT} in `{name}`, got {value!r}")
    return str(value)


_LONGEST_TIMEOUT = 2.0


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except (ValueError, TypeError):
        seconds = math.nan
    if isinstance(value, bool) or not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ConfigError(f"need 0 < `{name}` <= {_LONGEST_TIMEOUT:g} seconds, got {value!r}")
    return seconds


def _event_rows(name: str, value: Any) -> str:
    return _one_of(name, value, get_args(EventRows))


def _group(name: str, value: Any) -> str:
    return _one_of(name, value, get_args(Group))


def _one_of(name: str, value: Any, valid: Sequence[str]) -> str:
    if value not in valid:
        raise ConfigError(f"need `{name}` to be one of {', '.join(valid)}, got {value!r}")
    return str(value)


_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _switch(name: str, value: Any) -> bool:
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise ConfigError(f"need true or false in `{name}`, got {value!r}")
    return found


_CHECKS = {
    "endpoint": _address,
    "timeout": _seconds,
    "event_rows": _event_rows,
    "group": _group,
    "icon": _switch,
}
_DEFAULTS: Mapping[str, Any] = {
    "endpoint": ENDPOINT,
    "timeout": 2.0,
    "event_rows": "compact",
    "group": "agent",
    "icon": True,
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return what the environment sets; what is wrong there is told, and left out."""
    found: dict[str, Any] = {}
    known = {f"{_PREFIX}{name.upper()}": name for name in _CHECKS}
    for variable in sorted(each for each in environment if each.startswith(_PREFIX)):
        text = environment[variable].strip()
        if variable not in known:
            _log.error("[Ariadne] `%s` is not a setting; there are %s", variable, ", ".join(known))
        elif text:
            name = known[variable]
            try:
                found[name] = _CHECKS[name](variable, text)
            except ConfigError as error:
                _log.error("[Ariadne] %s; it counts as not set", error)
    return found
