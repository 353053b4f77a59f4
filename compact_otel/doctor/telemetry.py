"""Checks of OpenTelemetry: who is switched on, where spans go, and whether somebody is there.

OpenTelemetry's own start gives up altogether over one unknown exporter, and the program runs
without any telemetry; and its exporters wait long for who does not answer. Here both are seen.
"""

from __future__ import annotations

import difflib
import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions
from urllib.parse import urlsplit

from compact_otel import content as gate
from compact_otel.config import CompactConfig, TelemetryConfig
from compact_otel.core.errors import ConfigError
from compact_otel.doctor.finding import Finding, Surroundings, told_of, warnings_of

_NAME = "compact_otel"
_SIGNALS = ("traces", "metrics", "logs")
_PORTS = {"grpc": 4317, "http/protobuf": 4318}
_PACKAGES = {
    "grpc": ("otlp_proto_grpc", "opentelemetry-exporter-otlp-proto-grpc"),
    "http/protobuf": ("otlp_proto_http", "opentelemetry-exporter-otlp-proto-http"),
}
_BRIDGES = (
    "opentelemetry.instrumentation.genai.openai_agents",
    "opentelemetry.instrumentation.openai_agents",
    "openinference.instrumentation.openai_agents",
    "logfire",
)


def switched_on(around: Surroundings) -> Iterator[Finding]:
    """Look whether `opentelemetry-instrument` finds us."""
    found = entry_points(group="opentelemetry_instrumentor", name=_NAME)
    if not found:
        yield Finding(
            "entry points",
            "problem",
            "opentelemetry-instrument does not find compact_otel",
            "Install it as a package (`pip install`, `uv add`), not by a path alone; or call "
            "compact_otel.instrument().",
        )
    elif shutil.which("opentelemetry-instrument") is None:
        text = "opentelemetry-instrument is not on the path; compact_otel.instrument() does as well"
        yield Finding("entry points", "note", text)
    else:
        yield Finding("entry points", "ok", "opentelemetry-instrument finds compact_otel")
    if _NAME in around.words("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"):
        text = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS names compact_otel: it is not switched on"
        yield Finding("entry points", "note", text, "Take it out of the list.")


def destinations(around: Surroundings) -> Iterator[Finding]:
    """Look where spans, metrics and log records go."""
    if around.says_yes("OTEL_SDK_DISABLED"):
        text = "OTEL_SDK_DISABLED is true: calls are compacted, and nothing is told"
        yield Finding("exporters", "note", text)
        return
    joined = (_said() or TelemetryConfig()).exporter == "otlp"
    asked: dict[tuple[str, str, bool], list[str]] = {}
    for signal in _SIGNALS:
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        said = around.words(variable)
        if signal == "traces" and joined and "otlp" not in said:
            said = (*said, "otlp")
        names = said or _usual()
        for name in names:
            if name == "otlp":
                protocol = _otlp(around, signal, "PROTOCOL") or "grpc"
                yield from _protocol(protocol, signal)
                key = protocol, _endpoint(around, signal, protocol), bool(said)
                asked.setdefault(key, []).append(signal)
            elif name != "none":
                yield from _known(name, variable, signal)
        if names in ((), ("none",)) and signal == "traces":
            yield Finding(
                "exporters",
                "note",
                f"{variable} is not set: without a tracer provider of your own nobody sees a span",
                "Set it to otlp, console or ariadne, or COMPACT_EXPORTER to one of these.",
            )
    for (protocol, endpoint, wanted), signals in asked.items():
        yield from _reached(around, protocol, endpoint, signals, wanted=wanted)


def told(around: Surroundings) -> Iterator[Finding]:
    """Look which calls have a span, and what events become; a wrong word is told by `settings`."""
    said = _said()
    if said is None:
        return
    calls = {
        "always": "each model call has a span",
        "triggered": "calls that are let through have no span (COMPACT_SPANS is triggered)",
    }
    become = {
        "span": "its events are on it",
        "log": "events are log records (COMPACT_EVENTS is log)",
        "both": "events are on it and log records, too (COMPACT_EVENTS is both)",
    }
    yield Finding("events", "ok", f"{calls[said.spans]}; {become[said.events]}")
    logs = around.words("OTEL_LOGS_EXPORTER") or _usual()
    if said.events != "span" and logs in ((), ("none",)):
        yield Finding(
            "events",
            "note",
            f"COMPACT_EVENTS is {said.events}, and OTEL_LOGS_EXPORTER names nobody who takes log "
            "records: without a logger provider of your own nobody sees them",
            "Set OTEL_LOGS_EXPORTER to otlp or console, or COMPACT_EVENTS to span.",
        )


def content(around: Surroundings) -> Iterator[Finding]:
    """Look whether words of a conversation go out."""
    for name in around.environment:
        if name != gate.VARIABLE and difflib.get_close_matches(name, [gate.VARIABLE], 1, 0.93):
            text = f"nobody reads {name}: no content goes out because of it"
            yield Finding("content", "problem", text, f"Did you mean {gate.VARIABLE}?")
    given = around.environment.get(gate.VARIABLE, "").strip()
    asked = gate.CAPTURES.get(given.upper())
    if asked is None and given:
        text = f"{gate.VARIABLE} is {given!r}, which is none of its values: no content goes out"
        yield Finding("content", "problem", text, _way_out(given))
        return
    if not asked:
        text = f"no content goes out: ids, names, counts ({gate.VARIABLE} is {given or 'not set'})"
        yield Finding("content", "ok", text)
        return
    said = _said() or TelemetryConfig()
    places = [
        *(["events of spans"] if asked.on_spans and said.events != "log" else []),
        *(["log records"] if asked.in_logs and said.events != "span" else []),
    ]
    shown = "; the Ariadne viewer shows what others tell of messages" if asked.on_spans else ""
    if places:
        what = "summaries, queries of the recall tool and texts of exceptions go out, redacted, on"
        text = f"{gate.VARIABLE} is {given}: {what} {' and '.join(places)}{shown}"
        yield Finding("content", "note", text, "Unset it to keep them in.")
    else:
        text = f"{gate.VARIABLE} is {given}, and COMPACT_EVENTS is {said.events}: no content of "
        remedy = "Set it to SPAN_AND_EVENT, or COMPACT_EVENTS to both, if it is to."
        yield Finding("content", "note", f"{text}ours goes out{shown}", remedy)


def _way_out(given: str) -> str:
    """Return what to do about a value of the gate that is none."""
    near = difflib.get_close_matches(given.upper().replace("-", "_"), gate.CAPTURES, 1, 0.7)
    if near:
        return f"Did you mean {near[0]}?"
    return (
        "Set it to SPAN_ONLY (events of spans), EVENT_ONLY (log records) or SPAN_AND_EVENT; "
        "NO_CONTENT or unset: no content."
    )


def _said() -> TelemetryConfig | None:
    """Return the settings; None where they make no sense, which `settings` has told."""
    with warnings_of(_NAME):
        try:
            return CompactConfig.load().telemetry
        except ConfigError:
            return None


def viewer(around: Surroundings) -> Iterator[Finding]:
    """Look whether the Ariadne viewer is there, if it is to be."""
    asked = "ariadne" in around.words("OTEL_TRACES_EXPORTER")
    joined = (_said() or TelemetryConfig()).exporter == "ariadne"
    if not (asked or joined):
        return
    if asked and joined:
        yield Finding(
            "ariadne",
            "problem",
            "both OTEL_TRACES_EXPORTER and `telemetry.exporter` (COMPACT_EXPORTER) name ariadne: "
            "each span is sent twice",
            "Take one of them out; COMPACT_EXPORTER has the shorter delay.",
        )
    from compact_otel.exporters.ariadne import AriadneSpanExporter

    with warnings_of(_NAME) as said:
        exporter = AriadneSpanExporter()
    for warning in said:
        yield Finding("ariadne", "note", warning)
    if exporter.is_healthy():
        text = f"the viewer answers at {exporter.endpoint}; it shows what comes while it is open"
        yield Finding("ariadne", "ok", text)
    else:
        remedy = "Start it, or set COMPACT_ARIADNE_URL. Until then spans are dropped."
        text = f"no viewer answers at {exporter.endpoint}"
        yield Finding("ariadne", "problem", text, remedy)


def agent_spans(_: Surroundings) -> Iterator[Finding]:
    """Look who makes spans of agents, turns and tools."""
    said = _said()
    if said is None:
        return
    wanted = said.agent_spans
    installed = packages_distributions()
    others = [name for name in _BRIDGES if _is_importable(name) and name.split(".")[0] in installed]
    if others and wanted == "on":
        yield Finding(
            "agent spans",
            "problem",
            f"COMPACT_AGENT_SPANS is on beside {', '.join(others)}: each agent is shown twice",
            "Leave it at auto, which gives way.",
        )
    elif others:
        yield Finding("agent spans", "ok", f"made by {', '.join(others)}")
    elif wanted == "off":
        text = "COMPACT_AGENT_SPANS is off: a compaction is not shown below the agent"
        yield Finding("agent spans", "note", text)
    else:
        yield Finding("agent spans", "ok", "made by compact_otel, as nobody else does")


def _is_importable(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def _usual() -> tuple[str, ...]:
    """Return where signals go by themselves: the distribution of OpenTelemetry says OTLP."""
    return ("otlp",) if entry_points(group="opentelemetry_distro") else ()


def _known(name: str, variable: str, signal: str) -> Iterator[Finding]:
    group = f"opentelemetry_{signal}_exporter"
    if not entry_points(group=group, name=name):
        known = sorted({entry.name for entry in entry_points(group=group)} | {"none", "otlp"})
        yield Finding(
            "exporters",
            "problem",
            f"{variable} names {name}, which nothing here provides: OpenTelemetry then gives up, "
            "and the program runs without any telemetry",
            f"Use one of {', '.join(known)}, or install the package that brings it.",
        )


def _protocol(protocol: str, signal: str) -> Iterator[Finding]:
    if protocol not in _PACKAGES:
        yield Finding(
            "exporters",
            "problem",
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, which Python does not speak",
            f"Use one of {', '.join(_PACKAGES)}.",
        )
        return
    name, package = _PACKAGES[protocol]
    if not entry_points(group=f"opentelemetry_{signal}_exporter", name=name):
        text = f"{signal} are to go by OTLP over {protocol}, and its exporter is not installed"
        yield Finding("exporters", "problem", text, f"Install {package}.")


def _otlp(around: Surroundings, signal: str, what: str) -> str | None:
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((found for name in names if (found := around.environment.get(name))), None)


def _endpoint(around: Surroundings, signal: str, protocol: str) -> str:
    said = _otlp(around, signal, "ENDPOINT")
    return said or f"http://localhost:{_PORTS.get(protocol, 4317)}"


def _reached(
    around: Surroundings, protocol: str, endpoint: str, signals: list[str], *, wanted: bool
) -> Iterator[Finding]:
    """Try whether somebody listens where signals go; nothing is sent.

    Args:
        around: The surroundings.
        protocol: `grpc` or `http/protobuf`.
        endpoint: Where they go.
        signals: What goes there.
        wanted: Whether it was asked for; else it is what `opentelemetry-instrument` does by itself.
    """
    found = _host_and_port(endpoint)
    if found is None:
        text = f"OTEL_EXPORTER_OTLP_ENDPOINT is {told_of(endpoint)!r}, which is no address"
        remedy = "Write it as http://localhost:4317."
        if "@" in endpoint:
            remedy += " In a password / is %2F, ? is %3F, # is %23 and @ is %40."
        yield Finding("otlp", "problem", text, remedy)
        return
    host, port = found
    told = f"{', '.join(signals)} by OTLP over {protocol} to {host}:{port}"
    other = next((name for name, usual in _PORTS.items() if usual == port), protocol)
    if other != protocol:
        yield Finding(
            "otlp",
            "problem",
            f"{told}, which is the usual port of {other}",
            f"Set OTEL_EXPORTER_OTLP_PROTOCOL to {other}, or the port to {_PORTS.get(protocol)}.",
        )
    try:
        socket.create_connection((host, port), around.timeout).close()
    except OSError as error:
        yield Finding(
            "otlp",
            "problem" if wanted else "note",
            f"{told}: nobody listens there ({type(error).__name__})"
            + ("" if wanted else "; opentelemetry-instrument sends it there by itself"),
            "Start the collector (collector/README.md), or set OTEL_EXPORTER_OTLP_ENDPOINT. Until "
            "then telemetry is lost, and the program's end may take ten seconds longer.",
        )
        return
    yield Finding("otlp", "ok", f"{told}: somebody listens")


def _host_and_port(endpoint: str) -> tuple[str, int] | None:
    """Return where an exporter would knock, None if that is nowhere, or part of a password."""
    try:
        parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme) or _PORTS["grpc"]
    except ValueError:
        return None
    if not parts.hostname or "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return None
    return parts.hostname, port
