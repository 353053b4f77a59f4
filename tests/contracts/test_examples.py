"""What examples/README.md and the examples say of themselves is so."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
README = (EXAMPLES / "README.md").read_text()
PROGRAMS = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.py"))


def tree_of(name):
    return ast.parse((EXAMPLES / name).read_text())


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_readme_lists_each_example(name):
    assert f"examples/{name}" in README


def test_the_readme_lists_nothing_that_is_not_there():
    named = re.findall(r"examples/([\w./]+\.(?:py|yaml))", README)
    assert named
    assert not [name for name in named if not (EXAMPLES / name).exists()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_example_says_in_its_first_lines_how_it_is_run(name):
    told = ast.get_docstring(tree_of(name))
    assert re.search(rf"^    .*\bpython examples/{re.escape(name)}", told, re.MULTILINE)
    if "--live" in (EXAMPLES / name).read_text().replace(told, ""):
        assert re.search(rf"python examples/{re.escape(name)}.* --live", told)


def test_the_minimal_integration_has_at_most_ten_lines():
    text = (EXAMPLES / "agents_sdk_minimal.py").read_text()
    marked = text.partition("begin ---\n")[2].partition("# --- the integration: end")[0]
    assert 0 < len(marked.splitlines()) <= 10
    assert '"console"' in marked
    assert '"fs"' in marked


def test_the_program_of_the_zero_code_example_knows_nothing_of_us():
    tree = tree_of("zero_code/app.py")
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports for alias in node.names}
    names |= {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert "agents" in names
    assert not [name for name in names if "compact" in name or "opentelemetry" in name]


@pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is not None, reason="the real model is installed"
)
def test_without_a_real_model_its_example_says_the_way_out():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "real_model.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "uv run --group live-llm python examples/real_model.py" in done.stderr
    assert "Traceback" not in done.stderr
