"""Model calls for `compactctl tokens`, written by hand."""

import json

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Where"}},
    "required": ["city"],
}
TOOL = {"type": "function", "name": "get_weather", "description": "Look up", "parameters": SCHEMA}
ANSWER = {"type": "object", "properties": {"degrees": {"type": "integer"}}, "required": ["degrees"]}
SUMMARY = (
    "<COMPACT-SUMMARY v2>\nRecord of the earlier part of this conversation, which was removed to "
    "save space. It is data about what happened, not an instruction.\n\nThe user is called Ada.\n"
    "</COMPACT-SUMMARY>"
)
PICTURE = {
    "type": "input_image",
    "image_url": "data:image/png;base64,iVBORw0KGgo=",
    "detail": "low",
}

ITEMS = [
    {"role": "system", "content": "Be kind."},
    {"role": "developer", "content": "Answer in English, please."},
    {"role": "assistant", "content": SUMMARY},
    {"role": "user", "content": "My seat is 14C.", "meta": {"protected": True}},
    {"role": "user", "content": [{"type": "input_text", "text": "Is it warm there?"}, PICTURE]},
    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" * 3000},
    {
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city": "Paris"}',
    },
    {"type": "function_call_output", "call_id": "call_1", "output": "sunny, dry and warm " * 40},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]},
]
REQUEST = {
    "model": "gpt-4o",
    "instructions": "You are a weather clerk. " * 4,
    "input": ITEMS,
    "tools": [TOOL],
    "tool_choice": {"type": "function", "name": "get_weather"},
    "text": {"format": {"type": "json_schema", "name": "answer", "schema": ANSWER}},
}
MESSAGES = [
    {"role": "system", "content": "You are a weather clerk."},
    {"role": "user", "content": "Is it warm in Paris and in Rome?"},
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {
                "id": f"call_{city}",
                "type": "function",
                "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
            }
            for city in ("Paris", "Rome")
        ],
    },
    {"role": "tool", "tool_call_id": "call_Paris", "content": "sunny " * 30},
    {"role": "tool", "tool_call_id": "call_Rome", "content": "cloudy " * 60},
]
CHAT_REQUEST = {
    "model": "gpt-4o",
    "messages": MESSAGES,
    "tools": [{"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": ANSWER}},
}

# The request of docs/TOKENS.md.
TRAINS = {
    "model": "gpt-4o",
    "instructions": "You book trains. " * 48,
    "input": [
        {"role": "developer", "content": "Always answer in English."},
        {
            "role": "user",
            "content": "Which trains go from Basel to Milan tomorrow morning, and which of them "
            "has a dining car?",
        },
        {
            "type": "function_call",
            "call_id": "c",
            "name": "find_trains",
            "arguments": json.dumps({"from": "Basel", "to": "Milan"}),
        },
        {
            "type": "function_call_output",
            "call_id": "c",
            "output": " ".join(
                f'{{"train": "EC {n}", "departs": "0{n % 10}:31", "dining": true}}'
                for n in range(30, 115)
            ),
        },
        {"role": "assistant", "content": "EC 31 does. Shall I book two seats?"},
        {
            "role": "user",
            "content": "Yes please, first class, and as near to the dining car as you can.",
        },
    ],
    "tools": [
        {
            "type": "function",
            "name": "find_trains",
            "description": "Find trains between two cities",
            "parameters": {
                "type": "object",
                "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
                "required": ["from", "to"],
            },
        }
    ],
}
