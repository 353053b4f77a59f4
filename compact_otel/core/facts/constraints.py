"""What a user demands in passing: prohibitions, limits, deadlines, formats, preferences.

    "By the way, never book anything before 11 am."     a rule
    "I prefer window seats."                            a wish
    "The report should be short."                       a hint

Only for what users said: what a tool prints or a model writes is no demand, however it is worded.
A sentence is told by its words alone, so a demand in an unusual wording is missed, and one is taken
now and then that is none. Both are cheaper than to ask: a hint costs tokens, nothing else.

Time is linear in the text. No pattern repeats a group that could match in two ways, and a sentence
is cut before it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from compact_otel.core.facts import cues
from compact_otel.core.facts.cues import first_words, one_of, words


class Strength(IntEnum):
    """How much a sentence demands.

    Nothing; a hint of something; what is likely a demand, in words that nobody thought of; a wish;
    a rule.
    """

    NONE = 0
    HINT = 1
    LIKELY = 2
    WISH = 3
    RULE = 4


_LONGEST = 600
"""Characters of a sentence that are looked at. Who demands something says so in fewer."""

_SHORT = 8
"""Words of a sentence that may end in "only"."""

_NOTE = 8
"""Words of a note without a verb: "Vegetarian meals"."""

_LONG_MESSAGE = 24
"""Sentences from which on a message is a document: a pasted issue, a mail, a policy."""
_ACCOUNT = 10
"""The same from which on it is an account of something, where signs of a demand are none."""
_OWN = 2
"""Sentences at the beginning and the end of such a message that are the user's own."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[^\Wa-z])")


_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_LIST_HEADER = re.compile(
    r"\b(?:rules?|constraints?|requirements?|restrictions?|guidelines?|conditions?|must-haves?|"
    r"limits?|preferences?|instructions?|regeln|bedingungen|anforderungen|règles|contraintes|"
    r"reglas|requisitos|regole|requisiti|regras|regels|eisen|zasady|wymagania)\b"
)
_ITEM = re.compile(r"^\s*(?:[-*\u2022\u2013]|\d{1,2}[.)]|[a-z][.)])\s+")
# Who needs or has to do something tells of an errand.
_ERRAND = re.compile(
    r"\b(?:i|we)(?: \w+ly| just| also)? (?:need|have|had|got|must) (?:to |go|say|admit)"
)
_COURTESY = re.compile(
    r"(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|thanks?|thank you|great|"
    r"perfect|awesome|"
    r"wonderful|excellent|cool|nice|got it|ok|okay|sure|yes|yeah|alright|all right|understood|"
    r"sounds good|that works|no worries|no|that's (?:ok|okay|fine|alright|all right)|oui|ja|sí|si|"
    r"sim|s'il (?:te|vous) plaît|por favor|per favore|bitte|proszę|bye|goodbye|"
    r"have a (?:great|good|nice) \w+|you too|i see|no problem|"
    r"much appreciated|so much|very much|there|for (?:your|the|that|all)|help|again|everything|it|"
    r"hallo|danke|merci|gracias|grazie|obrigad[oa]|bedankt)[ ,.!]*){1,8}"
)
# What says of itself that it does not belong here.
_ASIDE = re.compile(
    r"(?:oh,? )?(?:and )?(?:quick |just a )?(?:random(?:ly| thought| question)?\b|side ?note|"
    r"off[- ]topic|"
    r"unrelated|(?:quick )?tangent|fun fact|not (?:really )?related)"
)
_ASKING = re.compile(
    r"(?:^|[,:;\u2013\u2014-] ?|\b(?:so|and|but|way|right|oh|know what) )"
    r"(?:do|did|does|have|has|had|are|were|was|is|what|what's|how|how's|who|who's|when|where|"
    r"which|why|"
    r"any|isn't|aren't|don't|didn't|hasn't)\b"
)
_REQUEST = re.compile(
    r"\b(?:can|could|would|will|may|might|shall|should) (?:you|we|i|it|they)\b|please|\bhelp\b|"
    r"possible|"
    r"\bis there\b|\bare there\b|do you (?:offer|sell|accept|support|ship|have)\b|how (?:much|"
    r"many|long|about)\b|"
    r"what (?:about|if|are (?:my|the|our)|is (?:my|the|our))"
)
_ANSWER = re.compile(r"no(?:[,.!]| (?:worries|problem|thanks|idea|doubt|wonder)\b)")
_ERRAND_AHEAD = re.compile(
    r"\b(?:i|we)(?:'d| would)?(?: \w+ly| just| also| still)? (?:like|want|need|have|wish|hope|plan|"
    r"intend|love) to\b"
)
_MEASURE = re.compile(r"(?<![\w-])[$\u20ac\u00a3]?\d[\d.,:]*(?![\w-])")
_ASIDE_AHEAD = re.compile(
    r"^(?:and |oh,? )*(?:oh,? and|by the way|btw|one (?:more|other|last) thing|just so you know|"
    r"just (?:a|to) (?:note|be clear|mention)|fyi|for the record|heads[- ]up|before i forget|"
    r"p\.?s\b|mind you|as always|as usual|übrigens|ach ja|noch (?:was|etwas)|au fait|d'ailleurs|"
    r"por cierto|a propósito|a proposito|aliás|trouwens|overigens|przy okazji|кстати)\b"
)
_REQUESTED = re.compile(r"(?:please )?\w+ (?:the|an?|my|our|it|them|me|us|him|her)\b")
_NO_VERB = "|".join(sorted(cues.NO_VERBS))
_FORMS = {
    "duty": re.compile(
        r"\b(?:is|are|has|have|gets?|got|needs?|allowed|permitted|supposed|required) to \w"
    ),
    "order": re.compile(
        r"(?:^|, |\b(?:please|and|then|so) )(?:please |just |always |also )?"
        rf"(?!(?:{_NO_VERB})\b)[a-z]+(?<!ing) "
        r"(?:the|a|an|my|our|your|their|his|her|it|them|him|me|us|all|every|each|any|this|these|"
        r"only|no|on|in|at|to|from|out|off|away|with|without|by)\b"
    ),
    "custom": re.compile(
        rf"\bwe(?: always| usually)? (?!(?:{_NO_VERB}|{'|'.join(sorted(cues.TOLD))}|need|want|"
        r"like|hope|plan|wish|think|know|look|seem|love)\b)[a-z]{2,}(?<!ed)\b|"
        r"\bgets? \w+(?:ed|en)\b"
    ),
}
"""Signs that are no single word: a duty, an order, what is the custom."""
_OWN_TROUBLE = re.compile(
    r"\b(?:i|we|you|it|that|this|there)(?: \w+ly)?(?:'m|'re|'s| am| are| is| do| does| can| could|"
    r" would| have)?(?: not\b|n't\b)"
)
_TOLD = re.compile(
    r"\b(?:i|we|he|she|they|you|it|that|which|who)(?:'ve|'s|'d| have| has| had)?"
    r"(?: \w+ly| just| always)? (?!need\b)\w+ed\b"
)
# What belongs to the talk itself: an errand, an opinion, an answer.
_TALK = re.compile(
    _ERRAND_AHEAD.pattern + "|"
    r"\b(?:i|we)(?:'m|'re| am| are)(?: \w+ly| just| also| still)? \w+ing\b|"
    r"\b(?:i'll|we'll|i will|let's|let me|go ahead|can you|could you|would you|i think|i guess|"
    r"i understand|i see|i appreciate|i believe|i know|i hope|i assume|i wonder)\b|"
    r"^(?:yes|yeah|sure|ok|okay|thanks?|thank you|great|perfect|alright|hi|hello|it's|that's|"
    r"sorry|wow|well)\b|"
    r"\b(?:if|is|need|have|there's) (?:\w+ )?(?:any|no)thing else\b"
)
_ENOUGH = 2
_CODE_MARKS = "()[]{}=*<>_\\|^`"
_PER_MARK = 12
"""A sentence with more than one of these marks in so many characters is code or output."""
_CODE = re.compile(
    r"^\s*(?:>>>|\.\.\.|[$#>|@]|def |class |import |from [\w.]+ import|return |if .*:$|for .*:$|"
    r"else:|"
    r"raise |assert |(?:In|Out) ?\[|\w*(?:Error|Exception|Warning)\b|E  |File \"|Traceback|"
    r"<[a-z/!]|\{|\}|//|/\*|\+\+\+|---|@@|\w+(?:\.\w+)*\(.*\)$|\w+ ?= ?\S)"
)


_CJK_MARK = re.compile("[\u3040-\u9fff\uac00-\ud7a3]")
_ORDERS = first_words(cues.ORDERS) | first_words(cues.LASTING_ORDERS)
_ABSOLUTE = words("never always only don't dont do no")


# Patterns are compiled with the module: many sessions may compact at once, and would each do it.
def _english() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return the patterns for rules, wishes, orders and hints."""
    rules = one_of(cues.BANS, cues.LIMITS, cues.STANDING, cues.CARE)
    start = (
        r"(?:^|[,;:.\u2013\u2014-] ?|"
        r"\b(?:please|and|but|so|then|also|just|kindly|always|to|you|should|must) )"
    )
    lasting = r"(?:^|[,;:] ?)(?:(?:please|and|but|so|also|then|oh|just|btw),? ){0,2}"
    orders = (
        rf"{lasting}(?:{one_of(cues.LASTING_ORDERS)}) |"
        rf"{start}(?:{one_of(cues.ORDERS)}) (?:\S+ ){{0,6}}?(?:{one_of(cues.SCOPES)})"
    )
    return (
        re.compile(rf"\b(?:{rules})"),
        re.compile(rf"\b(?:{one_of(cues.WISHES)})"),
        re.compile(orders),
        re.compile(rf"\b(?:{one_of(cues.HINTS, cues.STANDS)})"),
    )


_RULES, _WISHES, _ORDERED, _HINTS = _english()
_ABROAD = re.compile(rf"\b(?:{one_of(*cues.DEMANDS.values())})\b")
"""Has to match before each language is looked at for itself."""
_FOREIGN = tuple(
    (
        re.compile(rf"\b(?:{one_of(cues.DEMANDS[language])})\b"),
        re.compile(rf"\b(?:{one_of(stories)})"),
    )
    for language, stories in cues.STORIES.items()
)
"""Demands, and what only looks like one, by language."""
_CJK = re.compile(one_of(cues.DEMANDS["cjk"]))


class _Signs(NamedTuple):
    """Words that speak for a demand by what they are a sign of, and words that speak against."""

    of: Mapping[str, frozenset[str]]
    forms: Mapping[str, re.Pattern[str]]
    told: frozenset[str]
    trouble: frozenset[str]


_SIGNS = _Signs(cues.SIGNS, _FORMS, cues.TOLD, cues.TROUBLE)
_SIGNS_ABROAD = _Signs(cues.SIGNS_ABROAD, {}, cues.TOLD_ABROAD, cues.TROUBLE_ABROAD)


@lru_cache(maxsize=2048)  # asked for what changes what, and again for what is kept
def strength(sentence: str) -> Strength:
    """Say how much a sentence of a user demands, by its words alone."""
    return max(map(_strength, _SENTENCE.split(sentence[:_LONGEST])))


def _strength(sentence: str) -> Strength:
    text = " ".join(sentence.lower().replace("\u2019", "'").split())
    if len(text) < 4 or _is_code(sentence):  # noqa: PLR2004 - "no", "ok"
        return Strength.NONE
    if not text.isascii() and _CJK_MARK.search(text):
        asks = text.endswith(("?", "\uff1f", "吗", "か。", "까"))
        return Strength.RULE if _CJK.search(text) and not asks else Strength.NONE
    words = _WORD.findall(text)
    found = _english_strength(text, words)
    if found < Strength.WISH and not _is_english(words) and "?" not in text[-2:]:
        if _ABROAD.search(text):
            for rules, stories in _FOREIGN:
                if rules.search(text) and not stories.search(text):
                    return Strength.RULE
        alone = not cues.SELF_ABROAD.isdisjoint(words)
        if _weight(words, text, _SIGNS_ABROAD) >= (_ENOUGH if alone else 1):
            return Strength.LIKELY
        # In a language that is not known, and in terse notes on a trade, a sentence of a user is
        # worth a hint, unless it is a word.
        if len(words) > 3:  # noqa: PLR2004
            return max(found, Strength.HINT)
    return found


def strengths(sentences: Sequence[str]) -> list[Strength]:
    """Say how much each sentence of one message demands, in its place among the others.

    What stands under a heading such as "Rules:" demands, whatever its words. A demand that names
    what it is about by "that" alone takes along what was said before it. And inside of a pasted
    document mere hints are no demands: they are about something else.
    """
    found = [strength(sentence) for sentence in sentences]
    for place in _listed(sentences):
        found[place] = max(found[place], Strength.WISH)
    if len(sentences) > _ACCOUNT:
        longest = len(sentences) > _LONG_MESSAGE
        for place in range(_OWN, len(found) - _OWN):
            if found[place] is Strength.LIKELY or (longest and found[place] is Strength.HINT):
                found[place] = Strength.NONE
    for place, one in enumerate(tuple(found)):
        if one >= Strength.WISH and _is_about_the_last(sentences[place]):
            for before in range(max(0, place - 2), place):
                if not sentences[before].rstrip().endswith("?"):
                    found[before] = max(found[before], Strength.WISH)
    return found


def is_small_talk(sentence: str) -> bool:
    """Say whether a sentence of a user asks or tells nothing that lasts.

    A greeting, thanks, an aside that says of itself that it is one, a question that is no request:
    it was answered when it was asked.
    """
    text = " ".join(sentence[:_LONGEST].lower().replace("\u2019", "'").split())
    if strength(sentence) > Strength.HINT:
        return False
    if _COURTESY.fullmatch(text) or _ASIDE.match(text):
        return True
    return text.endswith("?") and bool(_ASKING.search(text)) and not _REQUEST.search(text)


def is_talk(text: str) -> bool:
    """Say whether a folded sentence belongs to the talk itself: an errand, an opinion, thanks."""
    return bool(_TALK.search(text))


def _listed(sentences: Sequence[str]) -> Iterator[int]:
    """Yield the places of what stands in a list under a heading that announces demands."""
    listing = False
    for place, sentence in enumerate(sentences):
        if sentence.rstrip().endswith(":") and _LIST_HEADER.search(sentence.lower()):
            listing = True
        elif listing and _ITEM.match(sentence):
            yield place
        else:
            listing = False


def _is_about_the_last(sentence: str) -> bool:
    words = _WORD.findall(sentence.lower().replace("\u2019", "'"))
    if not 0 < len(words) <= 10:  # noqa: PLR2004 - a longer one says what it is about
        return False
    pointing = {"that", "this", "it", "those", "these"}.intersection(words)
    return bool(pointing) and cues.POINTING_BACK.issuperset(words)


def _is_code(sentence: str) -> bool:
    marks = sum(map(sentence.count, _CODE_MARKS))
    return bool(_CODE.match(sentence)) or marks * _PER_MARK > len(sentence)


def _is_english(words: Sequence[str]) -> bool:
    known = sum(word in cues.ENGLISH for word in words)
    return known * 4 >= len(words)


def _english_strength(text: str, words: Sequence[str]) -> Strength:
    asks = text.rstrip(" )\"'").endswith("?")
    if _absolute(words):
        return Strength.WISH if asks else Strength.RULE
    if _RULES.search(text):
        return Strength.WISH if asks else Strength.RULE
    if asks:
        return Strength.NONE
    if _WISHES.search(text) or (not _ORDERS.isdisjoint(words) and _ORDERED.search(text)):
        return Strength.WISH
    return Strength.NONE if _COURTESY.fullmatch(text) else _likelihood(text, words)


def _likelihood(text: str, words: Sequence[str]) -> Strength:
    """Say how much a sentence demands in which no wording of a demand was found."""
    without_verb = cues.VERBS.isdisjoint(words)
    polite = without_verb and len(words) > 2 and words[-1] in ("please", "thanks")  # noqa: PLR2004
    if (polite and not _REQUESTED.match(text)) or _weight(words, text, _SIGNS) >= _ENOUGH:
        return Strength.LIKELY
    if len(words) < 3 or _ERRAND.search(text):  # noqa: PLR2004 - "must be"
        return Strength.NONE
    note = without_verb and len(words) <= _NOTE and not words[0].endswith("ing")
    return Strength.HINT if note or _HINTS.search(text) else Strength.NONE


def _weight(words: Sequence[str], text: str, signs: _Signs) -> int:
    """Return how much speaks for a demand, by what demands have in common, less what does not.

    No sign is one by itself: half of what people say has a number in it, or a "not".
    """
    said = frozenset(words)
    found = {sign for sign, forms in signs.of.items() if not forms.isdisjoint(said)}
    found.update(sign for sign, form in signs.forms.items() if form.search(text))
    if not found:
        return 0
    if _MEASURE.search(text):
        found.add("measure")
    if words[0] in signs.of["reason"]:
        found.discard("reason")
    if _ANSWER.match(text):
        found.discard("denial")
    if _ERRAND_AHEAD.search(text):
        found.discard("wish")
    if found == {"order", "measure"} or (found == {"wish", "measure"} and "like" in said):
        return 1  # so much of something, or on that day, is asked for once
    weight = len(found) + bool(_ASIDE_AHEAD.match(text))
    trouble = not signs.trouble.isdisjoint(said)
    if "denial" in found:
        trouble = trouble or bool(_OWN_TROUBLE.search(text))
        weight += -1 if trouble else int(words[0] not in cues.TALKING)
    elif "duty" in found:
        weight += not trouble and cues.PERSONS.isdisjoint(said)
    weight -= 2 * (bool(_TOLD.search(text)) or not signs.told.isdisjoint(said))
    return weight - bool(_TALK.search(text)) - any(mark in text for mark in _CODE_MARKS)


def _absolute(words: Sequence[str]) -> bool:
    """Say whether one of never, always, only, no and do not is an order and no story."""
    if _ABSOLUTE.isdisjoint(words):
        return False
    around = zip(("", *words), words, (*words[1:], ""), (*words[2:], "", ""), strict=False)
    return any(
        _is_order(word, before, after, following, len(words))
        for before, word, after, following in around
    )


def _is_order(word: str, before: str, after: str, following: str, length: int) -> bool:
    """Say whether a word between its neighbours, in a sentence of some length, is an order."""
    if word in ("never", "always"):
        told = after in cues.PAST or after.endswith("ed") or before in cues.HAVING
        return not told and bool(after) and before not in ("as", "not", "there's")
    if word == "only":
        told = (
            before in cues.ONLY_BEFORE
            or after in cues.ONLY_AFTER
            or (after.endswith("ed") and after not in ("allowed", "permitted", "supposed"))
            or (before in ("is", "are", "was") and after in ("a", "an"))
        )
        short = length <= _SHORT and before not in ("one", "now")
        return not told and (bool(after) or short)
    if word in ("don't", "dont") or (word == "do" and after == "not"):
        verb = following if word == "do" else after
        return (not before or before in cues.ORDERING) and bool(verb) and verb not in cues.TELLING
    begins = word == "no" and not before and length > 2  # noqa: PLR2004 - "no problem"
    return begins and bool(after) and after not in cues.NO_TALK
