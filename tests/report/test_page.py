"""The page is one file that nothing can be smuggled into."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from compact_otel.report.data import Other
from compact_otel.report.markup import el, escaped
from compact_otel.report.page import page
from tests.report.sessions import NASTY, SECRET, history, lived, reported

VOID = {"meta", "input", "br"}
LOADING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping", "style"}


class Read(HTMLParser):
    """Elements of a page as a parser sees them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def named(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]

    def text(self, tag):
        return "".join(text for within, text in self.texts if within == tag)


@pytest.fixture(scope="module")
def html(report):
    return page(report)


@pytest.fixture(scope="module")
def read(html):
    return Read(html)


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """A session whose every text, name and id tries to break out, and holds a secret."""
    folder = tmp_path_factory.mktemp("archive")
    items = history(14, said=f"{NASTY} token={SECRET} please book")
    for item in items:
        for name in ("name", "output"):
            if name in item:
                item[name] += NASTY
    lived(folder, NASTY[:40], items)
    report = reported(folder, NASTY[:40], model=NASTY)
    assert report.compactions
    first = replace(report.compactions[0], note=NASTY, reason=NASTY, failures=(NASTY,), when=NASTY)
    shown = replace(first.summary, put_back=NASTY, strategy=NASTY)
    return replace(
        report,
        notes=(NASTY,),
        others=(Other(when=NASTY, what=NASTY),),
        compactions=(replace(first, summary=shown), *report.compactions[1:]),
    )


def test_the_policy_allows_this_style_and_this_script_and_nothing_else(html, read):
    (policy,) = [
        meta["content"]
        for meta in read.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        digest = hashlib.sha256(read.text(tag).encode()).digest()
        assert rules[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert html.index("Content-Security-Policy") < html.index("<style>")


def test_nothing_in_the_page_loads_anything(html, read):
    for tag, attributes in read.elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "form")
        assert LOADING.isdisjoint(attributes), (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")]
    links = [one["href"] for one in read.named("a")]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"https?:|url\((?!#)|@import|//[a-z]", html.partition("<body>")[0])


def test_no_text_breaks_out_of_where_it_stands(nasty, html):
    text = page(nasty)
    read, plain = Read(text), Read(html)
    assert not read.open
    assert len(read.named("script")) == len(plain.named("script")) == 1
    ours = {tag for tag, _ in plain.elements} | {"h4"}  # what was put back has a heading
    assert {tag for tag, _ in read.elements} <= ours
    names = {name for _, attributes in plain.elements for name in attributes}
    assert {name for _, attributes in read.elements for name in attributes} <= names
    assert "alert(1)" in read.text("bdi")  # it is shown as what it is
    assert not set(text) & set("\u202e\x1b\x00\ud800")
    text.encode()


def test_no_secret_is_in_the_page_or_in_its_data(nasty):
    assert SECRET not in page(nasty)
    assert SECRET not in json.dumps(nasty.as_dict())
    assert "&lt;REDACTED&gt;" in page(nasty)


def test_the_page_can_be_gone_through_by_its_headings_landmarks_and_links(read):
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {one["href"][1:] for one in read.named("a")} <= set(ids)
    for member in ("aria-labelledby", "aria-describedby", "for"):
        told = [one[member].split() for _, one in read.elements if member in one]
        assert {name for names in told for name in names} <= set(ids)
    assert read.named("html") == [{"lang": "en"}]
    assert all(len(read.named(tag)) == 1 for tag in ("main", "footer"))


def test_each_compaction_is_a_mark_in_the_picture_that_leads_to_its_card(report, read):
    marks = [one["href"] for one in read.named("a") if one.get("class") == "mark"]
    cards = [f"#{one['id']}" for one in read.named("article")]
    assert cards == [f"#compaction-{one.number}" for one in report.compactions]
    assert marks == cards * 2  # wide and narrow


def test_the_saw_tooth_is_as_high_as_the_tokens_are(report, read):
    (wide, _) = [one for one in read.named("path") if one.get("class") == "saw"]
    lines = {
        one["class"]: float(one["y1"])
        for one in read.named("line")
        if one.get("class", "").startswith("limit ")
    }
    heights = [float(place.split()[1]) for place in wide["d"][1:].split("L")]
    by_call = {one.call: one for one in report.compactions}
    tokens = []
    for call in report.calls:
        made = by_call.get(call.number)
        tokens += [made.tokens_before, made.tokens_after] if made else [call.tokens]
    narrow = [one for one in read.named("line") if one.get("class") == "limit window"]
    top, low = float(narrow[0]["y1"]), report.window.input_limit
    (target, _) = [one for one in read.named("line") if one.get("class") == "limit target"]
    unit = (float(target["y1"]) - top) / (low - report.limits.target)
    assert len(heights) == len(tokens)
    for height, amount in zip(heights, tokens, strict=True):
        assert height == pytest.approx(top + (low - amount) * unit, abs=0.5)
    assert lines.keys() == {"limit window", "limit trigger", "limit target"}


def test_the_table_says_what_the_picture_shows(report, read):
    cells = [text for tag, text in read.texts if tag == "td"]
    for call in report.calls:
        assert f"{call.tokens:,}{'' if call.measured else '*'}" in cells
        assert f"{call.tokens_whole:,}" in cells


def test_each_removed_item_is_in_the_list_with_what_was_left_out_of_it(report, read, html):
    items = html.partition('id="items"')[2].partition("</section>")[0]
    assert items.count("<li") == len(report.removed)
    long = [one for one in report.removed if one.left_out]
    assert all(f"[{one.left_out:,} characters more]" in items for one in long)


def test_very_much_is_cut_down_to_what_a_browser_opens(report):
    one = report.removed[0]
    many = tuple(replace(one, index=n, text="x" * 120, left_out=7) for n in range(4_000))
    call = report.calls[0]
    calls = tuple(replace(call, number=n + 1, compactions=()) for n in range(9_000))
    large = replace(report, calls=calls, removed=many, removed_in_all=50_000, compactions=())
    text = page(large)
    assert len(text) < 3_000_000
    assert "The oldest 46,000 are not listed." in text
    assert "Every 9th model call" in text


def test_a_report_without_calls_or_compactions_says_so(report):
    none = replace(report, calls=(), compactions=(), removed=(), removed_in_all=0)
    assert "There is no model call to be shown." in page(none)
    quiet = replace(report, compactions=(), removed=(), removed_in_all=0)
    assert "Nothing was compacted" in page(quiet)
    assert Read(page(replace(quiet, calls=report.calls[:1]))).open == []


def test_a_page_without_redaction_says_so(report):
    assert "Redaction is off" in page(replace(report, redacted=False))


@pytest.mark.parametrize("text", [NASTY, "a\nb", "\u2028", "é \u202e", "<COMPACT-SUMMARY v1>"])
def test_markup_is_made_of_escaped_texts_only(text):
    made = el("p", text, title=text)
    read = Read(made)
    assert [tag for tag, _ in read.elements] == ["p"]
    assert read.elements[0][1].keys() == {"title"}
    assert escaped(text).isprintable() or "\n" in text
