"""Results print themselves: one line without content, a table for a notebook, pairs for rich."""

import io

from rich.console import Console

from compact_otel import CompactConfig, CompactManager
from compact_otel.core.events import Failure
from compact_otel.core.showing import course, shortened
from compact_otel.core.types import Checkpoint, CompactResult, SessionStatus

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


def test_what_rich_gets_of_a_result():
    assert list(result(archive="t-1", history_key="k").__rich_repr__()) == [
        ("messages", 1),
        ("outcome", "compacted"),
        ("tokens_before", 10_256),
        ("tokens_after", 4_997),
        ("summary", f"The user is called Ada. {NASTY}"),
        ("summary_version", 4),
        ("dropped", 125),
        ("cleared", 2),
        ("archive", "t-1"),
        ("history_key", "k"),
    ]


def table(title, rows, summary):
    cells = "".join(
        f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{value}</td></tr>"
        for name, value in rows.items()
    )
    below = ""
    if summary:
        below = (
            "<details><summary>summary</summary>"
            f"<pre style='white-space:pre-wrap'>{summary}</pre></details>"
        )
    return f"<b>{title}</b><table><tbody>{cells}</tbody></table>{below}"


def test_what_a_notebook_gets_of_a_result():
    full = result(summary="a < b", archive="t-1", error=KeyError("secret"), messages=[{}] * 1_200)
    assert full._repr_html_() == table(
        "compacted, summary v4",
        {
            "tokens": "10,256 -&gt; 4,997 tokens (-51%)",
            "messages": "1,200 to send",
            "summarised": "125 messages",
            "cleared": "2 tool outputs",
            "archive": "t-1",
            "error": "KeyError",
        },
        "a &lt; b",
    )
    calm = result(outcome="skipped", summary=None, summary_version=None, dropped=0, cleared=0)
    assert calm._repr_html_() == table(
        "skipped",
        {"tokens": "10,256 -&gt; 4,997 tokens (-51%)", "messages": "1 to send"},
        None,
    )


STATUS = SessionStatus(
    session_id="s",
    summary="x",
    version=2,
    strategy="brief",
    dropped=1_200,
    kept=3,
    tokens_before=900,
    tokens_after=990,
)


def test_what_a_notebook_and_rich_get_of_a_session():
    rows = {
        "strategy": "brief",
        "stands for": "1,200 items",
        "beside it": "3 earlier items",
        "tokens": "900 -&gt; 990 tokens (+10%)",
    }
    assert STATUS._repr_html_() == table("s: summary v2", rows, "x")
    assert list(STATUS.__rich_repr__()) == [
        ("session_id", "s"),
        ("summary", "x"),
        ("version", 2),
        ("strategy", "brief"),
        ("dropped", 1_200),
        ("kept", 3),
        ("tokens_before", 900),
        ("tokens_after", 990),
    ]
    assert (
        SessionStatus(session_id="s")
        ._repr_html_()
        .startswith(
            "<b>s: no summary in force</b><table><tbody><tr><th style='text-align:left'>stands for"
        )
    )


def test_the_status_of_a_session_is_that_of_the_compaction_in_force():
    record = Checkpoint(
        key="k",
        covered=5,
        kept=(0, 3),
        summary="x",
        version=2,
        summary_id="i",
        strategy="brief",
        tokens_before=9,
        tokens_after=4,
    )
    assert SessionStatus.of("s", record) == SessionStatus(
        session_id="s",
        summary="x",
        version=2,
        strategy="brief",
        dropped=3,
        kept=2,
        tokens_before=9,
        tokens_after=4,
    )
    assert SessionStatus.of("s", None) == SessionStatus(session_id="s")


def test_figures_are_written_for_readers():
    assert course(1_000, 1_000) == course(0, 1_000) == "1,000 tokens"
    assert course(2_000, 1_000) == "2,000 -> 1,000 tokens (-50%)"
    assert shortened("x" * 600) == "x" * 600
    assert shortened("x" * 601) == f"{'x' * 600}... (1 characters more)"
    assert shortened("abcd", 2) == "ab... (2 characters more)"


# Failures.


class UnreadableError(Exception):
    def __str__(self):
        raise ValueError


def failure(error):
    return Failure(
        stage="estimate", fallback="passthrough", error_type="x", message="y", error=error
    )


def test_a_failure_tells_what_was_raised_and_where_if_that_is_known():
    told = failure(None)
    assert (told.exception_text, told.exception_trace) == (None, None)
    assert told.bare() is told
    assert failure(KeyError()).exception_text is None
    assert failure(ValueError("what")).exception_text == "what"
    assert failure(UnreadableError()).exception_text == "<unreadable: ValueError>"
    assert failure(ValueError("what")).exception_trace is None
    try:
        raise ValueError("what")  # noqa: TRY301 - it needs a trace
    except ValueError as error:
        raised = failure(error)
    assert raised.exception_trace.startswith("Traceback (most recent call last):\n  File ")
    assert raised.exception_trace.endswith("ValueError: what\n")
    assert (raised.bare().error, raised.bare()) == (None, told)
