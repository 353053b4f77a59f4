"""What can be set of redaction, what a wrong setting is told, and that switching it off is told."""

import json
import logging
import re

import pytest

import compact_otel
from compact_otel.config import CompactConfig
from compact_otel.content import VARIABLE
from compact_otel.core.errors import ConfigError
from compact_otel.core.types import CallContext
from compact_otel.manager import CompactManager
from compact_otel.redaction import PERSONAL_KINDS, REDACTED, Redactor
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import Exporter, Summarizer, manager, talk, user
from tests.security.corpus import SAMPLES
from tests.telemetry.conftest import Signals

BY_NAME = {sample.name: sample for sample in SAMPLES}
CARD, KEY = BY_NAME["card"].secret, BY_NAME["GitHub token"].secret
ADDRESS = "erika.mustermann" + "@example.com"
TEXT = f"{ADDRESS} paid with {CARD}, key {KEY}"
LONG = [user(f"{n}: {TEXT} and so on") for n in range(40)]


@pytest.fixture
def signals():
    made = Signals()
    yield made
    made.shut()


def test_personal_data_passes_by_the_name_of_its_kind_and_secrets_never_do():
    assert Redactor().text(TEXT) == f"{REDACTED} paid with {REDACTED}, key {REDACTED}"
    assert Redactor(allow=["email"]).text(TEXT) == f"{ADDRESS} paid with {REDACTED}, key {REDACTED}"
    assert (
        Redactor(allow=PERSONAL_KINDS).text(TEXT) == f"{ADDRESS} paid with {CARD}, key {REDACTED}"
    )


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("first_name", "Ann", "name"),
        ("street_address", "1 Elm St", "address"),
        ("address3", "Flat 2", "address"),
        ("zip", "94105", "address"),
    ],
)
def test_fields_of_names_and_addresses_go_until_they_are_allowed(field, value, kind):
    text = json.dumps({field: value, "n": 1})
    assert Redactor().value({field: value}) == {field: REDACTED}
    assert json.loads(Redactor().text(text)) == {field: REDACTED, "n": 1}
    allowing = Redactor(allow=[kind])
    assert allowing.value({field: value}) == {field: value}
    assert allowing.text(text) == text


@pytest.mark.parametrize(
    ("field", "number"),
    [("card_number", CARD), ("ssn", "219099998"), ("phone", "4155552671"), ("cvv", "737")],
)
def test_a_number_under_a_personal_name_goes_too(field, number):
    assert Redactor().value({field: int(number), "count": 7}) == {field: REDACTED, "count": 7}


def test_the_environment_sets_it(monkeypatch):
    monkeypatch.setenv("COMPACT_REDACTION_ALLOW", "email, phone")
    monkeypatch.setenv("COMPACT_REDACTION_PATTERNS", "acme-\\d{2,4}\nzq[a-f]{3,}")
    monkeypatch.setenv("COMPACT_REDACTION_SUMMARIZER_PROMPT", "true")
    redaction = CompactConfig.load().redaction
    assert redaction.allow == ("email", "phone")
    assert redaction.patterns == ("acme-\\d{2,4}", "zq[a-f]{3,}")
    assert redaction.summarizer_prompt
    assert redaction.enabled
    assert redaction.redactor().text(f"acme-123 zqabcd {ADDRESS}") == (
        f"{REDACTED} {REDACTED} {ADDRESS}"
    )
    monkeypatch.setenv("COMPACT_REDACTION_ALLOW", "none")
    monkeypatch.setenv("COMPACT_REDACTION_ENABLED", "false")
    assert CompactConfig.load().redaction.allow == ()
    assert not CompactConfig.load().redaction.enabled


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"allow": ["mail"]},
            (
                "redaction.allow must be a list of email, phone, card, bank_account, "
                "national_id, birth_date, name, address, got ['mail']"
            ),
        ),
        ({"allow": "email"}, "redaction.allow must be a list of email, phone"),
        (
            {"patterns": ["a", "("]},
            "redaction.patterns must be a list of regular expressions, got '(' (argument): miss",
        ),
        (
            {"patterns": "abc"},
            "redaction.patterns must be a list of regular expressions, got 'a",
        ),
        ({"enabled": "no"}, "redaction.enabled must be true or false, got 'no'"),
        ({"summarizer_prompt": 1}, "redaction.summarizer_prompt must be true or false, got 1"),
        ({"custom": "f"}, "redaction.custom must be a function from text to text, got 'f'"),
        ({"alow": []}, "redaction.alow is not a setting; did you mean redaction.allow?"),
    ],
)
def test_a_wrong_setting_is_told_with_its_name_its_value_and_a_way_out(settings, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        CompactConfig.load(redaction=settings)


def test_a_function_of_ones_own_has_the_last_word():
    own = Redactor(custom=lambda text: text.replace("zebra", "<ANIMAL>"))
    assert own.text(f"zebra {KEY}") == f"<ANIMAL> {REDACTED}"
    assert own.value({"a": ["zebra"]}) == {"a": ["<ANIMAL>"]}


@pytest.mark.parametrize("custom", [lambda text: text / 2, lambda text: None])
def test_a_function_that_fails_lets_nothing_pass(custom):
    assert Redactor(custom=custom).text("zebra and more") == REDACTED


async def test_what_is_set_holds_for_the_archive_the_console_and_content(
    signals, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv(VARIABLE, "SPAN_AND_EVENT")
    config = CompactConfig.load(
        max_context_tokens=900,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        storage={"path": str(tmp_path)},
        telemetry={"events": "both", "exporter": "console"},
        redaction={"allow": ["email"], "patterns": ["and so (?P<secret>on)"]},
    )
    made = CompactManager(config, **signals.providers)
    call = CallContext(model="gpt-4o", conversation=f"of {ADDRESS} {KEY}")
    assert made.preflight(f"of {ADDRESS} {KEY}", LONG, call=call).outcome == "compacted"
    (transcript,) = tmp_path.rglob("transcript-*.jsonl")
    for text in (transcript.read_text(), signals.everything):
        assert ADDRESS in text
        assert "and so <REDACTED>" in text
        assert CARD not in text
        assert KEY not in text
    assert f"of {ADDRESS} {REDACTED}" in capsys.readouterr().err


async def test_switching_it_off_is_told_once_as_an_error_and_in_the_log(signals, tmp_path, caplog):
    exporter = Exporter()
    made = manager(
        900,
        redaction={"enabled": False},
        events="both",
        exporters=[exporter],
        **signals.providers,
    )
    with caplog.at_level(logging.WARNING, "compact_otel"):
        for _ in range(2):
            await made.apreflight("s", talk(2), call=CallContext(model="gpt-4o"))
    (record,) = [r for r in caplog.records if "redaction" in r.getMessage()]
    assert record.getMessage().startswith("`redaction.enabled` is false: secrets and personal data")
    (event,) = [event for event in signals.log_events if event.name == "compact.redaction_off"]
    assert event.severity == "ERROR"
    assert event.attributes["compact.redaction.enabled"] is False
    assert [e.name for e in signals.span_events].count("compact.redaction_off") == 1
    assert [e["event"] for e in exporter.events].count("compact.redaction_off") == 1


def test_switched_off_nothing_is_changed_and_the_receipt_says_so(tmp_path):
    config = CompactConfig.load(
        max_context_tokens=900,
        hard_cap_buffer=0,
        keep_recent_turns=1,
        storage={"path": str(tmp_path)},
        redaction={"enabled": False},
    )
    made = CompactManager(config)
    made.preflight("s", LONG)
    (transcript,) = tmp_path.rglob("transcript-*.jsonl")
    assert TEXT in transcript.read_text()
    told = [json.loads(line) for line in (tmp_path / "s" / "events.jsonl").read_text().splitlines()]
    archived = [event for event in told if event["event"] == "compact.archival"]
    assert {event["compact.archive.redacted"] for event in archived} == {False}
    assert "compact.redaction_off" in {event["event"] for event in told}


class Reading(Summarizer):
    """A summariser that asks somebody else, as far as anybody can tell."""

    def summarize(self, request):
        self.shown = json.dumps([list(request.items), list(request.kept), request.note])
        self.ways = request.prefix, request.native
        return "They talked about a payment."


@pytest.mark.parametrize("wanted", [True, False])
def test_a_summariser_sees_redacted_text_where_that_is_wanted(wanted):
    reading, before = Reading(), json.dumps(LONG)
    made = manager(900, summarizer=reading, redaction={"summarizer_prompt": wanted})
    made.manual_compact("s", LONG, note=f"for {ADDRESS}")
    assert (REDACTED in reading.shown) is wanted
    assert (KEY in reading.shown) is not wanted
    assert (ADDRESS in reading.shown) is not wanted
    assert json.dumps(LONG) == before


def test_what_a_model_is_sent_for_a_summary_is_redacted(monkeypatch):
    with LocalOpenAI(lambda _: Step("Goal: a payment.")) as api:
        monkeypatch.setenv("OPENAI_BASE_URL", api.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "local")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        config = CompactConfig.load(
            max_context_tokens=1500,
            hard_cap_buffer=0,
            keep_recent_turns=1,
            storage={"adapter": "none"},
            summarizer={"model": "gpt-4.1-mini", "shape": "prefix", "native": True},
            redaction={"summarizer_prompt": True},
        )
        assert CompactManager(config).preflight("s", LONG).outcome == "compacted"
        sent = json.dumps([request.body for request in api.requests])
    assert api.requests
    assert REDACTED in sent
    assert KEY not in sent
    assert ADDRESS not in sent


def test_it_is_an_option_of_instrument(tmp_path):
    try:
        made = compact_otel.instrument(
            storage={"path": str(tmp_path)}, redaction={"allow": ["email"]}
        )
        assert made.config.redaction.allow == ("email",)
    finally:
        compact_otel.uninstrument()


def test_a_number_in_a_document_goes_and_the_document_stays_one():
    text = f'{{"card_number": {CARD}, "count": 7, "ssn":219099998, "rows": [{CARD}]}}'
    assert json.loads(Redactor().text(text)) == {
        "card_number": REDACTED,
        "count": 7,
        "ssn": REDACTED,
        "rows": [int(CARD)],
    }
