"""docs/OBSERVABILITY.md says what is emitted."""

from tests.contracts.schema_reference import PAGE, with_reference


def test_the_reference_is_what_the_schema_says():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_reference(page), "run: uv run python -m tests.contracts.schema_reference"
