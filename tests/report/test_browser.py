"""The page in a real Chromium: what it loads, how long it takes, and whether all can use it."""

import os

import pytest

from compact_otel import CompactConfig
from compact_otel.core.types import CallContext
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.report.from_replay import from_replay
from compact_otel.report.gathering import gather
from compact_otel.report.page import page
from compact_otel.tokens.reading import ModelCall
from tests.bench.workload import history as recorded
from tests.report.browser import browser, program

pytestmark = pytest.mark.skipif(
    program() is None, reason="needs a Chromium on the path: apt-get install chromium"
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def file(report, tmp_path_factory):
    made = tmp_path_factory.mktemp("page") / "report.html"
    made.write_text(page(report), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The page of a session of 1,000 items."""
    items = recorded(1_000)
    config, estimator = CompactConfig.load(max_context_tokens=24_000), TiktokenEstimator()
    found = ModelCall(kind="a list", items=items, call=CallContext(model="gpt-4o"))
    source = from_replay(found, "1000.json", "gpt-4o", config, estimator)
    report = gather(source, estimator, config.redaction.gate(), redacted=True)
    assert len(report.compactions) > 5
    made = tmp_path_factory.mktemp("page") / "large.html"
    made.write_text(page(report), encoding="utf-8")
    return made


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_request_leaves_the_page_and_nothing_is_an_error(chromium, file, width, dark):
    with chromium.page(width=width, dark=dark) as shown:
        shown.open(file)
        assert shown.errors == []
        assert shown.requests == [file.as_uri()]
        assert shown.js("document.documentElement.scrollWidth") <= width


def test_a_session_of_a_thousand_items_opens_within_a_second(chromium, large):
    assert large.stat().st_size < 2_000_000
    seconds = []
    for _ in range(3):
        with chromium.page() as shown:
            seconds.append(shown.open(large))
            assert shown.errors == []
            assert shown.requests == [large.as_uri()]
    assert min(seconds) < 1


def test_the_policy_keeps_out_a_script_that_got_in(chromium, file, tmp_path):
    forged = tmp_path / "forged.html"
    text = file.read_text(encoding="utf-8")
    smuggled = "<script>document.title='owned'</script><img src='http://127.0.0.1:9/x.png'>"
    forged.write_text(text.replace("</main>", f"{smuggled}</main>"), encoding="utf-8")
    with chromium.page() as shown:
        shown.open(forged)
        assert shown.js("document.title") != "owned"
        assert len([said for said in shown.errors if "Content Security Policy" in said]) == 2


def test_the_list_is_searched_by_words_and_kind_and_opened_where_it_is_found(
    chromium, file, report
):
    rows = "[...document.querySelectorAll('#items li')].filter(one => one.checkVisibility()).length"
    told = "document.getElementById('found').textContent"
    with chromium.page() as shown:
        shown.open(file)
        assert shown.js(rows) == 0
        shown.js("document.getElementById('search').value = 'res3x9 T-300'")
        shown.js("document.getElementById('search').dispatchEvent(new Event('input'))")
        fitting = [one for one in report.removed if "RES3X9" in one.text and "T-300" in one.text]
        assert shown.js(rows) == len(fitting) > 0
        assert shown.js(told) == f"{len(fitting)} of {len(report.removed)}"
        shown.js("document.getElementById('of-kind').value = 'user'")
        shown.js("document.getElementById('of-kind').dispatchEvent(new Event('change'))")
        assert shown.js(told).startswith("0 of ")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_card_leads_to_what_its_compaction_removed(chromium, file, report, scripts):
    with chromium.page(scripts=scripts) as shown:
        shown.open(file, "#removed-2" if not scripts else "")
        if scripts:
            shown.js("document.querySelector('#compaction-2 .see a').click()")
        names = shown.names()
    removed = [one for one in report.removed if one.compaction == 2]
    others = [one for one in report.removed if one.compaction == 3]
    assert all(any(f"#{one.index}" == name for name in names) for one in removed)
    assert not any(f"#{one.index}" == name for name in names for one in others)


def test_the_calls_are_walked_through_by_keyboard(chromium, file, report):
    with chromium.page() as shown:
        shown.open(file)
        shown.js("document.getElementById('call').focus()")
        shown.press("ArrowLeft")
        said = shown.js("document.getElementById('at-call').textContent")
    call = report.calls[-2]
    assert said.startswith(f"{call.number} of {len(report.calls)}: {call.tokens:,} tokens")


def test_a_mark_is_reached_by_tab_and_leads_to_its_card(chromium, file):
    with chromium.page() as shown:
        shown.open(file)
        for _ in range(20):
            shown.press("Tab")
            if shown.js("document.activeElement.classList.contains('mark')"):
                break
        target = shown.js("document.activeElement.getAttribute('href')")
        shown.press("Enter")
        assert shown.js("location.hash") == target == "#compaction-1"


def test_without_scripts_all_of_it_is_there_but_what_needs_one(chromium, file, report):
    with chromium.page(scripts=False) as shown:
        shown.open(file)
        assert shown.errors == []
        headings, roles = shown.names("heading"), shown.names("slider")
        groups = shown.names("DisclosureTriangle")
    for one in report.compactions:
        said = f"{one.number} {one.tokens_before:,} → {one.tokens_after:,} tokens"
        assert said in headings
        assert any(name.startswith(f"Compaction {one.number}: ") for name in groups)
    assert roles == []


@pytest.mark.skipif(
    "AXE_CORE" not in os.environ,
    reason="needs axe-core: npm pack axe-core, and the path of its axe.min.js in AXE_CORE",
)
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(chromium, file, width, dark):
    with chromium.page(width=width, dark=dark) as shown:
        shown.open(file)
        assert shown.findings() == []
