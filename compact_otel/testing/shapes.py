"""What the API asks of a body, and of every item on its own.

The texts are OpenAI's. *Quoted* ones were reported by users or recorded from the live API, with a
link where there is an issue to read; *modelled* ones follow the same pattern but were not seen.
The API knows many more parameters than are looked at here: these are the faults that a changed
history can have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from compact_otel.core.types import Item
from compact_otel.testing.errors import ApiError

# The list in the live API's own error text, August 2026, and `configuration_update` (openai 3.54).
ITEM_TYPES = frozenset(
    {
        "additional_tools",
        "agent_message",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "computer_call_output",
        "configuration_update",
        "custom_tool_call",
        "custom_tool_call_output",
        "file_search_call",
        "function_call",
        "function_call_output",
        "image_generation_call",
        "item_reference",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "message",
        "multi_agent_call",
        "multi_agent_call_output",
        "program",
        "program_output",
        "reasoning",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
_ITEM_ROLES = ("assistant", "system", "developer", "user")
_CHAT_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_INPUT_PARTS = ("input_text", "input_image", "input_file", "scoped_content", "input_audio")
_OUTPUT_PARTS = ("output_text", "refusal")

_REQUIRED = {
    "message": ("content",),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
    "custom_tool_call": ("call_id", "name", "input"),
    "custom_tool_call_output": ("call_id", "output"),
    "computer_call": ("call_id",),
    "computer_call_output": ("call_id", "output"),
    "reasoning": ("summary",),
    "compaction": ("encrypted_content",),
    "item_reference": ("id",),
}
# Every member of the types that nearly all histories are made of (openai 3.54). `created_by` is in
# no request type, but in items that the Conversations API returns and the Agents SDK sends back.
_MESSAGE = frozenset({"type", "role", "content", "id", "status", "created_by"})
_CALL = frozenset({"type", "id", "call_id", "caller", "name", "namespace", "status", "created_by"})
_MEMBERS = {
    "message": _MESSAGE,
    "function_call": _CALL | {"arguments", "async"},
    "function_call_output": _CALL | {"output"},
    "reasoning": frozenset({"type", "id", "summary", "content", "encrypted_content", "status"}),
}


def item_type(item: Item) -> str:
    """Return the type of an input item; it may be left out for messages and references."""
    kind = item.get("type")
    if kind is None:
        return "item_reference" if set(item) == {"id"} else "message"
    return kind if isinstance(kind, str) else ""


def check_response_body(body: Any, max_string: int) -> list[Item]:
    """Return the input items of a Responses request, a plain string as a user message.

    Raises:
        ApiError: If the body or one of its items is not what the API takes.
    """
    body = _object(body)
    if body.get("prompt") is None:  # a stored prompt may choose the model
        _required(body, "", ("model",))
    _typed(body, "model", str, "a string")
    _typed(body, "previous_response_id", str, "a string")
    _typed(body, "instructions", str, "a string")
    given = body.get("input", [])
    if not isinstance(given, str | list):
        raise _wrong_type("input", "one of a string or array of input items", given)
    chained = any(body.get(name) for name in ("previous_response_id", "conversation", "prompt"))
    if not given and not chained:  # quoted
        raise ApiError(
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation' must be "
            "provided.",
            code="missing_required_parameter",
        )
    if isinstance(given, str):
        _string_length("input", given, max_string)
        return [{"role": "user", "content": given}] if given else []
    for index, item in enumerate(given):
        _check_item(f"input[{index}]", item, max_string)
    return given


def check_chat_body(body: Any, max_string: int) -> list[Item]:
    """Return the messages of a Chat Completions request.

    Raises:
        ApiError: If the body or one of its messages is not what the API takes.
    """
    body = _object(body)
    if body.get("model") is None:  # quoted: without code and param, unlike in Responses
        raise ApiError("you must provide a model parameter")
    _typed(body, "model", str, "a string")
    _required(body, "", ("messages",))
    messages = body["messages"]
    if not isinstance(messages, list):
        raise _wrong_type("messages", "an array of objects", messages)
    if not messages:
        raise _empty_array("messages")
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message, max_string)
    for index, message in enumerate(messages):
        if message.get("content") is None and not _speaks_without_content(message):  # quoted
            raise ApiError(
                "Invalid value for 'content': expected a string, got null.",
                param=f"messages.[{index}].content",
            )
    return messages


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):  # modelled
        raise ApiError(f"Invalid type for body: expected an object, but got {_name(body)} instead.")
    return body


def _check_item(where: str, item: Any, max_string: int) -> None:
    if not isinstance(item, Mapping):
        raise _wrong_type(where, "an input item", item)
    kind = item_type(item)
    if kind not in ITEM_TYPES:
        # Quoted: sorted, and with param `input[0]`, not `input[0].type`.
        raise _wrong_value(where, kind, sorted(ITEM_TYPES))
    if kind == "message" and item.get("role") not in _ITEM_ROLES:
        # Quoted: https://github.com/anomalyco/opencode/issues/10803
        raise _wrong_value(where, item.get("role"), _ITEM_ROLES)
    known = _MEMBERS.get(kind)
    if kind == "message" and item.get("role") == "assistant":
        known = _MESSAGE | {"phase"}
    for name in item:
        if known is not None and name not in known:  # quoted
            raise ApiError(
                f"Unknown parameter: '{where}.{name}'.",
                code="unknown_parameter",
                param=f"{where}.{name}",
            )
    _required(item, f"{where}.", _REQUIRED.get(kind, ()))
    for name in ("id", "call_id", "encrypted_content"):
        _typed(item, name, str, "a string", f"{where}.")
    if kind == "message":
        _check_content(where, item, max_string)
    for name in ("arguments", "input", "output"):
        _text_length(f"{where}.{name}", item.get(name), max_string)


def _check_content(where: str, item: Item, max_string: int) -> None:
    content = item["content"]
    if not isinstance(content, str | list):  # quoted, in this order of words
        raise _wrong_type(f"{where}.content", "one of an array of objects or string", content)
    # Quoted: https://github.com/jamesrochabrun/SwiftOpenAI/issues/136
    parts = _OUTPUT_PARTS if item["role"] == "assistant" else _INPUT_PARTS
    for index, part in enumerate(content if isinstance(content, list) else ()):
        place = f"{where}.content[{index}]"
        if not isinstance(part, Mapping):
            raise _wrong_type(place, "an object", part)
        if part.get("type") not in parts:
            raise _wrong_value(place, part.get("type"), parts)
        if part["type"] in ("input_text", "output_text"):
            _required(part, f"{place}.", ("text",))
    _text_length(f"{where}.content", content, max_string)


def _check_message(where: str, message: Any, max_string: int) -> None:
    if not isinstance(message, Mapping):
        raise _wrong_type(where, "an object", message)
    _required(message, f"{where}.", ("role",))
    role, content = message["role"], message.get("content")
    if role not in _CHAT_ROLES:
        raise _wrong_value(f"{where}.role", role, _CHAT_ROLES)
    if content is not None and not isinstance(content, str | list):
        raise _wrong_type(f"{where}.content", "one of a string or array of objects", content)
    _text_length(f"{where}.content", content, max_string)
    if role == "tool":
        _required(message, f"{where}.", ("tool_call_id",))  # modelled
        _typed(message, "tool_call_id", str, "a string", f"{where}.")
    calls = message.get("tool_calls")
    if calls is None:
        return
    if not isinstance(calls, list):
        raise _wrong_type(f"{where}.tool_calls", "an array of objects", calls)
    if not calls:
        raise _empty_array(f"{where}.tool_calls")
    for index, call in enumerate(calls):
        place = f"{where}.tool_calls[{index}]"
        if not isinstance(call, Mapping):
            raise _wrong_type(place, "an object", call)
        _required(call, f"{place}.", ("id", "type"))
        _typed(call, "id", str, "a string", f"{place}.")
        if isinstance(function := call.get("function"), Mapping):
            _text_length(f"{place}.function.arguments", function.get("arguments"), max_string)


def _speaks_without_content(message: Item) -> bool:
    """Say whether something else stands in for an assistant's content."""
    substitutes = ("tool_calls", "function_call", "refusal", "audio")
    return message["role"] == "assistant" and any(message.get(name) for name in substitutes)


def _required(members: Mapping[str, Any], where: str, names: Sequence[str]) -> None:
    for name in names:
        if name not in members:  # quoted
            raise ApiError(
                f"Missing required parameter: '{where}{name}'.",
                code="missing_required_parameter",
                param=f"{where}{name}",
            )


def _typed(
    members: Mapping[str, Any], name: str, kind: type, expected: str, where: str = ""
) -> None:
    value = members.get(name)
    if value is not None and not isinstance(value, kind):
        raise _wrong_type(f"{where}{name}", expected, value)


def _text_length(where: str, value: Any, max_string: int) -> None:
    """Check a text, or the texts of a list of content parts."""
    if isinstance(value, str):
        _string_length(where, value, max_string)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            if isinstance(part, Mapping) and isinstance(text := part.get("text"), str):
                _string_length(f"{where}[{index}].text", text, max_string)


def _string_length(where: str, text: str, max_string: int) -> None:
    if len(text) > max_string:
        # Quoted: https://github.com/openai/openai-agents-python/issues/177
        raise ApiError(
            f"Invalid '{where}': string too long. Expected a string with maximum length "
            f"{max_string}, but got a string with length {len(text)} instead.",
            code="string_above_max_length",
            param=where,
        )


def _wrong_type(where: str, expected: str, value: Any) -> ApiError:  # quoted
    return ApiError(
        f"Invalid type for '{where}': expected {expected}, but got {_name(value)} instead.",
        code="invalid_type",
        param=where,
    )


def _wrong_value(where: str, value: Any, valid: Sequence[str]) -> ApiError:  # quoted
    *rest, last = (f"'{name}'" for name in valid)
    listed = f"{', '.join(rest)}{',' if len(rest) > 1 else ''} and {last}"
    shown = value if isinstance(value, str) else ""
    return ApiError(
        f"Invalid value: '{shown}'. Supported values are: {listed}.",
        code="invalid_value",
        param=where,
    )


def _empty_array(where: str) -> ApiError:  # quoted
    return ApiError(
        f"Invalid '{where}': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead.",
        code="empty_array",
        param=where,
    )


def _name(value: Any) -> str:
    """Return what the API calls the type of a JSON value."""
    names: list[tuple[type, str]] = [
        (bool, "a boolean"),  # before `int`, which it is in Python
        (int, "an integer"),
        (float, "a decimal number"),
        (str, "a string"),
        (list, "an array"),
        (Mapping, "an object"),
    ]
    return next((name for kind, name in names if isinstance(value, kind)), "null")
