"""Not one line changes: the same program, as it is and instrumented from outside.

    python examples/zero_code/run.py           # offline, some seconds
    python examples/zero_code/run.py --live    # instrumented, with OPENAI_API_KEY

Offline the model is a strict local imitation of OpenAI whose `gpt-4` holds 8,192 tokens. As it is,
`app.py` ends with the provider's error. Under `opentelemetry-instrument` it reads its report to the
end; settings come from the environment, here so that each decision is a JSON line on stderr.
"""

import os
import subprocess
import sys
from pathlib import Path

from compact_otel.testing import LocalOpenAI, ModelRequest, Step

APP = str(Path(__file__).with_name("app.py"))
INSTRUMENT = [str(Path(sys.executable).with_name("opentelemetry-instrument"))]
SETTINGS = {
    "COMPACT_EXPORTER": "console",
    "COMPACT_MAX_CONTEXT_TOKENS": "8192",
    "COMPACT_STORAGE_ADAPTER": "none",
    "OTEL_TRACES_EXPORTER": "none",  # a collector, in production: otlp
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",  # the SDK would send its own traces to OpenAI
}


def play(request: ModelRequest) -> Step:
    """Play the model: read the chapter that was asked for, then answer."""
    newest = request.items[-1]
    if newest.get("role") == "user":
        return Step(calls=[("read_chapter", {"number": int(newest["content"].split()[-1])})])
    return Step(f"I have read it: {newest['output'][:60]}")


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the program, and say how far it came."""
    done = subprocess.run(
        [*command, sys.executable, APP],
        env={**os.environ, **SETTINGS, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    read = done.stdout.splitlines()
    compactions = done.stderr.count('"compact.summary_created"')
    print(f"  {len(read)} chapters read, {compactions} compactions; the last line of it:")
    print(f"  {(read if done.returncode == 0 else done.stderr.splitlines())[-1][:90]}")
    return done


def offline() -> None:
    """Run it as it is, then instrumented, against the local imitation of OpenAI."""
    with LocalOpenAI(play, context_window=8_192) as api:
        local = {
            "OPENAI_BASE_URL": api.base_url,
            "OPENAI_API_KEY": "local",
            "OPENAI_DEFAULT_MODEL": "gpt-4",
        }
        print("python app.py")
        without = run([], local)
        print("opentelemetry-instrument python app.py")
        instrumented = run(INSTRUMENT, local)
    if without.returncode == 0 or instrumented.returncode != 0:
        sys.exit("it is not as it should be")


if __name__ == "__main__":
    if "--live" in sys.argv:
        sys.exit(run(INSTRUMENT, {}).returncode)
    offline()
