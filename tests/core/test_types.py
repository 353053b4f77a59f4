import json
import math
import re
from dataclasses import asdict, replace

import pytest

from compact_otel.core.errors import (
    BrokenOffError,
    CompactError,
    ConfigError,
    InsufficientBudget,
    StorageError,
    SummaryError,
    UnauditedError,
    VerificationError,
)
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import (
    Ahead,
    ArchiveReceipt,
    Checkpoint,
    Cleared,
    Coverage,
    FixedTokens,
    Message,
    Opaque,
    Usage,
    Window,
)

RECORD = Checkpoint(
    key="k",
    covered=5,
    kept=(0, 3),
    summary="s \ud800",
    version=2,
    summary_id="i",
    strategy="brief",
    tokens_before=9,
    tokens_after=4,
)


SEALED = Opaque(
    items=({"type": "message", "content": "x"}, {"type": "compaction", "encrypted_content": "y"}),
    tokens=7,
    reader="m at here",
)


def test_a_checkpoint_survives_json():
    data = json.loads(json.dumps(RECORD.as_dict()))
    assert Checkpoint.from_dict(data) == RECORD
    record = replace(RECORD, opaque=SEALED)
    assert Checkpoint.from_dict(json.loads(json.dumps(record.as_dict()))) == record
    assert Checkpoint.from_dict({**data, "model": "m", "later_field": 1}).model == "m"


@pytest.mark.parametrize(
    "change",
    [
        {"key": None},
        {"summary": b"x"},
        {"strategy": 7},
        {"model": 7},
        {"covered": "5"},
        {"covered": True},
        {"covered": 3},
        {"covered": 0, "kept": []},
        {"covered": -1, "kept": []},
        {"covered": 2, "kept": [0, 1]},
        {"version": 0},
        {"version": 1.0},
        {"tokens_before": math.inf},
        {"kept": None},
        {"kept": "03"},
        {"kept": [0.0, 3.0]},
        {"kept": [False, 3]},
        {"kept": [3, 0]},
        {"kept": [0, 0]},
        {"kept": [-1, 0]},
        {"kept": [0, 5]},
        {"kept": ["0"]},
        {"opaque": {**asdict(SEALED), "items": []}},
        {"opaque": {**asdict(SEALED), "items": ["text"]}},
        {"opaque": {**asdict(SEALED), "items": [{"type": "compaction"}]}},
        {"opaque": {**asdict(SEALED), "items": [*SEALED.items, {"type": "function_call"}]}},
        {"opaque": {**asdict(SEALED), "tokens": -1}},
        {"opaque": {**asdict(SEALED), "reader": None}},
        {"opaque": {"items": SEALED.items}},
    ],
)
def test_what_is_no_checkpoint_is_refused(change):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Checkpoint.from_dict({**RECORD.as_dict(), **change})


@pytest.mark.parametrize("data", [None, [], "text", 7, {}, {"key": "k"}])
def test_what_is_no_record_at_all_is_refused(data):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Checkpoint.from_dict(data)


PROBLEMS = {
    "policy.trigger_pct must be > 0 and <= 1, got 0": {"trigger_pct": 0},
    "policy.trigger_pct must be > 0 and <= 1, got 1.5": {"trigger_pct": 1.5},
    "policy.trigger_pct must be > 0 and <= 1, got nan": {"trigger_pct": math.nan},
    "policy.trigger_pct must be a number > 0 and <= 1, got True": {"trigger_pct": True},
    "policy.trigger_pct must be a number > 0 and <= 1, got '0.8': that is a text, write 0.8": {
        "trigger_pct": "0.8"
    },
    "policy.target_pct must be > 0 and <= 1, got -0.1": {"target_pct": -0.1},
    "policy.target_pct must be < policy.trigger_pct (or every turn would compact again), "
    "got 0.9 and 0.85": {"target_pct": 0.9},
    "policy.hard_cap_buffer must be a whole number >= 0, got -1": {"hard_cap_buffer": -1},
    "policy.hard_cap_buffer must be a whole number >= 0, got 1.5": {"hard_cap_buffer": 1.5},
    "policy.keep_recent_turns must be a whole number >= 1, got 0": {"keep_recent_turns": 0},
    "policy.keep_tool_io_pairs must be a whole number >= 1, got None": {"keep_tool_io_pairs": None},
    "policy.summary_max_tokens must be a whole number >= 64, got 63": {"summary_max_tokens": 63},
    "policy.roles_never_prune must be a list of role names, got 'system': "
    'that is a text, write ["system"]': {"roles_never_prune": "system"},
    "policy.roles_never_prune must be a list of role names, got [1]": {"roles_never_prune": [1]},
    "policy.protected_flag must be the name of a key, got ''": {"protected_flag": ""},
    "policy.strategy must be one of task_state, brief, decision_log, code_delta, got 'x'": {
        "strategy": "x"
    },
    "policy.summary_role must be one of assistant, user, got 'system'": {"summary_role": "system"},
}


@pytest.mark.parametrize("message", PROBLEMS)
def test_an_impossible_policy_names_the_field_the_rule_and_the_value(message):
    with pytest.raises(ConfigError) as caught:
        CompactPolicy(**PROBLEMS[message])
    assert str(caught.value) == message


def test_a_policy_takes_a_list_of_roles():
    assert CompactPolicy(roles_never_prune=["tool"]).roles_never_prune == ("tool",)


def test_a_window_leaves_room_for_the_answer():
    assert Window(size=100, output_reserve=30).input_limit == 70
    assert Window(size=100, output_reserve=200).input_limit == 1


def test_fixed_tokens_add_up():
    assert FixedTokens(1, 2, 4).total == 7


def test_a_message_without_meta_is_just_role_and_content():
    assert Message("user", "hi").as_item() == {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError("x"), ValueError),
        (InsufficientBudget(needed=2, budget=1, guidance="g"), ValueError),
        (SummaryError("x"), RuntimeError),
        (VerificationError("x"), RuntimeError),
        (StorageError("x"), OSError),
    ],
)
def test_every_error_is_a_compact_error_and_the_builtin_it_resembles(error, builtin):
    assert isinstance(error, CompactError)
    assert isinstance(error, builtin)


def test_insufficient_budget_carries_its_numbers():
    error = InsufficientBudget(needed=20, budget=10, guidance="use more")
    assert (error.needed, error.budget) == (20, 10)
    assert str(error) == "need at least 20 tokens, the budget is 10: use more"


AHEAD = Ahead(
    step=1,
    keep_recent_turns=2,
    keep_tool_io_pairs=3,
    summarizer="model",
    writer="mini",
    tokens=40,
    input_messages=5,
    input_tokens=600,
    coverage=Coverage(facts=4, facts_before=3, facts_after=4, before=0.75, after=1.0),
)
FULL = replace(
    RECORD,
    model="m",
    place=3,
    ahead=AHEAD,
    cleared=(Cleared(0, "[gone]", 7, superseded=True), Cleared(3, "[old]", 8, superseded=False)),
    opaque=SEALED,
)


@pytest.mark.parametrize(
    "record",
    [
        FULL,
        replace(FULL, ahead=replace(AHEAD, coverage=None, writer=None)),
        replace(FULL, covered=4, kept=(0, 1, 2, 3), summary=None, version=0),
        replace(FULL, kept=(), cleared=()),
    ],
)
def test_a_checkpoint_with_all_that_it_may_hold_survives_json(record):
    assert Checkpoint.from_dict(json.loads(json.dumps(record.as_dict()))) == record
    assert record.as_dict() == {**asdict(record), "kept": list(record.kept)}


def test_a_record_of_a_first_version_has_none_of_what_came_later():
    data = FULL.as_dict()
    for name in ("ahead", "place", "cleared", "opaque"):
        del data[name]
    assert Checkpoint.from_dict(data) == replace(RECORD, model="m")
    early = {**FULL.as_dict(), "ahead": asdict(AHEAD)}
    del early["ahead"]["coverage"]
    assert Checkpoint.from_dict(early).ahead == replace(AHEAD, coverage=None)


DAMAGES = {
    "not a checkpoint record": [
        {"ahead": 7}, {"opaque": "x"}, {"place": "3"}, {"place": True}, {"tokens_after": None},
        {"summary_id": None}, {"version": "1"},
    ],
    "not a record of a compaction ahead of time": [
        {"ahead": {**asdict(AHEAD), name: value}}
        for name, value in (
            ("step", "1"), ("keep_recent_turns", None), ("keep_tool_io_pairs", 1.5),
            ("summarizer", None), ("writer", 7), ("tokens", True), ("input_messages", "x"),
            ("input_tokens", None),
            ("coverage", {**asdict(AHEAD.coverage), "facts": "4"}),
            ("coverage", {**asdict(AHEAD.coverage), "facts_after": None}),
        )
    ],
    "not a record of a summary's coverage": [
        {"ahead": {**asdict(AHEAD), "coverage": {**asdict(AHEAD.coverage), name: value}}}
        for name, value in (("before", 1), ("before", 1.01), ("after", -0.01), ("after", "1.0"))
    ],
    "not a record of a cleared output": [
        {"cleared": [{"index": 3, "text": "x", "tokens": 7, "superseded": True, **damage}]}
        for damage in (
            {"text": None}, {"superseded": 1}, {"index": "3"}, {"tokens": -1}, {"tokens": True},
            {"index": -1},
        )
    ],
    "`cleared` must be outputs that are kept": [
        {"cleared": [{"index": 2, "text": "x", "tokens": 7, "superseded": True}]},
    ],
    "need `version` >= 1 of a summary, got 0": [{"version": 0}],
    "need `version` >= 1 of a summary, got -1": [{"version": -1}],
    "`kept` must be ascending indices below `covered`, not all of them": [
        {"kept": [3, 0]}, {"kept": [0, 5]}, {"kept": [0, 1, 2, 3, 4], "cleared": []},
    ],
    "need a `summary` that stands for what was dropped": [{"summary": None, "version": 0}],
    "not a record of what a provider sealed": [
        {"opaque": {**asdict(SEALED), name: value}}
        for name, value in (("reader", None), ("tokens", -1), ("tokens", True), ("tokens", "7"))
    ],
    "need mappings in what a provider sealed": [{"opaque": {**asdict(SEALED), "items": ["x"]}}],
    "need messages and a compaction in what a provider sealed": [
        {"opaque": {**asdict(SEALED), "items": [*SEALED.items, {"type": "reasoning"}]}},
        {"opaque": {**asdict(SEALED), "items": SEALED.items[:1]}},
    ],
    "need the encrypted content of a compaction": [
        {"opaque": {**asdict(SEALED), "items": [*SEALED.items, {"type": "compaction"}]}},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "change"), [(said, change) for said, all_ in DAMAGES.items() for change in all_]
)
def test_a_damaged_record_says_what_is_wrong(message, change):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(message)}$"):
        Checkpoint.from_dict({**FULL.as_dict(), **change})


def test_what_two_calls_cost_is_the_size_of_neither():
    one = Usage(input_tokens=100, cached_tokens=10, output_tokens=1)
    two = Usage(input_tokens=200, cached_tokens=20, output_tokens=2)
    assert one + two == Usage(input_tokens=300, cached_tokens=30, output_tokens=3, is_context=False)
    assert one + None is one


def test_where_a_longer_call_costs_more_a_shorter_one_is_aimed_for():
    assert Window(size=100, output_reserve=30).input_aim == 70
    assert Window(size=100, output_reserve=30, soft_cap=50).input_aim == 50
    assert Window(size=100, output_reserve=30, soft_cap=90).input_aim == 70


def test_a_line_that_could_not_be_audited_names_what_was_written():
    receipt = ArchiveReceipt(id="x", step=1, location="here", size=9, messages=2, redacted=True)
    error = UnauditedError(StorageError(28, "disk full"), receipt, {"event": "x"})
    assert (error.receipt, error.record) == (receipt, {"event": "x"})
    assert (error.errno, error.strerror) == (28, "disk full")


def test_an_error_of_a_summariser_says_why_in_a_word():
    usage = Usage(input_tokens=1)
    assert (SummaryError("x").reason, SummaryError("x").usage) == ("error", None)
    error = SummaryError("too much", reason="too_long", usage=usage)
    assert (str(error), error.reason, error.usage) == ("too much", "too_long", usage)
    assert str(BrokenOffError(SystemExit(2))) == "a part ended by SystemExit"
    assert ConfigError("x").problems == ()


@pytest.mark.parametrize(
    ("pcts", "fits"), [((0.5, 0.85), True), ((0.84, 0.85), True), ((0.85, 0.85), False)]
)
def test_a_target_is_below_the_trigger(pcts, fits):
    target, trigger = pcts
    if fits:
        assert CompactPolicy(target_pct=target, trigger_pct=trigger).target_pct == target
        return
    with pytest.raises(ConfigError) as caught:
        CompactPolicy(target_pct=target, trigger_pct=trigger)
    (problem,) = caught.value.problems
    assert problem.paths == (("policy", "target_pct"), ("policy", "trigger_pct"))
    assert problem.got == (target, trigger)


def test_a_message_carries_its_calls_and_its_marks():
    meta = {"tool_calls": [{"id": "c"}], "protected": True}
    assert Message("assistant", None, meta).as_item() == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c"}],
        "meta": meta,
    }
