"""The bridges from the SDK's own tracing to OpenTelemetry, and how each is switched on.

Two of them claim the same module and their dependencies differ, so no environment has them all:
`requirements/` pins one environment a bridge, and `bash .ci/run bridges` makes each.
"""

import contextlib
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


@dataclass(frozen=True)
class Bridge:
    """A bridge, or the absence of one.

    Attributes:
        distribution: What has to be installed; None where there is no bridge.
        model_span: Pattern of the names of its spans of model calls.
        making: Makes a context in which its spans go to an exporter; gives the tracer provider,
            and what switches the bridge on.
        entry_point: `opentelemetry-instrument` switches it on, too.
        agent_spans: What our own bridge is told.
    """

    distribution: str | None
    model_span: str
    making: Callable
    entry_point: bool = True
    agent_spans: str = "auto"

    @property
    def shows_agents(self):
        return self.agent_spans != "off"

    @property
    def installed(self):
        try:
            return self.distribution is None or bool(version(self.distribution))
        except PackageNotFoundError:
            return False


def instrumentors(*places):
    """Return the way to switch on what follows OpenTelemetry's own interface."""

    @contextlib.contextmanager
    def making(exporter):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        modules = [place.split(":") for place in places]
        found = [getattr(importlib.import_module(module), name)() for module, name in modules]

        def switch_on():
            for instrumentor in found:
                instrumentor.instrument(tracer_provider=provider)

        yield provider, switch_on
        for instrumentor in found:
            instrumentor.uninstrument()
        provider.shutdown()

    return making


@contextlib.contextmanager
def logfire(exporter):
    """Make a logfire of its own: it brings its tracer provider along and takes no other."""
    instance = importlib.import_module("logfire").configure(
        local=True,
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[SimpleSpanProcessor(exporter)],
    )
    yield instance.config.get_tracer_provider(), instance.instrument_openai_agents
    instance.shutdown()


BRIDGES = {
    "none": Bridge(None, r"(?!)", instrumentors(), entry_point=False, agent_spans="off"),
    "own": Bridge(None, r"chat", instrumentors(), entry_point=False),
    # Leaves the spans of model calls to the instrumentation of the OpenAI client.
    "genai": Bridge(
        "opentelemetry-instrumentation-genai-openai-agents",
        r"chat",
        instrumentors(
            "opentelemetry.instrumentation.genai.openai_agents:OpenAIAgentsInstrumentor",
            "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
        ),
    ),
    "v2": Bridge(
        "opentelemetry-instrumentation-openai-agents-v2",
        r"chat",
        instrumentors("opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor"),
    ),
    "traceloop": Bridge(
        "opentelemetry-instrumentation-openai-agents",
        r"openai\.response",
        instrumentors("opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor"),
    ),
    "openinference": Bridge(
        "openinference-instrumentation-openai-agents",
        r"response|generation",
        instrumentors("openinference.instrumentation.openai_agents:OpenAIAgentsInstrumentor"),
    ),
    "logfire": Bridge("logfire", r"Responses API|Chat completion with", logfire, entry_point=False),
}

# In an environment made for one bridge it is an error if that one is not there.
ONLY = os.environ.get("COMPACT_TEST_BRIDGE")
CHOSEN = [ONLY] if ONLY else [name for name, bridge in BRIDGES.items() if bridge.installed]
