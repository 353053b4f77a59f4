"""Writes the reference of docs/API.md from signatures and docstrings.

uv run python -m tests.contracts.api_reference

The page says itself what stands where: `<!-- api: NAME ... -->` up to `<!-- end -->` is written.
"""

import ast
import dataclasses
import inspect
import re
from collections import Counter
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args, get_origin

from compact_otel.config import SECTIONS, CompactConfig
from tests.contracts.docstrings import docstring_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "API.md"
PLACE = re.compile(r"<!-- api: ([^>]*?) -->\n.*?<!-- end -->", re.DOTALL)
INDEX = re.compile(r"<!-- index -->\n.*?<!-- end -->", re.DOTALL)
WIDTH = 96
_SETTINGS = {kind: name for name, kind in SECTIONS.items()} | {CompactConfig: "at-the-top"}
_TITLES = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Returns": "Returns",
    "Raises": "Raises",
}
_LONG = 40


def names(page):
    """Return the public names, in the order of the page, without `compact_otel.`."""
    return [name for found in PLACE.finditer(page) for name in found[1].split()]


def found(name):
    """Return what a public name stands for."""
    module, _, last = f"compact_otel.{name}".rpartition(".")
    return getattr(import_module(module), last)


# --- signatures ---


def _default(value):
    text = repr(value)
    return "..." if len(text) > _LONG or text.startswith("<") else text


def _parameter(one, *, typed):
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
    annotated = typed and one.annotation is not one.empty
    text = f"{stars}{one.name}{f': {one.annotation}' if annotated else ''}"
    if one.default is one.empty:
        return text
    return f"{text}{' = ' if annotated else '='}{_default(one.default)}"


def _parameters(signature, *, typed):
    kinds = [one.kind for one in signature.parameters.values()]
    for place, one in enumerate(signature.parameters.values()):
        if one.name == "self":
            continue
        before = kinds[:place]
        is_first = one.KEYWORD_ONLY not in before and one.VAR_POSITIONAL not in before
        if one.kind is one.KEYWORD_ONLY and is_first:
            yield "*"
        yield _parameter(one, typed=typed)
        following = kinds[place + 1] if place + 1 < len(kinds) else None
        if one.kind is one.POSITIONAL_ONLY and following is not one.POSITIONAL_ONLY:
            yield "/"


def signature_of(name, thing, *, typed=True):
    """Return how a thing is called, on as many lines as it takes."""
    given = inspect.signature(thing)
    parameters = list(_parameters(given, typed=typed))
    returns = "" if given.return_annotation in (given.empty, "None") else given.return_annotation
    tail = f" -> {returns}" if returns and typed else ""
    head = "async " if inspect.iscoroutinefunction(thing) else ""
    line = f"{head}{name}({', '.join(parameters)}){tail}"
    if len(line) <= WIDTH:
        return line
    inner = "".join(f"    {one},\n" for one in parameters)
    return f"{head}{name}(\n{inner}){tail}"


# --- entries ---


def _bullets(title, entries):
    lines = [f"- `{name}`: {text}" if name else f"- {text}" for name, text in entries.items()]
    return "\n".join((f"**{title}**", "", *lines)) if lines else ""


def _cell(text):
    return text.replace("|", "\\|")


def _fields(thing, meanings):
    """Return the table of a record's fields."""
    signature = inspect.signature(thing)
    lines = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for one in dataclasses.fields(thing):
        if one.name.startswith("_") or not one.init:
            continue
        given = signature.parameters[one.name]
        default = "" if given.default is given.empty else f"`{_cell(_default(given.default))}`"
        kind = _cell(str(one.type))
        lines.append(f"| `{one.name}` | `{kind}` | {default} | {_cell(meanings[one.name])} |")
    return "\n".join(lines)


def _text(doc, *skipped):
    lists = (
        _bullets(title, doc.entries.get(section, {}))
        for section, title in _TITLES.items()
        if section not in skipped
    )
    return "\n\n".join(filter(None, (doc.summary, doc.body, *lists)))


def members_of(kind):
    """Return the public methods and properties of a class by name, in the order of its source."""
    raw = {name: one for name, one in vars(kind).items() if not name.startswith("_")}
    return {
        name: one
        for name, one in raw.items()
        if inspect.isfunction(one) or isinstance(one, property | classmethod)
    }


def _protocols():
    from compact_otel.core import protocols

    return [
        one
        for one in vars(protocols).values()
        if getattr(one, "_is_protocol", False) and one.__module__ == protocols.__name__
    ]


def promised_by(kind, name):
    """Return the protocol of ours that says what a method does, None if none does."""
    if kind in _protocols():
        return None
    fitting = [one for one in _protocols() if _fits(kind, one)]
    return next((one for one in fitting if name in members_of(one)), None)


def _fits(kind, protocol):
    own = members_of(kind)
    return all(
        name in own and _named(own[name]) == _named(one)
        for name, one in members_of(protocol).items()
    )


def _named(function):
    if not inspect.isfunction(function):
        return None
    return list(inspect.signature(function).parameters)


def _members(kind):
    promised = {}
    for name in members_of(kind):
        protocol = promised_by(kind, name)
        if protocol is not None:
            promised.setdefault(protocol.__name__, []).append(f"`{name}`")
    for protocol, methods in promised.items():
        yield f"As in `{protocol}`: {', '.join(methods)}."
    for name, one in members_of(kind).items():
        if promised_by(kind, name) is not None:
            continue
        called = f"{kind.__name__}.{name}"
        if isinstance(one, property):
            returns = inspect.signature(one.fget).return_annotation
            yield f"#### `{called}: {returns}`\n\n{_text(docstring_of(one.fget))}"
            continue
        function = getattr(kind, name) if isinstance(one, classmethod) else one
        written = signature_of(called, function)
        doc = _text(docstring_of(function))
        yield f"#### `{called}`\n\n```py\n{written}\n```\n\n{doc}"


def _class(name, kind):
    doc = docstring_of(kind)
    last = name.rpartition(".")[2]
    if kind in _SETTINGS:
        yield _text(doc, "Attributes")
        yield f"Its fields: [CONFIGURATION.md](CONFIGURATION.md#{_SETTINGS[kind]})."
    elif dataclasses.is_dataclass(kind):
        given = inspect.signature(kind).parameters.values()
        is_named = all(one.kind is one.KEYWORD_ONLY for one in given)
        yield "" if is_named else f"```py\n{signature_of(last, kind, typed=False)}\n```"
        yield _text(doc, "Attributes")
        yield "By keyword only:" if is_named else ""
        yield _fields(kind, doc.entries["Attributes"])
    else:
        if "__init__" in vars(kind) and not getattr(kind, "_is_protocol", False):
            yield f"```py\n{signature_of(last, kind)}\n```"
        yield _text(doc)
    yield from _members(kind)


@cache
def _assigned(path):
    """Return the docstrings behind the assignments of a module, by name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    said = {}
    for one, following in pairwise(body):
        target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
        if isinstance(target, ast.Name) and isinstance(following, ast.Expr):
            value = following.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                said[target.id] = inspect.cleandoc(value.value)
    return said


def _value(name, thing):
    """Return what is said of a constant or a type."""
    if get_origin(thing) is Literal:
        shown = "One of " + ", ".join(f"`{one}`" for one in get_args(thing)) + "."
    elif isinstance(thing, str):  # of a version nothing lasting can be said
        shown = ""
    elif dataclasses.is_dataclass(thing):
        shown = f"A `{type(thing).__name__}`."
    else:
        modules = r"\b(?:typing|collections\.abc|compact_otel(?:\.\w+)*)\."
        shown = f"`{re.sub(modules, '', str(thing))}`"
    return "\n\n".join(filter(None, (shown, docstring_of_value(name))))


def docstring_of_value(name):
    """Return what stands behind the assignment of a public constant or type."""
    last = name.rpartition(".")[2]
    return " ".join(_assigned(home_of(name)).get(last, "").split())


@cache
def home_of(name):
    """Return the file in which a public name is made."""
    thing = found(name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        return Path(inspect.getsourcefile(thing))
    last = name.rpartition(".")[2]
    package = ROOT / "compact_otel"
    folder = package.joinpath(*name.split(".")[:-1])
    candidates = sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    made = re.compile(rf"^{last}(?:: [^=\n]+)? = ", re.MULTILINE)
    return next(path for path in candidates if made.search(path.read_text(encoding="utf-8")))


def entry(name):
    """Return what the page says of a public name."""
    thing = found(name)
    source = home_of(name).relative_to(ROOT)
    head = f"### `compact_otel.{name}`"
    if inspect.isclass(thing):
        text = "\n\n".join(filter(None, _class(name, thing)))
    elif inspect.isfunction(thing):
        written = signature_of(name.rpartition(".")[2], thing)
        text = f"```py\n{written}\n```\n\n{_text(docstring_of(thing))}"
    else:
        text = _value(name, thing)
    return f"{head}\n\n{text}\n\n<sub>[{source}](../{source})</sub>"


# --- the page ---


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def index(page):
    """Return the table of what to take for what."""
    lines, taken = ["| to | take |", "|---|---|"], Counter()

    def link(name):
        anchor = _anchor(f"compact_otel.{name}")
        taken[anchor] += 1
        again = f"-{taken[anchor] - 1}" if taken[anchor] > 1 else ""
        return f"[`{name}`](#{anchor}{again})"

    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        links = [link(name) for name in names(section)]
        if links:
            lines.append(f"| [{title}](#{_anchor(title)}) | {', '.join(links)} |")
    return "\n".join(lines)


def with_reference(page):
    """Return a page with the reference as it is now."""

    def written(place):
        entries = "\n\n".join(entry(name) for name in place[1].split())
        return f"<!-- api: {place[1]} -->\n\n{entries}\n\n<!-- end -->"

    page = PLACE.sub(written, page)
    return INDEX.sub(lambda _: f"<!-- index -->\n\n{index(page)}\n\n<!-- end -->", page)


def main():
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
