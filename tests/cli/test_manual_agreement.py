"""`compactctl dry-run`, `diff`, `compact` and `tokens` say the same of one call, to the token."""

import gzip
import json
from pathlib import Path

import pytest

from compact_otel import CompactManager
from compact_otel.config import CompactConfig, StorageConfig
from compact_otel.core.types import CallContext
from tests.cli.manual import chat_of, lines_of, recorded, shop, stored

TRANSCRIPTS = Path(__file__).parents[3] / "shared" / "data" / "transcripts"
FORMS = ["items", "chat", "lines"]
PUBLIC = [
    *(("airline-single", form) for form in FORMS),
    *(("coding-swesmith", form) for form in FORMS),
    ("coding-a-single", "items"),
    ("coding-a-long", "chat"),
    ("airline-long", "lines"),
]


@pytest.fixture
def all_four(ctl):
    """Put a file through all commands, hold them against one another, return what they say."""

    def run(file, *options):
        planned, shown, done = (
            json.loads(ctl(*command, "--json", file, *options).stdout)
            for command in (["dry-run"], ["diff"], ["compact", "-o", "out"])
        )
        counted, was = (json.loads(ctl("tokens", "--json", name).stdout) for name in ("out", file))
        of_all = planned.keys() & done.keys()
        assert {key: shown[key] for key in of_all} == {key: planned[key] for key in of_all}
        assert {key: done[key] for key in of_all} == {key: planned[key] for key in of_all}
        assert (was["tokens"], counted["tokens"]) == (
            planned["tokens_before"],
            planned["tokens_after"],
        )
        assert (was["items"], counted["items"]) == (planned["items_before"], planned["items_after"])
        for figures, when in ((was, "tokens_before"), (counted, "tokens_after")):
            layers = {layer["name"]: layer["tokens"] for layer in figures["layers"]}
            assert layers == {layer["name"]: layer[when] for layer in planned["layers"]}
        adds_up(planned)
        adds_up(shown)
        assert summary_in(shown["changes"]) == summary_at(Path("out").read_text())
        return planned

    return run


def adds_up(told):
    """Hold the items, or the changes, of a command against its totals."""
    items = told["items"]
    assert [item["index"] for item in items] == list(range(told["items_before"]))
    assert sum(told[fate] for fate in ("kept", "cleared", "summarised")) == len(items)
    went = sum(item["tokens"] - item["tokens_after"] for item in items)
    summary = told["summary"]["tokens"] if told["summary"] else 0
    assert told["tokens_before"] - went + summary == told["tokens_after"]
    if "changes" in told:
        changes = told["changes"]
        assert [n for change in changes for n in change["places"]] == list(range(len(items)))
        saved = sum(change["tokens_before"] - change["tokens_after"] for change in changes)
        assert saved == told["tokens_before"] - told["tokens_after"]


def summary_in(changes):
    """Return how many items a diff shows in front of the summary."""
    ops = [change["op"] for change in changes]
    before = changes[: ops.index("summary")]
    return sum(len(change["places"]) for change in before if change["op"] != "dropped")


def summary_at(text):
    """Return where the summary stands in a file of any form."""
    try:
        found = json.loads(text)
    except ValueError:
        found = [json.loads(line) for line in text.splitlines()]
    items = found if isinstance(found, list) else found.get("input", found.get("messages"))
    (place,) = (n for n, item in enumerate(items) if "<COMPACT-SUMMARY v" in str(item)[:99])
    return place


def write(form, items, chat=None):
    """Write items in one of the forms; return the name of the file."""
    chat = chat_of(items) if chat is None else chat
    text = {"items": json.dumps(items), "chat": json.dumps(chat), "lines": lines_of(items)}[form]
    Path(form).write_text(text)
    return form


@pytest.mark.parametrize(("name", "form"), PUBLIC)
def test_the_commands_agree_on_public_transcripts(all_four, name, form):
    if not TRANSCRIPTS.is_dir():
        pytest.skip(f"the public transcripts are not here: {TRANSCRIPTS}")
    with gzip.open(TRANSCRIPTS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        longest = max(map(json.loads, lines), key=lambda one: one["tokens"])

    told = all_four(write(form, longest["items"], longest["chat"]))

    assert told["outcome"] == "compacted"
    assert told["tokens_after"] <= told["target"] < told["tokens_before"]


@pytest.mark.parametrize("form", FORMS)
def test_the_commands_agree_on_the_session_of_the_demo(all_four, form):
    told = all_four(write(form, recorded()[0]), "--target", "9000", "--strategy", "brief")

    assert told["outcome"] == "compacted"
    assert told["tokens_after"] <= told["target"] == 9000
    assert told["policy"]["strategy"] == told["summary"]["strategy"] == "brief"


@pytest.mark.parametrize("api", [1, 2])
def test_the_commands_agree_on_a_request_with_instructions_and_tools(all_four, api):
    Path("request").write_text(json.dumps(recorded()[api]))

    told = all_four("request")

    layers = {layer["name"]: layer for layer in told["layers"]}
    spoken = layers["instructions"]["tokens_after"] + layers["system"]["tokens_after"]
    assert spoken > 1000
    assert layers["tools_schema"]["tokens_after"] > 1000


def test_the_commands_agree_on_a_database_and_what_is_cleared(all_four):
    stored("sessions.db", shop(), "ada")

    told = all_four("sessions.db", "--note", "mind order 4711", "--target", "4000")

    assert told["cleared"] > 0
    assert {item["why"] for item in told["items"] if item["fate"] == "cleared"} == {"called again"}


def test_an_agent_that_compacts_by_hand_gets_what_was_planned(ctl):
    items = recorded()[0]
    Path("items.json").write_text(json.dumps(items))
    told = json.loads(ctl("dry-run", "--json", "items.json").stdout)

    manager = CompactManager(CompactConfig(storage=StorageConfig(adapter="none")))
    result = manager.manual_compact("s", items, call=CallContext(model="gpt-4o"))

    assert (result.tokens_before, result.tokens_after) == (
        told["tokens_before"],
        told["tokens_after"],
    )
    kept = [item["index"] for item in told["items"] if item["fate"] == "kept"]
    assert [items[index] for index in kept] == [
        item for item in result.messages if any(item is given for given in items)
    ]


def test_it_comes_to_the_same_again_also_where_an_agent_has_compacted_the_session(ctl):
    items = recorded()[0]
    Path("items.json").write_text(json.dumps(items))
    told = json.loads(ctl("dry-run", "--json", "items.json").stdout)
    CompactManager(CompactConfig(model="gpt-4o")).manual_compact("items", items)
    assert Path(".compact", "archive", "items", "checkpoints.jsonl").exists()

    for name in ("first.json", "second.json"):
        done = json.loads(ctl("compact", "items.json", "-o", name, "--json").stdout)
        assert {key: done[key] for key in told} == told

    assert Path("first.json").read_bytes() == Path("second.json").read_bytes()


def test_what_was_compacted_can_be_compacted_again(all_four):
    write("lines", recorded()[0])
    all_four("lines")
    Path("out").rename("once")

    told = all_four("once", "--target", "4000")

    assert told["summary"]["version"] == 2
    whys = {item["why"] for item in told["items"] if item["fate"] == "summarised"}
    assert "earlier summary" in whys
