"""What an installed compact_otel promises to pip, to type checkers and to every program's start."""

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path

import pytest
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.sdk.trace.export import SpanExporter
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import compact_otel

ROOT = Path(__file__).parents[2]


def requirement_lines(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def locked_versions(name):
    """Versions per package: markers can give one package several."""
    versions = {}
    for line in requirement_lines(name):
        requirement = Requirement(line)
        (pin,) = requirement.specifier
        assert pin.operator == "==", line
        versions.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    return versions


@pytest.fixture(scope="module")
def pyproject():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_opentelemetry_instrument_finds_the_instrumentor_under_our_name():
    (entry_point,) = metadata.entry_points(group="opentelemetry_instrumentor", name="compact_otel")
    assert issubclass(entry_point.load(), BaseInstrumentor)


def test_the_exporter_for_the_viewer_is_found_by_its_name():
    group = "opentelemetry_traces_exporter"
    (entry_point,) = metadata.entry_points(group=group, name="ariadne")
    assert entry_point.dist.name == "compact-otel"
    assert issubclass(entry_point.load(), SpanExporter)


def test_the_installed_command_is_compactctl():
    (entry_point,) = metadata.entry_points(group="console_scripts", name="compactctl")
    assert entry_point.dist.name == "compact-otel"
    assert callable(entry_point.load())


def test_the_version_in_the_code_is_the_installed_one_and_the_newest_in_the_changelog():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", changelog, re.MULTILINE)
    assert compact_otel.__version__ == metadata.version("compact-otel") == released[0]


def test_the_extra_all_is_every_other_extra():
    (described,) = (
        Requirement(line)
        for line in metadata.requires("compact-otel")
        if Requirement(line).name == "compact-otel"
    )
    extras = set(metadata.metadata("compact-otel").get_all("Provides-Extra"))
    assert described.extras == extras - {"all"} == {"encrypt", "prices", "s3"}
    assert described.marker.evaluate({"extra": "all"})


def test_type_checkers_may_read_our_annotations():
    assert resources.files("compact_otel").joinpath("py.typed").is_file()


def test_import_loads_no_heavy_library():
    heavy = {
        "agents",
        "boto3",
        "openai",
        "opentelemetry.sdk",
        "pydantic",
        "starlette",
        "tiktoken",
    }
    program = "import json, sys, compact_otel; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(answer.stdout))
    assert "compact_otel" in loaded
    assert loaded & heavy == set()


def test_switching_on_loads_nothing_that_only_a_model_call_needs():
    program = (
        "import json, sys, compact_otel; before = set(sys.modules)\n"
        "manager = compact_otel.instrument(trigger_pct=0.8)\n"
        "loaded = set(sys.modules) - before\n"
        "manager.preflight('s', [{'role': 'user', 'content': 'hi'}])\n"
        "print(json.dumps([sorted(loaded), sorted(sys.modules)]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    with_switching_on, in_the_end = map(set, json.loads(answer.stdout))
    late = {
        "compact_otel.core.flow",
        "compact_otel.estimators.tiktoken",
        "compact_otel.hooks",
        "compact_otel.redaction.names",
        "opentelemetry.instrumentation",
        "opentelemetry.trace",
        "tiktoken",
    }
    assert with_switching_on & late == set()
    unneeded = {"compact_otel.hooks", "opentelemetry.instrumentation", "tiktoken"}
    assert in_the_end & late == late - unneeded  # a small call needs no vocabulary, either


def test_requirements_txt_pins_every_dependency_inside_its_declared_range(pyproject):
    locked = locked_versions("requirements.txt")
    for declared in map(Requirement, pyproject["project"]["dependencies"]):
        versions = locked[canonicalize_name(declared.name)]
        assert all(declared.specifier.contains(v, prereleases=True) for v in versions), declared


def test_requirements_dev_txt_adds_the_tools_to_the_same_pins(pyproject):
    locked = locked_versions("requirements-dev.txt")
    for declared in map(Requirement, pyproject["dependency-groups"]["dev"]):
        versions = locked[canonicalize_name(declared.name)]
        assert all(declared.specifier.contains(v, prereleases=True) for v in versions), declared
    assert set(requirement_lines("requirements.txt")) <= set(
        requirement_lines("requirements-dev.txt")
    )


def test_every_extra_is_in_the_pins_that_ci_runs_on(pyproject):
    locked, lowest = map(locked_versions, ("requirements-dev.txt", ".ci/requirements-lowest.txt"))
    extras = pyproject["project"]["optional-dependencies"]
    for declared in (
        Requirement(line) for name in extras if name != "all" for line in extras[name]
    ):
        name = canonicalize_name(declared.name)
        assert all(declared.specifier.contains(v) for v in locked[name] + lowest[name]), declared


def test_requirements_txt_leaves_the_tools_out(pyproject):
    declared = {
        canonicalize_name(Requirement(line).name) for line in pyproject["dependency-groups"]["dev"]
    }
    assert declared.isdisjoint(locked_versions("requirements.txt"))
