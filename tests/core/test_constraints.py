"""What a user demands in passing is told from what a user tells."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.core.facts.constraints import Strength, is_small_talk, strength, strengths

RULES = (
    "Never deploy on a Friday.",
    "By the way, my wife can't eat gluten, so no wheat at all.",
    "You must not tell the landlord before the contract is signed.",
    "Only write to the replica.",
    "Don\u2019t rename any public function.",
    "The total has to stay below $2,500.",
    "We need it by the end of May at the latest.",
    "From now on all replies in French.",
    "Get my approval before you pay anything.",
    "Niemals ohne Rücksprache bestellen.",
    "N'envoie jamais de rappel le dimanche.",
    "No llames a la oficina sin avisar antes: nunca contestan.",
    "Non superare mai i cento euro.",
    "Nunca use o cartão da empresa.",
    "Gebruik nooit de productiedatabase.",
    "Nigdy nie usuwaj kopii zapasowych.",
    "Никогда не звони мне после девяти.",
    "絶対にメールを送らないでください。",
    "绝对不能删除备份。",
    "백업은 절대 지우지 마세요.",
)
WISHES = (
    "I'd rather sit near the front.",
    "I prefer trains to planes.",
    "Please write the dates in ISO format.",
    "Answer in bullet points.",
    "Treat these numbers as confidential.",
    "I don't eat meat.",
)
UNHEARD_OF = (
    "Half of the crew can't lift more than 20 kilos.",
    "My daughter is scared of dogs, so keep yours inside when we come.",
    "Nobody drives the truck without the yellow vest.",
    "Parts have to be original.",
    "Minors need a letter from their parents.",
    "If the fever goes over 39, we go to the hospital.",
    "Pictures in landscape format, please.",
    "Les mineurs viennent avec un parent, sinon ils restent dehors.",
    "Mi hijo no come pescado.",
    "Mein Vater hört schlecht, bitte langsam sprechen.",
    "Il cane resta fuori.",
    "As reuniões são sempre às terças.",
)
STORIES = (
    "We drove to Cornwall last summer.",
    "The parcel came on Tuesday.",
    "The concert was great, nobody wanted to leave.",
    "I can't find my password.",
    "I'd like to order three pizzas.",
    "No worries, that's okay.",
    "Ich habe gestern ein Paket bekommen.",
    "I never received the parcel.",
    "It has always worked until today.",
    "That was the only seat they had left.",
    "I don't remember my customer number.",
    "My user ID is mia_li_3668.",
    "The flight was delayed and nobody told me why.",
    "Could you look up the order for me?",
    "Thanks, that helps a lot!",
    "No problem, take your time.",
    "Ich habe das Paket noch nie bekommen.",
)


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("英語で答えてはいけません。", "英語で答えてはいけませんか。"),
        ("不要用英语回答", "不要用英语回答吗"),
    ],
)
def test_a_question_without_a_question_mark_is_no_rule(said, asked):
    assert strength(said) is Strength.RULE
    assert strength(asked) is Strength.NONE


@pytest.mark.parametrize("sentence", RULES)
def test_a_prohibition_or_a_limit_is_a_rule(sentence):
    assert strength(sentence) is Strength.RULE


@pytest.mark.parametrize("sentence", WISHES)
def test_a_preference_or_a_format_is_at_least_a_wish(sentence):
    assert strength(sentence) >= Strength.WISH


@pytest.mark.parametrize("sentence", UNHEARD_OF)
def test_two_signs_of_a_demand_make_one_likely_whatever_its_words(sentence):
    assert strength(sentence) >= Strength.LIKELY


def test_an_account_of_something_keeps_its_signs_for_itself():
    sign = "Parts have to be original."
    filler = ["The value is printed on the left."] * 6
    found = strengths([*filler, sign, *filler, sign])
    assert found[6] is Strength.NONE
    assert found[-1] is Strength.LIKELY


@pytest.mark.parametrize("sentence", STORIES)
def test_what_is_told_or_asked_is_no_demand(sentence):
    assert strength(sentence) < Strength.LIKELY


@pytest.mark.parametrize(
    "line",
    [
        "TypeError: 'float' object cannot be interpreted as an integer",
        "    raise ValueError('must not be empty')",
        "x = max(1, limit) if only else never(always)",
        ">>> assert never == always",
    ],
)
def test_code_and_output_demand_nothing(line):
    assert strength(line) is Strength.NONE


def test_a_question_asks_for_a_demand_and_is_a_wish():
    assert strength("Could you make sure that it is a ground-floor room?") is Strength.WISH


def test_what_stands_under_a_heading_of_rules_is_demanded_whatever_its_words():
    lines = ["Ground rules:", "- tabs", "- British English", "And now to the ticket."]
    found = strengths(lines)
    assert found[1] is Strength.WISH
    assert found[2] is Strength.WISH
    assert found[3] < Strength.WISH


def test_a_demand_that_only_says_that_takes_along_what_it_is_about():
    said = ["Last year we froze the branch for a month.", "So let's never do that again."]
    assert strengths(said)[0] >= Strength.WISH
    alone = ["Last year we froze the branch for a month.", "Never freeze it for so long a time."]
    assert strengths(alone)[0] is Strength.NONE


def test_a_pasted_document_keeps_its_hints_for_itself():
    hint = "The result should look nice."
    assert strengths([hint]) == [Strength.HINT]
    filler = ["The value is printed on the left."] * 20
    found = strengths([*filler, hint, "Never change the tests.", *filler, hint])
    assert found[20] is Strength.NONE
    assert found[21] is Strength.RULE
    assert found[-1] is Strength.HINT


def test_a_demand_is_found_behind_a_sentence_in_another_language():
    assert strength("The trip is on May 27. Nunca me ligue à noite.") is Strength.RULE


@pytest.mark.parametrize(
    "sentence",
    [
        "Hi there!",
        "Great, thanks so much.",
        "Random thought: do you like tea?",
        "What's the weather like over there?",
    ],
)
def test_courtesy_asides_and_idle_questions_are_small_talk(sentence):
    assert is_small_talk(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Can you move it to Friday?",
        "By the way, I'm allergic to cats.",
        "Unrelated, but never share my address.",
        "My order number is A-7731.",
        "How much is the late checkout?",
    ],
)
def test_requests_facts_and_demands_are_no_small_talk(sentence):
    assert not is_small_talk(sentence)


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_text_has_a_strength_and_always_the_same(text):
    assert strength(text) == strength(text)
    assert len(strengths([text, text])) == 2
    is_small_talk(text)


@pytest.mark.parametrize(
    "piece", ["never ", "a", "please, ", "1,", "(if", "ok thanks ", "不", "no-"]
)
def test_a_hostile_sentence_costs_no_more_than_its_length(piece):
    started = time.perf_counter()
    for place in range(200):
        strength(f"{place} " + piece * 5_000)
        is_small_talk(f"{place} " + piece * 5_000)
    assert time.perf_counter() - started < 20
