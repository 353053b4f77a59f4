"""A remainder that is larger than the summariser's own window."""

from __future__ import annotations

import pytest

from compact_otel.core.errors import SummaryError
from compact_otel.testing import LocalOpenAI
from tests.histories import output, user
from tests.summarizers.openai_bench import NOTE, errand, in_turn, summarizer
from tests.summarizers.openai_bench import request as usual_request

WINDOW = 6_000


def request(*items, **options):
    """Return a request whose counter does not count too little, as one for prose would here."""
    return usual_request(*items, count_text=lambda text: len(text) // 3, **options)


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_it_is_summarised_in_parts_each_on_top_of_the_note_before(api):
    with LocalOpenAI(
        in_turn("- note 1", "- note 2", "- note 3", "- last"), context_window=WINDOW
    ) as server:
        made = summarizer(server, api=api, window=WINDOW)
        summary = await made.summarize(request(errand(20), previous_summary="- note 0"))
    texts = [str(asked.body.get("input") or asked.body["messages"][1]) for asked in server.requests]
    assert len(texts) > 2
    assert all(asked.error is None for asked in server.requests)
    for number, text in enumerate(texts[:4]):
        assert f"> - note {number}" in text
        assert f"- note {number - 1}" not in text
    for turn in range(1, 21):  # nothing is left out, and nothing is shown twice
        assert sum(text.count(f"Where is order A-{turn}?") for text in texts) == 1
    assert summary.text == "- last"


async def test_a_window_that_nobody_knew_is_learned_from_the_refusal():
    behave = in_turn("- note")
    with LocalOpenAI(behave, context_window=WINDOW) as server:
        made = summarizer(server, model="local-model-8b", api="chat", window=None)
        assert (await made.summarize(request(errand(20)))).text == "- note"
        refused = [asked for asked in server.requests if asked.error]
        assert 1 <= len(refused) <= 4
        server.clear()
        await made.summarize(request(errand(20)))
        assert not [asked for asked in server.requests if asked.error]


async def test_one_text_larger_than_the_window_keeps_its_beginning_and_its_end():
    text = "It began at Leeds. " + "row of data " * 5_000 + " It ended at York."
    items = [user("Where?"), output("c1", text)]
    with LocalOpenAI(in_turn("- Leeds to York"), context_window=WINDOW) as server:
        await summarizer(server, window=WINDOW).summarize(request(items))
    texts = [asked.body["input"] for asked in server.requests]
    assert all(asked.error is None for asked in server.requests)
    assert "It began at Leeds." in texts[-1]
    assert "It ended at York." in texts[-1]
    assert "characters left out" in texts[-1]


async def test_a_model_with_no_room_gives_way_to_one_with_more():
    with LocalOpenAI(in_turn(NOTE)) as server:
        made = summarizer(server, model="gpt-4", fallback_models=["gpt-4.1"])
        summary = await made.summarize(request(max_tokens=5_000))
    assert summary.model == "gpt-4.1"


async def test_without_any_room_the_error_says_how_much_there_was():
    with (
        LocalOpenAI(in_turn(NOTE)) as server,
        pytest.raises(SummaryError, match="tokens") as raised,
    ):
        await summarizer(server, window=900).summarize(request())
    assert raised.value.reason == "no_room"
    assert not server.requests
