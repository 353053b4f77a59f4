"""What pages lead to and name is there: links, anchors, files, tests, modules."""

import importlib.util
import re

import pytest

from compact_otel.schema import ATTRIBUTES, COMPACTED, METRICS, SCHEMA, SPAN
from tests.docs.pages import PAGES, ROOT, anchors, links, section, spans, text_of

_PATH = re.compile(r"(?:\.ci|collector|compact_otel|docs|examples|tests)/[\w./*-]*")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target, anchor in links(page):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} leads to {target}"
        if anchor:
            there = path.resolve().relative_to(ROOT).as_posix()
            assert anchor in anchors(there), f"{page} leads to {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page):
    for span in spans(page):
        path, _, test = span.partition("::")
        if not _PATH.fullmatch(path):
            continue
        found = list(ROOT.glob(path.rstrip("/")))
        assert found, f"{page} names {span}"
        if test:
            assert f"def {test}(" in found[0].read_text(encoding="utf-8"), f"{page} names {span}"


@pytest.mark.parametrize("page", PAGES)
def test_every_table_has_a_head(page):
    """Or its rows are shown as one line with strokes in it, as behind an empty line within one."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert re.match(r"\|.*\n\|[-:| ]+\|\n", table), table


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_telemetry_is_told(page):
    known = {SPAN, COMPACTED, *ATTRIBUTES, *METRICS, *(event.name for event in SCHEMA.values())}
    known |= {"compact.yaml", "compact.yml", "compact.json"}
    for span in spans(page):
        if re.fullmatch(r"compact\.[a-z_.]+", span):
            assert span in known, f"{page} names {span}"


def test_every_test_that_security_names_is_there():
    tests = {path.name: path for path in (ROOT / "tests" / "security").glob("test_*.py")}
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = [span for span in spans("SECURITY.md") if re.fullmatch(r"test_\w+(\.py)?", span)]
    assert len(named) > 8
    for name in named:
        assert name in tests if name.endswith(".py") else f"def {name}(" in code, name


def test_the_architecture_names_every_part_of_the_package_and_no_other():
    table = section("docs/ARCHITECTURE.md", "where-things-are")
    rows = re.findall(r"^\| (`[\w/]+`(?:, `[\w/]+`)*) \|", table, re.MULTILINE)
    named = [name.rstrip("/") for row in rows for name in re.findall(r"`([\w/]+)`", row)]
    package = ROOT / "compact_otel"
    parts = {path.stem for path in package.iterdir() if path.name[0].islower()} - {"py"}
    assert {name for name in named if "/" not in name} == parts
    assert all(importlib.util.find_spec(f"compact_otel.{name.replace('/', '.')}") for name in named)


def test_modules_that_the_architecture_names_are_there():
    named = re.findall(r"`((?:core|engine|adapters)/[\w/]+\.py)`", text_of("docs/ARCHITECTURE.md"))
    assert len(named) > 15
    for path in named:
        assert (ROOT / "compact_otel" / path).exists(), path
