"""What can be said of the collector's files without a collector."""

import re
import subprocess

import pytest
import yaml

from tests.collector.agent import KEY, MAIL
from tests.collector.names import NAMES
from tests.collector.programs import FOLDER, program

FILES = ("otelcol.yaml", "otelcol-backends.yaml")
TEXTS = {name: (FOLDER / name).read_text() for name in FILES}
BASE, BACKENDS = (yaml.safe_load(TEXTS[name]) for name in FILES)
BUILDER = yaml.safe_load((FOLDER / "builder-config.yaml").read_text())
KINDS = ("receivers", "processors", "connectors", "exporters", "extensions")

MADE_HERE = {"compact.event.name", "compact.spans"}
"""Names that the collector gives."""


def merged():
    """Both files as the collector reads them: of two lists the later one holds."""
    both = {kind: {**BASE.get(kind, {}), **BACKENDS.get(kind, {})} for kind in KINDS}
    pipelines = {name: dict(pipeline) for name, pipeline in BASE["service"]["pipelines"].items()}
    for name, changed in BACKENDS["service"]["pipelines"].items():
        pipelines[name].update(changed)
    return both, pipelines


@pytest.mark.parametrize("files", [FILES[:1], FILES], ids=["alone", "with backends"])
def test_the_collector_takes_the_files(files):
    command = [program("OTELCOL"), "validate", *(f"--config={FOLDER / name}" for name in files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_file_alone_needs_no_backend():
    wanted = {name for p in BASE["service"]["pipelines"].values() for name in p["exporters"]}
    assert wanted & BASE["exporters"].keys() == {"debug", "prometheus"}


def test_every_component_is_used_and_every_one_used_is_there():
    defined, pipelines = merged()
    used = {"extensions": set(BASE["service"]["extensions"])}
    for kind in ("receivers", "processors", "exporters"):
        used[kind] = {name for pipeline in pipelines.values() for name in pipeline[kind]}
    connectors = defined["connectors"].keys()
    assert used["receivers"] & connectors == used["exporters"] & connectors == connectors
    for kind, names in used.items():
        assert names - connectors == defined[kind].keys(), kind


def test_the_second_file_repeats_the_list_that_it_replaces():
    for name, pipeline in BACKENDS["service"]["pipelines"].items():
        before = BASE["service"]["pipelines"][name]["exporters"]
        assert pipeline["exporters"][: len(before)] == before


def test_what_receives_from_outside_is_kept_from_too_much_first():
    for name, pipeline in BASE["service"]["pipelines"].items():
        if "otlp" in pipeline["receivers"]:
            assert pipeline["processors"][0] == "memory_limiter", name


def test_nothing_leaves_before_it_was_redacted():
    for name, pipeline in BASE["service"]["pipelines"].items():
        if "otlp" in pipeline["receivers"] and name != "metrics":
            assert pipeline["processors"][1:3] == ["redaction", "transform/content_fence"], name


def test_it_listens_where_it_is_told_to_and_else_on_this_machine_only():
    addresses = re.findall(r"(?:endpoint|host): (\S+)", TEXTS[FILES[0]])
    assert len(addresses) == 5
    assert all(where.startswith("${env:COMPACT_COLLECTOR_HOST:-127.0.0.1}") for where in addresses)
    defaults = re.findall(r"\$\{env:\w+:-(\S+)\}", TEXTS[FILES[1]])
    assert all("127.0.0.1" in where for where in defaults)


def test_every_name_of_ours_in_it_is_one_that_we_tell():
    found = set(re.findall(r"\bcompact\.[a-z_]+(?:\.[a-z_]+)*", TEXTS[FILES[0]]))
    assert len(found) > 5
    assert found - MADE_HERE - NAMES == set()


def test_secrets_are_masked_and_nothing_of_ours_is():
    patterns = [re.compile(text) for text in BASE["processors"]["redaction"]["blocked_values"]]
    secrets = [
        KEY,
        MAIL,
        "AKIA" + "ABCDEFGH12345678",
        "ghp_" + "a1" * 18,
        "Authorization: Bearer " + "abc123." * 4,
        "eyJhbGciOiJI" + ".eyJzdWIiOiIx" + ".c2ln",
    ]
    for secret in secrets:
        assert any(pattern.search(secret) for pattern in patterns), secret
    ordinary = [
        *NAMES,
        "tiktoken:o200k_base",
        "window_exceeded",
        "session-1763859600",
        "sk-learn pipeline",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "0b9d6f0e-5a1c-4c0e-8a35-0d5d2c1c9b11",
        "the bearer of bad news",
        "gpt-4.1-mini-2025-04-14",
    ]
    for text in ordinary:
        assert not any(pattern.search(text) for pattern in patterns), text
    assert "blocked_key_patterns" not in BASE["processors"]["redaction"]


def test_the_collector_of_the_tests_has_what_the_files_use_and_one_version():
    built = {
        (kind, entry["gomod"].split()[0].rsplit("/", 1)[1]): entry["gomod"].split()[1]
        for kind in KINDS
        for entry in BUILDER[kind]
    }
    modules = {(kind, module.removesuffix(kind[:-1])) for kind, module in built}
    defined, _ = merged()
    types = {
        (kind, name.split("/")[0].replace("_", ""))
        for kind, components in defined.items()
        for name in components
    }
    # Their modules have names of before the types were renamed.
    renamed = {("exporters", "otlpgrpc"): ("exporters", "otlp")}
    wanted = {renamed.get(kind, kind) for kind in types}
    assert modules - wanted == {("exporters", "file")}
    assert wanted <= modules
    assert set(built.values()) == {f"v{BUILDER['dist']['version']}"}


def test_rules_are_valid_and_fire_when_they_should():
    promtool = program("PROMTOOL")
    for arguments in (
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "rules/compact.yml"],
        ["test", "rules", "tests/compact_test.yml"],
    ):
        done = subprocess.run(
            [promtool, *arguments],
            cwd=FOLDER / "prometheus",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_and_a_chapter_in_the_runbook():
    rules = yaml.safe_load((FOLDER / "prometheus" / "rules" / "compact.yml").read_text())
    tests = yaml.safe_load((FOLDER / "prometheus" / "tests" / "compact_test.yml").read_text())
    alerts = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
    fired, silent = set(), set()
    for case in tests["tests"]:
        for expected in case["alert_rule_test"]:
            (fired if expected["exp_alerts"] else silent).add(expected["alertname"])
    assert fired == silent == alerts.keys()
    runbook = (FOLDER.parent / "docs" / "OBSERVABILITY.md").read_text()
    for name, rule in alerts.items():
        assert re.search(rf"^#+ {name}$", runbook, re.MULTILINE), name
        assert rule["annotations"]["runbook"] == f"docs/OBSERVABILITY.md#{name.lower()}"
