"""What speaks for a demand and what against it, sign by sign."""

from __future__ import annotations

import pytest

from compact_otel.core.facts import constraints
from compact_otel.core.facts.constraints import Strength, is_small_talk, strength, strengths

STRENGTHS = {
    Strength.RULE: """
        Never call me.
        Always call me.
        Only write to Ann.
        Entry only allowed with a badge.
        Entry only permitted with a badge.
        You are only supposed to read it.
        They were only an option.
        Trains only.
        Trains and buses and cars to Rome only.
        Don't call me.
        dont call me
        Do not call me.
        We don't call there.
        No calls today.
        Must be red
        Keep it under $500.
        The sky is blue. Never call me.
        Ich mag keine Oliven.
        이메일을 보내지 마세요.
        メールを送らないでください。
    """,
    Strength.WISH: """
        Must I never call?
        Should we keep it under $500?
        (Would you treat it as confidential?)
        I prefer trains.
        Please answer in bullet points.
        Treat it as given.
    """,
    Strength.LIKELY: """
        Pictures in landscape format, please.
        Please bring blue pictures, please.
        Window seats, thanks
        The door needs to be red by noon.
        Bring the dog on Mondays.
        My customer needs the parts before noon.
        We have no calls today.
        Trains and buses and cars and bikes to Rome only.
        Der Hund bleibt draußen.
        Je mange sans sel.
        No calls
    """,
    Strength.HINT: """
        The report should look nice.
        Add the pictures please
        Bring us three pizzas.
        Half of the parts are broken.
        Das Zimmer ist rot.
        Ich finde meinen Vater nicht.
        Mwen pa renmen sa
        It never worked.
    """,
    Strength.NONE: """
        I never got a bill.
        I have always paid in time.
        There's never any milk.
        I will call, maybe never
        It is the only way to Rome.
        I saw only one there.
        It is only a guess.
        I have got one only
        There is a bus now only
        I don't know the number.
        Do not know the number.
        I said don't
        No problem with it.
        No
        Could you answer in bullet points?
        Hello there, help!
        Pictures, please.
        I need to call Ann.
        The door is red.
        We walked the dog twice.
        Ist das Zimmer nicht rot?
        メールを送ります。
        メールを送らないでくださいか。
        이메일을 보내지 말까
        >>> never call me
        f(a)(b) [c] never
        Never call f(x).
    """,
}


@pytest.mark.parametrize("expected", STRENGTHS)
def test_a_sentence_demands_so_much(expected):
    sentences = [line.strip() for line in STRENGTHS[expected].strip().splitlines()]
    assert {one: strength(one) for one in sentences} == dict.fromkeys(sentences, expected)


WEIGHTS = {
    # No sign, one, and one of several kinds.
    "the sky is blue": 0,
    "kids eat": 1,
    "kids eat twice": 2,
    "kids eat, 20 kg": 2,
    "kids eat a-20": 1,
    "kids must eat": 3,
    "you must eat": 1,
    "must find kids": 2,
    # A reason at the beginning goes on with the talk.
    "because kids eat": 1,
    "kids eat because of nine": 3,
    # Denials: by others they weigh more, beside a trouble less, in an answer nothing.
    "nobody eats": 2,
    "i eat nothing": 1,
    "nobody finds nothing": 0,
    "it isn't nothing": 0,
    "no, kids eat": 1,
    "no kids eat": 3,
    # So much of something is asked for once.
    "bring us three": 1,
    "bring three kids": 2,
    "they like three": 1,
    "they hate three": 2,
    "they like three kids": 3,
    # An errand is no wish, and talk speaks against a demand.
    "i want to hate kids": 0,
    "i think kids eat nine": 1,
    "by the way, kids eat": 3,
    # What was, and what is code, demands nothing.
    "kids ate nine": 0,
    "they walked kids nine": 0,
    "kids eat = nine": 1,
    "it gets eaten": 1,
    "we feed kids": -1,
    "always bring it": 1,
}
ABROAD = {
    "keine kinder": 3,
    "kinder essen": 1,
    "keine finde kinder": 1,
    "war keine kinder": 1,
    "weil keine kinder": 3,
    "übrigens kinder": 2,
    "keine (kinder)": 2,
}


@pytest.mark.parametrize(
    ("weights", "signs"),
    [(WEIGHTS, constraints._SIGNS), (ABROAD, constraints._SIGNS_ABROAD)],
    ids=["English", "abroad"],
)
def test_signs_of_a_demand_are_weighed(weights, signs):
    found = {
        text: constraints._weight(constraints._WORD.findall(text), text, signs) for text in weights
    }
    assert found == weights


ORDERS = {
    "never call": True,
    "call me always now": True,
    "never": False,
    "never got": False,
    "never called": False,
    "i've never call": False,
    "as always call": False,
    "not always call": False,
    "there's never milk": False,
    "only call": True,
    "the only call": False,
    "only one": False,
    "only called": False,
    "only supposed": True,
    "is only a": False,
    "are only an": False,
    "was only a": False,
    "is only blue": True,
    "trains only": True,
    "one only": False,
    "now only": False,
    "a b c d e f g only": True,
    "a b c d e f g h only": False,
    "don't call": True,
    "dont call": True,
    "do not call": True,
    "do call": False,
    "please don't call": True,
    "they don't call": False,
    "they do not call": False,
    "don't know": False,
    "do not know": False,
    "don't": False,
    "do not": False,
    "no calls today": True,
    "no calls": False,
    "no problem here": False,
    "say no calls": False,
    "call me": False,
}


@pytest.mark.parametrize("text", ORDERS)
def test_a_small_word_is_an_order_by_what_stands_around_it(text):
    assert constraints._absolute(text.split()) is ORDERS[text]


LIKELIHOODS = {
    "pictures, blue, please": Strength.LIKELY,
    "blue pictures today thanks": Strength.LIKELY,
    "pictures, please": Strength.NONE,
    "bring the pictures, please": Strength.NONE,
    "please bring the pictures, please": Strength.HINT,
    "pictures are blue, please": Strength.NONE,
    "kids eat twice": Strength.LIKELY,
    "blue pictures": Strength.NONE,
    "home now soon": Strength.HINT,
    "a b c d e f g h": Strength.HINT,
    "a b c d e f g h i": Strength.NONE,
    "going home soon now": Strength.NONE,
    "it should be": Strength.HINT,
    "i need to go, it should": Strength.NONE,
}


@pytest.mark.parametrize("text", LIKELIHOODS)
def test_a_demand_in_no_known_wording_is_likely_by_its_shape(text):
    words = constraints._WORD.findall(text)
    assert constraints._likelihood(text, words) is LIKELIHOODS[text]


SIGN, HINT, RULE = "Parts have to be original.", "It should look nice.", "Never call me."
PLAIN = "The value is printed on the left."


@pytest.mark.parametrize("length", [10, 11, 24, 25])
def test_the_longer_a_message_the_less_of_it_is_the_users_own(length):
    def found(one):
        kept = []
        for place in range(length):
            sentences = [PLAIN] * length
            sentences[place] = one
            kept += [place] * (strengths(sentences)[place] > Strength.NONE)
        return kept

    everywhere, ends = list(range(length)), [0, 1, length - 2, length - 1]
    assert found(SIGN) == (everywhere if length == 10 else ends)
    assert found(HINT) == (ends if length == 25 else everywhere)
    assert found(RULE) == everywhere


def wished(*sentences):
    return [one >= Strength.WISH for one in strengths(sentences)]


def test_what_is_listed_under_a_heading_is_demanded():
    assert wished("House rules:", "- tabs", "2) dogs", "c. cats", "plain", "- birds") == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert wished("House colours:", "- tabs") == [False, False]
    assert wished("House rules", "- tabs") == [False, False]
    assert wished("Rules: ", " * tabs", "Instructions:", "\u2022 dogs") == [
        False,
        True,
        False,
        True,
    ]


def test_that_takes_along_two_sentences_before_it_unless_they_ask():
    that = "Never do that again."
    assert wished(PLAIN, PLAIN, PLAIN, that) == [False, True, True, True]
    assert wished(PLAIN, that) == [True, True]
    assert wished(PLAIN, "Is it blue? ", that) == [True, False, True]
    assert wished(PLAIN, "Never call Ann on that.") == [False, True]
    assert wished(PLAIN, "Never do anything.") == [False, True]
    assert wished(PLAIN, "Please don\u2019t ever do it again, this way.") == [True, True]
    long = "So let's not ever do that again, please, and not this"
    assert wished(PLAIN, long) == [False, True]


@pytest.mark.parametrize(
    ("text", "small"),
    [
        ("Thanks so much!", True),
        ("RANDOM question: how is it?", True),
        ("How\u2019s it going?", True),
        ("How is it going", False),
        ("Is it possible?", False),
        ("What is my number?", False),
        ("The sky is blue.", False),
        ("Oh, and never call.", False),
        ("Oh, what was it?", True),
    ],
)
def test_small_talk_is_told_from_requests(text, small):
    assert is_small_talk(text) is small
