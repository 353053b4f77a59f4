"""What a file sets, what is told of one that cannot be used, and who wins over it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel import CompactConfig, CompactPolicy, ConfigError
from compact_otel.config import SECTIONS
from compact_otel.config.effective import effective
from compact_otel.config.file import from_file
from compact_otel.config.layers import all_rules, settled, value_at
from compact_otel.config.names import variable
from compact_otel.core.fields import check, rules_of


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """Start in an empty folder, without settings."""
    for name in os.environ:
        if name.startswith("COMPACT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def told(text, name="compact.yaml"):
    """Return what is said of a file that cannot be used."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        CompactConfig.load(config=name)
    return str(caught.value)


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", ["compact.yaml", "compact.yml", "compact.json"])
def test_a_file_in_the_working_directory_is_read(name):
    write(name, '{"mode": "observe", "policy": {"trigger_pct": 0.75}}')
    assert CompactConfig.load() == CompactConfig(
        mode="observe", policy=CompactPolicy(trigger_pct=0.75)
    )


def test_without_a_file_all_is_as_it_comes():
    assert CompactConfig.load() == CompactConfig()


def test_the_first_of_several_is_read_and_the_others_are_told_of(caplog):
    write("compact.json", '{"model": "json"}')
    write("compact.yaml", "model: yaml")
    assert CompactConfig.load().model == "yaml"
    assert "compact.yaml is read, and not compact.json" in caplog.text


def test_the_environment_names_another_file_or_none(monkeypatch):
    write("compact.yaml", "model: found")
    write("other.yaml", "model: named")
    monkeypatch.setenv("COMPACT_CONFIG", "other.yaml")
    assert CompactConfig.load().model == "named"
    monkeypatch.setenv("COMPACT_CONFIG", "none")
    assert CompactConfig.load().model is None
    monkeypatch.setenv("COMPACT_CONFIG", " ")
    assert CompactConfig.load().model == "found"
    monkeypatch.setenv("COMPACT_CONFIG", "gone.yaml")
    with pytest.raises(ConfigError, match=r"COMPACT_CONFIG names the file 'gone.yaml', which is n"):
        CompactConfig.load()
    assert CompactConfig.load(config="other.yaml").model == "named", "an argument wins"


def test_words_are_those_of_yaml_1_2():
    write(
        "compact.yaml", "mode: off\npolicy: {clear_tool_outputs: off}\nsummarizer: {timeout: 1e1}"
    )
    config = CompactConfig.load()
    assert (config.mode, config.policy.clear_tool_outputs) == ("off", "off")
    assert config.summarizer.timeout == 10


def test_a_section_of_which_all_is_commented_out_is_none():
    write("compact.yaml", "policy:\n  # trigger_pct: 0.8\nmodels:\nmodel: m\n")
    assert CompactConfig.load() == CompactConfig(model="m")


def test_windows_puts_a_mark_before_the_text_and_that_is_no_harm():
    Path("compact.yaml").write_bytes(b"\xef\xbb\xbfmodel: m\r\n")
    assert CompactConfig.load().model == "m"


UNUSABLE = {
    "": "compact.yaml is empty: write a setting into it, or remove it",
    "# nothing\n": "compact.yaml is empty",
    "- a": "compact.yaml: need settings such as `mode: observe`, got something else",
    "mode: [": "it is no YAML",
    "a: b: c": "compact.yaml:1:5: mapping values are not allowed",
    "mode: off\nmodel: a\nmode: off": "compact.yaml:3:1: 'mode' stands in line 1 already",
    "policy: {1: 2}": "compact.yaml:1:10: need a name, got 1; put it into quotes",
    "policy: {[a]: 2}": "compact.yaml:1:10: need a name; put it into quotes",
    "mode: !!python/name:os.system x": "compact.yaml:1:7: the tag",
    "a: 1\n---\nb: 2": "but found another document",
    "mode: \x01": "compact.yaml",
    b"mode: off\nmodel: \xff": "compact.yaml:2:8: the byte 0xff is not UTF-8: save it as UTF-8",
    "mode: off".encode("utf-16"): "compact.yaml is not UTF-8, but UTF-16 or UTF-32: save it as UTF",
    "hard_cap_buffer: " + "9" * 5000: "compact.yaml:1:18: a number of 5000 digits is too long",
}


@pytest.mark.parametrize("text", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_file_that_is_none_is_told_with_its_place(text):
    assert UNUSABLE[text] in told(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "compact.json is empty"),
        ("null", "compact.json is empty"),
        ("[]", "compact.json: need settings such as"),
        ('{"mode": "off",}', "compact.json:1:16: "),
        ('{"mode": "off", "mode": "off"}', "compact.json: 'mode' stands twice in one object"),
        ('{"policy": {"trigger_pct": NaN}}', "compact.json: NaN is no JSON"),
        ('{"policy": {"hard_cap_buffer": ' + "9" * 5000 + "}}", "a number of 5000 digits is too"),
        ('{\n"policy": {\n"trigger_pct": "0.8"}}', "got '0.8' (compact.json:3): that is a text"),
    ],
)
def test_json_is_read_as_json(text, message):
    assert message in told(text, "compact.json")


def test_a_folder_and_a_pipe_are_no_files(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, what in (("folder.yaml", "a folder"), ("pipe.yaml", "no regular file")):
        with pytest.raises(ConfigError, match=f"{name} is {what}: need a file with settings"):
            CompactConfig.load(config=name)


PROBLEMS = {
    "policy:\n  trigger_pct: 1.7": "policy.trigger_pct must be > 0 and <= 1, got 1.7 "
    "(compact.yaml:2)",
    'policy:\n  trigger_pct: "0.8"': "policy.trigger_pct must be a number > 0 and <= 1, got '0.8' "
    "(compact.yaml:2): that is a text, write 0.8",
    "estimator: {exact: yes}": "estimator.exact must be true or false, got 'yes' "
    "(compact.yaml:1): that is a text, write true",
    "policy: {keep_recent_turns: 2.5}": "policy.keep_recent_turns must be a whole number >= 1, "
    "got 2.5 (compact.yaml:1)",
    "policy: {keep_recent_turns: null}": "policy.keep_recent_turns must be a whole number >= 1, "
    "got None (compact.yaml:1)",
    "storage: {path: ''}": "storage.path must be a folder, got '' (compact.yaml:1)",
    "redaction: {allow: [email, mail]}": "redaction.allow must be a list of email, phone, card, "
    "bank_account, national_id, birth_date, name, address, got ['email', 'mail'] (compact.yaml:1)",
    "redaction: {patterns: ['(']}": "redaction.patterns must be a list of regular expressions, "
    "got '(' (compact.yaml:1): missing ), unterminated subpattern at position 0",
    "redaction: {custom: os.system}": "redaction.custom cannot be set in a file "
    "(compact.yaml:1): give it as an argument",
    "\ntrigger_pct: 0.8": "trigger_pct is not a setting; did you mean policy.trigger_pct? "
    "(compact.yaml:2)",
    "polcy: {}": "polcy is not a setting; did you mean policy? (compact.yaml:1)",
    "telemetry:\n  exportr: x": "telemetry.exportr is not a setting; did you mean "
    "telemetry.exporter? (compact.yaml:2)",
    "estimator: 3": "estimator must be a mapping of settings, or an instance of EstimatorConfig, "
    "got 3 (compact.yaml:1): settings are exact, timeout",
    "models:\n  gpt-4o*:\n    trigger_pct: 7": "models['gpt-4o*'].trigger_pct must be > 0 and "
    "<= 1, got 7 (compact.yaml:3)",
    "agents:\n  a: {trigger_pct: 0.3}": "policy.target_pct must be < policy.trigger_pct (or every "
    "turn would compact again), got 0.5 and 0.3 (default, compact.yaml:2): look at agents.a",
    "agents: {a: 3}": "agents.a must be a mapping of settings, got 3 (compact.yaml:1)",
    "models: 3": "models must be a mapping of settings by name, got 3 (compact.yaml:1)",
}  # fmt: skip


@pytest.mark.parametrize("text", PROBLEMS)
def test_a_wrong_setting_is_told_with_path_rule_value_place_and_way_out(text):
    assert told(text) == PROBLEMS[text]


@pytest.mark.parametrize("name", ["aws_secret_access_key", "api_key", "password", "token"])
def test_credentials_are_refused_without_being_shown(name):
    said = told(f"storage:\n  {name}: hunter2")
    assert said.startswith(f"storage.{name} is not a setting: credentials are none")
    assert "hunter2" not in said


def test_the_key_of_the_archive_does_not_belong_into_a_file():
    assert told("storage:\n  encryption_key: hunter2") == (
        "storage.encryption_key cannot be set in a file (compact.yaml:2): a secret does not belong "
        "there, set COMPACT_STORAGE_ENCRYPTION_KEY or give it as an argument"
    )


def test_a_key_in_the_wrong_place_is_not_shown():
    key = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2
    assert key not in told(f"policy:\n  trigger_pct: {key}")
    assert key not in told(f"summarizer:\n  model: [a, [{key}], {{b: {key}}}]")
    assert "hunter2" not in told("summarizer: {model: {password: hunter2}}")
    assert "hunter2" not in told("telemetry: {ariadne_url: 'http://me:hunter2@host:5'}")


def test_all_that_is_wrong_is_told_together_in_its_order(monkeypatch):
    monkeypatch.setenv("COMPACT_STORAGE_TIMEOUT", "0")
    said = told("estimator: {exact: 1}\npolicy: {trigger_pct: 7}\nmodell: x").splitlines()
    assert [line.split()[0] for line in said] == [
        "4",
        "estimator.exact",
        "policy.trigger_pct",
        "modell",
        "storage.timeout",
    ]


def test_a_rule_between_fields_names_where_each_comes_from(monkeypatch):
    write("compact.yaml", "policy:\n  trigger_pct: 0.6")
    monkeypatch.setenv("COMPACT_TARGET_PCT", "0.7")
    with pytest.raises(ConfigError) as caught:
        CompactConfig.load()
    assert str(caught.value) == (
        "policy.target_pct must be < policy.trigger_pct (or every turn would compact again), "
        "got 0.7 and 0.6 (COMPACT_TARGET_PCT, compact.yaml:2)"
    )


def test_one_variable_never_erases_a_section_of_the_file(monkeypatch):
    write("compact.yaml", "policy: {trigger_pct: 0.8, keep_recent_turns: 3}")
    monkeypatch.setenv("COMPACT_KEEP_RECENT_TURNS", "4")
    config = CompactConfig.load(policy={"target_pct": 0.4})
    assert config.policy == CompactPolicy(trigger_pct=0.8, keep_recent_turns=4, target_pct=0.4)


def test_none_takes_back_what_the_file_says(monkeypatch):
    write("compact.yaml", "model: m\nredaction: {allow: [email]}")
    monkeypatch.setenv("COMPACT_MODEL", "none")
    monkeypatch.setenv("COMPACT_REDACTION_ALLOW", "none")
    config = CompactConfig.load()
    assert (config.model, config.redaction.allow) == (None, ())


def test_each_value_has_its_origin(monkeypatch):
    write("compact.yaml", "policy:\n  trigger_pct: 0.8\n  keep_recent_turns: 3\nmodel: m")
    monkeypatch.setenv("COMPACT_KEEP_RECENT_TURNS", "4")
    rows = {".".join(row.path): (row.value, row.origin) for row in effective(model="x")}
    assert rows["model"] == ("x", "argument")
    assert rows["policy.trigger_pct"] == (0.8, "compact.yaml:2")
    assert rows["policy.keep_recent_turns"] == (4, "COMPACT_KEEP_RECENT_TURNS")
    assert rows["policy.target_pct"] == (0.5, "default")
    assert len(rows) == len(list(all_rules()))


def test_nobody_loads_yaml_or_pydantic_for_a_program_without_a_file():
    program = (
        "import sys, compact_otel; compact_otel.instrument()\n"
        "print([name for name in ('yaml', 'pydantic') if name in sys.modules])"
    )
    run = [sys.executable, "-c", program]
    assert subprocess.run(run, capture_output=True, check=True).stdout.strip() == b"[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    key: str | None = field(default=None, metadata={"file": False, "secret": True})

    def __post_init__(self):
        check(self, ("vault",))


def test_a_secret_is_neither_shown_nor_in_a_file():
    rule = rules_of(Vault)["key"]
    assert (rule.in_environment, rule.in_file, rule.is_secret) == (True, False, True)
    with pytest.raises(ConfigError) as caught:
        Vault(key=7)
    assert str(caught.value) == "vault.key must be text"


# --- properties ---

GOOD = {
    ("mode",): ["compact", "observe", "off"],
    ("model",): ["a", "b", "c"],
    ("max_context_tokens",): [20_000, 30_000, 40_000],
    ("models",): [{}, {"a*": {"trigger_pct": 0.9}}, {"b": {"keep_recent_turns": 2}}],
    ("policy", "trigger_pct"): [0.75, 0.8, 0.9],
    ("policy", "keep_recent_turns"): [1, 2, 3],
    ("policy", "roles_never_prune"): [("system",), ("tool", "user"), ()],
    ("telemetry", "exporter"): ["console", "otlp", "none"],
    ("telemetry", "ariadne_icon"): [True, False],
    ("estimator", "timeout"): [0.5, 1.5, 3.0],
    ("storage", "path"): ["a", "b c", "d"],
    ("redaction", "patterns"): [("a,b",), ("c", "d"), ()],
}


def drawn():
    return st.fixed_dictionaries(
        {}, optional={path: st.sampled_from(values) for path, values in GOOD.items()}
    )


def nested(values):
    found = {}
    for (name, *rest), value in values.items():
        if rest:
            found.setdefault(name, {})[rest[0]] = value
        else:
            found[name] = value
    return found


def as_text(value, path):
    if isinstance(value, tuple):
        return ("\n" if path[-1] == "patterns" else ",").join(value) or "none"
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)


@given(drawn(), drawn(), drawn(), st.booleans())
@settings(max_examples=60)
def test_an_argument_wins_over_the_environment_that_over_the_file_that_over_the_default(
    in_file, in_environment, arguments, as_json
):
    name = "mixed.json" if as_json else "mixed.yaml"
    plain = json.loads(json.dumps(nested(in_file))) or {"policy": {}}
    write(name, json.dumps(plain) if as_json else yaml.safe_dump(plain))
    with pytest.MonkeyPatch.context() as patched:
        for path, value in in_environment.items():
            patched.setenv(variable(path), as_text(value, path))
        config = CompactConfig.load(config=name, **nested(arguments))
        origins = {row.path: row.origin for row in effective(name, **nested(arguments))}
    for path in dict(all_rules()):
        layers = (arguments, in_environment, in_file, {path: value_at(CompactConfig(), path)})
        assert value_at(config, path) == next(layer[path] for layer in layers if path in layer)
        where = next(n for n, layer in enumerate(layers) if path in layer)
        places = ("argument", variable(path), name, "default")
        assert origins[path].partition(":")[0] == places[where]


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["off", "0.8", "none", "http://x", "email", "("])
)
NAMES = st.sampled_from(
    [path[-1] for path in dict(all_rules())] + list(SECTIONS) + ["triger_pct", "password", ""]
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)


def usable(name):
    """Use a file if it can be used; any other error than that it cannot is a fault."""
    try:
        config = settled(CompactConfig(), [from_file(name)])
    except ConfigError:
        return
    assert all(isinstance(getattr(config, section), kind) for section, kind in SECTIONS.items())


@given(st.dictionaries(NAMES, DATA, max_size=5), st.booleans())
@settings(max_examples=150)
def test_whatever_structure_a_file_has_it_can_be_used_or_a_clear_error_says_why(data, as_json):
    name = "fuzz.json" if as_json else "fuzz.yaml"
    write(name, json.dumps(data) if as_json else yaml.safe_dump(data, allow_unicode=True))
    usable(name)


WORDS = (
    *("policy", "trigger_pct", "0.8", "models", "<<", "---", "&a", "*a", "!!binary", "0x"),
    *(".inf", "1e999", "0o9", "2001-01-01"),
)
PIECES = st.sampled_from([*"{}[],:-#&*!|>'\"%@`?~ \n\t\x00\ud7ff\ufeff", *WORDS])


@given(st.lists(PIECES, max_size=30).map("".join) | st.text() | st.binary(), st.booleans())
@settings(max_examples=250)
def test_whatever_text_a_file_has_it_can_be_used_or_a_clear_error_says_why(text, as_json):
    name = "fuzz.json" if as_json else "fuzz.yaml"
    given = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    Path(name).write_bytes(given)
    usable(name)


@given(st.sampled_from([path for path, rule in all_rules() if rule.in_file]), DATA)
@settings(max_examples=200)
def test_pydantic_and_the_dataclasses_agree_on_what_a_field_may_be(path, value):
    from compact_otel.config.checking import checked

    _, problems = checked(nested({path: value}))
    rule = dict(all_rules())[path]
    bad = rule.broken_by(value) is not None
    if bad and " of at most 18 digits" in str(rule.broken_by(value)):
        return  # what pydantic has no word for
    if problems and path[0] not in ("models", "agents"):
        assert bad, problems
    elif bad and "check" not in rule.metadata and not (value is None and path[0] == "models"):
        assert value is None or problems


def test_every_section_is_checked_field_by_field():
    for kind in SECTIONS.values():
        assert rules_of(kind).keys() == {entry.name for entry in fields(kind)}
