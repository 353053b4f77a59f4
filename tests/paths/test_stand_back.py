"""Where somebody else shortens the history: left to them, until a run would die of it."""

import functools

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesCompactionSession,
    OpenAIResponsesModel,
    RunConfig,
    SQLiteSession,
)
from openai.types.conversations import Conversation

import compact_otel
from compact_otel.testing import LocalOpenAI, Step
from tests.paths.program import MODEL, WAYS, WINDOW, look_up, looks_up_then_answers, run, talk
from tests.paths.test_agents import PAGES, read, reads_page_after_page

ways = pytest.mark.parametrize("way", ["run", "run_streamed"])
TOO_SMALL = WINDOW // 2  # for the pages of one customer, which a run reads
LARGE_ENOUGH = WINDOW + 64 * PAGES  # what the model reasons on the way counts, too
ANSWER = f"I read {PAGES} pages of alpha."


async def read_twice(api, way, session_of, model_class=OpenAIResponsesModel):
    """Run an agent twice over a session; return what the session holds then."""
    stored = SQLiteSession("stored")
    async with api.client() as client:
        agent = Agent("reader", tools=[read], model=model_class(MODEL, client))
        ask = functools.partial(WAYS[way], agent, session=session_of(stored, client), max_turns=20)
        for _ in range(2):
            result = await ask("Tell me of customer alpha")
            assert result.final_output == ANSWER
    items = await stored.get_items()
    stored.close()
    return items


def compacting(mode="auto"):
    return lambda stored, client: OpenAIResponsesCompactionSession(
        "compacting", stored, client=client, model=MODEL, compaction_mode=mode
    )


def seen(api):
    return [(request.path, request.tokens, request.error) for request in api.requests]


def calls(api):
    return [request for request in api.requests if request.path != "/v1/responses/compact"]


@pytest.mark.parametrize(
    ("way", "mode"),
    [("run", "auto"), ("run", "previous_response_id"), ("run", "input"), ("run_streamed", "auto")],
)
async def test_what_its_session_compacts_is_sent_as_without_us(way, mode, observed, switch_on):
    """The calls come into the range in which we would compact, and fit."""
    runs = []
    for _ in range(2):
        api = LocalOpenAI(reads_page_after_page, context_window=LARGE_ENOUGH)
        with api, observed.program():
            items = await read_twice(api, way, compacting(mode))
        runs.append(seen(api))
        assert [item["type"] for item in items] == ["message", "message", "compaction"]
        switch_on()
    without, with_us = runs
    assert max(tokens for _, tokens, _ in with_us) > 0.85 * WINDOW
    assert with_us == without
    assert len(observed.decisions) == len(calls(api))
    assert set(observed.outcomes) == {"skipped"}
    assert set(observed.values("compact.trigger.reason")) == {"sdk_compaction_session"}
    for span in observed.decisions:
        assert [event.name for event in span.events] == ["compact.trigger_decision"]


@ways
async def test_what_its_session_compacts_too_late_is_rescued(way, observed, switch_on):
    """It compacts after a turn, so it never helps the calls within a run."""
    switch_on(max_context_tokens=TOO_SMALL)
    with LocalOpenAI(reads_page_after_page, context_window=TOO_SMALL) as api, observed.program():
        items = await read_twice(api, way, compacting())
    refused = [request.error_code for request in api.requests if request.error]
    assert refused == ["context_length_exceeded"] * 2, "once in each run, then it is ours"
    assert len(observed.decisions) == len(calls(api))
    first, second = (
        n
        for n, reason in enumerate(observed.values("compact.trigger.reason"))
        if reason == "context_overflow"
    )
    left = "sdk_compaction_session"
    reasons = observed.values("compact.trigger.reason")
    assert set(reasons[:first]) == set(reasons[second - 4 : second]) == {left}
    assert left not in reasons[second:]
    assert observed.outcomes[second:].count("compacted") > 1
    # What the session compacted is theirs, and holds all that the user said.
    assert [item["type"] for item in items] == ["message", "message", "compaction"]
    assert "COMPACT-SUMMARY" not in str(items)


async def test_without_us_such_a_run_dies():
    with (
        LocalOpenAI(reads_page_after_page, context_window=TOO_SMALL) as api,
        pytest.raises(Exception, match="exceeds the context window"),
    ):
        await read_twice(api, "run", compacting())


def encrypted(stored, client):
    pytest.importorskip("cryptography")
    from agents.extensions.memory import EncryptedSession

    return EncryptedSession("encrypted", compacting()(stored, client), "a key of the test")


class OwnSession(SQLiteSession):
    """An application's session that compacts itself, in whatever way."""

    async def run_compaction(self, args=None):
        pass


@pytest.mark.parametrize("session_of", [encrypted, lambda *_: OwnSession("own")])
async def test_every_session_that_the_sdk_would_ask_is_left_alone(session_of, observed, switch_on):
    switch_on()
    with LocalOpenAI(lambda request: Step("hello")) as api, observed.program():
        async with api.client() as client:
            stored = SQLiteSession("stored")
            session = session_of(stored, client)
            agent = Agent("a", model=OpenAIResponsesModel(MODEL, client))
            await run(agent, "hello", session=session)
            stored.close()
            getattr(session, "close", stored.close)()
    assert observed.values("compact.trigger.reason") == ["sdk_compaction_session"]


async def test_for_chat_completions_it_never_compacts_so_there_we_stay_on_duty(observed, switch_on):
    switch_on()
    with LocalOpenAI(reads_page_after_page, context_window=WINDOW) as api, observed.program():
        await read_twice(api, "run", compacting(), OpenAIChatCompletionsModel)
    assert "/v1/responses/compact" not in {request.path for request in api.requests}
    observed.check(api)


async def test_an_agent_as_a_tool_has_no_session_so_its_history_is_ours(observed, switch_on):
    def delegates(request):
        if "ask_expert" not in request.tools:
            return reads_page_after_page(request)
        if request.items[-1].get("role") == "user":
            return Step(calls=[("ask_expert", {"input": "customer alpha"})])
        return Step("It is known.")

    switch_on()
    stored = SQLiteSession("stored")
    with LocalOpenAI(delegates, context_window=WINDOW) as api, observed.program():
        async with api.client() as client:
            model = OpenAIResponsesModel(MODEL, client)
            tool = Agent("expert", tools=[read], model=model).as_tool(
                "ask_expert", "Asks.", max_turns=20
            )
            chief = Agent("chief", tools=[tool], model=model)
            await run(chief, "Ask of alpha", session=compacting()(stored, client))
    stored.close()
    observed.check(api)
    assert observed.values("compact.trigger.reason").count("sdk_compaction_session") == 2


@ways
@pytest.mark.parametrize("window", [WINDOW, 3 * WINDOW], ids=["refused", "fits"])
async def test_sandbox_agents_have_the_provider_compact(window, way, observed, switch_on):
    """By `context_management`, from a number of tokens that may be beyond what the model takes."""
    from agents.sandbox import SandboxAgent, SandboxRunConfig
    from agents.sandbox.capabilities import Compaction

    scripted = pytest.importorskip("agents.testing", reason="since openai-agents 0.21")
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=window) as api, observed.program():
        async with api.client() as client:
            model = OpenAIResponsesModel(MODEL, client)
            agent = SandboxAgent("a", tools=[look_up], model=model, capabilities=[Compaction()])
            sandbox = SandboxRunConfig(session=scripted.scripted_sandbox_session())
            result = await WAYS[way](agent, talk(), run_config=RunConfig(sandbox=sandbox))
    assert result.final_output.startswith("I found")
    assert all("context_management" in request.body for request in api.requests)
    reasons = observed.values("compact.trigger.reason")
    if window == WINDOW:
        assert [bool(request.error) for request in api.requests] == [True, False, False]
        assert reasons[:2] == ["provider_compaction", "context_overflow"]
        assert observed.outcomes == ["skipped", "compacted", "replayed"]
    else:
        assert reasons == ["provider_compaction"] * 2
        assert [len(request.items) for request in api.requests] == [33, 36]


class Delegating(Model):
    """A model of an application around another: for a log, for retries, for a fallback."""

    def __init__(self, *args):
        self._inner = self.made(*args)
        self.model = self._inner.model

    made = OpenAIResponsesModel

    async def get_response(self, *args, **kwargs):
        return await self._inner.get_response(*args, **kwargs)

    def stream_response(self, *args, **kwargs):
        return self._inner.stream_response(*args, **kwargs)


SETTINGS = {
    "truncation_auto": ModelSettings(truncation="auto"),
    "provider_compaction": ModelSettings(
        extra_body={"context_management": [{"type": "compaction", "compact_threshold": 2000}]}
    ),
}


@ways
@pytest.mark.parametrize(
    ("reason", "window"),
    [
        ("truncation_auto", 3 * WINDOW),  # where it is too large, the provider drops what it must
        ("provider_compaction", 3 * WINDOW),
        ("provider_compaction", WINDOW),
    ],
)
async def test_behind_a_model_of_the_application_too(reason, window, way, observed, switch_on):
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=window) as api, observed.program():
        async with api.client() as client:
            model = Delegating(MODEL, client)
            agent = Agent("a", tools=[look_up], model=model, model_settings=SETTINGS[reason])
            result = await WAYS[way](agent, talk())
    assert result.final_output.startswith("I found")
    reasons = observed.values("compact.trigger.reason")
    if window == WINDOW:
        assert reasons[:2] == [reason, "context_overflow"]
        assert [bool(request.error) for request in api.requests] == [True, False, False]
    else:
        assert reasons == [reason] * 2
        assert len(api.requests[0].items) == len(talk())


async def test_the_sdks_own_model_of_chat_completions_drops_the_settings(observed, switch_on):
    switch_on()
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api, observed.program():
        async with api.client() as client:
            model = OpenAIChatCompletionsModel(MODEL, client)
            settings = SETTINGS["truncation_auto"]
            agent = Agent("a", tools=[look_up], model=model, model_settings=settings)
            await run(agent, talk())
    observed.check(api)


async def test_a_compacting_session_behind_a_model_of_the_application(observed, switch_on):
    switch_on()
    api = LocalOpenAI(reads_page_after_page, context_window=LARGE_ENOUGH)
    with api, observed.program():
        await read_twice(api, "run", compacting(), Delegating)
    assert set(observed.values("compact.trigger.reason")) == {"sdk_compaction_session"}


class OneConversation:
    """Stands in for OpenAI's client where it keeps a conversation; LocalOpenAI keeps none."""

    def __init__(self):
        self.conversations = self.items = self
        self.kept = []

    async def create(self, conversation_id=None, *, items, **_):
        self.kept += items
        return Conversation(id="conv_1", created_at=0, metadata=None, object="conversation")

    async def list(self, **_):
        for item in ():
            yield item


async def test_a_session_whose_id_comes_with_its_first_use(observed, switch_on):
    switch_on()
    session = OpenAIConversationsSession(openai_client=OneConversation())
    with LocalOpenAI(looks_up_then_answers, context_window=WINDOW) as api, observed.program():
        async with api.client() as client:
            agent = Agent("a", tools=[look_up], model=OpenAIResponsesModel(MODEL, client))
            await run(agent, "hello", session=session)
    assert observed.values("gen_ai.conversation.id") == ["conv_1"] * 2
    assert compact_otel.status(session).session_id == "conv_1"
