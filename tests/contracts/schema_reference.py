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
BEGIN = "<!-- Written from the schema by: python -m tests.contracts.schema_reference -->"
END = "<!-- End of what is written. -->"

TYPES = {str: "string", int: "int", float: "double", bool: "boolean"}

SCOPED = f"""\
Scope `{SCOPE}` with the version of the package, schema `{SCHEMA_URL}`: the same for spans, records
and metrics."""
MARKED = f"""\
On the span of the model call that goes out compacted, whoever makes it: `{COMPACTED}` (boolean,
true or left out)."""
STARRED = """\
Attributes with a star are always there. A log record also has {}, where they are known. A skip is
`DEBUG`, an archive that failed `WARN`, an error that nothing made up for `ERROR`."""


def _table(*heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _type(name):
    return TYPES[ATTRIBUTES[name].type]


def _meaning(name):
    known = ATTRIBUTES[name]
    values = ", ".join(f"`{value}`" for value in known.values)
    return f"{known.meaning} ({values})" if values else known.meaning


def _on_span(use):
    level = f"if {use.when}" if use.when else use.level
    return f"`{use.name}`", _type(use.name), level, _meaning(use.name)


def _elsewhere():
    """Return the rows of what is on events and not on the span."""
    names = {use.name for schema in SCHEMA.values() for use in schema.fields.values()}
    for name in sorted(names - {use.name for use in SPAN_ATTRIBUTES}):
        yield f"`{name}`", _type(name), _meaning(name)


def _event(schema):
    marks = {"required": "*", "opt-in": " (opt-in)"}
    names = (f"`{use.name}`{marks.get(use.level, '')}" for use in schema.fields.values())
    return f"`{schema.name}`", schema.severity, schema.meaning, ", ".join(names)


def _metric(name):
    metric = METRICS[name]
    attributes = ", ".join(f"`{each}`" for each in metric.attributes)
    return f"`{name}`", f"{metric.kind}, {metric.unit}", metric.meaning, attributes


def reference():
    """Return the reference as Markdown."""
    who = ", ".join(f"`{use.name}`" for use in LOG_ATTRIBUTES)
    parts = (
        SCOPED,
        f"### The span `{SPAN}`",
        _table("attribute", "type", "there", "meaning", rows=map(_on_span, SPAN_ATTRIBUTES)),
        MARKED,
        "### Events",
        STARRED.format(who),
        _table("event", "severity", "when", "attributes", rows=map(_event, SCHEMA.values())),
        "What is not on the span above:",
        _table("attribute", "type", "meaning", rows=_elsewhere()),
        "### Metrics",
        _table("metric", "instrument, unit", "meaning", "attributes", rows=map(_metric, METRICS)),
    )
    return "\n\n".join(parts)


def with_reference(page):
    """Return a page with the reference as it is now."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{rest.split(END)[1]}"


def main():
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
