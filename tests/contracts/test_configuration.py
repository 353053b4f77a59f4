"""docs/CONFIGURATION.md, the example and the schema say what the code does, and it reads it all."""

import ast
import json
import re
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest
import yaml

from compact_otel.config import SECTIONS, CompactConfig
from compact_otel.config.layers import all_rules
from compact_otel.config.names import variable
from compact_otel.config.schema import json_schema
from tests.contracts.config_reference import EXAMPLE, PAGE, example, with_reference

ROOT = Path(__file__).parents[2]
DOC = PAGE.read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\w+\.yaml)\n(.*?)```", DOC, re.DOTALL))


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """Write the files of the document, line by line as they stand there."""
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        (tmp_path / name).write_text(f"# {name}\n{text}")


def test_the_document_is_what_the_code_says():
    assert with_reference(DOC) == DOC, "run: uv run python -m tests.contracts.config_reference"


def test_every_file_of_the_document_is_used_and_read(documented):
    assert FILES.keys() == {"compact.yaml", "wrong.yaml", "overrides.yaml"}
    config = CompactConfig.load()
    assert (config.mode, config.policy.trigger_pct) == ("observe", 0.8)
    (as_json,) = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
    Path("same.json").write_text(as_json)
    assert CompactConfig.load(config="same.json").policy == config.policy


def test_the_example_is_every_setting_with_its_default():
    text = EXAMPLE.read_text(encoding="utf-8")
    assert text == example(), "run: uv run python -m tests.contracts.config_reference"
    assert CompactConfig.load(config=EXAMPLE) == CompactConfig()
    data = yaml.safe_load(text)
    named = {
        (section, name) if section in SECTIONS else (section,)
        for section, part in data.items()
        for name in (part if section in SECTIONS else [None])
    }
    rules = dict(all_rules())
    assert named == {path for path, rule in rules.items() if rule.in_file}
    assert set(rules) - named == {("redaction", "custom"), ("storage", "encryption_key")}
    for path in named:
        assert variable(path) in text


def test_every_setting_is_described():
    for path, _ in all_rules():
        assert re.search(rf"^\| `{path[-1]}` \| .* \| .{{15,}} \|$", DOC, re.MULTILINE), path


def test_the_schema_takes_the_example_and_refuses_a_typo():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema).is_valid
    data = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert check(data)
    assert not check({**data, "modell": "x"})
    assert not check({**data, "policy": {"triger_pct": 0.8}})
    assert not check({"policy": {"trigger_pct": 1.7}})
    assert not check({"models": {"m": {"storage": {}}}})
    assert not check({"redaction": {"custom": "os.system"}})
    described = schema["$defs"]["CompactPolicy"]["properties"]["trigger_pct"]
    assert described["description"].startswith("Compact when")
    assert described["default"] == 0.85


# --- every field is read by code ---

PACKAGE = ROOT / "compact_otel"
DECLARING = (PACKAGE / "config", PACKAGE / "core" / "settings.py", PACKAGE / "core" / "fields.py")
NAMES_OF = {kind.__name__: section for section, kind in SECTIONS.items()}


def names_for_sections(tree):
    """Return the section that each name of a module stands for."""
    names = {section: section for section in SECTIONS}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name):
            if node.annotation.id in NAMES_OF:
                names[node.arg] = NAMES_OF[node.annotation.id]
        elif isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            many = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = zip(target.elts, value.elts, strict=False) if many else [(target, value)]
            for name, said in pairs:
                if isinstance(name, ast.Name) and getattr(said, "attr", None) in SECTIONS:
                    names[name.id] = said.attr
    return names


def reads(tree):
    """Yield (section, field) of each attribute that is read of a section, or of a name for one."""
    names = names_for_sections(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = getattr(node.value, "attr", None) or getattr(node.value, "id", None)
            if owner in SECTIONS or (isinstance(node.value, ast.Name) and owner in names):
                yield names.get(owner, owner), node.attr
            elif owner in ("config", "_config"):
                yield "", node.attr


def test_every_setting_is_read_by_code_outside_the_configuration():
    elsewhere = [
        path.read_text(encoding="utf-8")
        for path in PACKAGE.rglob("*.py")
        if not any(path.is_relative_to(each) for each in DECLARING)
    ]
    found = {read for text in elsewhere for read in reads(ast.parse(text))}
    # `models` and `agents` are read by `settings_for`, the rest of `redaction` by `gate`.
    for method, names in {
        "settings_for": [("", "models"), ("", "agents"), ("", "max_context_tokens")],
        "gate": [("redaction", entry.name) for entry in fields(SECTIONS["redaction"])],
    }.items():
        if any(f".{method}(" in text for text in elsewhere):
            source = "".join(path.read_text() for path in (PACKAGE / "config").glob("*.py"))
            found |= {name for name in names if f"self.{name[1]}" in source}
    unread = {path if len(path) > 1 else ("", *path) for path, _ in all_rules()} - found
    assert unread == set()


def test_the_schema_is_json():
    assert json.loads(json.dumps(json_schema())) == json_schema()
