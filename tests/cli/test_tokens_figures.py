"""`compactctl tokens`: the figures are those of the real thing, and they add up."""

import json

import pytest
from agents import Agent, ModelSettings, OpenAIResponsesModel, Runner, function_tool

import compact_otel
from compact_otel import CompactConfig, CompactManager
from compact_otel.config import StorageConfig
from compact_otel.core.types import CallContext
from compact_otel.testing import LocalOpenAI, Script, Step
from tests.cli.calls import (
    ANSWER,
    CHAT_REQUEST,
    ITEMS,
    MESSAGES,
    PICTURE,
    REQUEST,
    SUMMARY,
    TOOL,
)
from tests.histories import Exporter

PARTS = ("system", "developer", "tools_schema", "messages")


def told(exporter, index=-1):
    """Return the total and the four sums of an estimate, as the event has them."""
    event = exporter.named("token_estimate")[index]
    return event["compact.tokens.before"], {part: event[f"compact.tokens.{part}"] for part in PARTS}


def layers(figures):
    return {layer["name"]: layer for layer in figures["layers"]}


@pytest.mark.parametrize(
    ("body", "items", "call"),
    [
        (
            REQUEST,
            ITEMS,
            CallContext(
                model="gpt-4o",
                instructions=REQUEST["instructions"],
                tools=[TOOL],
                output_schema=ANSWER,
                tool_choice="get_weather",
            ),
        ),
        (
            CHAT_REQUEST,
            MESSAGES[1:],
            CallContext(
                model="gpt-4o",
                api="chat",
                instructions=MESSAGES[0]["content"],
                tools=[TOOL],
                output_schema=ANSWER,
            ),
        ),
        (ITEMS, ITEMS, None),
        (MESSAGES[1:], MESSAGES[1:], None),
    ],
    ids=["responses", "chat", "items", "messages"],
)
def test_a_manager_tells_the_same_sums_for_the_same_call(counted, body, items, call):
    exporter = Exporter()
    config = CompactConfig(model="gpt-4o", storage=StorageConfig(adapter="none"))
    CompactManager(config, exporters=[exporter]).preflight("s", items, call=call)

    figures = counted(body)

    assert (figures["tokens"], figures["parts"]) == told(exporter)


async def test_the_sdk_s_own_requests_have_the_sums_that_its_run_told(counted):
    @function_tool
    def get_weather(city: str) -> str:
        """Look up the weather."""
        return f"It is sunny in {city}. " * 20

    exporter = Exporter()
    compact_otel.instrument(storage={"adapter": "none"}, exporters=[exporter])
    script = Script([Step(calls=[("get_weather", {"city": "Paris"})]), Step("Warm.")])
    with LocalOpenAI(script, context_window=50_000) as api:
        agent = Agent(
            "clerk",
            instructions="You are a weather clerk.",
            tools=[get_weather],
            model=OpenAIResponsesModel("gpt-4o", openai_client=api.client()),
            model_settings=ModelSettings(tool_choice="auto"),
        )
        history = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "?"}]
        await Runner.run(agent, history)

    # Of the second call the event is anchored to what the server counted for the first.
    assert len(api.requests) == 2
    figures = counted(api.requests[0].body)
    assert (figures["tokens"], figures["parts"]) == told(exporter, 0)
    assert min(figures["parts"].values()) > 0
    assert layers(counted(api.requests[1].body))["tool_outputs"]["tokens"] > 100


@pytest.mark.parametrize("body", [REQUEST, CHAT_REQUEST, ITEMS, MESSAGES])
def test_layers_add_up_to_their_part_and_parts_to_the_total(counted, body):
    figures = counted(body)

    assert sum(figures["parts"].values()) == figures["tokens"]
    for part, tokens in figures["parts"].items():
        of_part = [layer for layer in figures["layers"] if layer["part"] == part]
        assert sum(layer["tokens"] for layer in of_part) == tokens
        assert all(layer["tokens"] >= 0 for layer in of_part)
    assert sum(layer["share"] for layer in figures["layers"]) == pytest.approx(1, abs=0.01)


def test_every_kind_of_item_has_a_layer_of_its_own(counted):
    found = layers(counted(REQUEST))

    for name in (
        "instructions", "system", "developer", "tools_schema", "user", "assistant", "tool_calls",
        "tool_outputs", "reasoning", "media", "summaries", "protected",
    ):  # fmt: skip
        assert found[name]["tokens"] > 0, name
        assert found[name]["items"] == 1, name
    assert found["framing"]["tokens"] > 0
    assert found["compaction"]["items"] == found["other"]["items"] == 0


def test_a_layer_has_what_its_items_add_to_the_request(counted):
    text = layers(counted([{"role": "user", "content": "Look at this:"}]))
    both = layers(
        counted(
            [
                {
                    "role": "user",
                    "content": [{"type": "input_text", "text": "Look at this:"}, PICTURE],
                }
            ]
        )
    )

    assert both["user"]["tokens"] == text["user"]["tokens"]
    assert both["media"]["tokens"] > 50
    assert text["media"]["tokens"] == 0


def test_the_calls_of_a_chat_message_are_told_apart_from_its_text(counted):
    spoken = {"role": "assistant", "content": "I look."}
    found = layers(counted(MESSAGES))

    assert found["assistant"]["tokens"] == layers(counted([spoken]))["assistant"]["tokens"]
    assert found["tool_calls"]["tokens"] > 10
    assert found["tool_outputs"]["items"] == 2


def test_calls_without_text_leave_nothing_to_the_assistant(counted):
    silent = [
        {**message, "content": None} if "tool_calls" in message else message for message in MESSAGES
    ]

    found = layers(counted(silent))

    assert found["assistant"]["tokens"] == 0
    assert found["tool_calls"]["items"] == 1


def test_a_compaction_item_makes_what_is_before_it_free(counted):
    compaction = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x" * 2808}
    found = layers(counted([{"role": "user", "content": "long ago " * 200}, compaction]))

    assert found["user"] == {**found["user"], "tokens": 0, "items": 1}
    assert found["compaction"]["tokens"] > 100


def test_the_first_system_message_of_a_chat_request_is_one_message(counted):
    found = counted(CHAT_REQUEST)

    assert layers(found)["system"]["items"] == 1
    assert layers(found)["instructions"] == {
        **layers(found)["instructions"],
        "tokens": 0,
        "items": 0,
    }
    assert found["items"] == len(MESSAGES)
    assert found["largest"][0]["index"] == 4


def test_the_largest_items_come_first_with_their_place_and_tool(counted):
    largest = counted(REQUEST)["largest"]

    assert [item["tokens"] for item in largest] == sorted(
        (item["tokens"] for item in largest), reverse=True
    )
    output = next(item for item in largest if item["type"] == "function_call_output")
    assert (output["index"], output["tool"], output["role"]) == (7, "get_weather", None)
    assert next(item for item in largest if item["index"] == 2)["layer"] == "summaries"
    assert all(item["preview"] is None for item in largest)


def test_ten_items_are_shown_and_none_that_costs_nothing(counted):
    many = [{"role": "user", "content": "word " * n} for n in range(1, 15)]

    assert [item["index"] for item in counted(many)["largest"]] == list(range(13, 3, -1))
    assert counted([{"type": "compaction", "encrypted_content": ""}])["largest"] == []


def test_calls_without_ids_are_not_taken_for_one_another(counted):
    items = [
        {"type": "function_call", "name": "look", "arguments": "{}"},
        {"role": "user", "content": "and?"},
    ]

    assert {item["index"]: item["tool"] for item in counted(items)["largest"]} == {
        0: "look",
        1: None,
    }


def test_a_call_over_the_trigger_says_what_has_to_go(counted):
    history = [
        {"role": role, "content": f"{role} {n}: " + "word " * 100}
        for n in range(40)
        for role in ("user", "assistant")
    ]

    figures = counted({"model": "gpt-4o", "input": history}, "--window", "8000")

    drop, window = figures["compaction"], figures["window"]
    assert window["tokens"] == window["input_limit"] == 8000
    assert window["trigger"] == 6500  # the buffer of 1,500 below the limit
    assert drop["due"]
    assert drop["at_least"] == figures["tokens"] - window["target"] > 0
    assert drop["tokens"] >= drop["at_least"]
    assert 0 < drop["items"] < len(history)


def test_a_call_below_the_trigger_says_that_nothing_has_to_go(counted):
    drop = counted(REQUEST)["compaction"]

    assert (drop["due"], drop["at_least"], drop["items"]) == (False, 0, None)


def test_what_no_compaction_can_help_says_why(counted):
    alone = [{"role": "user", "content": "word " * 9000}]

    drop = counted(alone, "--window", "8000")["compaction"]

    assert drop["due"]
    assert "the largest item" in drop["impossible"]


def test_the_policy_of_the_environment_holds(counted):
    assert counted(REQUEST, COMPACT_TRIGGER_PCT="0.6")["window"]["trigger"] == int(0.6 * 111_616)


@pytest.mark.parametrize(
    ("value", "arguments", "environment", "expected"),
    [
        (REQUEST, [], {"COMPACT_MODEL": "gpt-5"}, ("gpt-4o", "request")),
        (REQUEST, ["--model", "gpt-5"], {}, ("gpt-5", "option")),
        (ITEMS, ["--model", "gpt-5"], {"COMPACT_MODEL": "o3"}, ("gpt-5", "option")),
        (ITEMS, [], {"COMPACT_MODEL": "o3"}, ("o3", "environment")),
        (ITEMS, [], {}, ("gpt-4o", "default")),
    ],
)
def test_the_model_is_that_of_the_option_the_request_the_environment_or_a_default(
    counted, value, arguments, environment, expected
):
    figures = counted(value, *arguments, **environment)

    assert (figures["model"], figures["model_source"]) == expected


def test_a_summary_is_found_in_either_role(counted):
    for role in ("user", "assistant"):
        assert layers(counted([{"role": role, "content": SUMMARY}]))["summaries"]["items"] == 1


def test_json_holds_no_content_unless_it_is_asked_for(count):
    body = json.dumps({"input": [{"role": "user", "content": "the secret is Rosebud"}]})

    assert "Rosebud" not in count("--json", "-", given=body).output
    assert "Rosebud" in count("--json", "--preview", "-", given=body).output
