"""Archives of both kinds, with histories that a real compaction went over."""

import pytest

from compact_otel.adapters import FileStorage, MemoryStorage
from tests.histories import manager


@pytest.fixture(params=["fs", "memory"])
def storage(request, tmp_path):
    return FileStorage(tmp_path / "archive") if request.param == "fs" else MemoryStorage()


@pytest.fixture
def compacted(storage):
    """Compact a history into the archive; return the places of what is not in view any more."""

    def compact(history, session_id="s", **policy):
        made = manager(10**6, storage=storage, keep_recent_turns=1, keep_tool_io_pairs=1, **policy)
        result = made.manual_compact(session_id, history)
        assert result.outcome == "compacted"
        view = [id(item) for item in result.messages]
        return [place for place, item in enumerate(history) if id(item) not in view]

    return compact
