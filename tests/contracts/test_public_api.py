"""The public names, and that none of them costs an import before it is used."""

import inspect

import pytest

import compact_otel
from tests.histories import talk

NAMES = {
    "CompactConfig",
    "CompactError",
    "CompactManager",
    "CompactPolicy",
    "CompactResult",
    "ConfigError",
    "Exporter",
    "InsufficientBudget",
    "Message",
    "OpenAISummarizer",
    "StorageAdapter",
    "StorageError",
    "Summarizer",
    "SummaryError",
    "TokenEstimator",
    "VerificationError",
    "__version__",
    "acompact",
    "compact",
    "compact_session",
    "compact_session_sync",
    "instrument",
    "protect",
    "recall_tool",
    "status",
    "uninstrument",
}


def test_the_public_names_are_these_and_each_can_be_had():
    assert set(compact_otel.__all__) == NAMES
    assert set(dir(compact_otel)) >= NAMES
    for name in NAMES:
        assert getattr(compact_otel, name) is getattr(compact_otel, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="instrumnet"):
        compact_otel.instrumnet  # noqa: B018 - the access is the point


def test_every_public_object_says_what_it_is():
    for name in NAMES - {"__version__"}:
        assert inspect.getdoc(getattr(compact_otel, name)), name


def test_errors_are_drawn_from_one_base_and_from_what_python_users_catch():
    for name, builtin in {
        "ConfigError": ValueError,
        "InsufficientBudget": ValueError,
        "SummaryError": RuntimeError,
        "VerificationError": RuntimeError,
        "StorageError": OSError,
    }.items():
        error = getattr(compact_otel, name)
        assert issubclass(error, compact_otel.CompactError)
        assert issubclass(error, builtin)


def test_the_users_names_and_defaults_stay():
    policy = compact_otel.CompactPolicy()
    assert (policy.trigger_pct, policy.hard_cap_buffer) == (0.85, 1500)
    assert (policy.keep_recent_turns, policy.keep_tool_io_pairs) == (6, 4)
    assert policy.roles_never_prune == ("system", "developer")
    assert (policy.protected_flag, policy.strategy) == ("protected", "task_state")
    assert policy.summary_role == "assistant"


def test_public_signatures_are_typed():
    for function in (
        compact_otel.instrument,
        compact_otel.compact,
        compact_otel.CompactManager.preflight,
        compact_otel.CompactManager.manual_compact,
        compact_otel.CompactManager.apreflight,
        compact_otel.CompactManager.amanual_compact,
    ):
        hints = function.__annotations__  # as written: their types are loaded with the first call
        assert "return" in hints
        parameters = set(inspect.signature(function).parameters) - {"self"}
        assert parameters <= set(hints)


async def test_a_history_is_compacted_once_and_nothing_is_stored(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    history = talk(30)
    given = [dict(item) for item in history]
    result = compact_otel.compact(history, model="gpt-4o", keep_recent_turns=2)
    assert result.outcome == "compacted"
    assert history == given
    assert result.tokens_after < 0.5 * result.tokens_before
    assert result.messages[-1] is history[-1]
    assert list(tmp_path.iterdir()) == []
    again = await compact_otel.acompact(history, model="gpt-4o", keep_recent_turns=2)
    assert (again.messages, again.summary) == (result.messages, result.summary)


def test_a_setting_that_is_not_known_is_refused_by_compact():
    with pytest.raises(compact_otel.ConfigError, match="keep_recent_turn"):
        compact_otel.compact(talk(2), keep_recent_turn=2)


def test_compact_asks_the_summariser_it_is_given():
    class Own:
        name = "own"

        def summarize(self, request):
            return "The parcel number is 4711."

    result = compact_otel.compact(talk(30), summarizer=Own(), keep_recent_turns=2)
    assert "The parcel number is 4711." in result.summary
