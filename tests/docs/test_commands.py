"""That what pages have somebody type is looked up: whatever is not there is found."""

import pytest

from tests.docs.commands import check, check_syntax


@pytest.mark.parametrize(
    "script",
    [
        "compactctl dry-run session.json --modell gpt-4o",
        "compactctl archive lst",
        "COMPACT_MODE=off uv run python tests/bench/quality.py --bugdet 0.1",
        "uv run python tests/bench/no_such.py",
        "uv run --group nobody python tests/bench/speed.py",
        "uv run pytest tests/no_such.py",
        "python -m tests.collector.nobody",
        "uv pip install -r requirements-nobody.txt",
        "pip install 'compact-otel[nobody]'",
        "bash .ci/run nothing",
        "docker compose --file collector/nobody.yaml up",
        "echo first | nobodys-program > out.txt",
        "true && opentelemetry-instrument --traces_exporter otlp python examples/nobody.py",
    ],
)
def test_what_is_not_there_is_found(script):
    check_syntax(script)
    with pytest.raises((AssertionError, FileNotFoundError)):
        check(script)


def test_what_bash_cannot_parse_is_found():
    with pytest.raises(AssertionError):
        check_syntax("if true; then echo")
