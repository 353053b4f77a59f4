"""What a field of the settings may be, read off its type, and how a fault is told."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from compact_otel.core.errors import ConfigError
from compact_otel.core.fields import Problem, check, dotted, failed, need, rules_of, shown


@dataclass
class Section:
    """A part with rules of its own."""

    depth: int = 1


def settings() -> Any:
    """Return a new type, since the rules of one are read once only."""

    @dataclass
    class Settings:
        """One field of each kind."""

        share: float = field(default=0.5, metadata={"gt": 0, "le": 1})
        below: float = field(default=0.5, metadata={"ge": 0, "lt": 2, "what": "a small number"})
        count: int = field(default=3, metadata={"ge": 1})
        text: str = "x"
        named: str = field(default="x", metadata={"check": str.isalpha, "what": "a name"})
        pin: str | None = field(default=None, metadata={"secret": True, "check": str.isdigit})
        on: bool = False
        way: Literal["up", "down"] = "up"
        ways: tuple[Literal["up", "down"], ...] = ()
        roles: tuple[str, ...] = field(
            default=("system",), metadata={"what": "role names", "file": False}
        )
        lines: tuple[str, ...] | None = field(default=None, metadata={"between": "\n"})
        more: Mapping[str, Any] = field(default_factory=dict)
        ask: Callable[[str], str] | None = None
        level: float | None = field(default=None, metadata={"way_out": "leave it out"})
        own: int = field(default=0, metadata={"own_check": True, "lenient": True})
        section: Section = field(default_factory=Section)

    return Settings


@pytest.fixture
def rules():
    return rules_of(settings())


def test_a_section_has_no_rule_of_its_own(rules):
    assert set(rules) == set(settings().__dataclass_fields__) - {"section"}


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("share", 1, None),
        ("share", 1.0, None),
        ("share", 0, "must be > 0 and <= 1"),
        ("share", 1.01, "must be > 0 and <= 1"),
        ("share", math.nan, "must be > 0 and <= 1"),
        ("share", math.inf, "must be finite, a number > 0 and <= 1"),
        ("share", True, "must be a number > 0 and <= 1"),
        ("share", None, "must be a number > 0 and <= 1"),
        ("share", "half", "must be a number > 0 and <= 1"),
        ("below", 0, None),
        ("below", 2, "must be a small number >= 0 and < 2"),
        ("below", -0.1, "must be a small number >= 0 and < 2"),
        ("count", 1, None),
        ("count", 10**18 - 1, None),
        ("count", 10**18, "must be a whole number >= 1, of at most 18 digits"),
        ("count", -(10**18), "must be a whole number >= 1, of at most 18 digits"),
        ("count", 0, "must be a whole number >= 1"),
        ("count", 1.0, "must be a whole number >= 1"),
        ("count", False, "must be a whole number >= 1"),
        ("text", "", None),
        ("text", 7, "must be text"),
        ("named", "Ada", None),
        ("named", "A-1", "must be a name"),
        ("pin", None, None),
        ("pin", "1234", None),
        ("pin", "abc", "must be text"),
        ("on", True, None),
        ("on", 1, "must be true or false"),
        ("on", "true", "must be true or false"),
        ("way", "down", None),
        ("way", "left", "must be one of up, down"),
        ("way", ["up"], "must be one of up, down"),
        ("ways", ["up", "up"], None),
        ("ways", ("up", "left"), "must be a list of up, down"),
        ("ways", "up", "must be a list of up, down"),
        ("roles", (), None),
        ("roles", ("a", 1), "must be a list of role names"),
        ("lines", None, None),
        ("lines", 1, "must be a list of texts"),
        ("more", {"a": 1}, None),
        ("more", [], "must be a value"),
        ("ask", str.upper, None),
        ("ask", None, None),
        ("ask", 7, "must be a value"),
        ("level", None, None),
        ("level", 2, None),
        ("level", "no", "must be a number"),
        ("own", "anything", None),
    ],
)  # fmt: skip
def test_a_value_is_held_against_the_type_and_the_bounds(name, value, rule, rules):
    assert rules[name].broken_by(value) == rule


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("share", " 0.25 ", 0.25),
        ("share", "many", "many"),
        ("count", "12", 12),
        ("count", "1.5", "1.5"),
        ("text", " a b ", "a b"),
        ("text", "None", "None"),
        ("pin", "None", None),
        ("on", "YES", True),
        ("on", "0", False),
        ("on", " false ", False),
        ("on", "1", True),
        ("on", "true", True),
        ("on", "no", False),
        ("on", "perhaps", "perhaps"),
        ("way", " up", "up"),
        ("ways", "up, down,,", ("up", "down")),
        ("roles", "none", ()),
        ("lines", "a, b\n c", ("a, b", "c")),
        ("lines", "NONE", ()),
        ("more", '{"a": [1]}', {"a": [1]}),
        ("more", "{", "{"),
        ("more", "[" * 100_000, "[" * 100_000),
        ("level", "none", None),
        ("level", "1e3", 1000.0),
    ],
)
def test_a_text_of_the_environment_is_read_as_the_field_needs_it(name, text, value, rules):
    read = rules[name].from_text(text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("share", 2, "a.share must be > 0 and <= 1, got 2"),
        (
            "share",
            "0.8",
            "a.share must be a number > 0 and <= 1, got '0.8': that is a text, write 0.8",
        ),
        ("share", "1.8", "a.share must be a number > 0 and <= 1, got '1.8'"),
        ("on", "yes", "a.on must be true or false, got 'yes': that is a text, write true"),
        (
            "ways",
            "up",
            "a.ways must be a list of up, down, got 'up': that is a text, write [\"up\"]",
        ),
        ("way", "left", "a.way must be one of up, down, got 'left'"),
        ("more", "{}", "a.more must be a value, got '{}'"),
        ("pin", "abc", "a.pin must be text"),
        ("level", "no", "a.level must be a number, got 'no': leave it out"),
    ],
)
def test_a_problem_names_the_field_the_rule_the_value_and_the_way_out(name, value, said, rules):
    assert rules[name].problem(value, ("a", name)).told() == said


def test_what_will_do_is_no_problem(rules):
    assert rules["share"].problem(0.5, ("share",)) is None


@pytest.mark.parametrize(
    ("attribute", "has", "names"),
    [
        ("in_environment", False, {"ask"}),
        ("in_file", False, {"ask", "roles"}),
        ("is_secret", True, {"pin"}),
        ("is_lenient", True, {"own"}),
    ],
)
def test_a_rule_says_where_its_field_may_stand(attribute, has, names, rules):
    assert {name for name, rule in rules.items() if getattr(rule, attribute) is has} == names
    assert all(isinstance(getattr(rule, attribute), bool) for rule in rules.values())


def test_a_record_is_checked_as_a_whole_and_lists_become_tuples():
    Settings = settings()  # noqa: N806 - a type
    given = Settings(roles=["a", "b"], lines=["c"])
    check(given)
    assert (given.roles, given.lines) == (("a", "b"), ("c",))
    with pytest.raises(ConfigError) as caught:
        check(Settings(share=3, count=0, text="fine", more=[], section=Section(7)), ("top",))
    assert str(caught.value) == (
        "3 settings cannot be used:\n"
        "  top.share must be > 0 and <= 1, got 3\n"
        "  top.count must be a whole number >= 1, got 0\n"
        "  top.more must be a value, got []"
    )
    assert [each.paths for each in caught.value.problems] == [
        (("top", name),) for name in ("share", "count", "more")
    ]


def test_one_problem_is_a_sentence_and_of_many_twenty_are_told():
    many = [Problem((("a", str(number)),), "must be less") for number in range(22)]
    assert str(failed(many[:1])) == "a['0'] must be less"
    lines = str(failed(many)).splitlines()
    assert lines[0] == "22 settings cannot be used:"
    assert lines[1:] == [
        *(f"  a['{number}'] must be less" for number in range(20)),
        "  ... and 2 more",
    ]
    assert len(str(failed(many[:20])).splitlines()) == 21
    assert str(failed(many[:2])).startswith("2 settings cannot be used:\n")
    assert str(failed(many[:1], ["said otherwise"])) == "said otherwise"
    assert failed(many).problems == tuple(many)


def test_a_problem_says_where_its_values_came_from():
    both = Problem((("a", "low"), ("a", "high")), "must be < a.high", (2, 1), "swap them")
    assert both.told() == "a.low must be < a.high, got 2 and 1: swap them"
    assert both.told("file.toml", lambda value: f"<{value}>") == (
        "a.low must be < a.high, got <2> and <1> (file.toml): swap them"
    )
    assert Problem((), "no file there").told() == "no file there"


def test_a_condition_that_holds_raises_nothing():
    problem = Problem((("a",),), "must be there")
    need(True, problem)
    with pytest.raises(ConfigError, match="a must be there") as caught:
        need(False, problem)
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("policy", "trigger_pct"), "policy.trigger_pct"),
        (("models", "gpt-4o*", "trigger_pct"), "models['gpt-4o*'].trigger_pct"),
        (("a" * 81,), "a" * 81),
        (("a" * 82,), f"['{'a' * 82}']"),
        (("2nd",), "['2nd']"),
    ],
)
def test_a_path_is_written_as_it_would_be_in_code(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("http://ada:pass@host/x", "'http://...@host/x'"),
        ("http://ada:pa/ss@host/x", "'http://...@host/x'"),
        ("http://ada:pa ss@host/x", "'http://...@host/x'"),
        ("http://ada:" + "x" * 200 + "@host", "'http://...@host'"),
        (["http://ada:pass@host", "http://host/x"], "['http://...@host', 'http://host/x']"),
        ("ada@host", "'ada@host'"),
        ("a\nb", r"'a\nb'"),
        ("x" * 118, f"'{'x' * 118}'"),
        ("x" * 200, f"'{'x' * 57}...{'x' * 58}'"),
    ],
)
def test_a_value_is_shown_in_short_and_without_a_password(value, text):
    assert shown(value) == text


def test_a_number_of_thousands_of_digits_is_not_shown():
    assert shown(10**5000) == "a value of type int that is too long to be shown"
