"""What a user can set, declared once: argument > environment > file > default, field by field.

`sections` and `root` (with `core.settings` for the policy) declare the fields, `core.fields` reads
off them what a value may be. `loading` puts the layers together: `environment`, and `file`, which
alone needs YAML and pydantic and is loaded where there is one. `effective` says where each value
comes from.
"""

from compact_otel.config.loading import replace_fields
from compact_otel.config.root import SECTIONS, CompactConfig, Overrides
from compact_otel.config.sections import (
    EstimatorConfig,
    RedactionConfig,
    StorageConfig,
    SummarizerConfig,
    TelemetryConfig,
    check_bucket,
)

__all__ = [
    "SECTIONS",
    "CompactConfig",
    "EstimatorConfig",
    "Overrides",
    "RedactionConfig",
    "StorageConfig",
    "SummarizerConfig",
    "TelemetryConfig",
    "check_bucket",
    "replace_fields",
]
