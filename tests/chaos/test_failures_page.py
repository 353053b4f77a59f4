"""docs/FAILURES.md promises nothing that no test holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "FAILURES.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]


def test_every_row_names_a_test_that_exists():
    rows = [row for row in ROWS if not row.startswith("| fault")]
    assert len(rows) > 20
    for row in rows:
        path, name = re.search(r"`(tests/[\w/]+\.py)::(test_\w+)` \|$", row).groups()
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), name


def test_every_test_of_chaos_is_in_a_row():
    for path in Path(__file__).parent.glob("test_*.py"):
        inside = path.relative_to(ROOT).as_posix()
        assert f"`{inside}::" in PAGE or path.samefile(__file__), inside
