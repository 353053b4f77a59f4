"""The directory names of sessions: readable, inside the archive, and never shared."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.adapters.naming import directory_name, session_of

# Drawn often from what the rule treats apart, so that near misses are common.
TRICKY = st.text(st.sampled_from("aAbB.%+=/\\-_ 1é\0\ud800"), max_size=12)
RESERVED = st.sampled_from(
    ["con", "CON", "cOn", "%63on", "nul.txt", "com1", "COM1.", "lpt0", "prn "]
)
LONG = st.text(st.sampled_from("aA."), min_size=95, max_size=110)
IDS = TRICKY | RESERVED | LONG | st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("session_id", "name"),
    [
        ("user_123", "user_123"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("v1.2", "v1.2"),
        ("Ab", "Ab+1"),
        ("aB", "aB+2"),
        ("a/b", "a%2fb"),
        ("", "%"),
        (".", "%2e"),
        ("..", "%2e%2e"),
        ("trailing.", "trailing%2e"),
        ("con", "%63on"),
        ("CON", "%43ON+18"),
        ("aux.log", "%61ux.log"),
        ("console", "console"),
        ("a+1", "a%2b1"),
        ("ü", "%c3%bc"),
    ],
)
def test_names_are_as_the_module_says(session_id, name):
    assert directory_name(session_id) == name
    assert session_of(name) == session_id


def test_a_long_id_is_its_beginning_and_its_hash():
    name = directory_name("team-a/" * 2_000)
    assert re.fullmatch(r"team-a%2f.{31}=[0-9a-f]{64}", name)
    assert session_of(name) is None


@settings(deadline=None)
@given(IDS)
def test_a_name_is_one_safe_component(session_id):
    name = directory_name(session_id)
    assert re.fullmatch(r"[A-Za-z0-9_%+=-][A-Za-z0-9_.%+=-]*", name)
    assert not name.endswith(".")
    assert len(name) <= 126
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)


@settings(deadline=None)
@given(IDS, IDS)
def test_two_sessions_never_share_a_name_even_where_case_is_ignored(one, other):
    names = {directory_name(session_id).lower() for session_id in (one, other)}
    assert len(names) == len({one, other})


@settings(deadline=None)
@given(IDS)
def test_variants_in_case_never_share_a_name(session_id):
    variants = {session_id, session_id.upper(), session_id.lower(), session_id.swapcase()}
    assert len({directory_name(variant).lower() for variant in variants}) == len(variants)


@settings(deadline=None)
@given(IDS)
def test_a_name_tells_its_session_unless_it_is_a_hash(session_id):
    name = directory_name(session_id)
    assert session_of(name) == (None if "=" in name else session_id)


@pytest.mark.parametrize("name", ["notes+", "a+0", "A", "a%2Fb", "%ff", "con", ".git", "a=b"])
def test_a_name_that_no_session_has_names_none(name):
    assert session_of(name) is None
