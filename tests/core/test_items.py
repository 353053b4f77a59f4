"""Where a history may be cut: one row per rule of the provider's API."""

import pytest

from compact_otel.core.items import (
    api_of,
    as_mapping,
    blocks,
    is_protected,
    newest_user,
    server_compacted,
    text_parts,
    unpaired,
)
from compact_otel.core.types import Message
from tests.histories import (
    CALL_TYPES,
    HOSTED_TYPES,
    answer,
    approval,
    approved,
    assistant,
    call,
    chat_calls,
    chat_output,
    hosted,
    output,
    reasoning,
    summary,
    system,
    user,
)

PROGRAM = {"type": "program", "caller_id": "p1"}

# Items -> what the blocks are, each as `kind:length`.
CUTS = {
    "messages stand alone": ([user(), assistant(), user()], "user:1 assistant:1 user:1"),
    "instructions stand alone": (
        [system(), {"role": "developer", "content": "x"}, user()],
        "instruction:1 instruction:1 user:1",
    ),
    "a call and its output": ([user(), call(), output()], "user:1 tool:2"),
    "one call after another": (
        [call("a"), output("a"), call("b"), output("b")],
        "tool:2 tool:2",
    ),
    "parallel calls": ([call("a"), call("b"), output("b"), output("a")], "tool:4"),
    "what stands between a call and its output": (
        [call("a"), user(), output("a"), user()],
        "tool:3 user:1",
    ),
    "overlapping pairs": (
        [call("a"), output("z"), call("b"), output("a"), output("b")],
        "pinned:5",
    ),
    "reasoning with its call": ([reasoning(), call(), output()], "tool:3"),
    "reasoning with each of two parallel calls": (
        [reasoning("a"), call("a"), reasoning("b"), call("b"), output("a"), output("b")],
        "tool:6",
    ),
    "reasoning with its message": ([user(), reasoning(), answer()], "user:1 assistant:2"),
    "reasoning twice in a row": ([reasoning("a"), reasoning("b"), answer()], "assistant:3"),
    "a message and a call of one response": ([answer(), call(), output()], "tool:3"),
    "reasoning, a message and a call": ([reasoning(), answer(), call(), output()], "tool:4"),
    "two messages behind reasoning": ([reasoning(), answer(), answer()], "assistant:3"),
    "two messages without reasoning": ([answer(), answer()], "assistant:1 assistant:1"),
    "an answer to an output": ([call(), output(), answer()], "tool:2 assistant:1"),
    "a hosted call with its answer": ([reasoning(), hosted(), answer()], "tool:3"),
    "hosted calls with reasoning each": (
        [reasoning("a"), hosted(), reasoning("b"), hosted(), answer()],
        "tool:2 tool:3",
    ),
    "reasoning without a follower": ([reasoning(), user()], "assistant:1 user:1"),
    "reasoning and a kind of tomorrow": (
        [reasoning(), {"type": "thought_map"}, user()],
        "pinned:2 user:1",
    ),
    "a pending call": ([user(), call(), user()], "user:1 pinned:1 user:1"),
    "a pending call among parallel ones": (
        [reasoning(), call("a"), call("b"), output("a")],
        "pinned:4",
    ),
    "a stray output": ([user(), output()], "user:1 pinned:1"),
    "an output in front of its call": ([output(), call()], "pinned:1 pinned:1"),
    "an id that comes again": (
        [call("a"), output("a"), user(), call("a"), output("a")],
        "tool:2 user:1 tool:2",
    ),
    "an id that an interrupted run left open": (
        [call("a"), user(), call("a"), output("a"), call("b"), output("b")],
        "pinned:1 user:1 pinned:2 tool:2",
    ),
    "the same id in two kinds of call": (
        [call("a"), call("a", "shell_call"), output("a", kind="shell_call"), output("a")],
        "tool:4",
    ),
    "approval": ([approval(), approved()], "tool:2"),
    "approval that is waited for": ([user(), approval()], "user:1 pinned:1"),
    "approval with what was said meanwhile": ([approval(), user(), approved()], "tool:3"),
    "Chat calls": (
        [chat_calls("a", "b"), chat_output("a"), chat_output("b"), assistant()],
        "tool:3 assistant:1",
    ),
    "a Chat call that waits": ([chat_calls("a", "b"), chat_output("a")], "pinned:2"),
    "a stray tool message": ([user(), chat_output("a")], "user:1 pinned:1"),
    "Chat calls of a shape we do not know": (
        [{"role": "assistant", "tool_calls": {"id": "a"}}, user()],
        "pinned:1 user:1",
    ),
    "the old function_call": (
        [{"role": "assistant", "function_call": {"name": "f"}}],
        "pinned:1",
    ),
    "a summary of ours": ([summary(), user()], "summary:1 user:1"),
    "a text that quotes our tag": ([user("<COMPACT-SUMMARY v1>")], "user:1"),
    "server compaction": ([{"type": "compaction"}, user()], "pinned:1 user:1"),
    "references": ([{"type": "item_reference", "id": "x"}], "pinned:1"),
    "tool search": (
        [{"type": "tool_search_call"}, {"type": "tool_search_output"}],
        "pinned:1 pinned:1",
    ),
    "programs and their children": (
        [{"type": "program", "id": "p1"}, call("a", caller=PROGRAM), output("a")],
        "pinned:1 pinned:1 pinned:1",
    ),
    "no type and no role": ([{}, {"role": 5}, {"type": 5}], "pinned:1 pinned:1 pinned:1"),
    "a role of tomorrow": ([{"role": "critic", "content": "x"}], "pinned:1"),
    "nothing": ([], ""),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_history_is_cut_between_blocks_only(case):
    items, expected = CUTS[case]
    found = blocks(items)
    assert " ".join(f"{block.kind}:{block.stop - block.start}" for block in found) == expected


@pytest.mark.parametrize("kind", CALL_TYPES)
def test_every_kind_of_call_belongs_to_its_own_kind_of_output(kind):
    (block,) = blocks([call("a", kind), output("a", kind=kind)])
    assert (block.kind, block.pairs) == ("tool", 1)
    other = CALL_TYPES[CALL_TYPES.index(kind) - 1]
    assert [block.kind for block in blocks([call("a", kind), output("a", kind=other)])] == [
        "pinned",
        "pinned",
    ]


@pytest.mark.parametrize("kind", HOSTED_TYPES)
def test_a_hosted_call_needs_no_output_and_counts_as_a_pair(kind):
    (block,) = blocks([reasoning(), hosted(kind)])
    assert (block.kind, block.pairs) == ("tool", 1)


def test_parallel_calls_count_one_pair_each():
    (block,) = blocks([call("a"), call("b"), output("a"), output("b")])
    assert block.pairs == 2


def test_the_newest_user_message_is_no_summary_of_ours():
    assert newest_user([user(), assistant(), summary(role="user")]) == 0
    assert newest_user([summary(role="user")]) == -1
    assert newest_user([]) == -1


def test_a_provider_compaction_speaks_of_everything_up_to_itself():
    assert server_compacted([user(), {"type": "compaction"}, user()]) == 2
    assert server_compacted([user()]) == 0


def test_loose_ends_are_named_with_their_direction():
    assert unpaired([call("a"), output("a")]) == frozenset()
    assert unpaired([call("a"), output("b")]) == {
        ("function_call:a", False),
        ("function_call:b", True),
    }


@pytest.mark.parametrize(
    ("items", "api"),
    [
        ([user(), chat_calls("a"), chat_output("a")], "chat"),
        ([user(), call(), output()], "responses"),
        ([], "chat"),
    ],
)
def test_typed_items_are_those_of_the_responses_api(items, api):
    assert api_of(items) == api


def test_a_flag_protects_only_when_it_is_true():
    assert is_protected({"protected": True}, "protected")
    assert is_protected({"meta": {"protected": True}}, "protected")
    assert not is_protected({"protected": "yes", "meta": None}, "protected")
    assert is_protected({"keep": True}, "keep")


class Dumped:
    def __init__(self, fields):
        self._fields = fields

    def model_dump(self, *, exclude_unset):
        assert exclude_unset
        if isinstance(self._fields, Exception):
            raise self._fields
        return self._fields


def test_items_are_read_as_they_come():
    plain = user()
    assert as_mapping(plain) is plain
    assert as_mapping(Dumped({"role": "user"})) == {"role": "user"}
    assert as_mapping(Message("user", "hi")) == {"role": "user", "content": "hi"}
    told = Message("tool", "4", {"tool_call_id": "c", "protected": True})
    assert as_mapping(told) == {
        "role": "tool",
        "content": "4",
        "tool_call_id": "c",
        "meta": {"tool_call_id": "c", "protected": True},
    }


@pytest.mark.parametrize(
    "item", [None, 7, "text", Dumped(None), Dumped(ValueError("x")), Dumped, object()]
)
def test_what_can_not_be_read_is_pinned(item):
    assert [block.kind for block in blocks([as_mapping(item)])] == ["pinned"]


def test_texts_are_found_in_every_form_of_content():
    parts = ["a", {"text": "b"}, {"refusal": "c"}, {"image_url": "d"}, 7, {"text": 8}]
    assert list(text_parts(parts)) == ["a", "b", "c"]
    assert list(text_parts(tuple(parts))) == ["a", "b", "c"]
    assert list(text_parts("whole")) == ["whole"]
    assert list(text_parts(None)) == []
