"""No death spirals: a compaction helps for a while, or the next one costs no model.

The cases are those in which other compactors went round in circles or stopped for good:
claude-code 24179, codex 13279, 14425 and 35032, hermes-agent 62502 and 98030, micode 14 (loops);
adk-python 5602 and 7236, claude-code 2119 (a call without its output, or with two of them).
"""

import re
import time

import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from compact_otel.config import CompactConfig, StorageConfig, SummarizerConfig
from compact_otel.core.settings import CompactPolicy
from compact_otel.manager import CompactManager
from tests.histories import (
    AsyncSummarizer,
    Estimator,
    Exporter,
    Summarizer,
    approval,
    call,
    chat_calls,
    chat_output,
    complaints,
    is_summary,
    manager,
    output,
    reasoning,
    session,
    system,
    talk,
    user,
)

pytestmark = pytest.mark.no_cover

WINDOW, TRIGGER, SOFT, TARGET = 2000, 1700, 1400, 1000


def reads(count, words, ident="c{}"):
    """Return an agent's calls with long outputs, two items each."""
    steps = [(ident.format(n), n) for n in range(count)]
    return [
        item
        for name, n in steps
        for item in (call(name), output(name, f"page {n} " + "data " * words))
    ]


class Watched(SpanProcessor):
    """Knows whether a summary is being written in the background."""

    def __init__(self):
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self)
        self._running = 0

    def on_start(self, span, parent_context=None):
        self._running += 1

    def on_end(self, span):
        self._running -= 1

    def manager(self, summarizer, exporter, **options):
        """Return a manager with a window of WINDOW."""
        parts = {"exporters": [exporter], "tracer_provider": self.provider, **options}
        return manager(WINDOW, summarizer=summarizer, **parts)

    def settle(self, result):
        """Wait for a summary that a call may have begun; it takes some milliseconds."""
        began = time.monotonic()
        while result.tokens_after >= SOFT and time.monotonic() < began + 0.03 and not self._running:
            time.sleep(0.001)
        while self._running:
            assert time.monotonic() < began + 20
            time.sleep(0.001)


@pytest.fixture
def watched():
    return Watched()


def circuits(exporter):
    """Return the events that say that no model is asked."""
    return [event for event in exporter.named("error") if event["error.type"] == "circuit_open"]


# From a high trigger to a low target.


@pytest.mark.parametrize("soft", [0, 0.7])
@pytest.mark.parametrize(
    ("history", "least"), [(talk(120), 7), (session(60), 6)], ids=["talk", "tools"]
)
def test_a_compaction_makes_room_for_many_calls(history, least, soft, watched):
    exporter = Exporter()
    made = watched.manager(Summarizer(), exporter, soft_trigger_pct=soft)
    since, lasted = 0, []
    for length in range(2, len(history) + 1, 2):
        result = made.preflight("s", history[:length])
        watched.settle(result)
        since += 1
        if result.outcome == "compacted":
            lasted.append(since)
            since = 0
            assert result.tokens_after <= 1.1 * TARGET
        assert result.tokens_after < TRIGGER
    assert len(lasted) >= 3
    assert min(lasted[1:]) >= least
    assert circuits(exporter) == []


def test_the_same_call_again_and_again_is_one_compaction():
    summarizer = Summarizer()
    made = manager(WINDOW, summarizer=summarizer)
    results = [made.preflight("s", talk(20)) for _ in range(30)]
    assert [result.outcome for result in results] == ["compacted", *["replayed"] * 29]
    assert len(summarizer.requests) == 1


# The value gate.


@pytest.mark.parametrize("summarizer", [Summarizer, AsyncSummarizer])
def test_a_call_that_still_fits_is_left_alone_where_little_would_be_saved(summarizer):
    """What may not be dropped is nearly all that there is."""
    summarizer = summarizer()
    made = manager(WINDOW, summarizer=summarizer)
    history = [system("rules " * 1060), *talk(3, 20)]
    for extra in range(4):
        history = [*history, user(f"question {extra}")]
        result = made.preflight("s", history)
        assert TRIGGER <= result.tokens_after <= WINDOW
        assert (result.outcome, result.messages) == ("noop", history)
    assert summarizer.requests == []


def test_how_little_is_for_the_policy_to_say():
    history = [system("rules " * 690), *talk(8)]
    before = Estimator().total(history)
    for saving, outcome in ((0.0, "compacted"), (0.1, "compacted"), (0.5, "noop")):
        summarizer = Summarizer()
        made = manager(WINDOW, summarizer=summarizer, min_saving_pct=saving)
        result = made.preflight("s", history)
        assert TRIGGER <= before <= WINDOW
        assert result.outcome == outcome
        assert len(summarizer.requests) == (outcome == "compacted")


def test_a_call_that_does_not_fit_is_compacted_however_little_is_saved():
    history = [system("rules " * 1150), *talk(4, 30)]
    assert Estimator().total(history) > WINDOW
    result = manager(WINDOW, min_saving_pct=0.9).preflight("s", history)
    assert result.outcome in ("compacted", "fallback")
    assert result.tokens_after <= WINDOW


# The circuit breaker.


class Ways:
    """What an application does to a history of its own on every call."""

    @staticmethod
    def plain(items, number):
        return items

    @staticmethod
    def a_note_at_its_end(items, number):
        return [*items, user(f"it is {number:05}")]

    @staticmethod
    def the_time_at_its_beginning(items, number):
        return [system(f"it is {number:05}"), *items]


WAYS = [Ways.plain, Ways.a_note_at_its_end, Ways.the_time_at_its_beginning]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


HEAD = [system("rules " * 560), user("go")]
PAGES = reads(30, 162)


def agent_that_reads_too_much(made, watched, way=Ways.plain):
    """Play an agent whose every call brings more than a compaction can save for long."""
    results = []
    for number in range(1, 31):
        results.append(made.preflight("s", way([*HEAD, *PAGES[: 2 * number]], number)))
        watched.settle(results[-1])
    return results


@pytest.mark.parametrize("soft", [0, 0.7])
@pytest.mark.parametrize("summarizer", [Summarizer, AsyncSummarizer])
@ways
def test_where_compactions_do_not_last_no_model_is_asked_any_more(way, summarizer, soft, watched):
    summarizer, exporter = summarizer(), Exporter()
    made = watched.manager(summarizer, exporter, soft_trigger_pct=soft)
    results = agent_that_reads_too_much(made, watched, way)
    asked = len(summarizer.requests)
    assert 3 <= asked <= 4, f"{asked} summaries for {len(results)} calls"
    assert {result.error for result in results} == {None}
    assert all(result.tokens_after <= WINDOW for result in results)
    assert all(PAGES[2 * n + 1] in result.messages for n, result in enumerate(results))


def test_it_says_so_and_falls_back_to_the_cheap_stages(watched):
    exporter = Exporter()
    made = watched.manager(Summarizer(), exporter, soft_trigger_pct=0)
    results = agent_that_reads_too_much(made, watched)
    outcomes = [result.outcome for result in results if result.outcome != "skipped"]
    compactions = [outcome for outcome in outcomes if outcome != "replayed"]
    assert compactions[:3] == ["compacted"] * 3
    assert set(compactions[3:]) == {"fallback"}
    opened = circuits(exporter)
    assert len(opened) == len(compactions) - 3
    assert {
        (event["compact.failure.stage"], event["compact.failure.fallback"]) for event in opened
    } == {("summarize", "extractive")}
    assert len({event["compact.failure.message"] for event in opened}) == 1


@pytest.mark.parametrize("soft", [0, 0.7])
def test_as_soon_as_one_lasts_the_model_is_asked_again(soft, watched):
    summarizer, exporter = Summarizer(), Exporter()
    made = watched.manager(summarizer, exporter, soft_trigger_pct=soft)
    agent_that_reads_too_much(made, watched)
    history, before = [*HEAD, *PAGES], len(summarizer.requests)

    def takes_small_steps(numbers):
        for n in numbers:
            history.extend([call(f"small {n}"), output(f"small {n}", "data " * 50)])
            watched.settle(made.preflight("s", list(history)))

    takes_small_steps(range(30))
    opened = len(circuits(exporter))
    takes_small_steps(range(30, 60))
    assert len(circuits(exporter)) == opened
    assert len(summarizer.requests) >= before + 2


@pytest.mark.parametrize("soft", [0, 0.7])
def test_those_that_last_never_open_it_however_many_there_are(soft, watched):
    summarizer, exporter = Summarizer(), Exporter()
    made = watched.manager(summarizer, exporter, soft_trigger_pct=soft)
    history, compacted = talk(180), 0
    for length in range(2, len(history) + 1, 2):
        result = made.preflight("s", history[:length])
        watched.settle(result)
        compacted += result.outcome == "compacted"
    assert compacted >= 12
    asked = [request for request in summarizer.requests if not request.missing]
    assert len(asked) in (compacted, compacted + 1)
    assert circuits(exporter) == []


@pytest.mark.parametrize("name", ["s{}", "one for all"])
def test_sessions_do_not_open_it_for_one_another(name):
    """Many conversations at once, also under one name, with one compaction each."""
    summarizer, exporter = Summarizer(), Exporter()
    made = manager(WINDOW, summarizer=summarizer, exporters=[exporter])
    for number in range(12):
        history = [{**item, "content": f"{number}: {item['content']}"} for item in talk(20)]
        assert made.preflight(name.format(number), history).outcome == "compacted"
    assert len(summarizer.requests) == 12
    assert circuits(exporter) == []


# Summaries that do not help.


class Growing(Summarizer):
    """Says all that it is given, and what it said before."""

    def summarize(self, request):
        self.requests.append(request)
        texts = [str(item) for item in request.items]
        return "\n".join([request.previous_summary or "", *texts])


class Filling(Summarizer):
    """Uses all the tokens that it may, or so many more."""

    def __init__(self, more=0):
        super().__init__()
        self._more = more

    def summarize(self, request):
        self.requests.append(request)
        text = "x"
        while request.count_text(f"{text} word") <= request.max_tokens + self._more:
            text += " word"
        return text


def test_a_summary_as_long_as_what_it_replaces_is_rejected():
    summarizer, exporter = Growing(), Exporter()
    made = manager(WINDOW, summarizer=summarizer, exporters=[exporter], soft_trigger_pct=0)
    history = talk(120)
    for length in range(2, len(history) + 1, 2):
        result = made.preflight("s", history[:length])
        assert result.outcome in ("skipped", "replayed", "fallback")
        assert result.tokens_after < TRIGGER
    rejected = exporter.named("error")
    assert len(rejected) == len(summarizer.requests) >= 5
    assert {(event["error.type"], event["compact.failure.fallback"]) for event in rejected} == {
        ("too_long", "extractive")
    }


@pytest.mark.parametrize(("more", "outcome"), [(0, "compacted"), (8, "fallback")])
def test_the_limit_of_a_summary_is_less_than_it_replaces_and_is_held(more, outcome):
    summarizer = Filling(more)
    made = manager(WINDOW, summarizer=summarizer, summary_max_tokens=100_000, soft_trigger_pct=0)
    result = made.preflight("s", talk(20))
    (request,) = summarizer.requests
    replaced = Estimator().total(request.items)
    assert result.outcome == outcome
    assert request.max_tokens < replaced
    assert result.tokens_after <= TARGET < result.tokens_before


def test_a_summary_of_summaries_does_not_grow():
    made = manager(WINDOW, summarizer=Filling(), soft_trigger_pct=0)
    history, sizes = talk(120), []
    for length in range(2, len(history) + 1, 2):
        result = made.preflight("s", history[:length])
        if result.outcome == "compacted":
            sizes.append(result.tokens_after)
            (summary,) = [item for item in result.messages if is_summary(item)]
            assert Estimator().total([summary]) <= 300 + 64
    assert len(sizes) >= 5
    assert max(sizes) <= TARGET


class Broken(Summarizer):
    def summarize(self, request):
        self.requests.append(request)
        raise ConnectionError("no")


@pytest.mark.parametrize("soft", [0, 0.7])
def test_one_that_fails_is_asked_for_each_compaction_and_not_for_each_call(soft, watched):
    summarizer = Broken()
    made = watched.manager(summarizer, Exporter(), soft_trigger_pct=soft)
    history, compactions = talk(120), 0
    for length in range(2, len(history) + 1, 2):
        result = made.preflight("s", history[:length])
        watched.settle(result)
        compactions += result.outcome == "fallback"
        assert result.outcome != "error"
        assert result.tokens_after < TRIGGER
    assert compactions >= 5
    assert len(summarizer.requests) <= compactions * (2 if soft else 1) + 1


class Hanging(Summarizer):
    def summarize(self, request):
        self.requests.append(request)
        time.sleep(4.0)
        return "too late"


def test_one_that_hangs_is_waited_for_once_and_not_on_every_turn():
    config = CompactConfig(
        max_context_tokens=WINDOW,
        policy=CompactPolicy(hard_cap_buffer=0, summary_max_tokens=300),
        summarizer=SummarizerConfig(timeout=0.8),
        storage=StorageConfig(adapter="none"),
    )
    summarizer = Hanging()
    made = CompactManager(config, estimator=Estimator(), summarizer=summarizer, exporters=())
    history, fallbacks = talk(150), 0
    for length in range(2, len(history) + 1, 2):
        fallbacks += made.preflight("s", history[:length]).outcome == "fallback"
    assert fallbacks >= 6
    assert len(summarizer.requests) == 1


# Calls without outputs, outputs without calls, and ids that come again.

ORPHANS = {
    "call": lambda ident: [call(ident)],
    "reasoned call": lambda ident: [reasoning(), call(ident)],
    "output": lambda ident: [output(ident, "lost")],
    "second output": lambda ident: [call(ident), output(ident, "wait"), output(ident, "done")],
    "one of two": lambda ident: [call(ident), call(f"{ident}b"), output(f"{ident}b", "found")],
    "computer call": lambda ident: [call(ident, "computer_call")],
    "approval": lambda ident: [approval(f"ap {ident}")],
}
IDS = {
    "each its own": lambda n: f"call_{n}",
    "a few in every run": lambda n: f"call_{n % 4}",
    "one for all": lambda n: "call_0",
}


def steps(count, name, start=0):
    """Return an agent's steps, with a question now and then."""
    items = []
    for n in range(start, start + count):
        if n % 4 == 0:
            items.append(user(f"task {n} " + "please " * 20))
        items += [reasoning(f"rs{n}"), call(name(n)), output(name(n), f"row {n} " + "data " * 40)]
    return items


def lived_through(made, history):
    """Make a call after every output; return the results, and the histories they were for."""
    ends = [n + 1 for n, item in enumerate(history) if str(item.get("type")).endswith("_output")]
    return [(made.preflight("s", history[:end]), history[:end]) for end in ends]


def complaint_kinds(items):
    return {(rule, key) for rule, _, key in complaints(items)}


@pytest.mark.parametrize("place", ["at the start", "in the middle", "after a compaction"])
@pytest.mark.parametrize("ids", list(IDS))
@pytest.mark.parametrize("orphan", list(ORPHANS))
def test_one_loose_end_does_not_end_compaction(orphan, ids, place):
    name = IDS[ids]
    before = {"at the start": 0, "in the middle": 10, "after a compaction": 24}[place]
    lost = ORPHANS[orphan](name(before))
    history = [*steps(before, name), *lost, *steps(50, name, start=before)]
    exporter = Exporter()
    made = manager(WINDOW, exporters=[exporter], soft_trigger_pct=0)
    compacted = []
    for result, given in lived_through(made, history):
        assert result.error is None
        assert result.tokens_after < TRIGGER
        assert complaint_kinds(result.messages) <= complaint_kinds(given)
        kept = [item for item in result.messages if not is_summary(item)]
        loose = {ident for _, ident, _ in complaints(given)}
        assert loose <= {id(item) for item in kept}, "what waits may still be answered"
        if result.outcome == "compacted":
            compacted.append(result.tokens_after)
    assert len(compacted) >= 3
    assert max(compacted) <= 1.1 * TARGET
    assert circuits(exporter) == []


@pytest.mark.parametrize("ids", list(IDS))
def test_a_call_that_waits_for_long_is_answered_in_the_end(ids):
    """A person approves a payment after the conversation went on through several compactions."""
    name = IDS[ids]
    waits, answered = call("pay", note="approve?"), output("pay", "approved")
    made = manager(WINDOW, soft_trigger_pct=0)
    history = [*steps(6, name), waits, *steps(44, name, start=8)]
    for result, given in lived_through(made, history):
        assert (waits in result.messages) == (waits in given)
    assert result.summary_version >= 2
    result = made.preflight("s", [*history, answered])
    assert result.error is None
    assert result.messages[-1] is answered
    assert waits in result.messages
    assert complaints(result.messages) == set()


@pytest.mark.parametrize("ids", list(IDS))
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_with_ids_that_come_again_a_call_keeps_its_own_output(api, ids):
    name = IDS[ids]
    history = []
    for n in range(60):
        if n % 4 == 0:
            history.append(user(f"task {n} " + "please " * 20))
        ask, found = f"look {n}", f"row {n} " + "data " * 40
        if api == "responses":
            history += [call(name(n), arguments=ask), output(name(n), found)]
        else:
            made_call = chat_calls(name(n))
            made_call["tool_calls"][0]["function"]["arguments"] = ask
            history += [made_call, chat_output(name(n), found)]
    made = manager(WINDOW, soft_trigger_pct=0)
    ends = [n + 1 for n, item in enumerate(history) if "data" in str(item)]
    for end in ends:
        result = made.preflight("s", history[:end])
        assert result.tokens_after < TRIGGER
        pairs = re.findall(r"look (\d+)|row (\d+)", str(result.messages))
        asked = [look for look, _ in pairs if look]
        assert asked == [row for _, row in pairs if row]
        assert complaints(result.messages) == set()
    assert result.summary_version >= 3


def test_parallel_calls_under_one_id_are_kept_or_dropped_together():
    history = []
    for n in range(60):
        history += [user(f"task {n}"), call("c"), call("c"), output("c", "data " * 30)]
        history.append(output("c", "data " * 30))
    made = manager(WINDOW, soft_trigger_pct=0)
    for result, given in lived_through(made, history):
        calls = [item for item in result.messages if item.get("type") == "function_call"]
        outputs = [item for item in result.messages if item.get("type") == "function_call_output"]
        waiting = len([item for item in given[-2:] if item.get("type") == "function_call"])
        assert len(calls) == len(outputs) + waiting
        assert result.tokens_after < TRIGGER
    assert result.summary_version >= 3


def test_a_loose_end_in_every_run_is_kept_and_the_rest_goes():
    """Each run is interrupted in a call; a local provider counts its ids from one in each."""
    history = []
    for run in range(24):
        history += [item for n in range(6) for item in steps(1, IDS["one for all"], start=run + n)]
        history.append(call("call_0", arguments=f"interrupted {run}"))
    made = manager(WINDOW, soft_trigger_pct=0)
    for result, given in lived_through(made, history):
        assert result.error is None
        assert result.tokens_after <= WINDOW
        kept = sum("interrupted" in str(item) for item in result.messages)
        assert kept == sum("interrupted" in str(item) for item in given)
    assert result.summary_version >= 4
