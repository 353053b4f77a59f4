"""What redaction costs, on whom time grows, what it takes by mistake, and what it finds.

    uv run python tests/bench/redaction.py [--json] [--data DIR]

Speed is processor time per megabyte of text: of all items of a history, as the archive gives them
(`history`), of one item at a time (`item`), and of their texts in one (`one text`). Growth is how
much longer twice the text takes, for texts made to be slow; a linear one takes twice as long. The
false share counts what was taken out of the transcripts and holds no `@` and no date, in tokens;
`taken` counts all of it. Found is the share of the corpus in tests/security that goes.

Texts: the recording of the demo, and transcripts in `--data` where they are.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from compact_otel.demo.recording import bundled
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.redaction import Redactor
from compact_otel.redaction.scan import secret_spans

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data" / "transcripts"
_ROUNDS = 5
_PERSONAL = re.compile(r"@|\b\d{4}-\d\d-\d\d\b|\b[A-Z][a-z]+ \d{1,2}, \d{4}\b")

ADVERSARIES: Mapping[str, str] = {
    "names": "password" * 6_000,
    "names and signs": "token=" * 8_000,
    "passwords": "password=" * 5_000,
    "keys": '"token":"' * 5_000,
    "escaped keys": '\\"token\\":\\"' * 4_000,
    "blanks behind names": "api_key" + " " * 40_000,
    "signs": "key" + ":=" * 20_000,
    "backslashes": 'password="' + "\\" * 40_000,
    "values": "name: password\nvalue: " * 2_000,
    "at signs": "a@" * 20_000,
    "addresses": "://a:b" * 7_000 + "@",
    "dots before an ending": "x@" + "a." * 20_000,
    "plus signs": "+1 2" * 10_000,
    "digits": "1" * 40_000,
    "digits and blanks": "4111 " * 8_000,
    "phones": "00-0000-" * 5_000,
    "letters": "aA1" * 13_000,
    "base64": "cGFzc3dvcmQ9" * 3_500,
    "base64 words": "cGFzc3dvcmQ9aHVudGVyMg== " * 1_600,
    "slashes": "a1/" * 13_000,
    "hyphens": "sk-a-" * 8_000,
    "JWT beginnings": "eyJaaaa1." * 4_500,
    "key blocks": "-----BEGIN RSA PRIVATE KEY-----" * 1_300,
    "percent signs": "%41" * 13_000,
    "percents of percents": "%25" * 13_000 + "41",
    "curl": "curl -u " * 5_000,
    "spoken": "password is " * 3_500,
    "brackets": "[" * 40_000,
    "documents": json.dumps([{"token": "x", "a": "password=x"}] * 1_200),
}
"""Texts made to be slow; the tests of tests/security hold them to linear time, too."""


def seconds(work: Callable[[], Any], rounds: int = _ROUNDS) -> float:
    """Return the least processor time that something takes."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def texts_of(value: Any) -> Iterator[str]:
    """Yield the strings of an item."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from texts_of(member)
    elif isinstance(value, list):
        for element in value:
            yield from texts_of(element)


def transcripts(folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Yield (name, items): what is bundled, and the transcripts of a folder by file."""
    yield "demo", list(bundled().items)
    for path in sorted(folder.glob("*.jsonl.gz")) if folder.is_dir() else ():
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield (
                path.name.split(".")[0],
                [item for line in lines for item in json.loads(line)["items"]],
            )


def speed(items: list[Any]) -> dict[str, float]:
    """Return milliseconds per megabyte."""
    text = "\n".join(texts_of(items))
    megabytes = len(text) / 1e6
    work = {
        "history": lambda: Redactor().values(items),
        "item": lambda: list(map(Redactor().value, items)),
        "one text": lambda: secret_spans((text,)),
    }
    taken = {name: seconds(one) * 1e3 / megabytes for name, one in work.items()}
    return {"megabytes": megabytes, **taken}


def mistakes(items: list[Any]) -> dict[str, float]:
    """Return the share of tokens that is taken, and of those that no rule of a person explains."""
    count = TiktokenEstimator().count_text
    taken = false = whole = 0
    texts = list(texts_of(items))
    found = secret_spans(texts, ("name", "address"))  # fields that are called so
    for which, text in enumerate(texts):
        whole += count(text)
        for start, end in found.get(which, ()):
            tokens = count(text[start:end])
            taken += tokens
            false += 0 if _PERSONAL.search(text[start:end]) else tokens
    return {"taken": taken / whole, "false": false / whole, "tokens": whole}


def growth() -> dict[str, float]:
    """Return how much longer twice the text takes, by adversary."""
    redactor = Redactor()
    return {
        name: seconds(lambda text=text * 2: redactor.text(text), 3)  # type: ignore[misc]
        / seconds(lambda text=text: redactor.text(text), 3)  # type: ignore[misc]
        for name, text in ADVERSARIES.items()
    }


def found() -> dict[str, float]:
    """Return the share of each half of the corpus that goes."""
    sys.path.insert(0, str(ROOT))
    from tests.security.corpus import HELD_OUT, SEEN

    redactor = Redactor()
    return {
        name: sum(sample.secret not in redactor.text(sample.text) for sample in half) / len(half)
        for name, half in (("seen", SEEN), ("held out", HELD_OUT))
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of transcripts")
    given = parser.parse_args()
    files = dict(transcripts(given.data))
    figures = {
        "ms per MB": {name: speed(items) for name, items in files.items()},
        "share of tokens": {name: mistakes(items) for name, items in files.items()},
        "growth": growth(),
        "found": found(),
    }
    if given.json:
        print(json.dumps(figures, indent=1))
        return
    for title, rows in figures.items():
        print(title)
        for name, figure in rows.items():
            parts = figure.items() if isinstance(figure, dict) else [("", figure)]
            print(f"  {name:24}", *(f"{part} {value:.4g}" for part, value in parts))


if __name__ == "__main__":
    main()
