"""What is worked out of an archive is what the manager did."""

import math
import shutil

import pytest

from compact_otel import CompactConfig, CompactManager
from compact_otel.archive.opening import opened
from compact_otel.core.assemble import replay
from compact_otel.report.page import page
from tests.report.sessions import CALL, config, history, lived, reported


def compacted(booked):
    return {n: one for n, one in booked[2].items() if one.outcome == "compacted"}


def test_each_call_up_to_the_last_compaction_is_there_with_the_tokens_that_went_out(booked, report):
    results = booked[2]
    last = max(compacted(booked))
    assert [call.items for call in report.calls] == [n for n in results if n <= last]
    for call in report.calls:
        assert call.tokens == pytest.approx(results[call.items].tokens_after, rel=0.02)
        assert call.measured == (call.items in compacted(booked))
        assert sum(call.layers.values()) == call.tokens


def test_each_compaction_has_the_figures_that_the_manager_gave(booked, report):
    made = compacted(booked)
    assert len(made) > 3
    for one, (length, result) in zip(report.compactions, made.items(), strict=True):
        assert report.calls[one.call - 1].items == length
        assert (one.tokens_before, one.tokens_after) == (result.tokens_before, result.tokens_after)
        assert sum(one.layers_before.values()) == one.tokens_before
        assert sum(one.layers_after.values()) == one.tokens_after
        assert one.layers_after["summary"] > 0
        assert one.stands_for == result.dropped
        assert one.items_after == len(result.messages)
        assert one.summary.version == result.summary_version
        assert one.cache.saved == result.tokens_before - result.tokens_after
        assert one.reason == "buffer_reached"
    assert sum(one.calls_after for one in report.compactions) == len(report.calls) - (
        report.compactions[0].call - 1
    )


def test_without_compaction_a_call_would_have_had_all_of_its_history(booked, report):
    settings = CompactConfig.load(max_context_tokens=10**8, storage={"adapter": "none"})
    big = CompactManager(settings)
    last = report.calls[-1]
    whole = big.preflight("whole", booked[1][: last.items], call=CALL)
    assert last.tokens_whole == pytest.approx(whole.tokens_before, rel=0.02)


def test_each_item_that_left_is_listed_once_under_the_compaction_that_removed_it(booked, report):
    storage = opened(booked[0]).storage
    items = booked[1]
    gone, visible = {}, set(range(len(items)))
    for number, checkpoint in enumerate(storage.load_checkpoints("booked"), 1):
        stays = set(replay(items, checkpoint).kept)
        gone |= dict.fromkeys(visible - stays, number)
        visible &= stays
    listed = [one for one in report.removed if one.what == "summarised"]
    assert {one.index: one.compaction for one in listed} == gone
    assert len(listed) == len(gone) == report.compactions[-1].stands_for
    calls = [one for one in listed if items[one.index].get("type", "").startswith("function_call")]
    assert {one.tool for one in calls} == {"book"}


def test_the_limits_are_those_of_the_events_and_not_of_the_settings_of_today(booked):
    today = CompactConfig.load(trigger_pct=0.4, target_pct=0.2, max_context_tokens=90_000)
    report = reported(booked[0], "booked", settings=today)
    assert report.window.size == 3_000
    assert (report.limits.trigger, report.limits.target) == (1_500, 882)
    assert reported(booked[0], "booked", window=50_000).window.input_limit == 50_000


def test_values_that_a_summary_carries_over_are_marked_where_they_stand(report):
    shown = report.compactions[-1].summary
    marked = [shown.prose[start:end] for start, end in shown.carried]
    gone = "".join(one.text for one in report.removed)
    assert len(marked) > 20
    assert all(word in gone for word in marked)
    assert {"Please", "book", "booked"}.isdisjoint(marked)


def test_another_conversation_under_the_same_id_begins_where_it_parts(tmp_path):
    items = history(20)
    lived(tmp_path, "forked", items)
    before = reported(tmp_path, "forked")
    manager = CompactManager(config(tmp_path))
    other = [*items[:24], {"role": "user", "content": "Something else altogether"}]
    result = manager.manual_compact("forked", other, note="a fork", call=CALL)

    after = reported(tmp_path, "forked")

    assert after.calls[: len(before.calls)] == before.calls
    assert [call.items for call in after.calls[len(before.calls) :]] == [25]
    last = after.compactions[-1]
    assert (last.note, last.trigger, last.tokens_after) == ("a fork", "manual", result.tokens_after)
    assert {one.index for one in after.removed if one.compaction == last.number} <= set(range(25))


def test_what_was_pruned_is_said_to_be_gone_and_the_rest_is_shown(booked, report, tmp_path):
    whole = report
    folder = tmp_path / "archive"
    shutil.copytree(booked[0], folder)
    storage = opened(folder).storage
    for step in (1, 2):
        storage.remove("booked", f"transcript-pre-compact-{step:03d}")
    storage.remove("booked", "summary-001")

    report = reported(folder, "booked")

    assert [one.tokens_after for one in report.compactions] == [
        one.tokens_after for one in whole.compactions
    ]
    assert [call.items for call in report.calls] == [call.items for call in whole.calls]
    assert report.calls[-1].tokens == whole.calls[-1].tokens
    assert report.compactions[0].summarised is report.compactions[0].summary is None
    assert "What compaction 1 left is gone: calls after it are counted whole." in report.notes


def test_a_session_of_which_only_events_are_left_is_a_report_without_calls(booked, tmp_path):
    folder = tmp_path / "archive"
    shutil.copytree(booked[0], folder)
    storage = opened(folder).storage
    for record in storage.records("booked"):
        if record.step is not None:
            storage.remove("booked", record.id)

    report = reported(folder, "booked")

    assert report.calls == ()
    assert any("only its events are left" in note for note in report.notes)


def test_events_of_another_make_are_passed_over(booked, tmp_path):
    folder = tmp_path / "archive"
    shutil.copytree(booked[0], folder)
    storage = opened(folder).storage
    odd = {"event": "compact.token_estimate", "compact.estimate.phase": "before"}
    storage.save_event("booked", {**odd, "compact.tokens.before": "</script>"})
    storage.save_event("booked", {"event": "compact.of_tomorrow", "compact.new": [1]})
    storage.save_event("booked", {"event": ["not", "a", "name"]})

    assert reported(folder, "booked").compactions == reported(booked[0], "booked").compactions


def test_what_failed_on_the_way_stands_beside_the_compaction(tmp_path):
    class Broken:
        def summarize(self, request):
            raise TimeoutError(f"no answer to {request.items[0]}")

    manager = CompactManager(config(tmp_path), summarizer=Broken())
    items = history(12)
    manager.manual_compact("failing", items, call=CALL)

    (one,) = reported(tmp_path, "failing").compactions

    assert any("timeout" in said and "extractive" in said for said in one.failures)
    assert "Please book" not in "".join(one.failures)


@pytest.mark.parametrize("number", [math.nan, math.inf, -1, 10**400, 1.5, True, "</script>", None])
def test_figures_that_somebody_forged_make_a_page_all_the_same(booked, tmp_path, number):
    folder = tmp_path / "archive"
    shutil.copytree(booked[0], folder)
    storage = opened(folder).storage
    for event in storage.load_events("booked"):
        forged = {name: number for name, value in event.items() if isinstance(value, int | float)}
        storage.save_event("booked", {**event, **forged})
    for step in (1, 2, 3):
        summary = storage.load_summary("booked", step)
        forged = {"covered", "kept", "tokens_after"} if step == 1 else {"tokens_before", "version"}
        storage.save_summary("booked", step, {**summary, **dict.fromkeys(forged, number)})

    report = reported(folder, "booked")

    assert len(report.calls) == len(reported(booked[0], "booked").calls)
    assert page(report).endswith("</html>")


def test_odd_items_of_an_archive_are_shown_as_far_as_they_go(tmp_path):
    odd = [
        {"role": ["user"], "content": {"deep": [1, None]}},
        {"type": "function_call", "name": 7, "arguments": None, "call_id": []},
        {"type": "function_call_output", "output": [{"type": "input_image", "image_url": 3}]},
        {"role": "assistant", "tool_calls": ["x", {"function": 4}], "content": None},
        {"type": "compaction", "encrypted_content": "x" * 4_000},
        {},
    ]
    manager = CompactManager(config(tmp_path))
    manager.manual_compact("odd", [*odd[:4], *history(12), *odd[4:], *history(8)], call=CALL)

    assert page(reported(tmp_path, "odd")).endswith("</html>")


def test_a_call_of_which_nothing_could_be_removed_is_told_among_the_others(tmp_path):
    manager = CompactManager(config(tmp_path))
    result = manager.manual_compact("short", [{"role": "user", "content": "Hello"}], call=CALL)
    assert result.outcome == "noop"

    report = reported(tmp_path, "short")

    assert [one.what for one in report.others] == [
        "A compaction was asked for (manual), and nothing could be removed."
    ]
    assert "nothing could be removed" in page(report)


def test_facts_that_were_put_back_stand_apart_from_what_the_summariser_wrote(tmp_path):
    class Terse:
        def summarize(self, request):
            return "Tables were booked as RES3X9, not as QX77Y1."

    manager = CompactManager(config(tmp_path), summarizer=Terse())
    manager.manual_compact("terse", history(14), call=CALL)

    report = reported(tmp_path, "terse")

    (shown,) = [one.summary for one in report.compactions]
    assert shown.prose == "Tables were booked as RES3X9, not as QX77Y1."
    assert [shown.prose[start:end] for start, end in shown.carried] == ["RES3X9"]
    assert "RES4X9" in shown.put_back
    text = page(report)
    assert "Facts put back, which it had left out" in text
    back = shown.created.facts_kept - shown.created.facts_in_prose
    assert f"{back} of them put back" in text
