"""`compactctl validate-config` and `compactctl config`: what they print, and their exit codes."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from compact_otel.cli import main
from compact_otel.config.layers import all_rules
from tests.adapters.packed import KEY


@pytest.fixture
def ctl(tmp_path, monkeypatch):
    """Run a command in an empty folder, without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("COMPACT_"):
            monkeypatch.delenv(name)

    def run(*arguments, **environment):
        return CliRunner().invoke(main, arguments, env={"COLUMNS": "160", **environment})

    return run


def test_a_file_is_looked_at_by_itself(ctl):
    Path("good.yaml").write_text("policy: {trigger_pct: 0.8}")
    Path("compact.yaml").write_text("nonsense: 1")
    result = ctl("validate-config", "good.yaml", COMPACT_TARGET_PCT="0.9")
    assert (result.exit_code, result.output) == (0, "good.yaml: can be used\n")


def test_without_a_file_it_is_what_an_agent_would_get(ctl):
    result = ctl("validate-config")
    assert result.exit_code == 0
    assert result.output.startswith("no file (compact.yaml, compact.yml, compact.json, or COMPACT_")
    Path("compact.yaml").write_text("policy: {trigger_pct: 0.8}")
    assert ctl("validate-config").output == "compact.yaml and the environment: can be used\n"
    result = ctl("validate-config", COMPACT_TARGET_PCT="0.9")
    assert result.exit_code == 1
    assert "got 0.9 and 0.8 (COMPACT_TARGET_PCT, compact.yaml:1)" in result.stderr


def test_all_that_is_wrong_is_told_and_nothing_on_stdout(ctl):
    Path("wrong.yaml").write_text("mode: of\npolicy: {trigger_pct: 1.7}\n")
    result = ctl("validate-config", "wrong.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "2 settings cannot be used:",
        "  mode must be one of compact, observe, off, got 'of' (wrong.yaml:1)",
        "  policy.trigger_pct must be > 0 and <= 1, got 1.7 (wrong.yaml:2)",
    ]


def test_the_same_as_json(ctl):
    Path("wrong.yaml").write_text("mode: of\npolicy: {trigger_pct: 1.7}\n")
    result = ctl("validate-config", "wrong.yaml", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        1,
        {
            "file": "wrong.yaml",
            "valid": False,
            "problems": [
                "mode must be one of compact, observe, off, got 'of' (wrong.yaml:1)",
                "policy.trigger_pct must be > 0 and <= 1, got 1.7 (wrong.yaml:2)",
            ],
        },
    )
    result = ctl("validate-config", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        0,
        {"file": None, "valid": True, "problems": []},
    )


@pytest.mark.parametrize("command", [["validate-config"], ["config", "show"]])
def test_a_file_that_is_not_there_is_a_slip_of_whoever_asked(ctl, command):
    result = ctl(*command, COMPACT_CONFIG="gone.yaml")
    assert result.exit_code == 2
    assert "COMPACT_CONFIG names the file 'gone.yaml', which is not there" in result.stderr
    assert ctl("validate-config", "gone.yaml").exit_code == 2


def test_show_says_each_value_and_where_it_comes_from(ctl):
    Path("compact.yaml").write_text("policy:\n  trigger_pct: 0.8\nmodels: {'a*': {}}\n")
    result = ctl("config", "show", "--json", COMPACT_KEEP_RECENT_TURNS="3")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["file"] == "compact.yaml"
    rows = {row["setting"]: row for row in shown["settings"]}
    assert len(rows) == len(list(all_rules()))
    assert rows["policy.trigger_pct"] == {
        "setting": "policy.trigger_pct",
        "value": 0.8,
        "from": "compact.yaml:2",
        "variable": "COMPACT_TRIGGER_PCT",
    }
    assert rows["policy.keep_recent_turns"]["from"] == "COMPACT_KEEP_RECENT_TURNS"
    assert rows["models"]["value"] == {"a*": {}}
    assert (rows["storage.path"]["from"], rows["redaction.custom"]["variable"]) == ("default", None)

    lines = ctl("config", "show", COMPACT_KEEP_RECENT_TURNS="3").stdout.splitlines()
    assert [line.split() for line in lines if "keep_recent" in line] == [
        ["policy.keep_recent_turns", "3", "COMPACT_KEEP_RECENT_TURNS"]
    ]
    assert lines[-1] == "compact.yaml is read."


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_secret_in_the_wrong_place_is_not_shown(ctl, more):
    key = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2
    result = ctl("config", "show", *more, COMPACT_MODEL=key)
    assert result.exit_code == 0
    assert key not in result.output
    assert "COMPACT_MODEL" in result.output


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_key_of_the_archive_is_set_and_not_shown(ctl, more):
    result = ctl("config", "show", *more, COMPACT_STORAGE_ENCRYPTION_KEY=KEY)
    assert result.exit_code == 0
    assert KEY not in result.output
    assert "<set, not shown>" in result.output


def test_no_password_of_an_address_is_shown(ctl, caplog):
    for address in ("http://u:Hunter2/Secret@viewer:5175", "http://Hunter2/Secret@viewer:5175"):
        said = ctl("config", "show", COMPACT_ARIADNE_URL=address).output + caplog.text
        assert "must be an address such as" in said
        assert "viewer:5175" in said
        assert "Hunter2" not in said


def test_settings_that_cannot_be_used_are_told(ctl):
    result = ctl("config", "show", COMPACT_TRIGGER_PCT="1.7")
    assert result.exit_code == 2
    assert "policy.trigger_pct must be > 0 and <= 1, got 1.7 (COMPACT_TRIGGER_PCT)" in result.stderr


def test_the_schema_is_printed_as_json(ctl):
    result = ctl("config", "schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False


def test_every_command_reads_the_file_that_is_named_before_it(ctl):
    Path("compact.yaml").write_text("storage: {adapter: none}")
    Path("other.yaml").write_text("storage: {adapter: memory}")
    for environment in ({}, {"COMPACT_CONFIG": "compact.yaml"}):
        shown = json.loads(
            ctl("--config", "other.yaml", "config", "show", "--json", **environment).stdout
        )
        assert shown["file"] == "other.yaml"
        said = ctl("--config", "other.yaml", "archive", "ls", **environment).stderr
        assert "`storage.adapter` is memory" in said
    assert "`storage.adapter` is none" in ctl("archive", "ls").stderr, "and only that one"
    result = ctl("--config", "gone.yaml", "doctor", "--json", "--timeout", "0.1")
    assert "'gone.yaml', which is not there" in result.stdout
