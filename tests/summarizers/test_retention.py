"""Whatever a summariser writes, the key entities of a session stand in what is sent on."""

import re

import pytest

from tests.summarizers.retention import compacted
from tests.summarizers.sessions import SESSIONS

LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor. " * 4


class LoremIpsum:
    name = "lorem ipsum"

    def summarize(self, request):
        return LOREM


class Liar:
    """Tells what the assistant said, with every digit a wrong one."""

    name = "liar"

    def summarize(self, request):
        said = [item["content"] for item in request.items if item.get("role") == "assistant"]
        text = ""
        for line in said:
            wrong = re.sub(r"\d", lambda digit: str((int(digit[0]) + 3) % 10), line)
            if request.count_text(text + wrong) > request.max_tokens:
                break
            text += f"{wrong}\n"
        return text


@pytest.mark.parametrize("writer", [LoremIpsum, Liar])
@pytest.mark.parametrize("kind", SESSIONS)
def test_a_worthless_summary_costs_hardly_a_key_entity(kind, writer):
    made = SESSIONS[kind](7, 8)
    done = compacted(made, writer())
    assert done.is_sound()
    assert done.result.outcome == "compacted"
    assert done.created["summarizer.name"] == writer.name
    assert done.created["summary.coverage_before"] < 0.6
    assert done.created["summary.coverage_after"] >= 0.97
    assert done.retained >= 0.97
    assert compacted(made, writer(), verify=False).retained < 0.6
