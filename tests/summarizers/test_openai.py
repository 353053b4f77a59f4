"""What a model is asked for a summary, and what of its answers is used."""

from __future__ import annotations

import asyncio
import inspect

import pytest

from compact_otel.core.errors import ConfigError, SummaryError
from compact_otel.core.protocols import Summarizer
from compact_otel.summarizers.openai import OpenAISummarizer
from compact_otel.summarizers.prompts import PROMPTS
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import complaints, reasoning, user
from tests.summarizers.openai_bench import (
    APIS,
    NOTE,
    STRATEGIES,
    RawServer,
    by_model,
    completion,
    desk,
    errand,
    in_turn,
    request,
    summarizer,
)

TOO_LONG = "All is well with order A-17. " * 80  # 580 tokens, 400 are allowed
CYRILLIC = "Где мой заказ 17? Никогда мне не звоните, пишите только на почту. " * 20


def test_it_is_asked_in_the_event_loop_of_the_call():
    made = OpenAISummarizer()
    assert isinstance(made, Summarizer)
    assert inspect.iscoroutinefunction(made.summarize)


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_one_request_gives_the_note_in_either_api_and_every_strategy(name, strategy):
    with LocalOpenAI(in_turn(NOTE)) as api:
        summary = await summarizer(api, api=name).summarize(request(strategy=strategy))
    assert summary.text == NOTE
    assert summary.model == "gpt-4.1-mini"
    (asked,) = api.requests
    assert asked.error is None
    told = asked.body.get("instructions") or asked.body["messages"][0]["content"]
    assert PROMPTS.sections[strategy] in told


async def test_nothing_is_stored_and_the_same_request_gives_the_same_bytes():
    with LocalOpenAI(in_turn(NOTE)) as api:
        for _ in range(2):
            await summarizer(api).summarize(request())
    first, second = (asked.body for asked in api.requests)
    assert first == second
    assert first["store"] is False
    assert first["temperature"] == 0
    assert 400 < first["max_output_tokens"] < 1000


async def test_a_seed_goes_out_where_the_api_takes_one():
    with LocalOpenAI(in_turn(NOTE)) as api:
        await summarizer(api, api="chat", seed=7).summarize(request())
        await summarizer(api, seed=7).summarize(request())
    assert [asked.body.get("seed") for asked in api.requests] == [7, None]


async def test_a_model_that_reasons_gets_little_effort_room_to_think_and_no_temperature():
    with LocalOpenAI(in_turn(Step(NOTE, reasoning=True))) as api:
        assert (await summarizer(api, model="gpt-5-mini").summarize(request())).text == NOTE
    body = api.requests[0].body
    assert body["reasoning"] == {"effort": "low"}
    assert "temperature" not in body
    assert body["max_output_tokens"] > 4000


@pytest.mark.parametrize(
    ("name", "parameter", "error"),
    [
        (
            "responses",
            "temperature",
            {
                "message": "Unsupported parameter: 'temperature' is not supported.",
                "param": "temperature",
            },
        ),
        ("responses", "store", {"message": "Unknown parameter: 'store'.", "param": "store"}),
        ("chat", "seed", {"message": "extra_forbidden: body -> seed"}),
        (
            "chat",
            "max_completion_tokens",
            {"message": "Unrecognized request argument supplied: max_completion_tokens"},
        ),
    ],
)
async def test_what_a_model_does_not_take_is_left_out_from_then_on(name, parameter, error):
    with LocalOpenAI(in_turn(Step(error=error), NOTE)) as api:
        made = summarizer(api, api=name)
        for _ in range(2):
            assert (await made.summarize(request())).text == NOTE
    assert [parameter in asked.body for asked in api.requests] == [True, False, False]
    limits = {"max_output_tokens", "max_completion_tokens", "max_tokens"}
    assert all(limits & asked.body.keys() for asked in api.requests)


async def test_the_last_summary_is_folded_in_with_its_turns_and_the_wish_goes_along():
    with LocalOpenAI(in_turn(NOTE)) as api:
        await summarizer(api).summarize(
            request(previous_summary='- turn 9: "never before noon"', note="keep the depots")
        )
    text = api.requests[0].body["input"]
    assert '> - turn 9: "never before noon"' in text
    assert "user, turn 10" in text
    assert "> keep the depots" in text


async def test_too_long_is_asked_again_at_half_the_length_twice_then_brief_then_the_next_model():
    behave = by_model(large=Step(TOO_LONG), small=Step(NOTE))
    with LocalOpenAI(behave) as api:
        summary = await summarizer(
            api, model="large", fallback_models=["small"], window=50_000
        ).summarize(request())
    assert summary.text == NOTE
    bodies = [asked.body for asked in api.requests]
    # The brief prompt at half the length may be too long as well, and twice is enough.
    assert [body["model"] for body in bodies] == ["large"] * 4 + ["small"]
    lengths = [body["input"].rpartition(" tokens)")[0].rpartition("(")[2] for body in bodies]
    assert lengths == ["400", "200", "100", "200", "400"]
    is_brief = [PROMPTS.sections["brief"] in body["instructions"] for body in bodies]
    assert is_brief == [False, False, False, True, True]


async def test_an_answer_at_half_the_length_is_taken():
    with LocalOpenAI(in_turn(TOO_LONG, NOTE)) as api:
        assert (await summarizer(api).summarize(request())).text == NOTE
    assert len(api.requests) == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(" \n\u200b\n ".replace("\u200b", ""), "empty", id="blank"),
        pytest.param(Step(NOTE, incomplete="content_filter"), "refused", id="filtered"),
        pytest.param("I'm sorry, but I can't assist with that.", "refused", id="refused in words"),
        pytest.param(Step(NOTE, incomplete="max_output_tokens"), "truncated", id="cut off"),
        pytest.param(CYRILLIC, "language", id="another script"),
        pytest.param("- booking ZX-EXAMPLE-41: day 2031-04-10", "copied", id="the example"),
        pytest.param(TOO_LONG, "too_long", id="too long"),
        pytest.param("word " * 60_000, "inflated", id="endless"),
    ],
)
@pytest.mark.parametrize("name", APIS)
async def test_what_cannot_be_used_is_not_used(name, answer, reason):
    with LocalOpenAI(in_turn(answer)) as api, pytest.raises(SummaryError) as raised:
        await summarizer(api, api=name).summarize(request())
    assert raised.value.reason == reason
    assert len(api.requests) in (2, 4)  # brief, and the two at half the length where that helps
    assert "A-17" not in str(raised.value)


async def test_a_refusal_part_is_a_refusal():
    body = completion(None, message={"refusal": "I will not."})
    with RawServer(body) as server, pytest.raises(SummaryError) as raised:
        await summarizer(server, api="chat").summarize(request())
    assert raised.value.reason == "refused"


async def test_a_summary_no_shorter_than_its_source_is_not_used():
    with LocalOpenAI(in_turn(NOTE)) as api, pytest.raises(SummaryError) as raised:
        await summarizer(api).summarize(request([user("Order A-17 to Leeds.")]))
    assert raised.value.reason == "inflated"


@pytest.mark.parametrize(
    ("said", "note", "fits"),
    [
        pytest.param(CYRILLIC, "Заказ 17 в пути, не звонить.", True, id="same"),
        pytest.param(CYRILLIC, "The order is on its way, do not call.", False, id="english"),
        pytest.param(
            "配達はいつですか。電話はしないでください。" * 9,
            "注文は明日届く。電話は不可。",
            True,
            id="kanji",
        ),
        pytest.param(
            "配達はいつですか。電話はしないでください。" * 9,
            "The order comes tomorrow, no calls please.",
            False,
            id="not kanji",
        ),
        pytest.param(
            "почини это, пожалуйста. " + "def parse(text): return text.split() " * 40,
            "Починить функцию parse, она делит текст.",
            True,
            id="a page of code pasted",
        ),
        pytest.param(
            "почини разбор файла, пожалуйста, и не трогай тесты. " * 8,
            "Цель: починить parse_file в src/app/reader.py, tests/test_reader.py не трогать",
            True,
            id="names stay as they are",
        ),
    ],
)
async def test_a_summary_is_in_the_script_of_the_users(said, note, fits):
    with LocalOpenAI(in_turn(note)) as api:
        asked = summarizer(api).summarize(request([user(said)]))
        if fits:
            assert (await asked).text == note
        else:
            with pytest.raises(SummaryError) as raised:
                await asked
            assert raised.value.reason == "language"


async def test_a_language_that_was_chosen_is_no_mistake():
    with LocalOpenAI(in_turn("The order is on its way.")) as api:
        made = summarizer(api, language="English")
        assert "on its way" in (await made.summarize(request([user(CYRILLIC)]))).text
    assert "Write in English." in api.requests[0].body["input"]


async def test_thoughts_and_fences_of_open_models_are_taken_off():
    with LocalOpenAI(in_turn(f"<think>Hm, A-17?</think>\n```markdown\n{NOTE}\n```")) as api:
        assert (await summarizer(api).summarize(request())).text == NOTE


async def test_nothing_readable_asks_nobody():
    with LocalOpenAI(in_turn(NOTE)) as api, pytest.raises(SummaryError) as raised:
        await summarizer(api).summarize(request([reasoning()]))
    assert raised.value.reason == "empty"
    assert not api.requests


async def test_without_a_key_the_error_says_what_to_set(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SummaryError, match="OPENAI_API_KEY") as raised:
        await OpenAISummarizer().summarize(request())
    assert raised.value.reason == "unauthorized"


async def test_the_environment_says_where_the_own_client_goes(monkeypatch):
    with LocalOpenAI(in_turn(NOTE)) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert (await OpenAISummarizer().summarize(request())).text == NOTE


def test_several_event_loops_one_after_the_other():
    with RawServer(completion(NOTE)) as server:
        made = summarizer(server, api="chat")
        notes = [asyncio.run(made.summarize(request())).text for _ in range(3)]
    assert notes == [NOTE] * 3


async def test_a_client_that_is_handed_over_is_used_and_stays_open():
    with RawServer(completion(NOTE)) as server:
        async with server.client() as client:
            made = summarizer(server, api="chat", client=client)
            notes = [(await made.summarize(request())).text for _ in range(2)]
            assert not client.is_closed()
    assert notes == [NOTE] * 2


def test_from_preflight_without_a_loop_and_from_one_with():
    with LocalOpenAI(in_turn(NOTE)) as api:
        made = summarizer(api)
        first, limit = desk(made)
        second, _ = desk(made)
        results = [
            first.preflight("a", errand()),
            asyncio.run(second.apreflight("b", errand())),
        ]
    for result in results:
        assert result.outcome == "compacted"
        assert "Never call me." in result.summary
        assert result.tokens_after <= limit
        assert not complaints(result.messages)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"model": ""}, "model"),
        ({"fallback_models": "gpt-4.1"}, "fallback_models"),
        ({"fallback_models": [None]}, "fallback_models"),
        ({"api": "completions"}, "api"),
        ({"timeout": 0}, "timeout"),
        ({"max_retries": -1}, "max_retries"),
        ({"window": 0}, "window"),
    ],
)
def test_an_impossible_setting_is_named(options, word):
    with pytest.raises(ConfigError, match=f"`{word}`"):
        OpenAISummarizer(**options)
