"""Conversations that are compacted again and again, and what an archive holds of them."""

from compact_otel import CompactConfig, CompactManager

WINDOW = 4000
MORE = 7
"""Items that a conversation grows by until it is compacted again."""


def said(number, session_id="s"):
    return {"role": "user", "content": f"{session_id} order-{number} " + "word " * 500}


def history(compactions, session_id="s"):
    """Return a history of which the last items make for one more compaction."""
    return [said(number, session_id) for number in range(8 + MORE * (compactions - 1))]


def manager(storage, told=None, timeout=30.0):
    config = CompactConfig.load(
        max_context_tokens=WINDOW, storage={"adapter": "none", "timeout": timeout}
    )
    return CompactManager(config, storage=storage, exporters=[told] if told else [])


def compacts(manager, compactions, session_id="s"):
    result = manager.preflight(session_id, history(compactions, session_id))
    assert result.outcome == "compacted"
    return result


def block(path):
    """Let nothing be written below `path`, not even by root."""
    path.write_text("no directory")


def essence(storage, session_id="s"):
    """Return what an archive holds of a session, without ids and times."""
    summaries = [storage.load_summary(session_id, step) for step in storage.steps(session_id)]
    own = ("created", "summary_id")
    return {
        "steps": storage.steps(session_id),
        "items": [storage.load_transcript(session_id, n) for n in storage.steps(session_id)],
        "summaries": [{k: v for k, v in one.items() if k not in own} for one in summaries],
        "checkpoints": [one.summary for one in storage.load_checkpoints(session_id)],
        "audit": [
            (one["compact.archive.id"], one["compact.archive.messages"])
            for one in storage.load_audit(session_id)
        ],
        "events": [
            one["event"]
            for one in storage.load_events(session_id)
            # These tell the difference.
            if one["event"] not in ("compact.archival", "compact.error")
        ],
    }
