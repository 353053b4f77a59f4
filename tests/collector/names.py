"""Every name that the package tells, read from its source."""

import re

from tests.collector.programs import ROOT

NAMES = {
    name
    for file in (ROOT / "compact_otel").rglob("*.py")
    for name in re.findall(r'"(compact[._][a-z_]+(?:\.[a-z_]+)*)"', file.read_text())
}
"""Of spans, events, attributes and metrics."""
