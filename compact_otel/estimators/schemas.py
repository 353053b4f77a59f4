"""How JSON schemas reach the model: tools as TypeScript, an output schema as leaner JSON.

The server does not show the model the JSON of a function tool. It declares a type, as
openai-harmony does in public (https://github.com/openai/harmony, "Function calling"), and that text
is what a tool costs; its JSON would count for 1.6 to 2 times as much.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

_TYPES = {"integer": "number", "array": "any[]"}
_UNIONS = {"anyOf": " | ", "allOf": " & "}
_PARTS = ("name", "description", "parameters")
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})

# A schema may come from a tool server that we know nothing of, and with references a short one can
# be endless: what is deeper or longer than this is `any`.
_MAX_DEPTH = 20
_MAX_TYPES = 5_000


def tools_json(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return function tools as the models of other makers are given them."""
    return _as_json([{key: tool.get(key) for key in _PARTS} for tool in tools])


def tools_text(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the declarations of function tools (`name`, `description`, `parameters`)."""
    declarations = (_declaration(_as_json([tool.get(key) for key in _PARTS])) for tool in tools)
    return "\n\n".join(("namespace functions {", *declarations, "} // namespace functions"))


def output_schema_text(schema: Mapping[str, Any]) -> str:
    """Return what the model gets to see of the schema of a structured answer.

    Strict schemas forbid further properties and require all; the server leaves both words out.
    """
    return _as_json(_lean(schema))


def _lean(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return [_lean(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        word: {name: _lean(one) for name, one in value.items()}
        if word in _NAMED_SCHEMAS and isinstance(value, Mapping)
        else _lean(value)
        for word, value in schema.items()
        if word not in ("additionalProperties", "required")
    }


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, skipkeys=True)


@lru_cache(maxsize=1024)
def _declaration(tool: str) -> str:
    """Return one tool, given as JSON, as a type with its description above it."""
    name, description, parameters = json.loads(tool)
    comment = f"// {description}\n" if description else ""
    argument = _Printer(parameters).type_of(parameters)
    # Without parameters there is no argument, however the schema says so.
    given = "" if argument in ("any", "object") else f"_: {_about(parameters)}{argument}"
    return f"{comment}type {name} = ({given}) => any;"


def _about(parameters: Any) -> str:
    """Return what stands above all parameters; the Agents SDK gives each tool a title there."""
    if not isinstance(parameters, Mapping):
        return ""
    return "".join(
        f"// {text}\n" for key in ("title", "description") if (text := parameters.get(key))
    )


class _Printer:
    """Prints the types of one schema.

    `path` holds the references on the way from the root, and an empty name for every other step.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._types = 0

    def type_of(self, schema: Any, indent: str = "", path: tuple[str, ...] = ()) -> str:
        self._types += 1
        if not isinstance(schema, Mapping) or len(path) > _MAX_DEPTH or self._types > _MAX_TYPES:
            return "any"
        if isinstance(reference := schema.get("$ref"), str):
            if reference in path:
                return "any"
            return self.type_of(self._resolve(reference), indent, (*path, reference))
        path = (*path, "")
        if schema.get("nullable") is True:
            return f"{self.type_of({**schema, 'nullable': False}, indent, path)} | null"
        return self._union(schema, indent, path) or self._plain(schema, indent, path)

    def _union(self, schema: Mapping[str, Any], indent: str, path: tuple[str, ...]) -> str:
        """Return a type that is made of several, '' if this is none."""
        if isinstance(variants := schema.get("oneOf"), list):
            return "".join(self._variant(variant, indent, path) for variant in variants)
        for word, sign in _UNIONS.items():
            if isinstance(variants := schema.get(word), list):
                return sign.join(self.type_of(variant, indent, path) for variant in variants)
        return ""

    def _variant(self, schema: Any, indent: str, path: tuple[str, ...]) -> str:
        """Return one of several types with what is said of it behind, on a line of its own."""
        about = schema if isinstance(schema, Mapping) else {}
        said = [str(about["description"])] if about.get("description") else []
        if "default" in about:
            said.append(f"default: {_as_json(about['default'])}")
        comment = f" // {' '.join(said)}" if said else ""
        return f"\n{indent} | {self.type_of(schema, f'{indent}   ', path)}{comment}"

    def _plain(self, schema: Mapping[str, Any], indent: str, path: tuple[str, ...]) -> str:
        literals = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(literals, list) and literals:
            return " | ".join(map(_as_json, literals))
        kind = schema.get("type")
        if isinstance(kind, list):
            return " | ".join(self._plain({**schema, "type": one}, indent, path) for one in kind)
        properties = schema.get("properties")
        if kind == "object" and isinstance(properties, Mapping) and properties:
            lines = self._properties(properties, schema.get("required"), indent, path)
            return "\n".join(("{", *lines, f"{indent}}}"))
        if kind == "array" and "items" in schema:
            return f"{self.type_of(schema['items'], indent, path)}[]"
        return _TYPES.get(kind, kind) if isinstance(kind, str) else "any"

    def _properties(
        self, properties: Mapping[str, Any], required: Any, indent: str, path: tuple[str, ...]
    ) -> Iterator[str]:
        needed = required if isinstance(required, list) else ()
        for name, schema in properties.items():
            about = schema if isinstance(schema, Mapping) else {}
            if title := about.get("title"):
                yield f"{indent}// {title}\n{indent}//"
            if description := about.get("description"):
                yield f"{indent}// {description}"
            if isinstance(examples := about.get("examples"), list) and examples:
                yield f"{indent}// Examples:"
                yield from (f"{indent}// - {_as_json(example)}" for example in examples)
            mark = "" if name in needed else "?"
            default = f" // default: {_as_json(about['default'])}" if "default" in about else ""
            yield f"{indent}{name}{mark}: {self.type_of(schema, indent + '    ', path)},{default}"

    def _resolve(self, reference: str) -> Any:
        """Return what a local reference such as `#/$defs/City` points at, None if nothing does."""
        found = self._root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step) if isinstance(found, Mapping) else None
        return found
