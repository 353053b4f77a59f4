"""A file is played as a manager would have decided in the real run."""

import json

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.items import protect
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.report import gathering
from compact_otel.report.from_replay import from_replay
from compact_otel.report.gathering import gather
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.tokens.reading import from_bytes
from tests.cli.calls import CHAT_REQUEST
from tests.report.sessions import CALL, SECRET, WINDOW, history


def played(value, model="gpt-4o-mini", **settings):
    config = CompactConfig.load(**{"max_context_tokens": WINDOW, **settings})
    estimator = TiktokenEstimator()
    found = from_bytes(json.dumps(value).encode(), "stdin")
    source = from_replay(found, "stdin", model, config, estimator)
    return gather(source, estimator, config.redaction.gate(), redacted=True)


def request(items):
    tools = list(CALL.tools)
    return {"model": CALL.model, "instructions": CALL.instructions, "tools": tools, "input": items}


@pytest.fixture(scope="module")
def items():
    return history(30)


@pytest.fixture(scope="module")
def report(items):
    return played(request(items))


def test_the_calls_have_the_very_tokens_that_a_manager_gives(items, report):
    settings = CompactConfig.load(max_context_tokens=WINDOW, storage={"adapter": "none"})
    manager = CompactManager(
        settings, estimator=TiktokenEstimator(), summarizer=ExtractiveSummarizer()
    )
    results = [manager.preflight("s", items[: call.items], call=CALL) for call in report.calls]
    assert [call.tokens for call in report.calls] == [one.tokens_after for one in results]
    made = [one for one in results if one.outcome == "compacted"]
    assert [one.tokens_before for one in report.compactions] == [one.tokens_before for one in made]
    assert [one.stands_for for one in report.compactions] == [one.dropped for one in made]
    assert len(made) > 3
    assert all(call.measured for call in report.calls)


def test_nothing_is_stored_and_no_model_is_asked_whatever_the_settings_say(items, tmp_path):
    storage = {"adapter": "fs", "path": str(tmp_path / "archive")}
    report = played(request(items), storage=storage, summarizer={"model": "gpt-4.1"}, mode="off")
    assert report.compactions
    assert {one.summary.created.summarizer for one in report.compactions} == {"extractive"}
    assert not (tmp_path / "archive").exists()


def test_the_last_request_is_a_call_too_and_an_answer_behind_it_is_not(items):
    asked = played(request([*items, {"role": "user", "content": "And now?"}]))
    assert asked.calls[-1].items == len(items) + 1
    assert played(request(items)).calls[-1].items == len(items) - 1


def test_a_chat_request_is_played_in_its_own_form():
    report = played(CHAT_REQUEST)
    assert [call.items for call in report.calls] == [1, 4]
    assert report.compactions == ()
    assert report.calls[-1].layers["tools"] > 0


def test_what_can_not_be_compacted_is_told_and_the_rest_is_played():
    huge = {"role": "user", "content": "word " * 9_000}
    report = played(request([huge, {"role": "assistant", "content": "Well."}, *history(3)]))
    assert report.calls[0].tokens > WINDOW
    assert any("failed" in other.what for other in report.others)


def test_texts_are_redacted_in_what_was_removed_and_in_summaries(items):
    secret = {"role": "user", "content": f"Remember: api_key={SECRET} and table Q-77123"}
    report = played(request([secret, *items]))
    told = json.dumps(report.as_dict())
    assert "Q-77123" in told
    assert SECRET not in told


def test_reasoning_costs_something_until_the_user_speaks_again():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x" * 6000}
    turn = [
        {"role": "user", "content": "Is it warm?"},
        thought,
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "warm"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Thanks."},
        {"role": "assistant", "content": "Bye."},
    ]
    report = played(turn, max_context_tokens=50_000)
    before, while_, after = report.calls
    assert while_.tokens_whole == while_.tokens > before.tokens + 900
    assert after.tokens_whole == after.tokens < while_.tokens - 900


def test_labels_of_what_is_protected_are_redacted_in_the_data(items):
    kept = protect({"role": "user", "content": "Rules of the house"}, f"api_key={SECRET}")
    told = json.dumps(played(request([kept, *items])).as_dict())
    assert '"protected": "0:' in told
    assert SECRET not in told


def test_very_long_summaries_are_shortened_and_say_so(items, monkeypatch):
    monkeypatch.setattr(gathering, "_SUMMARY_CHARS", 4_000)
    monkeypatch.setattr(gathering, "_SHORTEST_SUMMARY", 100)
    shown = played(request(items)).compactions[-1].summary
    assert shown.left_out > 0
    assert len(shown.prose) == 4_000 // shown.version
    assert all(end <= len(shown.prose) for _, end in shown.carried)
