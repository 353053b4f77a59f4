"""Records that are stored in tests of adapters."""

from compact_otel.core.types import Checkpoint

CHECKPOINT = Checkpoint(
    key="k1",
    covered=3,
    kept=(0, 2),
    summary="The password=hunter2 was asked for.",
    version=1,
    summary_id="s1",
    strategy="task_state",
    tokens_before=900,
    tokens_after=300,
)
