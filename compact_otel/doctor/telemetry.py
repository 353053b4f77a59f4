"""Checks of OpenTelemetry: who is switched on, where spans go, and whether somebody is there.

OpenTelemetry's own start gives up altogether over one unknown exporter, and the program runs
without any telemetry; and its exporters wait long for who does not answer. Here both are seen.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions
from urllib.parse import urlsplit

from compact_otel.config import CompactConfig
from compact_otel.core.errors import ConfigError
from compact_otel.doctor.finding import Finding, Surroundings, warnings_of

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
    asked: dict[tuple[str, str, bool], list[str]] = {}
    for signal in _SIGNALS:
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        said = around.words(variable)
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
                "Set it to otlp, console or ariadne, or COMPACT_EXPORTER to console.",
            )
    for (protocol, endpoint, wanted), signals in asked.items():
        yield from _reached(around, protocol, endpoint, signals, wanted=wanted)


def viewer(around: Surroundings) -> Iterator[Finding]:
    """Look whether the Ariadne viewer is there, if it is to be."""
    asked = "ariadne" in around.words("OTEL_TRACES_EXPORTER")
    joined = around.environment.get("COMPACT_EXPORTER", "").strip() == "ariadne"
    if not (asked or joined):
        return
    if asked and joined:
        yield Finding(
            "ariadne",
            "problem",
            "both OTEL_TRACES_EXPORTER and COMPACT_EXPORTER name ariadne: each span is sent twice",
            "Unset one of them; COMPACT_EXPORTER has the shorter delay.",
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
        remedy = "Start it, or set COMPACT_ARIADNE_ENDPOINT. Until then spans are dropped."
        text = f"no viewer answers at {exporter.endpoint}"
        yield Finding("ariadne", "problem", text, remedy)


def agent_spans(_: Surroundings) -> Iterator[Finding]:
    """Look who makes spans of agents, turns and tools."""
    with warnings_of(_NAME):
        try:
            wanted = CompactConfig.load().telemetry.agent_spans
        except ConfigError:
            return
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
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme) or _PORTS["grpc"]
    except ValueError:
        port = 0
    if not parts.hostname or not port:
        text = f"OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint!r}, which is no address"
        yield Finding("otlp", "problem", text, "Write it as http://localhost:4317.")
        return
    told = f"{', '.join(signals)} by OTLP over {protocol} to {parts.hostname}:{port}"
    other = next((name for name, usual in _PORTS.items() if usual == port), protocol)
    if other != protocol:
        yield Finding(
            "otlp",
            "problem",
            f"{told}, which is the usual port of {other}",
            f"Set OTEL_EXPORTER_OTLP_PROTOCOL to {other}, or the port to {_PORTS.get(protocol)}.",
        )
    try:
        socket.create_connection((parts.hostname, port), around.timeout).close()
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
