"""Compaction by hand of an Agents SDK session between runs: a chat's `/compact`, and what it knows.

By default the session is only read: the compaction is recorded, and the next run over the session
replays it, so nothing that was said is lost. On request the session itself is rewritten. Then this
holds: when the call ends, however it ends, the session holds either the old items or the new ones,
and what was added meanwhile behind them.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

from compact_otel.core.errors import ConfigError, StorageError
from compact_otel.core.frame import unwrap
from compact_otel.core.items import as_mapping, newest_user, role_of, text_parts, unpaired
from compact_otel.core.types import CallContext, CompactResult, SessionStatus
from compact_otel.manager import CompactManager
from compact_otel.model_call import is_a
from compact_otel.session import compacts_itself, current_session_id, session_id_of
from compact_otel.switch import active_manager

if TYPE_CHECKING:
    from agents.memory import Session

T = TypeVar("T")

_ALL = 2_147_483_647
"""The limit with which the SDK reads all of a session; None stops at `SessionSettings.limit`."""

_ATTEMPTS = 3
"""How often a session that others write to is tried; each time all that it had is read again."""


class SessionLostError(StorageError):
    """A session could be emptied but not filled again, neither with the new items nor the old ones.

    Attributes:
        items: All that the session held, to be stored by `session.add_items(error.items)`.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(
            "the session could neither be rewritten nor put back as it was: the "
            f"{len(items)} items it held are in `items` of this error"
        )
        self.items = list(items)


async def compact_session(
    session: Session,
    note: str = "manual",
    *,
    rewrite: bool = False,
    call: CallContext | None = None,
    manager: CompactManager | None = None,
) -> CompactResult:
    """Compact what a session of the Agents SDK holds, between two runs: a chat's `/compact`.

    The session stays whole, and its next run sends the summary instead of what it stands for. That
    run finds the compaction by the items it begins with, so it has to begin with those that the
    session has now: not so under a `SessionSettings(limit=...)` that slides on, or a
    `session_input_callback` that rewrites them. Nor is it replayed in a call whose history is left
    to somebody else to compact, such as one with `context_management`.

    Args:
        session: Any session with the SDK's `Session` protocol.
        note: Goes to the summariser and the archive: what the user typed behind `/compact`.
        rewrite: Replace what the session stores by the compacted history, which can not be undone.
            Between runs only. `recall_tool` then no longer finds what was compacted away before;
            the archive keeps it. Sessions that can replace their items in one transaction (SQLite,
            SQLAlchemy, encrypted ones around these) may be written to meanwhile; of others nothing
            else must write to them.
        call: What stands beside the history in its next run, as it costs tokens, too; None for what
            stood beside it in its last one.
        manager: Does the work; None for the one of `compact_otel.instrument()`.

    Returns:
        What was done, its figures, and in `messages` what the next run begins with. With outcome
        `noop` there was nothing more to remove; with `error` nothing was changed.

    Raises:
        ConfigError: If there is no manager; if the session compacts itself; if no call would replay
            the compaction, since `mode` is not `compact`; or if the session can not be rewritten:
            its history is kept by OpenAI, or a run over it has not ended.
        InsufficientBudget: If what must stay is over the budget.
        StorageError: If the items that are to be replaced have changed meanwhile; nothing was
            written. As `SessionLostError`, which holds all items: if the session's storage failed,
            and failed again when they were to be put back.
        TypeError: If it is no session.
        Exception: Whatever the session raises; its items are as they were.
    """
    manager = _found(manager)
    _check(session)
    if not rewrite:
        if manager.config.mode != "compact":
            raise ConfigError(
                f"`mode` is {manager.config.mode!r}, so no call would replay the compaction: need "
                "'compact', or `rewrite=True`"
            )
        items: list[Any] = await session.get_items()
        return await manager.amanual_compact(_id_of(session), items, note, call=call)
    _check_rewritable(session)
    async with _turn(_id_of(session)):
        items = await session.get_items(_ALL)
        _check_settled(items)
        result = await manager.amanual_compact(_id_of(session), items, note, call=call)
        if result.error is None and (result.dropped or result.cleared):
            await _to_its_end(_replace(session, items, _as_stored(result.messages, items)))
    return result


def compact_session_sync(
    session: Session,
    note: str = "manual",
    *,
    rewrite: bool = False,
    call: CallContext | None = None,
    manager: CompactManager | None = None,
) -> CompactResult:
    """Compact a session beside `Runner.run_sync`, in its event loop; else as `compact_session`.

    Raises:
        RuntimeError: If an event loop runs: await `compact_session` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError("an event loop runs here: need `await compact_session(...)`")
    loop = _loop()
    task = loop.create_task(
        compact_session(session, note, rewrite=rewrite, call=call, manager=manager)
    )
    try:
        return loop.run_until_complete(task)
    finally:
        if not task.done():  # Ctrl-C, perhaps while the session is being rewritten
            task.cancel()
            loop.run_until_complete(asyncio.gather(task, return_exceptions=True))


def status(session: Session | str, *, manager: CompactManager | None = None) -> SessionStatus:
    """Say what the next run over a session remembers of what was compacted away.

    Args:
        session: A session of the Agents SDK, or its id.
        manager: Of whom to ask; None for the one of `compact_otel.instrument()`.

    Raises:
        ConfigError: If there is no manager.
        StorageError: If the storage cannot be read.
        TypeError: If it is neither a session nor a str.
    """
    ident = session if isinstance(session, str) else _id_of(session)
    return _found(manager).status(ident)


def _found(manager: CompactManager | None) -> CompactManager:
    found = active_manager() if manager is None else manager
    if found is None:
        raise ConfigError("need `manager`, or `compact_otel.instrument()` before this call")
    return found


def _id_of(session: object) -> str:
    ident = session_id_of(session)
    if ident is None:
        raise TypeError(f"need a session with a str as `session_id`, got {type(session).__name__}")
    return ident


def _check(session: object) -> None:
    methods = ("get_items", "add_items", "clear_session")
    if not all(callable(getattr(session, name, None)) for name in methods):
        raise TypeError(
            f"need a session of the Agents SDK in `session`, got {type(session).__name__}"
        )
    if compacts_itself(session):
        raise ConfigError(
            f"{type(session).__name__} compacts itself, and two compactors of one history undo "
            'each other\'s work: need `await session.run_compaction({"force": True})` instead'
        )


def _check_rewritable(session: object) -> None:
    if is_a(session, "OpenAIConversationsSession"):
        raise ConfigError(
            "OpenAI keeps this conversation, so it can not be rewritten: need `rewrite=False`, "
            "with which the next run replays the compaction"
        )
    if current_session_id() == _id_of(session):
        raise ConfigError(
            "this is a run over the session, which still adds to it: need `rewrite=False`, or to "
            "wait for the end of the run"
        )


def _check_settled(items: Sequence[Any]) -> None:
    """Raise if a run was interrupted: what is resumed later looks for its items in the session.

    A call that was left behind in an earlier turn waits for nothing any more.
    """
    read = [as_mapping(item) for item in items]
    newest = read[max(0, newest_user(read)) :]
    if any(not is_output for _, is_output in unpaired(newest)):
        raise ConfigError(
            "a tool call in the session waits for its output: need `rewrite=False`, or to resume "
            "the interrupted run before"
        )


def _as_stored(messages: Sequence[Any], items: Sequence[Any]) -> list[Any]:
    """Return a compacted history with its summary as the SDK stores an answer that has no id.

    Every kind of model takes it back: the Chat Completions converter of some versions reads a
    message with a `type` as a list of parts and asks for an `id`, which the Responses models take
    off again; and there some servers ask for the `type`.
    """
    given = {id(item) for item in items}
    return [
        item if id(item) in given or unwrap(as_mapping(item)) is None else _stored_summary(item)
        for item in messages
    ]


def _stored_summary(item: Any) -> Any:
    (text,) = text_parts(item["content"])
    if role_of(item) != "assistant":
        return {"role": item["role"], "content": text}
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "__fake_id__",  # `agents.models.fake_id.FAKE_RESPONSES_ID`
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


async def _replace(session: Any, before: Sequence[Any], after: Sequence[Any]) -> None:
    """Replace the items of a session, `before`, by `after`; what came behind them stays there."""
    # Looked up in the class: a wrapper that forwards what it does not know (an encrypted session)
    # would write what it wraps. The SDK has this since 0.23 for its own compaction.
    snapshot_of = getattr(type(session), "_get_compaction_snapshot", None)
    for _ in range(_ATTEMPTS):
        snapshot = None if snapshot_of is None else await snapshot_of(session, _ALL)
        if snapshot is None:
            await _clear_and_fill(session, before, after)
            return
        if not snapshot.complete:
            raise StorageError("the session holds items that it can not read; nothing was written")
        late = _added_since(before, snapshot.items)
        if await snapshot.replace_suffix(0, [*after, *late]):  # only if nobody wrote in between
            return
    raise _changed()


async def _clear_and_fill(session: Any, before: Sequence[Any], after: Sequence[Any]) -> None:
    """Replace the items of a session that can do so in two steps only, or put them back."""
    now = await session.get_items(_ALL)
    late = _added_since(before, now)
    try:
        await session.clear_session()
        await session.add_items([*after, *late])
    except BaseException as error:
        await _put_back(session, now, after, error)
        raise


async def _put_back(
    session: Any, items: Sequence[Any], after: Sequence[Any], error: BaseException
) -> None:
    """Let a session hold `items` again, whatever a failed replacement has left of them.

    Raises:
        SessionLostError: From `error`, if that failed, too.
    """
    try:
        left = await session.get_items(_ALL)
        if left == items:
            return
        others = [item for item in left if item not in items and item not in after]
        await session.clear_session()
        await session.add_items([*items, *others])
    except Exception:  # noqa: BLE001 - whatever it is, the items have to get out of here
        raise SessionLostError(items) from error


def _added_since(before: Sequence[Any], now: Sequence[Any]) -> Sequence[Any]:
    """Return what was added behind `before`.

    Raises:
        StorageError: If anything else has changed.
    """
    if list(now[: len(before)]) != list(before):
        raise _changed()
    return now[len(before) :]


def _changed() -> StorageError:
    return StorageError("the session has changed while it was compacted; nothing was written")


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work gives; if cancelled meanwhile, wait for its end all the same."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()


# One rewriting of a session at a time; a lock belongs to its loop, and lives while it is used.
_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[str, asyncio.Lock]] = (
    WeakKeyDictionary()
)


def _turn(session_id: str) -> asyncio.Lock:
    locks = _locks.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return locks.setdefault(session_id, asyncio.Lock())


def _loop() -> asyncio.AbstractEventLoop:
    """Return this thread's event loop, as `Runner.run_sync` does.

    It has to be the same one: clients and sessions hold connections and locks that belong to it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that there is none yet
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:
            loop = None
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop
