"""A run: what the figures say must be what happened."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from compact_otel.core.frame import wrap
from compact_otel.demo.figures import compactions
from compact_otel.demo.model import RecordedModel
from compact_otel.demo.recording import Fact, Response, bundled
from compact_otel.demo.tools import RecordedTools
from compact_otel.switch import active_manager
from compact_otel.testing.behaviour import ModelRequest, readable_text
from tests.demo.runs import play, settings


@pytest.fixture(params=["responses", "streamed chat"])
def either(request):
    """A run through either API, one of them streamed."""
    return request.getfixturevalue("figures" if request.param == "responses" else "streamed_chat")


def test_without_compact_otel_the_session_dies_of_its_window(either):
    death = either.without.death

    assert either.without.survived == death.turn - 1 < either.turns
    assert death.model_call == either.without.model_calls
    assert (death.status, death.code) == (400, "context_length_exceeded")


def test_the_error_is_what_the_api_said(figures, streamed_chat):
    assert figures.without.death.message == (
        "Your input exceeds the context window of this model. "
        "Please adjust your input and try again."
    )
    assert streamed_chat.without.death.message.startswith(
        "This model's maximum context length is 8500 tokens. However, your messages resulted in "
    )


def test_with_compact_otel_every_turn_is_played_and_no_request_overflows(either):
    assert either.survived
    assert either.with_.survived == either.turns == 18
    assert either.with_.model_calls == len(bundled(18).responses)
    assert either.with_.death is None
    assert either.overflow_errors == 0


def test_the_largest_request_stayed_within_the_window_that_the_session_outgrew(either):
    assert 0 < either.with_.tokens_peak <= either.settings.window < either.session_tokens


def test_every_compaction_ends_under_its_budget_and_carries_the_next_summary(either):
    assert either.compactions
    for one in either.compactions:
        assert one.outcome == "compacted"
        assert one.tokens_after < one.tokens_before
        assert one.tokens_after <= one.tokens_budget
        assert one.messages_after < one.messages_before
    versions = [one.summary_version for one in either.compactions]
    assert versions == list(range(1, len(versions) + 1))


def test_a_compaction_is_told_with_the_turn_and_the_call_it_was_made_for(figures):
    calls = [response.turn for response in bundled(18).responses]

    for one in figures.compactions:
        assert calls[one.model_call - 1] == one.turn


def test_the_archive_has_a_transcript_and_a_summary_of_each_compaction(either):
    on_disk = sorted(file.name for file in either.archive.iterdir())

    assert on_disk == list(either.archive_files)
    assert sum(name.startswith("transcript-") for name in on_disk) == len(either.compactions)
    assert sum(name.startswith("summary-") for name in on_disk) == len(either.compactions)


def test_more_facts_are_kept_than_if_the_history_were_only_dropped(either):
    needed, kept = either.facts["needed"], either.facts["kept"]

    assert needed == sum(len(response.facts) for response in bundled(18).responses)
    assert either.facts["compacted"] > 0
    assert kept > needed - either.facts["compacted"]
    assert kept == needed - either.facts["compacted"] + either.facts["recovered"]
    assert len(either.lost) == needed - kept


def test_a_run_leaves_the_agents_sdk_as_it_was(figures):
    from agents import OpenAIResponsesModel

    assert active_manager() is None
    assert type(OpenAIResponsesModel.__dict__["get_response"]).__name__ == "function"


def test_a_second_run_does_not_use_what_the_first_one_left(figures):
    again = play(figures.settings)

    assert again.archive != figures.archive
    assert again.archive.parent == figures.archive.parent
    assert len(again.compactions) == len(figures.compactions)


def test_the_environment_does_not_change_the_figures(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPACT_TRIGGER_PCT", "0.6")
    monkeypatch.setenv("COMPACT_STORAGE_ADAPTER", "none")

    config = settings(tmp_path).config

    assert config.policy.trigger_pct == 0.85
    assert config.storage.path == str(tmp_path)


def test_the_json_object_has_all_figures(figures):
    told = json.loads(json.dumps(figures.as_json()))

    assert told["turns"] == told["survived_with"] == 18
    assert told["survived_without"] == figures.without.survived
    assert told["error"]["code"] == "context_length_exceeded"
    assert told["error_with"] is None
    assert len(told["compactions"]) == len(figures.compactions)
    assert told["compactions"][0]["tokens_after"] == figures.compactions[0].tokens_after
    assert told["facts_kept"] == figures.facts["kept"]
    assert len(told["facts_lost"]) == told["facts_needed"] - told["facts_kept"]
    assert told["archive_files"] == list(figures.archive_files)


def test_a_live_run_has_the_same_keys_with_null_for_what_it_does_not_have(figures):
    live = replace(figures, without=None, needs=None, overflow_errors=None)

    told = live.as_json()

    assert told.keys() == figures.as_json().keys()
    without = ("survived_without", "error", "overflow_errors", "facts_needed", "facts_lost")
    assert [told[name] for name in without] == [None] * len(without)


def test_a_decision_that_failed_is_listed_without_figures(figures):
    span = next(span for span in figures.spans if span.name == "compact_context")
    turn = next(one for one in figures.spans if one.context.span_id == span.parent.span_id)

    failed = SimpleNamespace(
        name=span.name,
        parent=span.parent,
        start_time=span.start_time,
        attributes={"compact.outcome": "error", "compact.tokens.before": 9_000},
    )

    (one,) = compactions([failed, turn])

    assert (one.outcome, one.tokens_before, one.tokens_after) == ("error", 9_000, None)


def needing(*values):
    facts = [Fact(value=value, tool="look", argument="at", origin="user") for value in values]
    calls = (("look", "{}"),)
    return Response(turn=7, start=1, text=None, calls=calls, facts=tuple(facts))


def request(*items):
    return ModelRequest(
        api="responses",
        model=None,
        instructions=None,
        items=items,
        tools=("look",),
        text=readable_text(None, items),
        number=1,
    )


def test_a_fact_is_kept_compacted_or_lost_by_where_the_request_has_it():
    model = RecordedModel([needing("HAT001", "HAT002", "HAT003")])
    summary = {"role": "assistant", "content": wrap(1, "She flies HAT001 and HAT002.")}

    step = model(request(summary, {"role": "user", "content": "Cancel HAT001."}))

    assert [(need.kept, need.compacted) for need in model.needs] == [
        (True, False),
        (True, True),
        (False, True),
    ]
    assert {need.turn for need in model.needs} == {7}
    assert step.calls == (("look", "{}"),)


def test_a_tool_answers_a_question_as_it_did_each_time_and_then_as_last():
    tools = RecordedTools(
        replace(
            bundled(1),
            outputs=[("seats", '{"flight": "A", "day": 1}', out) for out in ("12", "11")],
        )
    )

    answers = [tools.answer("seats", '{"day": 1, "flight": "A"}') for _ in range(3)]

    assert answers == ["12", "11", "11"]


@pytest.mark.parametrize("arguments", ['{"flight": "B"}', "no JSON"])
def test_a_tool_says_that_a_question_is_not_recorded(arguments):
    tools = RecordedTools(bundled(1))

    assert tools.answer("get_user_details", arguments).startswith("Error: ")
