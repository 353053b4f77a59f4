"""When a sentence says another again with something else in one place, and takes back the first."""

from __future__ import annotations

import pytest

from compact_otel.core.facts.restating import Restated, _places, frames_of, put, restated

NINE = "the hall opens at nine"
LEEDS = "the bus goes to leeds"

# first, later -> what is stale and what holds now: plainly, and where a word of change stands.
PAIRS = {
    (NINE, "the hall opens at ten"): ("nine > ten", "nine > ten"),
    (NINE, "the hall opens at nine, i said"): (None, None),
    (NINE, "the hall opens at nine and at ten"): (None, None),
    (NINE, "i asked, the hall opens at ten"): ("nine > ten", "nine > ten"),
    ("a hall opens at nine", "a hall opens at ten"): (None, "nine > ten"),
    ("a hall opens at nine", "i asked, a hall opens at ten"): (None, "nine > ten"),
    (NINE, "i asked, another hall opens at ten"): (None, None),
    ("at nine the hall opens", "at ten the hall opens"): (None, "nine > ten"),
    ("our hall is at nine o'clock open", "i hear, our hall is at ten o'clock open"): (
        "nine > ten",
        "nine > ten",
    ),
    (NINE, "the hall opens at noon"): (None, "nine > noon"),
    (NINE, "the hall opens at (ten)"): (None, None),
    (LEEDS, "leeds is shut, the bus goes to york"): ("leeds > york", "leeds > york"),
    (LEEDS, "leeds and york are shut, the bus goes to york"): (None, "leeds > york"),
    (LEEDS, "the bus goes to york, i hear"): (None, None),
    (LEEDS, "i hear, the bus goes to york"): (None, "leeds > york"),
    (f"i think {LEEDS}", "so, i think the bus goes to york"): (None, None),
    ("the bus goes to them", "so, the bus goes to york"): (None, None),
    (LEEDS, "so, the bus goes to them"): (None, None),
    (f"it is late. {LEEDS}", "so, the bus goes to york"): (None, "leeds > york in it"),
    (f"{LEEDS} and it is late", "it seems, the bus goes to york"): (None, None),
    (f"{LEEDS} and opens at nine", "so, the bus goes to york"): (None, None),
    ("the rooms are big, the fee is 9 euros", "so, the fee is 7 euros"): (
        "9 > 7 in it",
        "9 > 7 in it",
    ),
    (f"{LEEDS} early", "the bus goes to a b c d"): (None, "leeds early > b c d"),
    (f"{LEEDS} early", "the bus goes to e b c d"): (None, None),
    (f"{LEEDS} at nine", "so, the bus goes to york at ten"): (None, None),
}


@pytest.mark.parametrize(("first", "later"), PAIRS)
def test_a_sentence_takes_back_another(first, later):
    found = [
        restated(frames_of(first), frames_of(later), announced=announced)
        for announced in (False, True)
    ]
    assert (
        tuple(one and f"{one.stale} > {one.now}{'' if one.whole else ' in it'}" for one in found)
        == PAIRS[first, later]
    )


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ("a b c d", "a b x d", (2, 3, 3)),
        ("a b c d", "x b c d", (0, 1, 1)),
        ("a b c d", "a b c x", (3, 4, 4)),
        ("k x y z l m n", "k p l m n", (1, 4, 2)),
        ("k p l m n", "k x y z l m n", (1, 2, 4)),
        ("k v x y z l m n o", "k p l m n o", None),
        ("k p l m n o", "k v x y z l m n o", None),
        ("k m n x m n", "k m n y m n", (3, 4, 4)),
        ("k l l", "k l l l", None),
        ("k l m", "k l m", None),
        ("k l m n", "k l n", None),
        ("k l m n o", "k x m y o", None),
        ("k p q", "k r s", None),
        ("k l p q", "k l r s", (2, 4, 4)),
        ("the of p", "the of q", None),
        ("the hall p", "the hall q", (2, 3, 3)),
        ("p hall", "q hall", (0, 1, 1)),
        ("", "", None),
    ],
)
def test_two_sentences_differ_in_one_place_or_it_is_not_looked_for(before, after, places):
    assert _places(before.split(), after.split()) == places


@pytest.mark.parametrize(
    ("text", "changed", "said", "shown"),
    [
        ("Open at Nine, till nine.", ("nine", "ten"), "It is TEN now.",
         "Open at [now TEN], till nine."),
        ("The fee: 120, the euros.", ("120 euros", "140"), "no", "The fee: [now 140]."),
        ("It is 120 or so many euros.", ("120 euros", "140"), "no", "It is 120 or so many euros."),
        ("A cabinet, in it.", ("in", "out"), "cutout", "A cabinet, [now out] it."),
        ("Nothing.", ("nine", "ten"), "ten", "Nothing."),
    ],
)  # fmt: skip
def test_what_holds_now_stands_in_place_of_what_does_not(text, changed, said, shown):
    assert put(text, Restated(*changed, whole=False), said) == shown


def test_a_sentence_is_taken_apart_once():
    frames = frames_of("the hall opens. it is big, and we like it!")
    assert frames.text == "the hall opens. it is big, and we like it!"
    assert list(frames.sentences) == ["the hall opens", "it is big, and we like it!"]
    assert [part.text for part in frames.clauses] == [
        "the hall opens",
        "it is big",
        "and we like it",
    ]
    assert [(part.text, " ".join(part.words), part.definite) for part in frames.parts] == [
        (frames.text, "hall opens it big and we like it", True),
        ("the hall opens", "hall opens", True),
        ("it is big, and we like it!", "it big and we like it", False),
        ("it is big", "it big", False),
        ("and we like it", "and we like it", False),
    ]
    assert frames.definite
    # A word that says nothing takes its neighbour along.
    opens, ends = {("", "hall"), ("opens", "")}, {("", "it", "big"), ("big", "")}
    assert frames.parts[1].ends == opens
    assert frames.parts[3].ends == ends
    assert opens | ends <= frames.part_ends
    assert opens | ends <= frames.clause_ends


def test_what_is_no_subject_with_what_is_said_of_it_is_not_said_again():
    assert frames_of("").parts == []
    assert frames_of("hello.").parts == []
    assert [part.text for part in frames_of("hello.").clauses] == ["hello"]
    long = " ".join(f"w{number}" for number in range(25))
    assert frames_of(long).parts == []
    assert len(frames_of(long.removesuffix(" w24")).parts) == 1
    assert frames_of("x = f(y) as it was").parts == []
    assert not frames_of("a hall opens").definite
    assert frames_of("3.5 or 10:30").parts[0].words == ("3.5", "or", "10:30")


def test_of_many_clauses_the_first_are_looked_at_and_of_many_sentences_the_last():
    clauses = frames_of(", ".join(f"it has x{number}" for number in range(10))).clauses
    assert [clause.words[-1] for clause in clauses] == [f"x{number}" for number in range(8)]
    sentences = frames_of(". ".join(f"it has x{number}" for number in range(10))).sentences
    assert list(sentences) == [f"it has x{number}" for number in range(2, 10)]
