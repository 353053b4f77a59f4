"""What a compaction lost of what the agent needed later, without a model.

The scorer of `quality.py`. It reads conversations as JSON lines: `items` as of the Responses API,
`facts` that later calls needed, with the items between which each had to be remembered. The
definitions are those of the README beside the public set, and so are the figures:

* recall: share of the facts at risk at a cut whose value still stands in what is sent;
* bound: the same, but beside two or more of the plain words it stood beside;
* write, goal: recall of facts that a state-changing call, or the benchmark's goal, needs;
* valid: no call without its output, no output without its call, order kept;
* protected: first and last user message and the closing items, word for word.

A cut's shares count alike however many facts it has.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Item = dict[str, Any]
Conversation = dict[str, Any]
Compact = Callable[[list[Item], int], list[Item]]
"""Takes the history at a cut and the tokens allowed; returns what would be sent."""

NEEDED = ("id", "items", "facts")
"""Fields without which a conversation cannot be judged."""

_CUTS = {
    "single": (0.5, 0.75),
    "seq": (0.2, 0.35, 0.5, 0.65, 0.8, 0.95),
    "threads": (0.3, 0.4, 0.5, 0.6, 0.7),
}
_FRAMING = 4
_SLACK, _SLACK_TOKENS = 1.02, 8
_CLOSING = 4
_AROUND_SOURCE, _AROUND_VALUE = 120, 160
_MOST_WORDS = 16
_ESCAPE = re.compile(r'\\+(u[0-9a-fA-F]{4}|[nrtbf"/])?')
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_RUN = re.compile(r"[\w.@#-]+")
_WORD = re.compile(r"[a-z]{4,}")
_PLAIN = frozenset(
    (  # noqa: SIM905 - read as a sentence, it takes four lines
        "this that with from have your would like need please thank will been were what when which "
        "there their about also into some more than them then they does just only here help make "
        "could should being after before because other true false none null and the for you are "
        "can not was"
    ).split()
)


class Row(NamedTuple):
    """What came of one cut: facts held and asked for by name, and the sizes."""

    group: str
    before: int
    after: int
    over: bool
    faults: tuple[str, ...]
    protected: float
    held: Counter[str]
    asked: Counter[str]


class Scorer:
    """Judges compactions of conversations.

    Args:
        count_text: Tokens of a text.
    """

    def __init__(self, count_text: Callable[[str], int]) -> None:
        self._count_text = count_text

    def tokens(self, item: Item) -> int:
        """Return the tokens of an item: its text, and four."""
        return self._count_text(text_of(item)) + _FRAMING

    def score(
        self, compact: Compact, conversations: Iterable[Conversation], budget: float
    ) -> Iterator[Row]:
        """Yield a row for each cut of each conversation.

        Args:
            compact: What is judged.
            conversations: As `load` gives them.
            budget: Tokens allowed after, as a share of those before.
        """
        for conversation in conversations:
            items = conversation["items"]
            counted = conversation.get("item_tokens") or [self.tokens(item) for item in items]
            for cut in cuts(conversation, counted):
                prefix, tokens = items[:cut], counted[:cut]
                allowed = int(sum(tokens) * budget)
                sent = compact(json.loads(json.dumps(prefix)), allowed)
                yield self._row(conversation, prefix, tokens, sent, allowed)

    def _row(
        self,
        conversation: Conversation,
        prefix: list[Item],
        tokens: Sequence[int],
        sent: list[Item],
        allowed: int,
    ) -> Row:
        known = {_key(item): count for item, count in zip(prefix, tokens, strict=True)}
        after = sum(
            known[key] if (key := _key(item)) in known else self.tokens(item) for item in sent
        )
        text = normed("\n\n".join(map(text_of, sent)))
        held, asked = Counter[str](), Counter[str]()
        for fact in at_risk(conversation, len(prefix)):
            value = normed(str(fact["value"]))
            source = normed(text_of(prefix[fact["last_supplied_item"]]))
            stands = contains(value, text)
            tags = ["recall", *(f"recall_{tag}" for tag in ("write", "goal") if fact.get(tag))]
            asked.update([*tags, "bound"])
            held.update(tags if stands else ())
            held["bound"] += stands and is_bound(value, words_beside(value, source), text)
        kept = {_key(item) for item in sent}
        closing = protected(prefix)
        return Row(
            group=str(conversation.get("group", "")),
            before=sum(tokens),
            after=after,
            over=after > allowed * _SLACK + _SLACK_TOKENS,
            faults=tuple(faults(sent, prefix)),
            protected=sum(_key(prefix[index]) in kept for index in closing) / len(closing),
            held=held,
            asked=asked,
        )


def summarised(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of a table line; shares in per cent, None where nothing was asked."""

    def mean(shares: list[float]) -> float | None:
        return round(100 * sum(shares) / len(shares), 1) if shares else None

    figures: dict[str, Any] = {
        name: mean([row.held[name] / row.asked[name] for row in rows if row.asked[name]])
        for name in ("recall", "bound", "recall_write", "recall_goal")
    }
    return {
        **figures,
        "ratio": round(sum(row.after for row in rows) / max(1, sum(row.before for row in rows)), 3),
        "over_budget": mean([float(row.over) for row in rows]),
        "valid": mean([float(not row.faults) for row in rows]),
        "protected": mean([row.protected for row in rows]),
    }


def load(folder: Path) -> list[Conversation]:
    """Return the conversations of a file or a folder of `.jsonl` and `.jsonl.gz` files.

    Raises:
        ValueError: If there is none, or if one lacks what is needed; it says which.
    """
    files = sorted(folder.glob("*.jsonl*")) if folder.is_dir() else [folder]
    found: list[Conversation] = []
    for path in files:
        opened = gzip.open if path.suffix == ".gz" else open
        try:
            with opened(path, "rt", encoding="utf-8") as lines:
                read = [(place, line) for place, line in enumerate(lines, 1) if line.strip()]
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}") from error
        for place, line in read:
            try:
                conversation = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path}:{place}: not a line of JSON: {error}") from error
            lacking = [name for name in NEEDED if name not in conversation]
            if lacking:
                raise ValueError(f"{path}:{place}: a conversation needs {', '.join(lacking)}")
            found.append(conversation)
    if not found:
        raise ValueError(f"{folder}: no conversations (*.jsonl or *.jsonl.gz, one a line)")
    return found


def cuts(conversation: Conversation, tokens: Sequence[int]) -> list[int]:
    """Return where a conversation is cut: the turn boundaries nearest to shares of its tokens."""
    items = conversation["items"]
    sums = [0]
    for count in tokens:
        sums.append(sums[-1] + count)
    possible = [cut for cut in boundaries(items) if 1 < cut < len(items)]
    shares = _CUTS.get(str(conversation.get("shape")), _CUTS["single"])
    return sorted(
        {
            min(possible, key=lambda cut: abs(sums[cut] - share * sums[-1]))
            for share in shares
            if possible
        }
    )


def boundaries(items: Sequence[Item]) -> list[int]:
    """Return the lengths of history at which no call is open and the model is about to speak."""
    found: list[int] = []
    opened: set[object] = set()
    for place, item in enumerate(items, 1):
        kind = kind_of(item)
        if kind == "call":
            opened.add(item["call_id"])
        elif kind == "output":
            opened.discard(item["call_id"])
        asked = kind == "message" and item.get("role") != "assistant"
        if not opened and (kind == "output" or asked):
            found.append(place)
    return found


def at_risk(conversation: Conversation, cut: int) -> list[dict[str, Any]]:
    """Return the facts that were last told before a cut and are needed behind it, each once."""
    found: dict[object, dict[str, Any]] = {}
    for fact in conversation["facts"]:
        if (
            fact["kind"] != "anchor"
            and fact["last_supplied_item"] < cut <= (fact["last_needed_item"])
        ):
            known = found.setdefault(fact["value"], dict(fact))
            for flag in ("write", "goal"):
                known[flag] = known.get(flag, False) or fact.get(flag, False)
    return list(found.values())


def protected(items: Sequence[Item]) -> list[int]:
    """Return what stays word for word: first and last user message, and the closing items."""
    users = [index for index, item in enumerate(items) if item.get("role") == "user"]
    starts = [cut for cut in (0, *boundaries(items)) if len(items) - cut >= _CLOSING]
    closing = range(max(starts, default=0), len(items))
    return sorted({*users[:1], *users[-1:], *closing})


def kind_of(item: Item) -> str:
    """Return `call`, `output`, `message` or `other`."""
    kinds = {"function_call": "call", "function_call_output": "output"}
    return kinds.get(str(item.get("type")), "message" if "role" in item else "other")


def text_of(item: Item) -> str:
    """Return the text of an item as the model sees it."""
    kind = kind_of(item)
    if kind == "message":
        return _content(item.get("content"))
    if kind == "call":
        return f"{item.get('name', '')} {item.get('arguments', '')}"
    if kind == "output":
        return _content(item.get("output"))
    rest = {name: value for name, value in item.items() if name not in ("id", "type", "status")}
    return "\n".join(_leaves(rest))


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part if isinstance(part, str) else part.get("text") or part.get("refusal") or ""
            for part in content
        )
    return "\n".join(_leaves(content))


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, str):
        yield value
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _key(item: Item) -> tuple[Any, ...]:
    """Return what makes an item the same item, whatever ids and wrappings were added."""
    kind = kind_of(item)
    if kind == "message":
        return kind, item.get("role"), _content(item.get("content"))
    if kind == "call":
        return kind, item.get("call_id"), item.get("name"), item.get("arguments")
    if kind == "output":
        return kind, item.get("call_id"), _content(item.get("output"))
    return kind, json.dumps(item, sort_keys=True, default=str)


def faults(items: Sequence[Any], original: Sequence[Item]) -> list[str]:  # noqa: C901 - a list
    """Return what makes a list of items unfit to be sent, by name; nothing if it is legal."""
    found: list[str] = []
    calls: dict[object, int] = {}
    answered: set[object] = set()
    for place, item in enumerate(items):
        if not isinstance(item, dict):
            return ["not_an_object"]
        kind = kind_of(item)
        call_id = item.get("call_id")
        if kind == "message":
            if item.get("role") not in ("user", "assistant", "system", "developer"):
                found.append("bad_role")
        elif kind == "call":
            if call_id in calls:
                found.append("duplicate_call")
            calls[call_id] = place
            try:
                json.loads(item["arguments"])
            except (KeyError, TypeError, ValueError):
                found.append("bad_arguments")
        elif kind == "output":
            if call_id in answered:
                found.append("duplicate_output")
            answered.add(call_id)
            if call_id not in calls:
                found.append("orphan_output")
            elif any(kind_of(one) == "message" for one in items[calls[call_id] : place]):
                found.append("split_pair")
    found += ["unanswered_call"] * len(calls.keys() - answered)
    if not _in_order(items, original):
        found.append("order")
    return found


def _in_order(items: Sequence[Item], original: Sequence[Item]) -> bool:
    places: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, item in enumerate(original):
        places[_key(item)].append(place)
    last = -1
    for item in items:
        known = places.get(_key(item))
        if known:
            later = [place for place in known if place > last]
            if not later:
                return False
            last = later[0]
    return True


def normed(text: str) -> str:
    """Return text with JSON escapes undone, white space squeezed, and case folded."""
    if "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
    return " ".join(text.split()).casefold()


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped is None:
        return "\\"
    if escaped[0] == "u":
        return chr(int(escaped[1:], 16))
    return escaped if escaped in '"/' else " "


def spellings(value: str) -> list[str]:
    """Return how a normed value may be written: 327 is 327.00, and 1500 is 1,500."""
    if not _NUMBER.fullmatch(value):
        return [value]
    number = float(value)
    if number != int(number):
        rounded = {value, f"{number:.2f}", f"{number:,.2f}", f"{number:g}"}
        return sorted(rounded if round(number, 2) == number else {value})
    whole = str(int(number))
    found = [whole, f"{whole}.0", f"{whole}.00"]
    if abs(number) >= 1000:
        grouped = f"{int(number):,}"
        found += [grouped, f"{grouped}.00"]
    return found


def found_at(value: str, text: str, start: int = 0) -> int:
    """Return where a normed value stands in a normed text as a whole word, -1 if nowhere."""
    first, last = _in_word(value[0]), _in_word(value[-1])
    is_number = last and value.replace(".", "").replace(",", "").lstrip("-").isdigit()
    place = text.find(value, start)
    while place >= 0:
        end = place + len(value)
        whole = not (first and place and _in_word(text[place - 1])) and not (
            last and end < len(text) and _in_word(text[end])
        )
        if whole and is_number:
            goes_on = text[end : end + 1] in ".," and text[end + 1 : end + 2].isdigit()
            began = place >= 2 and text[place - 1] in ".," and text[place - 2].isdigit()
            whole = not goes_on and not began
        if whole:
            return place
        place = text.find(value, place + 1)
    return -1


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def contains(value: str, text: str) -> bool:
    """Say whether a normed value stands in a normed text, in any spelling."""
    return any(found_at(spelling, text) >= 0 for spelling in spellings(value))


def words_beside(value: str, text: str) -> list[str]:
    """Return the stems of the plain words near a value's first place in a text."""
    for spelling in spellings(value):
        place = found_at(spelling, text)
        if place < 0:
            continue
        end = place + len(spelling)
        before, after = text[max(0, place - _AROUND_SOURCE) : place], text[end:][:_AROUND_SOURCE]
        words: dict[str, None] = {}
        for run in _RUN.findall(f"{before} {after}"):
            if not any(map(str.isdigit, run)):
                for word in _WORD.findall(run):
                    if word not in _PLAIN and word not in value:
                        words[word[:6]] = None
        return list(words)[:_MOST_WORDS]
    return []


def is_bound(value: str, words: Sequence[str], text: str) -> bool:
    """Say whether a value stands in a text beside two of the words (or the only one)."""
    if not words:
        return contains(value, text)
    for spelling in spellings(value):
        place = found_at(spelling, text)
        while place >= 0:
            near = text[max(0, place - _AROUND_VALUE) : place + len(spelling) + _AROUND_VALUE]
            if sum(word in near for word in words) >= min(2, len(words)):
                return True
            place = found_at(spelling, text, place + 1)
    return False
