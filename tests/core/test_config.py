import logging
import math
from dataclasses import fields
from enum import StrEnum

import pytest

from compact_otel.config import (
    CompactConfig,
    EstimatorConfig,
    RedactionConfig,
    StorageConfig,
    SummarizerConfig,
    TelemetryConfig,
    replace_fields,
)
from compact_otel.core.errors import ConfigError
from compact_otel.core.settings import CompactPolicy
from tests.adapters.packed import KEY


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    import os

    for name in os.environ:
        if name.startswith("COMPACT_"):
            monkeypatch.delenv(name)


ENVIRONMENT = {
    "COMPACT_MODE": ("observe", lambda c: c.mode, "observe"),
    "COMPACT_MODEL": ("gpt-4o", lambda c: c.model, "gpt-4o"),
    "COMPACT_MAX_CONTEXT_TOKENS": ("9000", lambda c: c.max_context_tokens, 9000),
    "COMPACT_ON_INSUFFICIENT_BUDGET": ("raise", lambda c: c.on_insufficient_budget, "raise"),
    "COMPACT_TRIGGER_PCT": ("0.7", lambda c: c.policy.trigger_pct, 0.7),
    "COMPACT_TARGET_PCT": ("0.3", lambda c: c.policy.target_pct, 0.3),
    "COMPACT_SOFT_TRIGGER_PCT": ("0", lambda c: c.policy.soft_trigger_pct, 0),
    "COMPACT_MAX_BREAK_EVEN_CALLS": ("7", lambda c: c.policy.max_break_even_calls, 7),
    "COMPACT_ESTIMATOR_EXACT": ("Yes", lambda c: c.estimator.exact, True),
    "COMPACT_ESTIMATOR_TIMEOUT": ("0.5", lambda c: c.estimator.timeout, 0.5),
    "COMPACT_SUMMARIZER_MODEL": ("gpt-4.1-mini", lambda c: c.summarizer.model, "gpt-4.1-mini"),
    "COMPACT_SUMMARIZER_FALLBACK_MODELS": (
        "gpt-4o-mini, gpt-4o,",
        lambda c: c.summarizer.fallback_models,
        ("gpt-4o-mini", "gpt-4o"),
    ),
    "COMPACT_SUMMARIZER_API": ("chat", lambda c: c.summarizer.api, "chat"),
    "COMPACT_SUMMARIZER_SHAPE": ("prefix", lambda c: c.summarizer.shape, "prefix"),
    "COMPACT_SUMMARIZER_NATIVE": ("true", lambda c: c.summarizer.native, True),
    "COMPACT_SUMMARIZER_WINDOW": ("32768", lambda c: c.summarizer.window, 32_768),
    "COMPACT_SUMMARIZER_TIMEOUT": ("2.5", lambda c: c.summarizer.timeout, 2.5),
    "COMPACT_SUMMARIZER_VERIFY": ("no", lambda c: c.summarizer.verify, False),
    "COMPACT_SUMMARIZER_FACTS_FLOOR": ("0.7", lambda c: c.summarizer.facts_floor, 0.7),
    "COMPACT_SUMMARIZER_LEDGER_PCT": ("0.25", lambda c: c.summarizer.ledger_pct, 0.25),
    "COMPACT_STORAGE_TIMEOUT": ("2.5", lambda c: c.storage.timeout, 2.5),
    "COMPACT_MIN_SAVING_PCT": ("0.2", lambda c: c.policy.min_saving_pct, 0.2),
    "COMPACT_HARD_CAP_BUFFER": ("0", lambda c: c.policy.hard_cap_buffer, 0),
    "COMPACT_KEEP_RECENT_TURNS": ("2", lambda c: c.policy.keep_recent_turns, 2),
    "COMPACT_KEEP_TOOL_IO_PAIRS": ("3", lambda c: c.policy.keep_tool_io_pairs, 3),
    "COMPACT_KEEP_USER_TOKENS": ("0", lambda c: c.policy.keep_user_tokens, 0),
    "COMPACT_CLEAR_TOOL_OUTPUTS": ("stale", lambda c: c.policy.clear_tool_outputs, "stale"),
    "COMPACT_ROLES_NEVER_PRUNE": (
        "system, tool ,",
        lambda c: c.policy.roles_never_prune,
        ("system", "tool"),
    ),
    "COMPACT_PROTECTED_FLAG": ("keep", lambda c: c.policy.protected_flag, "keep"),
    "COMPACT_STRATEGY": ("brief", lambda c: c.policy.strategy, "brief"),
    "COMPACT_SUMMARY_MAX_TOKENS": (" 500 ", lambda c: c.policy.summary_max_tokens, 500),
    "COMPACT_SUMMARY_ROLE": ("user", lambda c: c.policy.summary_role, "user"),
    "COMPACT_EVENTS": ("both", lambda c: c.telemetry.events, "both"),
    "COMPACT_SPANS": ("triggered", lambda c: c.telemetry.spans, "triggered"),
    "COMPACT_EXPORTER": ("console", lambda c: c.telemetry.exporter, "console"),
    "COMPACT_AGENT_SPANS": ("off", lambda c: c.telemetry.agent_spans, "off"),
    "COMPACT_CUSTOM_SPAN": ("yes", lambda c: c.telemetry.custom_span, True),
    "COMPACT_ARIADNE_URL": (
        "http://localhost:7",
        lambda c: c.telemetry.ariadne_url,
        "http://localhost:7",
    ),
    "COMPACT_ARIADNE_TIMEOUT": ("0.5", lambda c: c.telemetry.ariadne_timeout, 0.5),
    "COMPACT_ARIADNE_EVENT_ROWS": ("all", lambda c: c.telemetry.ariadne_event_rows, "all"),
    "COMPACT_ARIADNE_GROUP": ("session", lambda c: c.telemetry.ariadne_group, "session"),
    "COMPACT_ARIADNE_ICON": ("no", lambda c: c.telemetry.ariadne_icon, False),
    "COMPACT_ARIADNE_LIVE": ("true", lambda c: c.telemetry.ariadne_live, True),
    "COMPACT_MODELS": (
        '{"a*": {"trigger_pct": 0.6}}',
        lambda c: c.models,
        {"a*": {"trigger_pct": 0.6}},
    ),
    "COMPACT_AGENTS": ('{"a": {}}', lambda c: c.agents, {"a": {}}),
    "COMPACT_STORAGE_ADAPTER": ("memory", lambda c: c.storage.adapter, "memory"),
    "COMPACT_REDACTION_ENABLED": ("no", lambda c: c.redaction.enabled, False),
    "COMPACT_REDACTION_ALLOW": ("email, phone", lambda c: c.redaction.allow, ("email", "phone")),
    "COMPACT_REDACTION_PATTERNS": (
        "a{1,2}\n(b)",
        lambda c: c.redaction.patterns,
        ("a{1,2}", "(b)"),
    ),
    "COMPACT_REDACTION_SUMMARIZER_PROMPT": ("1", lambda c: c.redaction.summarizer_prompt, True),
    "COMPACT_STORAGE_BUCKET": ("kept", lambda c: c.storage.bucket, "kept"),
    "COMPACT_STORAGE_PREFIX": ("kept/here", lambda c: c.storage.prefix, "kept/here"),
    "COMPACT_STORAGE_KMS_KEY_ID": ("alias/kept", lambda c: c.storage.kms_key_id, "alias/kept"),
    "COMPACT_STORAGE_REGION": ("eu-central-1", lambda c: c.storage.region, "eu-central-1"),
    "COMPACT_STORAGE_ENDPOINT": ("http://kept", lambda c: c.storage.endpoint, "http://kept"),
    "COMPACT_STORAGE_COMPRESS": ("yes", lambda c: c.storage.compress, True),
    "COMPACT_STORAGE_ENCRYPT": ("no", lambda c: c.storage.encrypt, False),
    "COMPACT_STORAGE_ENCRYPTION_KEY": (KEY, lambda c: c.storage.encryption_key, KEY),
    "COMPACT_STORAGE_PATH": ("kept here", lambda c: c.storage.path, "kept here"),
}


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_every_field_has_an_environment_variable(name, monkeypatch):
    text, read, value = ENVIRONMENT[name]
    assert read(CompactConfig.load()) != value
    monkeypatch.setenv(name, text)
    assert read(CompactConfig.load()) == value


SECTIONS = {
    "telemetry": TelemetryConfig,
    "estimator": EstimatorConfig,
    "summarizer": SummarizerConfig,
    "storage": StorageConfig,
    "redaction": RedactionConfig,
}


def test_no_field_is_without_an_environment_variable():
    fields = [
        *(name for name in CompactConfig.__slots__ if name not in ("policy", *SECTIONS)),
        *CompactPolicy.__slots__,
        *(
            name if section == "telemetry" else f"{section}_{name}"
            for section, kind in SECTIONS.items()
            for name in kind.__slots__
            if name != "custom"  # a function
        ),
    ]
    assert {f"COMPACT_{name.upper()}" for name in fields} == set(ENVIRONMENT)


def test_an_argument_wins_over_the_environment_and_that_over_the_default(monkeypatch):
    monkeypatch.setenv("COMPACT_TRIGGER_PCT", "0.7")
    monkeypatch.setenv("COMPACT_KEEP_RECENT_TURNS", "2")
    config = CompactConfig.load(trigger_pct=0.75)
    assert config.policy == CompactPolicy(trigger_pct=0.75, keep_recent_turns=2)


def test_an_empty_variable_is_not_set(monkeypatch):
    monkeypatch.setenv("COMPACT_MODEL", "  ")
    assert CompactConfig.load() == CompactConfig()


def test_spans_that_are_misspelt_in_the_environment_are_told_and_cost_nothing_else(
    monkeypatch, caplog
):
    monkeypatch.setenv("COMPACT_SPANS", "on_trigger")
    assert CompactConfig.load() == CompactConfig()
    (record,) = caplog.records
    assert record.getMessage() == (
        "telemetry.spans must be one of always, triggered, got 'on_trigger' (COMPACT_SPANS); "
        "it counts as not set"
    )


def test_events_that_are_misspelt_in_the_environment_are_told_and_cost_nothing_else(
    monkeypatch, caplog
):
    monkeypatch.setenv("COMPACT_EVENTS", "logs")
    monkeypatch.setenv("COMPACT_TRIGGER_PCT", "0.7")
    config = CompactConfig.load()
    assert (config.telemetry.events, config.policy.trigger_pct) == ("span", 0.7)
    (record,) = caplog.records
    assert record.getMessage() == (
        "telemetry.events must be one of span, log, both, got 'logs' (COMPACT_EVENTS); "
        "it counts as not set"
    )


def test_rules_between_fields_see_all_of_them_at_once(monkeypatch):
    monkeypatch.setenv("COMPACT_TRIGGER_PCT", "0.4")
    monkeypatch.setenv("COMPACT_TARGET_PCT", "0.2")
    assert CompactConfig.load().policy.target_pct == 0.2
    assert CompactConfig.load(trigger_pct=0.1, target_pct=0.05).policy.trigger_pct == 0.1


def test_sections_are_given_whole_as_mappings_or_flat():
    whole = CompactConfig.load(policy=CompactPolicy(trigger_pct=0.7), storage={"adapter": "none"})
    nested = CompactConfig.load(policy={"trigger_pct": 0.7}, storage=StorageConfig(adapter="none"))
    flat = CompactConfig.load(trigger_pct=0.7, storage={"adapter": "none"})
    assert whole == nested == flat
    both = CompactConfig.load(policy=CompactPolicy(trigger_pct=0.7), keep_recent_turns=2)
    assert both.policy == CompactPolicy(trigger_pct=0.7, keep_recent_turns=2)


def test_fields_are_replaced_without_touching_the_original():
    config = CompactConfig(model="a")
    changed = replace_fields(config, trigger_pct=0.7, model="b")
    assert (changed.model, changed.policy.trigger_pct) == ("b", 0.7)
    assert config == CompactConfig(model="a")


SETTINGS_OF_A_POLICY = f"settings are {', '.join(each.name for each in fields(CompactPolicy))}"

PROBLEMS = {
    "telemetry.events must be one of span, log, both, got 'logs' (argument)": {
        "telemetry": {"events": "logs"}
    },
    "telemetry.spans must be one of always, triggered, got 'never' (argument)": {
        "telemetry": {"spans": "never"}
    },
    "telemetry.custom_span must be true or false, got 'on' (argument)": {
        "telemetry": {"custom_span": "on"}
    },
    "trigger_pc is not a setting; did you mean trigger_pct? (argument)": {"trigger_pc": 1},
    "modell is not a setting; did you mean model? (argument)": {"modell": "x"},
    "policy.keep_turns is not a setting; did you mean policy.keep_recent_turns? (argument)": {
        "policy": {"keep_turns": 1}
    },
    "storage.zzz is not a setting; valid are adapter, bucket, compress, encrypt, "
    "encryption_key, endpoint, kms_key_id, path, prefix, region, timeout (argument)": {
        "storage": {"zzz": 1}
    },
    "model must be a model name, got 7 (argument)": {"model": 7},
    "estimator.exact must be true or false, got 'yes' (argument): that is a text, write true": {
        "estimator": {"exact": "yes"}
    },
    "estimator.timeout must be > 0, got 0 (argument)": {"estimator": {"timeout": 0}},
    "summarizer.verify must be true or false, got 1 (argument)": {"summarizer": {"verify": 1}},
    "summarizer.model must be a model name, got ' ' (argument): "
    "leave it out for the extractive summariser": {"summarizer": {"model": " "}},
    "summarizer.model must be a model name, got ['a'] (argument): "
    "leave it out for the extractive summariser": {"summarizer": {"model": ["a"]}},
    "summarizer.fallback_models must be a list of model names, got 'a' (argument): "
    'that is a text, write ["a"]': {"summarizer": {"fallback_models": "a"}},
    "summarizer.fallback_models must be a list of model names, got ['a', ''] (argument)": {
        "summarizer": {"fallback_models": ("a", "")}
    },
    "summarizer.api must be one of responses, chat, got 'completions' (argument)": {
        "summarizer": {"api": "completions"}
    },
    "summarizer.native must be true or false, got 'yes' (argument): that is a text, write true": {
        "summarizer": {"native": "yes"}
    },
    "summarizer.nativ is not a setting; did you mean summarizer.native? (argument)": {
        "summarizer": {"nativ": True}
    },
    "summarizer.shape must be one of transcript, prefix, got 'short' (argument)": {
        "summarizer": {"shape": "short"}
    },
    "summarizer.api must be responses for the summarizer.shape prefix, got 'chat' (argument): "
    "use the shape transcript": {"summarizer": {"shape": "prefix", "api": "chat"}},
    "summarizer.window must be a whole number > 0, got 0 (argument)": {"summarizer": {"window": 0}},
    "summarizer.window must be a whole number > 0, got True (argument)": {
        "summarizer": {"window": True}
    },
    "summarizer.window must be a whole number > 0, got '4k' (argument)": {
        "summarizer": {"window": "4k"}
    },
    "summarizer.facts_floor must be >= 0 and <= 1, got 1.1 (argument)": {
        "summarizer": {"facts_floor": 1.1}
    },
    "summarizer.ledger_pct must be >= 0 and <= 0.9, got 1 (argument)": {
        "summarizer": {"ledger_pct": 1}
    },
    "summarizer.ledger_pct must be >= 0 and <= 0.9, got nan (argument)": {
        "summarizer": {"ledger_pct": math.nan}
    },
    "max_context_tokens must be a whole number > 0, got 0 (argument)": {"max_context_tokens": 0},
    "max_context_tokens must be a whole number > 0, got True (argument)": {
        "max_context_tokens": True
    },
    "max_context_tokens must be a whole number > 0, got '9' (argument): that is a text, write 9": {
        "max_context_tokens": "9"
    },
    "max_context_tokens must be > policy.hard_cap_buffer, got 1500 and 1500 (argument, default): "
    "lower the buffer for a window this small": {"max_context_tokens": 1500},
    "on_insufficient_budget must be one of passthrough, raise, got 'x' (argument)": {
        "on_insufficient_budget": "x"
    },
    "policy must be a mapping of settings, or an instance of CompactPolicy, got 'x' (argument): "
    f"{SETTINGS_OF_A_POLICY}": {"policy": "x"},
    "policy must be a mapping of settings, or an instance of CompactPolicy, got 7 (argument): "
    f"{SETTINGS_OF_A_POLICY}": {
        "policy": 7,
        "trigger_pct": 0.7,
    },
    "telemetry must be a mapping of settings, or an instance of TelemetryConfig, got None "
    "(argument): settings are events, spans, exporter, agent_spans, custom_span, ariadne_url, "
    "ariadne_timeout, ariadne_event_rows, ariadne_group, ariadne_icon, ariadne_live": {
        "telemetry": None
    },
    "storage must be a mapping of settings, or an instance of StorageConfig, got 'fs' "
    "(argument): settings are adapter, path, bucket, prefix, kms_key_id, region, endpoint, "
    "compress, encrypt, encryption_key, timeout": {"storage": "fs"},
    "storage.compress must be true or false, got 'gzip' (argument)": {
        "storage": {"compress": "gzip"}
    },
    "storage.encrypt must be true or false, got 'aes' (argument)": {"storage": {"encrypt": "aes"}},
    "storage.encrypt needs a key (argument): put one into COMPACT_STORAGE_ENCRYPTION_KEY "
    "(`openssl rand -base64 32` makes one)": {"storage": {"encrypt": True}},
    "storage.encryption_key cannot be used (argument): "
    "key 1 of `storage.encryption_key` must be 32 bytes in base64, got 5 bytes: "
    "make one with `openssl rand -base64 32`": {"storage": {"encryption_key": "hunter2"}},
    "telemetry.exporter must be one of console, ariadne, otlp, none, got 'x' (argument)": {
        "telemetry": {"exporter": "x"}
    },
    "storage.adapter must be one of fs, s3, memory, none, got 's4' (argument)": {
        "storage": {"adapter": "s4"}
    },
    "storage.path must be a folder, got '' (argument)": {"storage": {"path": ""}},
    "storage.path must be a folder, got 7 (argument)": {"storage": {"path": 7}},
    "policy.keep_recent_turns must be a whole number >= 1, got 0 (argument)": {
        "keep_recent_turns": 0
    },
}


@pytest.mark.parametrize("message", PROBLEMS)
def test_an_impossible_setting_says_which_and_what_would_do(message):
    with pytest.raises(ConfigError) as caught:
        CompactConfig.load(**PROBLEMS[message])
    assert str(caught.value) == message


def test_a_name_like_no_other_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"qqq is not a setting; valid are .*trigger_pct"):
        CompactConfig.load(qqq=1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "COMPACT_ESTIMATOR_EXACT",
            "ture",
            "estimator.exact must be true or false, got 'ture' (COMPACT_ESTIMATOR_EXACT)",
        ),
        (
            "COMPACT_TRIGGER_PCT",
            "high",
            "policy.trigger_pct must be a number > 0 and <= 1, got 'high' (COMPACT_TRIGGER_PCT)",
        ),
        (
            "COMPACT_TRIGGER_PCT",
            "nan",
            "policy.trigger_pct must be > 0 and <= 1, got nan (COMPACT_TRIGGER_PCT)",
        ),
        (
            "COMPACT_MAX_CONTEXT_TOKENS",
            "1e5",
            "max_context_tokens must be a whole number > 0, got '1e5' (COMPACT_MAX_CONTEXT_TOKENS)",
        ),
        (
            "COMPACT_SUMMARY_ROLE",
            "system",
            "policy.summary_role must be one of assistant, user, got 'system' (COMPACT_SUMMARY_ROLE)",  # noqa: E501 - the message
        ),
    ],
)
def test_an_impossible_variable_names_itself_or_its_field(name, text, message, monkeypatch):
    monkeypatch.setenv(name, text)
    with pytest.raises(ConfigError) as caught:
        CompactConfig.load()
    assert str(caught.value) == message


def test_a_variable_that_looks_like_a_typo_is_warned_about(monkeypatch, caplog):
    monkeypatch.setenv("COMPACT_TRIGER_PCT", "0.5")
    monkeypatch.setenv("COMPACT_OF_ANOTHER_PROGRAM", "1")
    with caplog.at_level(logging.WARNING, "compact_otel"):
        assert CompactConfig.load() == CompactConfig()
    assert [record.getMessage() for record in caplog.records] == [
        "COMPACT_TRIGER_PCT is not a setting; did you mean COMPACT_TRIGGER_PCT?"
    ]


def test_a_model_and_an_agent_can_have_settings_of_their_own():
    config = CompactConfig(
        max_context_tokens=50_000,
        models={"gpt-4o*": {"max_context_tokens": 20_000, "trigger_pct": 0.7}, "*": {}},
        agents={"clerk": {"trigger_pct": 0.6, "keep_recent_turns": 2}},
    )
    policy, window = config.settings_for("gpt-4o-mini", "other")
    assert (policy.trigger_pct, policy.keep_recent_turns, window) == (0.7, 6, 20_000)
    policy, window = config.settings_for("gpt-4o-mini", "clerk")
    assert (policy.trigger_pct, policy.keep_recent_turns, window) == (0.6, 2, 20_000)
    assert config.settings_for("gpt-5", None) == (config.policy, 50_000)
    assert config.settings_for(None, "Clerk") == (config.policy, 50_000)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"models": {"m": {"triger_pct": 0.7}}}, "models.m.triger_pct is not a setting; did"),
        (
            {"agents": {"a": {"trigger_pct": 7}}},
            r"agents\.a\.trigger_pct must be > 0 and <= 1, got 7",
        ),
        ({"agents": {"a": {"max_context_tokens": 9}}}, "lower the buffer"),
        ({"agents": {"a": 0.7}}, r"agents\.a must be a mapping of settings, got 0.7"),
        ({"models": ["gpt-4o"]}, "models must be a mapping of settings by name"),
    ],
)
def test_an_impossible_setting_of_a_model_or_agent_is_named_where_it_stands(overrides, said):
    with pytest.raises(ConfigError, match=said):
        CompactConfig(**overrides)


def test_a_word_of_an_enumeration_is_a_text():
    class Model(StrEnum):
        SMALL = "gpt-4o-mini"

    assert CompactConfig.load(model=Model.SMALL).model == "gpt-4o-mini"


@pytest.mark.parametrize("name", ["max_context_tokens", "trigger_pct", "hard_cap_buffer"])
def test_a_number_that_nothing_can_be_computed_with_is_refused(name):
    with pytest.raises(ConfigError, match=r"of at most 18 digits, got .*\(argument\)"):
        CompactConfig.load(**{name: 10**5000})


def test_a_key_is_in_no_text_of_a_configuration():
    config = CompactConfig.load(storage={"encryption_key": KEY})
    assert KEY not in repr(config)
    assert config.storage.encryption_key == KEY
