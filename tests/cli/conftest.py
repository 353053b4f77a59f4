import json
import os

import pytest
from agents import set_tracing_disabled
from click.testing import CliRunner

import compact_otel
from compact_otel.cli import main
from tests.s3_server import bucket, s3_client, s3_credentials, s3_endpoint

__all__ = ["bucket", "s3_client", "s3_credentials", "s3_endpoint"]


@pytest.fixture(autouse=True, scope="session")
def _no_sdk_trace_upload():
    set_tracing_disabled(True)


@pytest.fixture(autouse=True)
def _switched_off_afterwards():
    yield
    compact_otel.uninstrument()


@pytest.fixture
def count(tmp_path, monkeypatch):
    """Run `compactctl tokens` in a folder of its own, without settings in the environment."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, given=None, **environment):
        env = {"COMPACT_MODEL": None, "COMPACT_MAX_CONTEXT_TOKENS": None, "COLUMNS": "80"}
        return CliRunner().invoke(
            main, ["tokens", *arguments], input=given, env={**env, **environment}
        )

    return run


@pytest.fixture
def ctl(tmp_path, monkeypatch):
    """Run `compactctl` in a folder of its own, without settings in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("COMPACT_")]:
        monkeypatch.delenv(name)

    def run(*arguments, given=None, code=0, **environment):
        env = {"COLUMNS": "100", **environment}
        result = CliRunner().invoke(main, [*map(str, arguments)], input=given, env=env)
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def counted(count):
    """Count a value (or bytes) from stdin and return the JSON object that is printed."""

    def run(value, *arguments, **environment):
        given = value if isinstance(value, bytes) else json.dumps(value)
        result = count("--json", *arguments, "-", given=given, **environment)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run
