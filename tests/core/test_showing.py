"""Results print themselves: one line without content, a table for a notebook, pairs for rich."""

import io

from rich.console import Console

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.types import CompactResult, SessionStatus

NASTY = "</pre><script>alert('x')</script>"


def result(**changes):
    values = {
        "messages": [{"role": "user", "content": "secret words"}],
        "outcome": "compacted",
        "tokens_before": 10_256,
        "tokens_after": 4_997,
        "summary": f"The user is called Ada. {NASTY}",
        "summary_version": 4,
        "dropped": 125,
        "cleared": 2,
    }
    return CompactResult(**{**values, **changes})


def rich_print(value):
    stream = io.StringIO()
    Console(file=stream, width=120, color_system=None).print(value)
    return stream.getvalue()


def test_a_result_is_one_line_in_a_log_without_a_word_of_the_conversation():
    assert str(result()) == (
        "compacted: 10,256 -> 4,997 tokens (-51%), summary v4 stands for 125 items, "
        "2 outputs cleared"
    )
    skipped = result(outcome="skipped", tokens_before=500, tokens_after=500, dropped=0, cleared=0)
    assert f"{skipped}" == "skipped: 500 tokens"
    failed = result(outcome="error", error=ValueError("secret words"), dropped=0, cleared=0)
    assert str(failed).endswith(", ValueError")


def test_a_result_is_a_table_in_a_notebook_and_its_summary_is_text():
    html = result()._repr_html_()
    for said in ("10,256 -&gt; 4,997 tokens", "125 messages", "2 tool outputs", "called Ada"):
        assert said in html
    assert "<script>" not in html
    assert "&lt;/pre&gt;" in html
    assert "secret words" not in html
    long = result(summary="x" * 5_000)._repr_html_()
    assert "(4,400 characters more)" in long


def test_rich_prints_a_result_with_its_figures_and_a_shortened_summary():
    shown = rich_print(result(summary="x" * 5_000))
    for said in ("CompactResult(", "outcome='compacted'", "messages=1", "dropped=125"):
        assert said in shown
    assert "(4,400 characters more)" in shown
    assert "secret words" not in shown


def test_the_status_of_a_session_prints_itself_likewise():
    status = SessionStatus(
        session_id="<b>s</b>", summary=NASTY, version=2, strategy="brief", dropped=12, kept=3,
        tokens_before=900, tokens_after=300,
    )  # fmt: skip
    said = "<b>s</b>: summary v2 stands for 12 items, 900 -> 300 tokens (-67%)"
    assert str(status) == said
    assert "<script>" not in status._repr_html_()
    assert "<b>s</b>" not in status._repr_html_()
    assert "brief" in status._repr_html_()
    assert "dropped=12" in rich_print(status)
    empty = SessionStatus(session_id="s")
    assert str(empty) == "s: no summary in force"
    assert "no summary in force" in empty._repr_html_()


def test_the_status_of_a_manager_still_is_that_of_its_latest_compaction():
    manager = CompactManager(CompactConfig.load(storage={"adapter": "memory"}))
    items = [{"role": "user", "content": f"Table {n} for 120 EUR " * 30} for n in range(20)]
    made = manager.manual_compact("s", items)
    status = manager.status("s")
    assert (status.dropped, status.version) == (made.dropped, made.summary_version)
    assert status.summary in made.summary
