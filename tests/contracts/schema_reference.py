"""Writes the reference of docs/OBSERVABILITY.md from the schema.

uv run python -m tests.contracts.schema_reference
"""

from pathlib import Path

from compact_otel.schema import (
    ATTRIBUTES,
    COMPACTED,
    LOG_ATTRIBUTES,
    METRICS,
    SCHEMA,
    SCHEMA_URL,
    SCOPE,
    SPAN,
    SPAN_ATTRIBUTES,
)

PAGE = Path(__file__).parents[2] / "docs" / "OBSERVABILITY.md"
BEGIN = (
    "<!-- Written from compact_otel/schema.py by: python -m tests.contracts.schema_reference -->"
)
END = "<!-- End of what is written. -->"


def _table(*heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _level(use):
    return f"if {use.when}" if use.when else use.level


def _meaning(name):
    known = ATTRIBUTES[name]
    values = ", ".join(f"`{value}`" for value in known.values)
    return f"{known.meaning}: {values}" if values else known.meaning


def _uses(uses):
    rows = [
        (f"`{use.name}`", ATTRIBUTES[use.name].type.__name__, _level(use), _meaning(use.name))
        for use in uses
    ]
    return _table("attribute", "type", "there", "meaning", rows=rows)


def _event(schema):
    names = [f"`{use.name}`" + {"required": "*", "opt-in": " (opt-in)"}.get(use.level, "")
             for use in schema.fields.values()]  # fmt: skip
    return f"`{schema.name}`", schema.severity, schema.meaning, ", ".join(names)


def _metric(name, metric):
    attributes = ", ".join(f"`{each}`" for each in metric.attributes)
    return f"`{name}`", f"{metric.kind}, {metric.unit}", metric.meaning, attributes


def reference():
    """Return the reference as Markdown."""
    on_span = {use.name for use in SPAN_ATTRIBUTES}
    elsewhere = {use.name: use for schema in SCHEMA.values() for use in schema.fields.values()}
    others = [use for name, use in sorted(elsewhere.items()) if name not in on_span]
    rows = [(f"`{u.name}`", ATTRIBUTES[u.name].type.__name__, _meaning(u.name)) for u in others]
    who = ", ".join(f"`{use.name}`" for use in LOG_ATTRIBUTES)
    events = _table("event", "severity", "when", "attributes", rows=map(_event, SCHEMA.values()))
    metrics = [_metric(name, metric) for name, metric in METRICS.items()]
    return "\n\n".join(
        [
            f"Scope `{SCOPE}` with the version of the package, schema `{SCHEMA_URL}`, the same for "
            "spans, records and metrics.",
            f"### The span `{SPAN}`",
            _uses(SPAN_ATTRIBUTES),
            f"On the span of the model call that goes out compacted, whoever makes it: `{COMPACTED}`"
            " (bool, true or left out).",
            "### Events",
            f"Attributes with a star are always there. A log record also has {who}, where they are "
            "known.",
            events,
            "What is not on the span above:",
            _table("attribute", "type", "meaning", rows=rows),
            "### Metrics",
            _table("metric", "instrument, unit", "meaning", "attributes", rows=metrics),
        ]
    )


def with_reference(page):
    """Return a page with the reference as it is now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.split(END)[1]}"


def main():
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
