"""Switching on and off: nothing is left behind, and no class is missed."""

import logging
import subprocess
import sys
import textwrap

import pytest
from agents import Model, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models.interface import ModelTracing
from agents.run import AgentRunner
from opentelemetry import context

import compact_otel
from compact_otel import CompactConfig, CompactManager, ConfigError
from compact_otel.config import StorageConfig
from compact_otel.instrumentor import CompactInstrumentor
from compact_otel.switch import active_manager

METHODS = ("get_response", "stream_response")
ARGUMENTS = {
    "system_instructions": None,
    "model_settings": ModelSettings(),
    "tools": [],
    "output_schema": None,
    "handoffs": [],
    "tracing": ModelTracing.DISABLED,
    "previous_response_id": None,
    "conversation_id": None,
    "prompt": None,
}
LONG = [{"role": "user", "content": f"message {n} " + "word " * 300} for n in range(12)]


def all_subclasses(cls):
    for sub in cls.__subclasses__():
        yield sub
        yield from all_subclasses(sub)


def snapshot():
    """What stands in every class's own `__dict__` under the names we touch."""
    names = (*METHODS, "__init_subclass__")
    classes = [Model, *all_subclasses(Model)]
    own = {(cls, name): cls.__dict__.get(name) for cls in classes for name in names}
    runner = {(AgentRunner, name): AgentRunner.__dict__[name] for name in ("run", "run_streamed")}
    return {**own, **runner}


class Recorder(Model):
    """A model of an application: remembers what it was sent."""

    def __init__(self):
        self.inputs = []

    async def get_response(self, system_instructions, input, *args, **kwargs):
        self.inputs.append(input)
        return "answer"

    async def stream_response(self, system_instructions, input, *args, **kwargs):
        self.inputs.append(input)
        yield "event"


@pytest.fixture
def small(tracer_provider):
    """instrument() with a window that LONG does not fit into."""
    return compact_otel.instrument(
        max_context_tokens=4000, storage={"adapter": "none"}, tracer_provider=tracer_provider
    )


def test_uninstrument_restores_every_class_attribute_exactly():
    before = snapshot()
    compact_otel.instrument(storage={"adapter": "none"})
    assert snapshot() != before
    compact_otel.uninstrument()
    after = snapshot()
    assert after.keys() == before.keys()
    assert all(after[key] is before[key] for key in before)


def test_instrumenting_twice_is_instrumenting_once():
    first = compact_otel.instrument(storage={"adapter": "none"})
    patched = snapshot()
    assert compact_otel.instrument(storage={"adapter": "none"}) is first
    assert snapshot() == patched
    before = OpenAIResponsesModel.__dict__["get_response"].__wrapped__
    compact_otel.uninstrument()
    assert OpenAIResponsesModel.__dict__["get_response"] is before


def test_uninstrument_without_instrument_does_nothing():
    before = snapshot()
    compact_otel.uninstrument()
    assert snapshot() == before


async def test_a_class_defined_later_is_wrapped_and_restored(small):
    class Later(Recorder):
        async def get_response(self, *args, **kwargs):
            return await super().get_response(*args, **kwargs)

    model = Later()
    own = Later.__dict__["get_response"].__wrapped__
    await model.get_response(input=LONG, **ARGUMENTS)
    assert len(model.inputs[0]) < len(LONG)
    compact_otel.uninstrument()
    assert Later.__dict__["get_response"] is own
    assert "stream_response" not in Later.__dict__


async def test_a_mixin_outside_model_stays_as_it_is(small):
    class Mixin:
        async def get_response(self, system_instructions, input, *args, **kwargs):
            return input

        def stream_response(self, *args, **kwargs):
            raise NotImplementedError

    plain = Mixin.__dict__["get_response"]

    class Mixed(Mixin, Model):
        pass

    sent = await Mixed().get_response(input=LONG, **ARGUMENTS)
    assert len(sent) < len(LONG)
    assert Mixin.__dict__["get_response"] is plain
    compact_otel.uninstrument()
    assert "get_response" not in Mixed.__dict__
    assert await Mixed().get_response(input=LONG, **ARGUMENTS) is LONG


def test_an_existing_init_subclass_still_runs_and_comes_back(monkeypatch):
    seen = []

    def hook(cls, **options):
        seen.append(cls.__name__)

    monkeypatch.setattr(Model, "__init_subclass__", classmethod(hook), raising=False)
    before = Model.__dict__["__init_subclass__"]
    compact_otel.instrument(storage={"adapter": "none"})

    class Fresh(Recorder):
        pass

    assert seen == ["Fresh"]
    compact_otel.uninstrument()
    assert Model.__dict__["__init_subclass__"] is before


async def test_a_patch_of_another_tool_on_top_of_ours_stays_and_ours_is_inert(small):
    ours = Recorder.__dict__["get_response"]

    async def theirs(self, *args, **kwargs):
        return await ours.__get__(self, Recorder)(*args, **kwargs)

    original = ours.__wrapped__
    Recorder.get_response = theirs
    try:
        compact_otel.uninstrument()
        assert Recorder.__dict__["get_response"] is theirs
        model = Recorder()
        await model.get_response(input=LONG, **ARGUMENTS)
        assert model.inputs == [LONG]
    finally:
        Recorder.get_response = original


async def test_delegating_and_super_calls_are_decided_once(small, exporter):
    class Inner(Recorder):
        pass

    class Outer(Recorder):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        async def get_response(self, *args, **kwargs):
            await super().get_response(*args, **kwargs)
            return await self.inner.get_response(*args, **kwargs)

        async def stream_response(self, *args, **kwargs):
            async for event in self.inner.stream_response(*args, **kwargs):
                yield event

    inner = Inner()
    outer = Outer(inner)
    await outer.get_response(input=LONG, **ARGUMENTS)
    assert len(exporter.get_finished_spans()) == 1
    assert outer.inputs[0] is inner.inputs[0]
    assert len(inner.inputs[0]) < len(LONG)

    exporter.clear()
    assert [event async for event in outer.stream_response(input=LONG, **ARGUMENTS)] == ["event"]
    assert len(exporter.get_finished_spans()) == 1


async def test_a_stream_is_compacted_and_leaves_nothing_in_the_context(small, exporter):
    model = Recorder()
    before = context.get_current()
    stream = model.stream_response(input=LONG, **ARGUMENTS)
    assert model.inputs == [], "nothing happens before the first event is asked for"
    assert await anext(stream) == "event"
    assert context.get_current() is before
    assert [span.name for span in exporter.get_finished_spans()] == ["compact_context"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert len(model.inputs) == 1
    assert len(model.inputs[0]) < len(LONG)


async def test_closing_a_stream_closes_the_models_own(small):
    closed = []

    class Closing(Recorder):
        async def stream_response(self, *args, **kwargs):
            try:
                yield "first"
                yield "second"
            finally:
                closed.append(True)

    stream = Closing().stream_response(input=LONG, **ARGUMENTS)
    assert await anext(stream) == "first"
    await stream.aclose()
    await stream.aclose()
    assert closed == [True]
    assert [event async for event in stream] == []


async def test_a_stream_closed_before_its_start_never_calls_the_model(small):
    model = Recorder()
    stream = model.stream_response(input=LONG, **ARGUMENTS)
    await stream.aclose()
    assert [event async for event in stream] == []
    assert model.inputs == []


async def test_a_stream_method_may_return_an_awaitable(small):
    class Awaitable(Recorder):
        async def stream_response(self, *args, **kwargs):
            return Recorder.stream_response(self, *args, **kwargs)

    model = Awaitable()
    assert [event async for event in model.stream_response(input=LONG, **ARGUMENTS)] == ["event"]
    assert len(model.inputs[0]) < len(LONG)


@pytest.mark.parametrize("form", ["keywords", "positional"])
async def test_arguments_are_read_whichever_way_they_come(small, form):
    model = Recorder()
    if form == "keywords":
        await model.get_response(input=LONG, **ARGUMENTS)
    else:
        seven = [None, LONG, ModelSettings(), [], None, [], ModelTracing.DISABLED]
        await model.get_response(*seven, previous_response_id=None, conversation_id=None)
    assert 0 < len(model.inputs[0]) < len(LONG)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"previous_response_id": "resp_1"}, "server_managed"),
        ({"conversation_id": "conv_1"}, "server_managed"),
    ],
)
async def test_a_history_that_the_server_keeps_is_left_alone(small, exporter, changes, reason):
    model = Recorder()
    await model.get_response(input=LONG, **{**ARGUMENTS, **changes})
    assert model.inputs[0] is LONG
    [span] = exporter.get_finished_spans()
    assert span.attributes["compact.outcome"] == "skipped"
    assert span.attributes["compact.trigger.reason"] == reason
    assert [event.name for event in span.events] == ["compact.trigger_decision"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (ModelSettings(truncation="auto"), "truncation_auto"),
        (ModelSettings(extra_body={"truncation": "auto"}), "truncation_auto"),
        (
            ModelSettings(extra_args={"context_management": [{"type": "compaction"}]}),
            "provider_compaction",
        ),
    ],
)
async def test_responses_models_that_shorten_by_themselves_are_left_alone(
    small, exporter, settings, reason
):
    class Server(Recorder, OpenAIResponsesModel):
        pass

    model = Server()
    await model.get_response(input=LONG, **{**ARGUMENTS, "model_settings": settings})
    assert model.inputs[0] is LONG
    assert exporter.get_finished_spans()[0].attributes["compact.trigger.reason"] == reason


async def test_chat_models_drop_such_settings_so_there_we_stay_on_duty(small):
    class Chat(Recorder, OpenAIChatCompletionsModel):
        pass

    model = Chat()
    settings = ModelSettings(truncation="auto")
    await model.get_response(input=LONG, **{**ARGUMENTS, "model_settings": settings})
    assert len(model.inputs[0]) < len(LONG)


async def test_a_text_as_input_passes_through_with_a_reason(small, exporter):
    model = Recorder()
    await model.get_response(input="hello", **ARGUMENTS)
    assert model.inputs == ["hello"]
    [span] = exporter.get_finished_spans()
    assert span.attributes["compact.trigger.reason"] == "unsupported_input"


async def test_an_input_below_the_trigger_is_the_very_same_list(small):
    model = Recorder()
    short = LONG[:2]
    await model.get_response(input=short, **ARGUMENTS)
    assert model.inputs[0] is short


async def test_a_summariser_that_calls_an_instrumented_model_does_not_come_back(tracer_provider):
    class ByModel:
        async def summarize(self, request):
            await Recorder().get_response(input=list(LONG), **ARGUMENTS)
            return "a summary"

    compact_otel.instrument(
        max_context_tokens=4000,
        storage={"adapter": "none"},
        summarizer=ByModel(),
        tracer_provider=tracer_provider,
    )
    model = Recorder()
    await model.get_response(input=LONG, **ARGUMENTS)
    assert any("a summary" in str(item["content"]) for item in model.inputs[0])


async def test_insufficient_budget_passes_through_or_raises_as_configured(tracer_provider):
    huge = [{"role": "user", "content": "word " * 9000}]
    model = Recorder()
    for choice in ("passthrough", "raise"):
        compact_otel.instrument(
            max_context_tokens=4000,
            storage={"adapter": "none"},
            on_insufficient_budget=choice,
            tracer_provider=tracer_provider,
        )
        if choice == "raise":
            with pytest.raises(compact_otel.InsufficientBudget, match="larger window"):
                await model.get_response(input=huge, **ARGUMENTS)
        else:
            await model.get_response(input=huge, **ARGUMENTS)
        compact_otel.uninstrument()
    assert model.inputs == [huge]


def test_a_file_sets_what_no_argument_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compact.yaml").write_text("policy: {trigger_pct: 0.8, keep_recent_turns: 3}")
    (tmp_path / "other.yaml").write_text("policy: {keep_recent_turns: 4}")
    policy = compact_otel.instrument(trigger_pct=0.9).config.policy
    assert (policy.trigger_pct, policy.keep_recent_turns) == (0.9, 3)
    compact_otel.uninstrument()
    policy = compact_otel.instrument(config=tmp_path / "other.yaml").config.policy
    assert (policy.trigger_pct, policy.keep_recent_turns) == (0.85, 4)


def test_wrong_options_are_errors_that_show_the_way_out():
    with pytest.raises(ConfigError, match="did you mean trigger_pct"):
        compact_otel.instrument(triger_pct=0.8)
    with pytest.raises(ConfigError, match=r"policy\.trigger_pct must be > 0 and <= 1, got 1\.7"):
        compact_otel.instrument(trigger_pct=1.7)
    with pytest.raises(ConfigError, match="either `manager` or other options"):
        compact_otel.instrument(manager=CompactManager(CompactConfig()), trigger_pct=0.8)
    with pytest.raises(
        ConfigError, match=r"need a CompactConfig, or the path of a file, .*, got dict"
    ):
        compact_otel.instrument(config={})
    assert active_manager() is None


def test_a_wrong_environment_leaves_zero_code_off_but_never_raises(monkeypatch, caplog):
    monkeypatch.setenv("COMPACT_TRIGGER_PCT", "lots")
    before = snapshot()
    with caplog.at_level(logging.ERROR, logger="compact_otel"):
        CompactInstrumentor().instrument()
    try:
        assert snapshot() == before
        assert "stays off" in caplog.text
        assert "COMPACT_TRIGGER_PCT" in caplog.text
    finally:
        CompactInstrumentor().uninstrument()


def test_instrument_imports_nothing_of_the_sdk_and_still_catches_it():
    program = textwrap.dedent(
        """
        import sys
        import compact_otel
        compact_otel.instrument(storage={"adapter": "none"})
        heavy = {"agents", "openai", "tiktoken", "opentelemetry.sdk", "pydantic"} & set(sys.modules)
        assert not heavy, heavy
        from agents import OpenAIResponsesModel
        found = OpenAIResponsesModel.__dict__["get_response"]
        assert type(found).__module__ == "compact_otel.switch", type(found)
        """
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_part_that_does_not_fit_is_an_error_that_names_what_it_lacks():
    with pytest.raises(ConfigError, match="need a TokenEstimator in `estimator`, got object"):
        compact_otel.instrument(estimator=object())
    with pytest.raises(ConfigError, match=r"use OpenAISummarizer\('gpt-4o'\)"):
        compact_otel.instrument(summarizer="gpt-4o")
    with pytest.raises(ConfigError, match="which has no `load_checkpoints` and no `name`"):
        compact_otel.instrument(storage=object())
    assert active_manager() is None


def test_parts_by_hand_and_their_settings_have_one_name():
    settings = {"estimator": {"exact": True}, "summarizer": {"timeout": 5}}
    manager = compact_otel.instrument(storage=StorageConfig(adapter="none"), **settings)
    assert manager.config.estimator.exact
    assert manager.config.summarizer.timeout == 5
    assert manager.storage is None


def test_a_second_instrument_says_which_options_it_ignores(small, caplog):
    with caplog.at_level(logging.WARNING, logger="compact_otel"):
        assert compact_otel.instrument(trigger_pct=0.7) is small
    assert "ignoring `trigger_pct`" in caplog.text
