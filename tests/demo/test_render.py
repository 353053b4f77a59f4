"""The output: readable at 80 columns, without colour, and with nothing lost to markup."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from compact_otel.demo.figures import Death
from compact_otel.demo.model import Need
from compact_otel.demo.recording import Fact
from compact_otel.demo.render import render


def shown(figures, width=80):
    file = io.StringIO()
    render(figures, Console(file=file, width=width, highlight=False))
    return file.getvalue()


def flat(text):
    return re.sub(r"[\s│├└─]+", " ", text)


def test_the_last_line_says_what_was_survived(figures):
    assert shown(figures).splitlines()[-1] == (
        f"Survived {figures.without.survived} of 18 turns without compact_otel, 18 of 18 with it."
    )


def test_it_fits_80_columns_without_colour_or_markup(figures):
    text = shown(figures)

    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert not re.search(r"\[/?(bold|dim|red|yellow)?\]", text)


def test_the_error_stands_there_word_for_word(figures):
    assert "400 context_length_exceeded: " + figures.without.death.message in flat(shown(figures))


def test_every_compaction_has_a_line(figures):
    text = shown(figures)

    for one in figures.compactions:
        figures_of_it = rf"{one.turn}\s+{one.model_call}\s+{one.tokens_before:,} -> "
        assert re.search(figures_of_it + rf"{one.tokens_after:,}\s.*v{one.summary_version}", text)


def test_the_tree_has_the_turn_the_decision_and_its_events(figures):
    text = flat(shown(figures))

    first = figures.compactions[0]
    expected = [
        f"turn {first.turn} ",
        f"compact_context outcome=compacted tokens.before={first.tokens_before} ",
        "compact.token_estimate estimate.phase=before",
        "compact.trigger_decision trigger.decision=compact",
        "compact.summary_created",
        "compact.pruned_messages",
        "compact.archival",
    ]
    places = [text.find(part, text.find("in the trace")) for part in expected]
    assert -1 not in places
    assert places == sorted(places)


def test_the_archive_is_named_in_one_piece(figures):
    assert str(figures.archive) in shown(figures, width=400)


def lost(value):
    fact = Fact(value=value, tool="book", argument="flights[].date", origin="user")
    return Need(turn=3, fact=fact, kept=False, compacted=True)


def test_values_that_look_like_markup_are_printed_as_they_are(figures):
    text = flat(shown(replace(figures, needs=[lost("[red]x[/red]"), lost(":smile:")])))

    assert "Lost in turn 3: [red]x[/red], flights[].date of book" in text
    assert ":smile:" in text


def test_a_long_list_of_lost_facts_is_cut_with_the_way_to_the_rest(figures):
    text = flat(shown(replace(figures, needs=[lost(str(number)) for number in range(20)])))

    assert text.count("Lost in turn 3") == 8
    assert "and 12 more, which --json names" in text


def test_a_death_with_compact_otel_is_not_hidden(figures):
    death = Death(
        turn=5, model_call=9, type="APIConnectionError", status=None, code=None, message="Gone."
    )

    text = shown(replace(figures, with_=replace(figures.with_, survived=4, death=death)))

    assert "Died in turn 5, at model call 9, of APIConnectionError: Gone." in flat(text)
    assert text.splitlines()[-1].endswith("4 of 18 with it.")


@pytest.mark.parametrize("death", [None, "unplayed"])
def test_a_first_part_that_did_not_die_says_so(figures, death):
    without = None if death else replace(figures.without, survived=18, death=None)

    text = flat(shown(replace(figures, without=without)))

    assert ("Not played" if death else "The session came to its end") in text


def test_a_run_without_compactions_and_archive_is_still_readable(figures):
    text = flat(shown(replace(figures, compactions=[], spans=[], archive_files=[])))

    assert "0 compactions" in text
    assert "Nothing was archived." in text
