"""Where a history may be cut: one row per rule of the provider's API."""

import pytest

from compact_otel.core.items import (
    api_of,
    as_mapping,
    blocks,
    is_generated,
    is_protected,
    label_of,
    newest_user,
    output_text,
    pairs,
    protect,
    role_of,
    server_compacted,
    text_parts,
    unmarked,
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
    "an output that comes twice": (
        [call("a"), output("a"), user(), output("a")],
        "pinned:2 user:1 pinned:1",
    ),
    "an output without its call behind two pairs of its id": (
        [*(call("a"), output("a"), user()), *(call("a"), output("a"), user()), output("a")],
        "pinned:2 user:1 tool:2 user:1 pinned:1",
    ),
    "a call that waits in front of two pairs of its id": (
        [call("a"), user(), call("a"), output("a"), user(), call("a"), output("a")],
        "pinned:1 user:1 tool:2 user:1 pinned:2",
    ),
    "a call that waits behind a pair of its id": (
        [call("a"), output("a"), user(), call("a")],
        "tool:2 user:1 pinned:1",
    ),
    "an output in front of a pair of its id": (
        [output("a"), call("a"), output("a")],
        "pinned:1 tool:2",
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
        "pinned:2",
    ),
    "tool search in a response with a message": (
        [
            user(),
            {"type": "reasoning"},
            assistant(),
            {"type": "tool_search_call"},
            {"type": "tool_search_output"},
            user(),
        ],
        "user:1 pinned:4 user:1",
    ),
    "a kind of tomorrow in front of what is known": (
        [user(), {"type": "thought"}, {"type": "web_search_call"}, assistant(), user()],
        "user:1 pinned:3 user:1",
    ),
    "a kind of tomorrow between users": (
        [user(), {"type": "thought"}, user()],
        "user:1 pinned:1 user:1",
    ),
    "programs and their children": (
        [{"type": "program", "id": "p1"}, call("a", caller=PROGRAM), output("a")],
        "pinned:2 pinned:1",
    ),
    "no type and no role": ([{}, {"role": 5}, {"type": 5}], "pinned:3"),
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


MARK = {"protected": True}


@pytest.mark.parametrize(
    ("given", "label", "protected"),
    [
        ("Be kind.", None, {"role": "user", "content": "Be kind.", "meta": MARK}),
        ("Be kind.", "tone", {**user("Be kind."), "meta": {**MARK, "label": "tone"}}),
        (user(), None, {**user(), "meta": MARK}),
        ({**user(), "meta": {"seen": 1}}, None, {**user(), "meta": {"seen": 1, **MARK}}),
        ({**user(), "meta": 7}, None, {**user(), "meta": MARK}),
        (
            Message("user", "x", {"seen": 1}),
            "tone",
            Message("user", "x", {"seen": 1, **MARK, "label": "tone"}),
        ),
    ],
)
def test_what_is_protected_carries_a_mark(given, label, protected):
    marked = protect(given, label)
    assert marked == protected
    read = as_mapping(marked)
    assert is_protected(read, "protected")
    assert label_of(read) == label
    assert not is_protected(as_mapping(protect(given, label, flag="keep")), "protected")


@pytest.mark.parametrize("given", [None, 7, ["text"]])
def test_what_is_no_item_cannot_be_protected(given):
    kind = type(given).__name__
    with pytest.raises(TypeError, match=f"need an item, a Message or a str to protect, got {kind}"):
        protect(given)


@pytest.mark.parametrize(
    ("item", "sent"),
    [
        (user(), user()),
        ({**user(), "meta": {"seen": 1}}, {**user(), "meta": {"seen": 1}}),
        ({**user(), "meta": {"seen": 1, **MARK}}, user()),
        ({**user(), **MARK}, user()),
        ({**user(), **MARK, "meta": "theirs"}, {**user(), "meta": "theirs"}),
    ],
)
def test_the_mark_does_not_go_to_the_model(item, sent):
    assert unmarked(item, "protected") == sent


@pytest.mark.parametrize(
    "item", [user(), {**user(), "meta": None}, {**user(), "meta": {"label": 7}}]
)
def test_without_a_label_there_is_none(item):
    assert label_of(item) is None


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (output("a", "found"), "found"),
        (output("a", [{"text": "a"}, {"image_url": "b"}, "c"]), "a\nc"),
        (output("a", "found", "custom_tool_call"), "found"),
        (chat_output("a", "found"), "found"),
        (output("a", None), ""),
        (output("a", "found", "shell_call"), None),
        ({**chat_output("a"), "type": "message"}, None),
        (user("found"), None),
        (call("a"), None),
    ],
)
def test_the_text_of_an_output_for_which_another_may_stand(item, text):
    assert output_text(item) == text


@pytest.mark.parametrize(
    ("item", "generated"),
    [
        (assistant(), True),
        (answer(), True),
        (call(), True),
        (reasoning(), True),
        (hosted(), True),
        (user(), False),
        ({"type": "message", **user()}, False),
        (output(), False),
        ({"type": 7}, False),
        ({}, False),
    ],
)
def test_what_the_model_made(item, generated):
    assert is_generated(item) is generated


def test_the_newest_question_of_a_beginning():
    items = [user(), assistant(), user(), assistant()]
    assert [newest_user(items, stop) for stop in range(5)] == [-1, 0, 0, 2, 2]
    assert newest_user(items) == 2


def test_a_role_is_a_text():
    assert role_of(user()) == "user"
    assert role_of({"role": ["user"]}) is role_of(call()) is None


def test_every_answered_call_is_paired_with_its_output():
    items = [call("a"), call("b"), output("b"), user(), output("a"), call("a"), output("c")]
    assert pairs(items) == [(1, 2), (0, 4)]
    items = [chat_calls("a", "b"), chat_output("b"), chat_output("a"), approval(), approved()]
    assert pairs(items) == [(0, 1), (0, 2), (3, 4)]
    assert [block.pairs for block in blocks([hosted(), answer(), user(), *items])] == [1, 0, 2, 1]


@pytest.mark.parametrize(
    ("items", "ends"),
    [
        ([chat_calls("a", "b"), chat_output("a")], {("chat:a", False), ("chat:b", False)}),
        ([chat_output("a")], {("chat:a", True)}),
        ([approval("p")], {("mcp_approval_request:p", False)}),
        ([approved("p")], {("mcp_approval_request:p", True)}),
        ([user(), assistant(), chat_calls("a"), chat_output("a")], set()),
    ],
)
def test_each_loose_end_has_its_key(items, ends):
    assert unpaired(items) == ends
