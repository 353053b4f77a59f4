"""Archives as agents leave them, and `compactctl archive` over them."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from compact_otel import CompactConfig, CompactManager
from compact_otel.cli import main
from compact_otel.config import StorageConfig

DAY_S = 86_400


def history(turns, text="Please book a table"):
    for n in range(turns):
        yield {"role": "user", "content": f"{text} {n} for 120 EUR, api_key=abcdef{n}123456"}
        call = {"call_id": f"c{n}", "name": "book", "arguments": json.dumps({"table": n})}
        yield {"type": "function_call", **call}
        yield {"type": "function_call_output", "call_id": f"c{n}", "output": "booked " * 60}
        yield {"role": "assistant", "content": f"Table {n} is booked."}


@dataclass
class Archive:
    """An archive that a manager wrote, and how to look at it."""

    storage: StorageConfig
    environment: dict[str, str]

    def __post_init__(self):
        config = CompactConfig(model="gpt-4o", storage=self.storage)
        self.manager = CompactManager(config)

    def compact(self, session_id, turns=20, **options):
        result = self.manager.manual_compact(session_id, list(history(turns, **options)))
        assert result.outcome == "compacted"
        storage = self.manager.storage
        while storage.is_claimed(session_id):  # which ends behind the answer, in a thread
            time.sleep(0.01)

    def run(self, *arguments, given=None, **environment):
        env = {"COLUMNS": "100", **self.environment, **environment}
        return CliRunner().invoke(main, ["archive", *arguments], input=given, env=env)

    def json(self, *arguments, code=0):
        result = self.run(*arguments, *([] if arguments[0] == "export" else ["--json"]))
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def said(self, *arguments, code=0, **options):
        result = self.run(*arguments, **options)
        assert result.exit_code == code, result.output
        return " ".join(result.output.split())


class Files(Archive):
    def __init__(self, folder, **storage):
        self.folder = Path(folder)
        environment = {"COMPACT_STORAGE_PATH": str(folder)}
        for name, value in storage.items():
            environment[f"COMPACT_STORAGE_{name.upper()}"] = (
                str(value).lower() if value is True else value
            )
        super().__init__(StorageConfig(path=str(folder), **storage), environment)

    def age(self, session_id, days, pattern="*"):
        """Let files of a session look as if they were written some days ago."""
        written = time.time() - days * DAY_S
        for path in (self.folder / session_id).glob(pattern):
            os.utime(path, (written, written))

    def names(self, session_id):
        return sorted(path.name for path in (self.folder / session_id).iterdir())


class Objects(Archive):
    def __init__(self, bucket, endpoint):
        environment = {
            "COMPACT_STORAGE_ADAPTER": "s3",
            "COMPACT_STORAGE_BUCKET": bucket,
            "COMPACT_STORAGE_ENDPOINT": endpoint,
        }
        # What is looked at is what is stored, however busy the machine is.
        storage = StorageConfig(adapter="s3", bucket=bucket, endpoint=endpoint, timeout=120)
        super().__init__(storage, environment)
