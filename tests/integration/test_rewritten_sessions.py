"""`compact_session(rewrite=True)`: the store gets smaller, and nothing is lost if it fails."""

import asyncio
import json
import sqlite3

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    SessionSettings,
    SQLiteSession,
    function_tool,
)
from openai.types.conversations import Conversation, Message

import compact_otel
from compact_otel import ConfigError, StorageError, compact_session, compact_session_sync, status
from compact_otel.sdk_sessions import SessionLostError
from compact_otel.summarizers.extractive import ExtractiveSummarizer
from compact_otel.testing import LocalOpenAI, Step

WINDOW = 20_000
MODELS = {"responses": OpenAIResponsesModel, "chat": OpenAIChatCompletionsModel}
TALK = [
    {"role": role, "content": f"{role} {n}: order #{n} " + "word " * 100}
    for n in range(8)
    for role in ("user", "assistant")
]
LATE = {"role": "user", "content": "said while the session was being compacted"}


class InMemorySession:
    """A session such as applications write, without transactions; an operation may be broken.

    `during` maps the name of an operation to what happens once, in the middle of its next call.
    """

    session_settings = None

    def __init__(self, items=TALK):
        self.session_id = "in-memory"
        self.items = list(items)
        self.during = {}

    async def _happens(self, name):
        await asyncio.sleep(0)
        if name in self.during:
            await self.during.pop(name)()

    async def get_items(self, limit=None):
        await self._happens("get_items")
        return self.items[:] if limit is None else self.items[-limit:]

    async def add_items(self, items):
        for item in items:  # one by one, so that a failure leaves a part behind
            self.items.append(item)
            await self._happens("add_items")

    async def pop_item(self):
        return self.items.pop() if self.items else None

    async def clear_session(self):
        self.items.clear()
        await self._happens("clear_session")


class InterruptedSummarizer:
    """Something else happens while the summary is written."""

    def __init__(self, happens):
        self._happens = happens

    async def summarize(self, request):
        await self._happens()
        return ExtractiveSummarizer().summarize(request)


async def fails():
    raise sqlite3.OperationalError("disk is full")


@pytest.fixture
def switch_on(tracer_provider):
    def instrument(**options):
        options = {"max_context_tokens": WINDOW, "storage": {"adapter": "memory"}, **options}
        return compact_otel.instrument(tracer_provider=tracer_provider, **options)

    return instrument


@pytest.fixture(params=["sqlite", "encrypted", "in-memory"])
async def session(request):
    """Sessions that replace their items in one transaction, and one that can not."""
    if request.param == "in-memory":
        yield InMemorySession()
        return
    stored = made = SQLiteSession("s", session_settings=SessionSettings(limit=3))
    if request.param == "encrypted":
        pytest.importorskip("cryptography")
        from agents.extensions.memory import EncryptedSession

        made = EncryptedSession("s", stored, "a key of the test")
    await made.add_items(TALK)
    yield made
    if made is not stored:
        assert all("__enc__" in item for item in await stored.get_items(1000))
    stored.close()


async def everything(session):
    return await session.get_items(1000)


def carries(request, text):
    return json.dumps(text)[1:-1] in json.dumps(request.items)


@function_tool
def look_up(question: str) -> str:
    """Return a long record."""
    return "\n".join(f"order #{line:02d}: paid ({question})" for line in range(30))


def looks_up_then_answers(request):
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("look_up", {"question": request.newest_user_text})], reasoning=True)
    return Step(f"That is all of {request.newest_user_text}", reasoning=True)


@pytest.mark.parametrize(
    ("before", "after", "role"),
    [
        ("responses", "responses", "assistant"),
        ("responses", "chat", "assistant"),
        ("chat", "responses", "assistant"),
        ("chat", "chat", "assistant"),
        ("responses", "chat", "user"),
    ],
)
async def test_the_store_gets_smaller_and_every_kind_of_model_goes_on_from_it(
    before, after, role, switch_on
):
    manager = switch_on(summary_role=role, max_context_tokens=4_000, hard_cap_buffer=200)
    session = SQLiteSession("s")
    with LocalOpenAI(looks_up_then_answers, context_window=4_000) as api:
        for n, kind in enumerate([before] * 4 + [after] * 10):
            if n == 4:
                stored = await session.get_items()
                result = await compact_session(session, rewrite=True)
                rewritten = await session.get_items()
                assert len(rewritten) == len(result.messages) < len(stored)
                assert str(rewritten).count("<COMPACT-SUMMARY v1>") == 1
                assert [item for item in stored if item in rewritten] == [
                    item for item in rewritten if "COMPACT-SUMMARY" not in str(item)
                ]
            model = MODELS[kind]("gpt-4.1-mini", openai_client=api.client())
            agent = Agent("clerk", tools=[look_up], model=model)
            await Runner.run(agent, f"customer {n}", session=session)
            if n == 4:
                assert carries(api.requests[-1], result.summary)
    assert {request.error for request in api.requests} == {None}
    known = manager.status("s")
    assert known.version > 1, "later compactions fold the stored summary into theirs"
    assert str(api.requests[-1].items).count("</COMPACT-SUMMARY>") == 1
    session.close()


async def test_a_limit_on_what_is_read_loses_nothing_of_what_is_stored(session, switch_on):
    switch_on()
    result = await compact_session(session, rewrite=True)
    assert result.dropped + len(await everything(session)) == len(TALK) + 1
    assert (await everything(session))[-1] == TALK[-1]


async def test_what_was_compacted_already_can_still_be_rewritten(session, switch_on):
    switch_on()
    session.session_settings = SessionSettings()
    first = await compact_session(session)
    assert await everything(session) == TALK
    await compact_session(session, rewrite=True)
    items = await everything(session)
    assert len(items) <= len(first.messages)
    assert str(items).count("</COMPACT-SUMMARY>") == 1


async def test_a_status_finds_the_summary_in_the_session_itself(switch_on):
    switch_on(storage={"adapter": "none"})
    session = InMemorySession()
    result = await compact_session(session, rewrite=True)
    with LocalOpenAI(lambda request: Step("hello"), context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("a", model=OpenAIResponsesModel("gpt-4.1-mini", client))
            await Runner.run(agent, "hello", session=session)
    known = status(session)
    assert (known.summary, known.version) == (result.summary, 1)


async def test_what_is_said_meanwhile_stays(session, switch_on):
    async def somebody_speaks():
        await session.add_items([LATE])

    switch_on(summarizer=InterruptedSummarizer(somebody_speaks))
    result = await compact_session(session, rewrite=True)
    items = await everything(session)
    assert items[-2:] == [TALK[-1], LATE]
    assert len(items) == len(result.messages) + 1


async def test_a_session_that_has_changed_otherwise_is_left_alone(session, switch_on):
    switch_on(summarizer=InterruptedSummarizer(session.pop_item))
    with pytest.raises(StorageError, match="nothing was written"):
        await compact_session(session, rewrite=True)
    assert await everything(session) == TALK[:-1]


async def test_two_at_once_do_not_get_in_each_others_way(session, switch_on):
    switch_on()
    results = await asyncio.gather(*(compact_session(session, rewrite=True) for _ in range(2)))
    items = await everything(session)
    assert len(items) == len(results[-1].messages)
    assert str(items).count("</COMPACT-SUMMARY>") == 1


@pytest.mark.parametrize("name", ["clear_session", "add_items"])
async def test_a_store_that_fails_keeps_the_old_items(name, switch_on):
    switch_on()
    session = InMemorySession()
    session.during[name] = fails
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        await compact_session(session, rewrite=True)
    assert session.items == TALK


async def test_a_store_that_takes_no_writes_is_asked_no_second_time(switch_on):
    switch_on()
    session = InMemorySession()
    session.clear_session = fails
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        await compact_session(session, rewrite=True)
    assert session.items == TALK


@pytest.mark.skipif(
    not hasattr(SQLiteSession, "_get_compaction_snapshot"),
    reason="the SDK replaces items in one transaction since 0.23",
)
async def test_a_transaction_that_fails_keeps_the_old_items(tmp_path, switch_on):
    switch_on()
    session = SQLiteSession("s", tmp_path / "chat.db")
    await session.add_items(TALK)
    with sqlite3.connect(tmp_path / "chat.db") as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON agent_messages "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )
    other.close()
    with pytest.raises(sqlite3.IntegrityError, match="disk is full"):
        await compact_session(session, rewrite=True)
    assert await session.get_items() == TALK
    session.close()


async def test_what_somebody_adds_while_it_fails_is_put_back_as_well(switch_on):
    switch_on()
    session = InMemorySession()

    async def somebody_speaks_and_it_fails():
        session.items.append(LATE)
        await fails()

    session.during["add_items"] = somebody_speaks_and_it_fails
    with pytest.raises(sqlite3.OperationalError):
        await compact_session(session, rewrite=True)
    assert session.items == [*TALK, LATE]


async def test_items_that_can_not_be_put_back_come_with_the_error(switch_on):
    switch_on()
    session = InMemorySession()

    async def fails_from_now_on():
        session.during["clear_session"] = fails
        await fails()

    session.during["add_items"] = fails_from_now_on
    with pytest.raises(SessionLostError, match="16 items") as lost:
        await compact_session(session, rewrite=True)
    assert lost.value.items == TALK
    assert isinstance(lost.value, StorageError)
    assert "disk is full" in str(lost.value.__cause__)
    assert "word" not in str(lost.value)


async def test_a_cancelled_call_ends_with_the_session_whole(switch_on):
    switch_on()
    session = InMemorySession()

    async def cancelled_twice():
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)

    session.during["add_items"] = cancelled_twice
    task = asyncio.create_task(compact_session(session, rewrite=True))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert str(session.items).count("</COMPACT-SUMMARY>") == 1
    assert session.items[-1] == TALK[-1]


async def test_a_call_cancelled_before_the_rewriting_has_changed_nothing(switch_on):
    async def cancelled():
        task.cancel()

    switch_on(summarizer=InterruptedSummarizer(cancelled))
    session = InMemorySession()
    task = asyncio.create_task(compact_session(session, rewrite=True))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.items == TALK


def test_a_program_that_ends_in_the_middle_puts_the_old_items_back(switch_on):
    """`asyncio.run` cancels what is still running, the rewriting itself included."""
    switch_on()
    session = InMemorySession()

    async def main():
        async def the_program_ends():
            ended.set()
            await asyncio.Event().wait()

        ended = asyncio.Event()
        session.during["add_items"] = the_program_ends
        rewriting = asyncio.create_task(compact_session(session, rewrite=True))
        await ended.wait()
        assert session.items != TALK
        return rewriting

    asyncio.run(main())
    assert session.items == TALK


def test_ctrl_c_in_a_synchronous_chat_waits_for_the_session_to_be_whole(switch_on):
    switch_on()
    session = InMemorySession()

    async def ctrl_c():
        def raised():
            raise KeyboardInterrupt

        asyncio.get_running_loop().call_soon(raised)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    session.during["add_items"] = ctrl_c
    try:
        with pytest.raises(KeyboardInterrupt):
            compact_session_sync(session, rewrite=True)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert str(session.items).count("</COMPACT-SUMMARY>") == 1
    assert session.items[-1] == TALK[-1]


async def test_an_interrupted_run_is_resumed_before_its_session_is_rewritten(switch_on):
    switch_on()

    @function_tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Pay an amount."""
        return f"paid {amount}"

    def pays(request):
        if request.items[-1].get("role") == "user":
            return Step(calls=[("pay", {"amount": 7})])
        return Step("It is paid.")

    session = InMemorySession()
    with LocalOpenAI(pays, context_window=WINDOW) as api:
        async with api.client() as client:
            agent = Agent("a", tools=[pay], model=OpenAIResponsesModel("gpt-4.1-mini", client))
            interrupted = await Runner.run(agent, "Pay 7 euros", session=session)
            with pytest.raises(ConfigError, match="waits for its output"):
                await compact_session(session, rewrite=True)
            result = await compact_session(session)  # which leaves the session as it is
            state = interrupted.to_state()
            state.approve(interrupted.interruptions[0])
            resumed = await Runner.run(agent, state, session=session)
        assert resumed.final_output == "It is paid."
        assert carries(api.requests[-1], result.summary)
    assert (await compact_session(session, rewrite=True)).dropped
    assert len(session.items) < len(TALK)


async def test_a_tool_can_not_rewrite_the_session_of_its_own_run(switch_on):
    switch_on()
    session = InMemorySession()

    @function_tool(failure_error_function=None)
    async def compact(*, rewrite: bool) -> str:
        """Compact this conversation."""
        return (await compact_session(session, rewrite=rewrite)).outcome

    def compacts(rewrite):
        def behaviour(request):
            if request.items[-1].get("role") == "user":
                return Step(calls=[("compact", {"rewrite": rewrite})])
            return Step("done", needs=["COMPACT-SUMMARY"])

        return behaviour

    for rewrite in (False, True):
        with LocalOpenAI(compacts(rewrite), context_window=WINDOW) as api:
            async with api.client() as client:
                model = OpenAIResponsesModel("gpt-4.1-mini", client)
                agent = Agent("a", tools=[compact], model=model)
                if rewrite:
                    with pytest.raises(Exception, match="a run over the session"):
                        await Runner.run(agent, "Compact yourself", session=session)
                else:
                    await Runner.run(agent, "Compact yourself", session=session)
                    assert api.missing == []


class OneConversation:
    """Stands in for OpenAI's client where it keeps a conversation; LocalOpenAI keeps none."""

    def __init__(self, items):
        self.conversations = self.items = self
        self._items = items

    async def create(self, items):
        return Conversation(id="conv_1", created_at=0, metadata=None, object="conversation")

    async def list(self, **_):
        for n, item in enumerate(self._items):
            kind = "output_text" if item["role"] == "assistant" else "input_text"
            part = {"type": kind, "text": item["content"], "annotations": []}
            fields = {"id": f"msg_{n}", "type": "message", "status": "completed"}
            yield Message.model_validate({**fields, "role": item["role"], "content": [part]})


async def test_a_conversation_that_openai_keeps_can_be_replayed_but_not_rewritten(switch_on):
    manager = switch_on()
    session = OpenAIConversationsSession(openai_client=OneConversation(TALK))
    with pytest.raises(ConfigError, match="need `rewrite=False`"):
        await compact_session(session, rewrite=True)
    result = await compact_session(session)
    assert result.outcome == "compacted"
    assert status(session).summary == result.summary
    again = await manager.apreflight("conv_1", [*await session.get_items(), LATE])
    assert again.outcome == "replayed"
    assert again.summary == result.summary
