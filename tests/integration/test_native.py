"""The provider's own compaction: what only it can read goes to it as it is, and to nobody else."""

import json
import logging
from dataclasses import replace
from itertools import pairwise

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    SQLiteSession,
)
from openai import AsyncOpenAI

import compact_otel
from compact_otel.summarizers.native import NOTICE
from compact_otel.testing import LocalOpenAI, Step
from tests.paths.program import WAYS
from tests.sabotage.program import client_of, look_up, looks_up_then_answers
from tests.summarizers.openai_bench import RawServer

MODEL = "gpt-5.4"
WINDOW = 10_000
COMPACT = "/v1/responses/compact"
UNREADABLE = "invalid_encrypted_content"


@pytest.fixture
def program(tracer_provider, exporter):
    """Return what runs an agent in a session, turn by turn; and the server's requests and spans."""

    async def run(
        behave=looks_up_then_answers,
        *,
        turns=6,
        again_at=None,
        agents=None,
        clients=client_of,
        forgets=None,
        way="run",
        **more,
    ):
        settings = {"soft_trigger_pct": 0, "keep_recent_turns": 2, "keep_user_tokens": 0, **more}
        settings["summarizer"] = {"native": True, **settings.get("summarizer", {})}
        with LocalOpenAI(behave, context_window=WINDOW) as api:

            def switch_on():
                compact_otel.instrument(
                    max_context_tokens=WINDOW,
                    tracer_provider=tracer_provider,
                    **{"storage": {"adapter": "none"}, **settings},
                )

            switch_on()
            async with clients(api.base_url) as client:
                session = SQLiteSession("many turns")
                for turn in range(turns):
                    if turn == forgets:  # as with another account at the same address
                        api._engine._responses._memory.encrypted.clear()
                    if turn == again_at:  # as another process, which knows the session only
                        compact_otel.uninstrument()
                        switch_on()
                    agent = (agents or clerk)(client, turn)
                    await WAYS[way](agent, f"What of customer {turn}", session=session)
        compact_otel.uninstrument()
        # Only what is to be compacted may be too large: all of it, for who cannot read the rest.
        refused = [request for request in api.requests if request.error]
        assert {each.error_code for each in refused if each.path != COMPACT} <= {UNREADABLE}
        assert {each.error_code for each in refused} <= {UNREADABLE, "context_length_exceeded"}
        assert forgets or not any(each.error_code == UNREADABLE for each in refused)
        return api.requests, [
            span for span in exporter.get_finished_spans() if span.name == "compact_context"
        ]

    return run


def clerk(client, turn, ways=OpenAIResponsesModel, model=MODEL):
    del turn
    return Agent("clerk", instructions="Look it up.", tools=[look_up], model=ways(model, client))


def events(spans, name):
    return [event.attributes for span in spans for event in span.events if event.name == name]


def sealed(items):
    return [item for item in items if item.get("type") == "compaction"]


async def test_each_compaction_takes_the_last_one_up_and_one_stands_in_front(program):
    requests, spans = await program(turns=14)
    compacted = [request for request in requests if request.path == COMPACT]
    made = events(spans, "compact.summary_created")
    assert len(compacted) == len(made) >= 3
    assert {each["compact.summarizer.name"] for each in made} == {"native"}
    seen = []
    for before, request in zip([None, *requests], requests, strict=False):
        if before in compacted:
            seen.append(sealed(request.items))
        if request in compacted and seen:
            assert sealed(request.items) == seen[-1]
            assert f"<COMPACT-SUMMARY v{len(seen)}>" in str(request.items)
    assert len({str(each) for each in seen}) == len(seen) == len(compacted)
    for request in requests:
        assert len(sealed(request.items)) <= 1
        if sealed(request.items):  # whatever precedes it, the provider passes over
            end = request.items.index(sealed(request.items)[0])
            assert {item["role"] for item in request.items[:end]} == {"user"}
            assert all("id" in item for item in request.items[:end])


async def test_between_two_compactions_what_is_sent_only_grows(program):
    requests, _ = await program(turns=9)
    answered = [request.items for request in requests if request.path != COMPACT]
    grown = [list(later[: len(earlier)]) == list(earlier) for earlier, later in pairwise(answered)]
    compactions = sum(request.path == COMPACT for request in requests)
    assert grown.count(False) == compactions >= 1


async def test_the_facts_of_what_goes_stand_beside_it_in_plain_words(program):
    requests, spans = await program()
    (told, *_) = events(spans, "compact.summary_created")
    assert told["compact.summary.coverage_after"] > told["compact.summary.coverage_before"] == 0
    assert told["compact.summary.facts_kept"] > 0
    after = requests[[request.path for request in requests].index(COMPACT) + 1]
    (text,) = [str(item) for item in after.items if "<COMPACT-SUMMARY" in str(item)]
    assert NOTICE in text
    assert "order #0" in text


async def test_the_trace_has_the_request_and_its_cost_and_nothing_of_its_content(
    program, exporter, caplog
):
    caplog.set_level(logging.DEBUG, "compact_otel")
    requests, spans = await program()
    (asked, *_) = [request for request in requests if request.path == COMPACT]
    (told, *_) = events(spans, "compact.summary_created")
    assert told["compact.summary.prompt_tokens"] == asked.tokens
    assert told["compact.summary.model"] == MODEL
    children = [span for span in exporter.get_finished_spans() if span.name == f"chat {MODEL}"]
    assert children[0].attributes["gen_ai.usage.input_tokens"] == asked.tokens
    assert children[0].parent.span_id in {span.context.span_id for span in spans}
    contents = [item["encrypted_content"] for each in requests for item in sealed(each.items)]
    told = "".join(span.to_json() for span in exporter.get_finished_spans()) + caplog.text
    assert contents
    assert not any(content in told for content in contents)


async def test_a_summary_ahead_is_sealed_as_well(program):
    requests, spans = await program(soft_trigger_pct=0.6)
    outcomes = [span.attributes["compact.outcome"] for span in spans]
    assert "prepared" in outcomes
    assert {
        each["compact.summarizer.name"] for each in events(spans, "compact.summary_created")
    } == {"native"}
    assert any(sealed(request.items) for request in requests if request.path != COMPACT)


def hands_over(request):
    """Play a clerk that looks up, and from the eighth customer on hands over to an expert."""
    last = request.newest_user_text[-1]
    if "transfer_to_expert" in request.tools and last in "789":
        return Step(calls=[("transfer_to_expert", {})])
    return replace(looks_up_then_answers(request), reasoning=False)


def another_api(client, _):
    return OpenAIChatCompletionsModel(MODEL, client)


def another_model(client, _):
    return OpenAIResponsesModel("gpt-5.4-mini", client)


def another_server(client, url):
    return OpenAIResponsesModel(MODEL, client.with_options(base_url=url))


@pytest.mark.parametrize("other", [another_api, another_model, another_server])
async def test_whoever_cannot_read_it_gets_a_summary_of_its_own(other, program):
    with LocalOpenAI(hands_over) as second:

        def agents(client, turn):
            expert = Agent("expert", tools=[look_up], model=other(client, second.base_url))
            first = clerk(client, turn)
            first.handoffs = [expert]
            return first

        requests, spans = await program(hands_over, turns=10, agents=agents)
    assert [request.error for request in second.requests if request.error] == []
    answered = [each for each in (*requests, *second.requests) if each.path != COMPACT]
    theirs = [each for each in answered if "transfer_to_expert" not in str(each.body["tools"])]
    contents = [
        {item["encrypted_content"] for request in some for item in sealed(request.items)}
        for some in (theirs, [each for each in answered if each not in theirs])
    ]
    assert contents[1]
    assert contents[0].isdisjoint(contents[1])
    assert any("<COMPACT-SUMMARY v1>" in str(request.body) for request in theirs)
    assert "error" not in {span.attributes["compact.outcome"] for span in spans}


def client_that_asks(server, *, after=0):
    """Return what makes a client whose requests to compact, but for the first, go to a server."""
    url, left = f"http://127.0.0.1:{server._server.server_address[1]}/v1", [after]

    def clients(base_url):
        class Client(AsyncOpenAI):
            async def post(self, path, **options):
                if path.endswith("/compact"):
                    left[0] -= 1
                    path = f"{url}{path}" if left[0] < 0 else path
                return await super().post(path, **options)

        plain = client_of(base_url)
        return Client(base_url=base_url, api_key="local", http_client=plain._client)

    return clients


TROUBLE = {
    "server_error": (b'{"error": {"message": "Oops."}}', 500),
    "model_not_found": (b'{"error": {"message": "Invalid URL"}}', 404),
    "insufficient_quota": (b'{"error": {"code": "insufficient_quota"}}', 429),
    "malformed": (b'{"id": "r", "object": "response.compaction", "output": []}', 200),
    "timeout": (TimeoutError(), 200),
    "connection": (None, 200),
}


@pytest.mark.parametrize("reason", TROUBLE)
async def test_where_it_fails_the_next_in_line_is_asked_within_the_same_call(reason, program):
    body, status = TROUBLE[reason]
    soon = [("retry-after-ms", "1")]
    with RawServer(body, status=status, headers=soon) as server:
        requests, spans = await program(
            clients=client_that_asks(server), turns=5, summarizer={"timeout": 2.0}
        )
    assert server.calls
    (failed, *_) = events(spans, "compact.error")
    assert failed["error.type"] == reason
    assert failed["compact.failure.fallback"] == "extractive"
    (made, *_) = events(spans, "compact.summary_created")
    assert made["compact.summarizer.name"] == "extractive"
    assert not any(sealed(request.items) for request in requests)


async def test_a_model_that_is_named_comes_next(program, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "local")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        RawServer(b"{}", status=404) as server,
        LocalOpenAI(lambda _: Step("## Goal\nWhat is paid.")) as writer,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", writer.base_url)
        _, spans = await program(
            clients=client_that_asks(server),
            turns=5,
            soft_trigger_pct=0.5,
            summarizer={"model": "gpt-4.1-mini"},
        )
    made = events(spans, "compact.summary_created")
    assert {each["compact.summarizer.name"] for each in made} == {"openai"}
    failures = {each["compact.failure.fallback"] for each in events(spans, "compact.error")}
    assert "retry_model" in failures


async def test_what_was_sealed_stays_while_others_write(program):
    """After the first compaction the endpoint is gone: nobody else can tell what is in the item."""
    with RawServer(b"{}", status=404) as server:
        requests, spans = await program(clients=client_that_asks(server, after=1), turns=12)
    names = [each["compact.summarizer.name"] for each in events(spans, "compact.summary_created")]
    assert names[0] == "native"
    assert set(names[1:]) == {"extractive"}
    later = [request.items for request in requests if sealed(request.items)]
    assert len({str(sealed(items)) for items in later}) == 1
    assert f"<COMPACT-SUMMARY v{len(names)}>" in str(later[-1])
    assert sealed(requests[-1].items)


async def test_another_process_sends_what_was_stored(program, tmp_path):
    storage = {"adapter": "fs", "path": str(tmp_path)}
    requests, spans = await program(turns=6, again_at=5, storage=storage)
    assert [request.path for request in requests].count(COMPACT) == 1
    outcomes = [span.attributes["compact.outcome"] for span in spans]
    assert outcomes[outcomes.index("compacted") :].count("replayed") >= 2
    assert sealed(requests[-1].items)
    (stored,) = tmp_path.glob("*/checkpoints.jsonl")
    (record,) = map(json.loads, stored.read_text().splitlines())
    front = record["opaque"]["items"]
    assert front == list(requests[-1].items[: len(front)])
    content = sealed(front)[0]["encrypted_content"]
    others = [path for path in tmp_path.rglob("*") if path.is_file() and path != stored]
    assert others
    assert not any(content in path.read_text() for path in others)


@pytest.mark.parametrize("way", ["run", "run_streamed"])
async def test_what_the_provider_cannot_read_any_more_does_not_end_the_run(way, program):
    requests, spans = await program(turns=8, forgets=5, way=way)
    paths = [request.path for request in requests]
    assert paths.count(COMPACT) >= 1
    (refused,) = [request for request in requests if request.error_code == UNREADABLE]
    again = requests[refused.number]
    assert again.status == 200
    assert not sealed(again.items)
    assert "<COMPACT-SUMMARY" in str(again.items)
    assert "error" not in {span.attributes["compact.outcome"] for span in spans}
