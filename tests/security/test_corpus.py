"""The corpus of secrets and personal data, one by one and in whatever they are wrapped."""

import base64
import json
from urllib.parse import quote

import pytest

from compact_otel.redaction import REDACTED, Redactor
from tests.security.corpus import HELD_OUT, SAMPLES, SEEN

redactor = Redactor()


def test_the_corpus_is_as_large_as_it_is_said_to_be():
    assert len(SEEN) >= 75
    assert len(HELD_OUT) >= 75
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES)
    assert all(sample.secret in sample.text for sample in SAMPLES)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_sample_goes_and_what_stands_around_it_stays(sample):
    redacted = redactor.text(sample.text)
    assert sample.secret not in redacted
    assert REDACTED in redacted
    assert redactor.text(redacted) == redacted


WRAPPINGS = {
    "a line among lines": lambda text: f"first line\n{text}\nlast line",
    "a document": lambda text: json.dumps({"note": text, "n": 1}),
    "a document of bare ASCII in a document": lambda text: json.dumps(
        {"a": json.dumps([{"note": text}])}
    ),
    "a fragment": lambda text: f'got {json.dumps({"note": text})} and then it was cut {{"a": ',
    "base64": lambda text: f"x={base64.b64encode(f'a note: {text}'.encode()).decode()}",
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(
        f"a note: {text}".encode()
    ).decode(),
    "percent signs": lambda text: f"https://x.org/?q={quote(f'a note: {text}', safe='')}",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_sample_goes_in_whatever_it_is_wrapped(wrapping):
    wrap = WRAPPINGS[wrapping]
    leaking = [
        sample.name
        for sample in SAMPLES
        if any(form in redactor.text(wrap(sample.text)) for form in forms(sample, wrap))
    ]
    assert leaking == []


def forms(sample, wrap):
    """Return how a secret may be read in a wrapped text: as it is, or as it is wrapped."""
    wrapped = wrap(sample.text)
    as_is = (
        sample.secret,
        json.dumps(sample.secret)[1:-1],
        json.dumps(json.dumps(sample.secret))[3:-3],
    )
    seen = [form for form in as_is if form in wrapped]
    return seen or [wrapped]


def test_a_sample_goes_as_a_value_and_as_a_key():
    for sample in SAMPLES:
        data = redactor.value({"list": [sample.text], sample.text: 1})
        assert sample.secret not in str(data), sample.name
