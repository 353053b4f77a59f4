import json
import math
from dataclasses import asdict, replace

import pytest

from compact_otel.core.errors import (
    CompactError,
    ConfigError,
    InsufficientBudget,
    StorageError,
    SummaryError,
    VerificationError,
)
from compact_otel.core.settings import CompactPolicy
from compact_otel.core.types import Checkpoint, FixedTokens, Message, Opaque, Window

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
