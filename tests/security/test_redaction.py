"""What the gate takes out, what it leaves in, and that neither JSON nor time suffers."""

import copy
import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.core.errors import ConfigError
from compact_otel.redaction import REDACTED, Redactor, plain

# Put together, so that secret scanners do not take the tests for a leak. None of them is real.
OPENAI = "sk-" + "proj-Ab3dEfGh1jKlMnOp4rStUvWx"
ANTHROPIC = "sk-" + "ant-api03-aBcD_eF-012345678901234567"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
GITHUB_FINE = "github_pat_" + "11ABCDEFG0123456789_abcdefghijklmnopqrstuvwxyz"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"
PEM_BODY = "\nMIIEpAIBAAKCAQEA7bq98+/=\nProc-Type: 4,ENCRYPTED\nabc\n"
BEGIN, END = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"

redactor = Redactor()

SECRETS = [
    ("api_key=abc123", "api_key=<REDACTED>"),
    ("API-KEY : abc,123; next", "API-KEY : <REDACTED> next"),
    ("OPENAI_API_KEY=abc\nHOST=db", "OPENAI_API_KEY=<REDACTED>\nHOST=db"),
    ("apikey: abc", "apikey: <REDACTED>"),
    ("password=hunter2", "password=<REDACTED>"),
    ("PaSsWoRd: hunter2", "PaSsWoRd: <REDACTED>"),
    ("db_password='two words' host=x", "db_password='<REDACTED>' host=x"),
    ('password = "two words"; x', 'password = "<REDACTED>"; x'),
    ('password = """two words""" + x', 'password = """<REDACTED>""" + x'),
    (':password => "hunter2",', ':password => "<REDACTED>",'),
    ("password=it's'or\"so", "password=<REDACTED>"),
    ("password=<REDACTED>", "password=<REDACTED>"),
    ("psql 'password=hunter2'", "psql 'password=<REDACTED>'"),
    ("https://x.org/?api_key=abc", "https://x.org/?api_key=<REDACTED>"),
    ("Authorization: Bearer abc.def-123", "Authorization: Bearer <REDACTED>"),
    ("bearer ABCDEFGHIJKLMNOPQRSTUVWX", "bearer <REDACTED>"),
    (f"key {OPENAI}, please", "key <REDACTED>, please"),
    (f"({ANTHROPIC})", "(<REDACTED>)"),
    (f"id={AWS}", "id=<REDACTED>"),
    (f"https://{GITHUB}@github.com", "https://<REDACTED>@github.com"),
    (GITHUB_FINE, "<REDACTED>"),
    (f"cookie={JWT};", "cookie=<REDACTED>;"),
    (f"{BEGIN}{PEM_BODY}{END}\nafter", f"{BEGIN}<REDACTED>{END}\nafter"),
    (f"{BEGIN}{PEM_BODY}"[:60], f"{BEGIN}<REDACTED>"),
]


@pytest.mark.parametrize(("text", "redacted"), SECRETS)
def test_a_secret_goes_and_its_name_stays(text, redacted):
    assert redactor.text(text) == redacted
    assert redactor.text(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "max_tokens=4000, input_tokens: 12, token_count=3",
        "the bearer authentication of the bearer",
        "the password is asked for, the api key too",
        "the risk-adjusted desk-research-of-2024-and-2025",
        'class="sk-estimator-doc-link sk-parallel-item"',
        "sk-learn",
        "password=",
        'password=""',
        f'if "{BEGIN}" in text:',
        "eyJhbGciOiJIUzI1NiJ9 alone is a header",
        "commit 16C7e42F292c6912E7710c838347Ae178B4a0000",
        "tiktoken:o200k_base and tiktoken: cl100k_base",
        "token: 128000, total_tokens=1234567",
        "see s.calculate_the_total_of_2024 and dp.plot_of_the_year_2024",
        "in v1.0-beta-of-the-second-release-of-2024",
        "hf_hub_download_of_files_in_a_folder and sk_live_in_the_name_of_a_function",
        "self.items.append_all_of_the_2024_orders_at_once",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text):
    assert redactor.text(text) == text


NAMES = ["password", "DB_PASSWORD", "passphrase", "api_key", "apiKey", "X-API-Key", "secret"]
NAMES += ["client_secret", "SECRET_KEY", "token", "accessToken", "refresh-token", "private_key"]
NAMES += ["aws_secret_access_key", "Authorization", "passwd"]


@pytest.mark.parametrize("name", NAMES)
def test_text_under_the_name_of_a_secret_goes_whole(name):
    assert redactor.value({name: "two words"}) == {name: REDACTED}
    assert json.loads(redactor.text(json.dumps({name: "two words"}))) == {name: REDACTED}
    fragment = f"got {{'{name}': 'two words', 'n': 1}}"
    assert redactor.text(fragment) == f"got {{'{name}': '{REDACTED}', 'n': 1}}"


@pytest.mark.parametrize(
    "name", ["max_tokens", "input_tokens", "token_count", "tokenizer", "secret_name", "key", "pass"]
)
def test_text_under_another_name_stays(name):
    assert redactor.value({name: "two words"}) == {name: "two words"}
    text = json.dumps({name: "two words"})
    assert redactor.text(text) == text


def test_a_value_is_copied_and_keeps_its_structure():
    value = {
        "list": ["password=hunter2", {"token": "abc", "n": 1.5, "none": None, "yes": True}],
        "password": {"min_length": 8, "note": "api_key=abc"},
        "token": 42,
        "secret": "",
        OPENAI: "a",
        ANTHROPIC: "b",
    }
    before = copy.deepcopy(value)
    assert redactor.value(value) == {
        "list": ["password=<REDACTED>", {"token": REDACTED, "n": 1.5, "none": None, "yes": True}],
        "password": {"min_length": 8, "note": "api_key=<REDACTED>"},
        "token": 42,
        "secret": "",
        "<REDACTED>": "a",
        "<REDACTED> (6)": "b",
    }
    assert value == before


def test_a_secret_in_an_object_or_in_bytes_is_found():
    class Shown:
        def __str__(self):
            return "password=hunter2"

    assert redactor.value([Shown(), b"\xffpassword=hunter2"]) == [
        "password=<REDACTED>",
        "\\xffpassword=<REDACTED>",
    ]


def test_a_json_document_keeps_its_layout():
    text = '{\n\t"api_key" :"x",  "n": 1e2, "n": [1.0, {"a": "\\u0070assword=x \\u00fc"}]\n}'
    assert redactor.text(text) == text.replace('"x"', '"<REDACTED>"').replace(
        "\\u0070assword=x", "password=<REDACTED>"
    )


def test_a_document_inside_a_document_is_read_as_what_it_stands_for():
    env = "HOST=db\nAPI_KEY=abc\nPORT=1"
    text = json.dumps({"arguments": json.dumps({"content": env, "token": "t", "max_tokens": "5"})})
    arguments = json.loads(json.loads(redactor.text(text))["arguments"])
    assert arguments == {
        "content": "HOST=db\nAPI_KEY=<REDACTED>\nPORT=1",
        "token": REDACTED,
        "max_tokens": "5",
    }


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
@pytest.mark.parametrize(("text", "_"), SECRETS)
def test_in_a_fragment_of_json_a_secret_goes_at_every_level_of_escaping(text, _, levels):
    inner = "\n" + text
    for _level in range(levels):
        inner = json.dumps({"a": inner})
    redacted = redactor.text(f"answer: {inner} end of the answer")
    for secret in ("hunter2", "two words", "abc123", OPENAI, ANTHROPIC, AWS, GITHUB, JWT, "MIIE"):
        assert secret not in redacted


@pytest.mark.parametrize(
    "document",
    [
        {"api_key": "x", "n": 1},
        {"a": "password=hunter2"},
        {"a": ["password=hunter2", "b"]},
        {"a": 'say "password=hunter2", please', "b": "c"},
        {"a": "password: hunter2", "b": {"cmd": "curl -H 'api_key: hunter2'"}},
        {"arguments": '{"password": "hunter2", "n": 1}'},
        {"arguments": '{"cmd": "export API_KEY=\\"hunter2\\""}', "n": 1},
        {"a": f"{BEGIN}\nhunter2\n{END}\n", "b": 1},
        {"header": "Authorization: Bearer hunter2hunter2", "b": 1},
    ],
)
def test_a_document_in_prose_stays_a_document(document):
    text = f"answer: {json.dumps(document)} end"
    redacted = redactor.text(text)
    assert "hunter2" not in redacted
    assert redacted.startswith("answer: ")
    assert redacted.endswith(" end")
    inner = json.loads(redacted[len("answer: ") : -len(" end")])
    assert inner.keys() == document.keys()
    if "arguments" in inner:
        json.loads(inner["arguments"])


PIECES = st.sampled_from(
    [
        "password=",
        "api_key: ",
        "a",
        "b c",
        '"',
        "'",
        "\\",
        "\n",
        "}",
        ",",
        " ",
        OPENAI,
        AWS,
        "\ud800",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)
KEYS = st.sampled_from(["a", "b", "token", "api_key", "max_tokens", 'password="', OPENAI])
DOCUMENTS = st.recursive(
    TEXTS | st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
GREEDY = Redactor([r"(?i)password\s*[:=]\s*\S+", r"(?i)api[_-]?key\s*[:=]\s*\S+", r"b c"])


def shape(value):
    if isinstance(value, dict):
        return [shape(member) for member in value.values()]
    return [shape(element) for element in value] if isinstance(value, list) else type(value)


@settings(deadline=None)
@given(DOCUMENTS, st.sampled_from([redactor, GREEDY]), st.sampled_from([None, 1]))
def test_a_text_that_is_json_stays_json_of_the_same_shape_under_any_pattern(data, gate, indent):
    text = json.dumps(data, indent=indent)
    redacted = json.loads(gate.text(text))
    assert shape(redacted) == shape(data)
    nested = json.loads(gate.text(json.dumps({"arguments": text})))
    assert shape(json.loads(nested["arguments"])) == shape(data)


@settings(deadline=None)
@given(TEXTS)
def test_redacting_twice_changes_nothing_more(text):
    once = redactor.text(text)
    assert redactor.text(once) == once


@settings(deadline=None)
@given(DOCUMENTS)
def test_text_and_value_agree_on_a_document(data):
    as_value = redactor.value(data)
    as_text = json.loads(redactor.text(json.dumps(data)))
    assert shape(as_value) == shape(as_text)
    assert json.dumps(as_value).count(REDACTED) == json.dumps(as_text).count(REDACTED)


def test_an_own_pattern_takes_the_whole_match_or_its_group():
    own = Redactor([r"acme-\d+", re.compile(r"user (?P<secret>\w+)")])
    assert own.text("acme-12 of user bob, api_key=x") == (
        "<REDACTED> of user <REDACTED>, api_key=<REDACTED>"
    )


def test_a_pattern_that_is_none_is_a_config_error_that_names_it():
    with pytest.raises(ConfigError, match=re.escape("got '(': missing )")):
        Redactor(["a", "("])


ADVERSARIES = {
    "blanks": "password" + " " * 4_000,
    "names": "password" * 500,
    "separators": "api_key" + ":=" * 2_000,
    "backslashes": 'password="' + "\\" * 4_000,
    "backslashes and no quote": "password=" + "\\" * 4_000,
    "quotes": "api_key='\"" * 400,
    "keys": '"token":"' * 400,
    "escaped keys": '\\"token\\":\\"' * 300,
    "hyphens": "sk-a-" * 800,
    "jwt beginnings": "eyJaaaa-" * 500,
    "jwt headers": "eyJaaaa." * 500,
    "escaped jwt": "\\neyJaaaa" * 400,
    "bearers": "bearer " * 500,
    "bearer and letters": "bearer " + "a" * 4_000,
    "key blocks": "-----BEGIN RSA PRIVATE KEY-----" * 130,
    "hyphens after a block": BEGIN + "-" * 4_000,
    "brackets": "[" * 4_000,
    "pairs": "name: password\nvalue: " * 200,
    "at signs": "a@" * 2_000,
    "addresses": "://a:b" * 700 + "@",
    "plus signs": "+1 2" * 1_000,
    "digits": "1" * 4_000,
    "cards": "4111 " * 800,
    "phones": "00-0000-" * 500,
    "one random word": "aA1" * 1_300,
    "base64": "cGFzc3dvcmQ9" * 350,
    "slashes": "a1/" * 1_300,
    "percent signs": "%41" * 1_300,
    "percents of percents": "%25" * 1_300,
    "spoken": "password is " * 350,
    "commands": "curl -u " * 500,
    "unfinished objects": '{"a":' * 800,
}


def seconds(text):
    def once():
        start = time.process_time()
        redactor.text(text)
        return time.process_time() - start

    return min(once() for _ in range(3))


@pytest.mark.parametrize("text", ADVERSARIES.values(), ids=ADVERSARIES)
def test_time_is_linear_whatever_stands_in_a_text(text):
    # Sixteen times the text may take sixteen times as long; a quadratic pattern takes 256 times.
    # A text whose length is one run is stretched in its run.
    longer = text[:40] + text[40:] * 16 if len(set(text[40:])) < 3 else text * 16
    assert seconds(longer) < 80 * max(seconds(text), 1e-4)


def test_time_is_linear_in_the_literals_of_a_document():
    few, many = (json.dumps([{"token": "x", "a": "password=x"}] * n) for n in (100, 1_600))
    assert seconds(many) < 80 * seconds(few)


def test_plain_data_shares_nothing_with_what_it_was_made_from():
    inner = [1]
    data = plain({"a": inner, "b": (inner, inner)})
    inner.append(2)
    assert data == {"a": [1], "b": [[1], [1]]}


def test_time_is_linear_in_the_keys_of_an_object_that_are_all_secrets():
    few, many = ({f"{OPENAI}{n}": n for n in range(size)} for size in (200, 3_200))

    def seconds_for(data):
        start = time.process_time()
        assert len(redactor.value(data)) == len(data)
        return time.process_time() - start

    assert seconds_for(many) < 80 * max(seconds_for(few), 1e-3)
