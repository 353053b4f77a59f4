"""docs/API.md is what the code says, has all that users are told to import, and its examples run.

What a docstring leaves out cannot be seen by reading it. So what can be told from the code is
asked of every public one: its arguments, the fields of its record, the errors it raises itself.
"""

import ast
import builtins
import dataclasses
import inspect
import re
import textwrap
from importlib import import_module

import compact_otel
from compact_otel import sdk_sessions, testing
from compact_otel.core import errors
from tests.contracts.api_reference import (
    PAGE,
    ROOT,
    docstring_of_value,
    found,
    members_of,
    names,
    promised_by,
    with_reference,
)
from tests.contracts.docstrings import docstring_of

DOC = PAGE.read_text(encoding="utf-8")
NAMES = names(DOC)
WHOLE = ("adapters", "exporters", "exporters.ariadne", "summarizers", "testing")
"""Packages that export nothing but what is public."""


def callables():
    """Yield (name, what is called, what is documented, class or None) of all that can be called."""
    for name in NAMES:
        thing = found(name)
        if inspect.isfunction(thing):
            yield name, thing, thing, None
        elif inspect.isclass(thing):
            is_own = "__init__" in vars(thing) and not dataclasses.is_dataclass(thing)
            if is_own and not getattr(thing, "_is_protocol", False):
                yield name, thing.__init__, thing, None
            for called, one in members_of(thing).items():
                function = getattr(one, "__func__", getattr(one, "fget", one))
                if promised_by(thing, called) is None:
                    yield f"{name}.{called}", function, function, thing


CALLABLES = {name: rest for name, *rest in callables()}
CLASSES = [name for name in NAMES if inspect.isclass(found(name))]
RECORDS = [name for name in CLASSES if dataclasses.is_dataclass(found(name))]


def arguments_of(function):
    """Return the names of what a function takes, as its docstring gives them."""
    marks = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    given = inspect.signature(function).parameters.values()
    return [marks.get(one.kind, "") + one.name for one in given if one.name not in ("self", "cls")]


def documented(doc, owner):
    """Return the arguments that a docstring has, itself or by naming who has them."""
    said = {**doc.entries.get("Args", {}), **doc.entries.get("Attributes", {})}
    for other in re.findall(r"\bas `(\w+)`", f"{doc.summary} {doc.body}"):
        twin = getattr(owner, other, None) or getattr(compact_otel, other, None)
        if twin is not None:
            said |= docstring_of(twin).entries.get("Args", {})
    return set(said)


def test_the_page_is_what_the_code_says():
    assert with_reference(DOC) == DOC, "run: uv run python -m tests.contracts.api_reference"


def test_the_page_has_all_that_is_exported_and_each_once():
    assert len(NAMES) == len(set(NAMES))
    assert set(compact_otel.__all__) <= set(NAMES)
    for package in WHOLE:
        exported = import_module(f"compact_otel.{package}").__all__
        assert {f"{package}.{name}" for name in exported} <= set(NAMES)


def imported():
    """Yield (file, name) of what users are told to import."""
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
    for path in [*pages, *(ROOT / "examples").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        for block in blocks if path.suffix == ".md" else [text]:
            for node in ast.walk(ast.parse(block)):
                module = getattr(node, "module", None) or ""
                if isinstance(node, ast.ImportFrom) and module.startswith("compact_otel"):
                    for one in node.names:
                        yield path.name, f"{module}.{one.name}".removeprefix("compact_otel.")


def test_the_page_has_all_that_users_are_told_to_import():
    told = set(imported())
    assert {name for _, name in told} >= {"CompactManager", "hooks.before_model_call"}
    assert sorted(one for one in told if one[1] not in NAMES) == []


def test_every_group_has_a_lead_and_an_example():
    groups = re.split(r"^## ", DOC, flags=re.MULTILINE)[1:]
    assert len(groups) == 12
    for group in groups:
        assert re.match(r".+\n\n(?!<|```).{40,}", group), group[:40]
        assert "```python" in group, group[:40]


def faults(look, of):
    """Return what `look` finds wrong, by name."""
    return {name: wrong for name in of if (wrong := look(name))}


def test_every_public_name_says_what_it_is():
    def silent(name):
        thing = found(name)
        is_code = inspect.isclass(thing) or inspect.isfunction(thing)
        said = docstring_of(thing).summary if is_code else docstring_of_value(name)
        return len(said) < 12  # "What was found."

    assert faults(silent, NAMES) == {}


def test_every_argument_is_documented_and_none_that_is_not_there():
    def wrong(name):
        function, thing, owner = CALLABLES[name]
        doc, given = docstring_of(thing), set(arguments_of(function))
        missing = given - documented(doc, owner) if len(given) > 1 else set()
        return missing | (set(doc.entries.get("Args", ())) - given) or not doc.summary

    assert len(CALLABLES) > 80
    assert faults(wrong, CALLABLES) == {}


def test_every_field_is_documented_and_none_that_is_not_there():
    def wrong(name):
        fields = {one.name for one in dataclasses.fields(found(name)) if one.name[0] != "_"}
        return fields ^ set(docstring_of(found(name)).entries["Attributes"])

    assert len(RECORDS) > 15
    assert faults(wrong, RECORDS) == {}


def raised(function):
    """Return the names of the errors that a function raises by itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    waiting, names_of = list(tree.body), set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.With):
            continue  # what is raised inside of a `with` may come out as another error
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            names_of.add(getattr(node.exc.func, "id", None) or node.exc.func.attr)
        waiting += ast.iter_child_nodes(node)
    return {name for name in names_of if name[:1].isupper()}


def test_every_error_that_a_function_raises_itself_is_documented():
    checks = {name: getattr(found(name), "__post_init__", None) for name in RECORDS}
    bodies = {name: (function, thing) for name, (function, thing, _) in CALLABLES.items()}
    bodies |= {name: (check, found(name)) for name, check in checks.items() if check}

    def unsaid(name):
        function, thing = bodies[name]
        said = ", ".join(docstring_of(thing).entries.get("Raises", ()))
        return {error for error in raised(function) if error not in said}

    assert raised(bodies["recall_tool"][0]) == {"ConfigError"}  # it does find them
    assert faults(unsaid, bodies) == {}


def test_every_error_that_is_documented_is_one():
    def unknown(name):
        thing = CALLABLES[name][1] if name in CALLABLES else found(name)
        said = ", ".join(docstring_of(thing).entries.get("Raises", ()))
        kinds = {error: _error(error) for error in said.split(", ") if error}
        return {error for error, kind in kinds.items() if kind is None}

    assert faults(unknown, [*CALLABLES, *RECORDS]) == {}


def _error(name):
    for holder in (builtins, errors, testing, sdk_sessions):
        kind = getattr(holder, name, None)
        if inspect.isclass(kind) and issubclass(kind, Exception):
            return kind
    return None
