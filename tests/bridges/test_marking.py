"""The bridge's own span of a model call says that the call went out compacted."""

import pytest

from compact_otel.schema import COMPACTED
from tests.bridges.bridges import BRIDGES
from tests.bridges.test_placement import hand_over
from tests.paths.program import WAYS, WINDOW

AT_START = [BRIDGES[name] for name in ("own", "genai", "v2", "traceloop")]
"""Those that say `gen_ai.operation.name` when a span starts; the others later, or not at all."""


@pytest.mark.parametrize("way", list(WAYS))
async def test_a_model_span_says_that_its_call_went_out_compacted(way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on()
    with tracing.application():
        await hand_over(way)
    tree = tracing.tree()
    compacted = [span.attributes["compact.outcome"] for span in tree.decisions]
    assert set(compacted) == {"compacted", "replayed"}
    marks = [span.attributes.get(COMPACTED) for span in tree.model_spans]
    assert marks == [True if bridge in AT_START else None] * len(tree.model_spans)
    others = [span for span in tree.spans if not tree.is_model_span(span)]
    assert not [span.name for span in others if COMPACTED in span.attributes]


@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_a_call_that_fits_is_not_marked(way, bridge, tracing):
    tracing.bridge_on()
    tracing.compact_on(max_context_tokens=10 * WINDOW)
    with tracing.application():
        await hand_over(way, window=None)
    assert not [span.name for span in tracing.tree().spans if COMPACTED in span.attributes]
