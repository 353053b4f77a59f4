"""Parts that can do no good whatever they do are refused when they are put in."""

import pytest

from compact_otel.adapters import MemoryStorage
from compact_otel.core.errors import ConfigError
from compact_otel.estimators.tiktoken import TiktokenEstimator
from tests.sabotage.parts import Listener, agives, sabotaged


@pytest.mark.parametrize(
    ("part", "kind", "method"),
    [
        ("estimator", TiktokenEstimator, "count_items"),
        ("estimator", TiktokenEstimator, "count_fixed"),
        ("storage", MemoryStorage, "save_transcript"),
        ("storage", MemoryStorage, "save_checkpoint"),
        ("storage", MemoryStorage, "save_event"),
        ("storage", MemoryStorage, "load_checkpoints"),
        ("exporters", Listener, "export"),
    ],
)
def test_a_method_that_would_have_to_be_awaited_is_refused(part, kind, method, bench):
    """Nobody awaits it, so nothing would be stored or exported, and nothing would say so."""
    made = sabotaged(kind, **{method: agives(None)})
    with pytest.raises(ConfigError, match=f"`{method}`.*coroutine"):
        bench.switch_on(**{part: [made] if part == "exporters" else made})
