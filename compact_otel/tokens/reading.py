"""From a file to the model call in it, whatever kind of file it is.

A file is told by what is in it and not by its name. What is none of the known kinds raises an
`InputError` that says what was expected, what was found, and what to do.
"""

from __future__ import annotations

import difflib
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from compact_otel.adapters.fs import FileStorage
from compact_otel.adapters.naming import session_of
from compact_otel.adapters.packing import Packing
from compact_otel.adapters.records import transcript_name
from compact_otel.core.errors import StorageError
from compact_otel.core.items import api_of
from compact_otel.core.types import CallContext, Item
from compact_otel.keys import Keys
from compact_otel.printable import printable

_EXPECTED = (
    "a request body, a list of items or messages, JSON Lines of them, a session's directory in "
    "an archive, or a database of the Agents SDK's SQLiteSession"
)
_AN_ITEM = "an object with a `role` or a `type`"
_SQLITE = b"SQLite format 3\0"
_STEP = re.compile(
    re.escape(transcript_name(0)).replace("000", r"([0-9]{3,})") + r"\.jsonl(?:\.gz)?"
)
_SHOWN = 8  # keys, names and sessions that an error lists
_NAMES = {
    dict: "an object", list: "a list", str: "a text", bool: "a truth value",
    int: "a number", float: "a number", type(None): "null",
}  # fmt: skip


class InputError(Exception):
    """What was given is no model call. The message is one sentence for the user."""


class SessionError(Exception):
    """`session` names none of what was given. The message is one sentence for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """A model call as it was found.

    Attributes:
        kind: What it was found in, such as `a Responses request`.
        items: Its items, as they stand in the file.
        call: What stands beside them; its model is None where none is named.
        first: Number of the first of `items` in the file; what stands before is in `call`.
        server_state: Names of what it continues and only the server knows.
        archived: Whether it comes from an archive, where secrets are blotted out.
        body: The request that it was found as, None if it was none.
        session: The session that it was found under, None where there are none.
    """

    kind: str
    items: Sequence[Item]
    call: CallContext
    first: int = 0
    server_state: tuple[str, ...] = ()
    archived: bool = False
    body: Mapping[str, Any] | None = None
    session: str | None = None


def has_sessions(path: Path) -> bool:
    """Say whether a path is of a database or a folder, which may hold several sessions."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except IsADirectoryError:
        return True
    except OSError:
        return False  # whoever reads it will say why


def from_path(path: Path, session: str | None = None, keys: Keys | None = None) -> ModelCall:
    """Return the call in a file, an archive or a database.

    Args:
        path: Where it is.
        session: Which one, where there are several.
        keys: What an archive was encrypted with.

    Raises:
        InputError: If it cannot be read or decrypted, or is none of the known kinds.
        SessionError: If `session` is needed, not known, or makes no sense here.
    """
    name = _quoted(path)
    try:
        if path.is_dir():
            return _from_directory(path, session, keys)
        with path.open("rb") as file:
            start = file.read(len(_SQLITE))
            data = start if start == _SQLITE else start + file.read()
    except FileNotFoundError as error:
        raise InputError(f"there is no {name}{_nearest_file(path)}") from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}") from error
    if data == _SQLITE:
        return _from_database(path, session)
    return from_bytes(_unpacked(data, path, keys), name, session)


def _unpacked(data: bytes, path: Path, keys: Keys | None) -> bytes:
    """Return what a file of an archive holds, and any other file as it is."""
    place = f"{path.absolute().parent.name}/{path.name.partition('.')[0]}"
    try:
        return Packing(keys).opened(data, place)
    except StorageError as error:
        raise InputError(f"{_quoted(path)} cannot be read: {error.strerror}") from error


def from_bytes(data: bytes, name: str, session: str | None = None) -> ModelCall:
    """Return the call in the bytes of a file.

    Args:
        data: JSON, or JSON Lines.
        name: How errors call it.
        session: What was asked for besides; there is none here.

    Raises:
        InputError: If it is neither, or no call.
        SessionError: If `session` is given.
    """
    if session is not None:
        raise SessionError(f"{name} is one call: only a database or an archive has sessions")
    if data.startswith(_SQLITE):
        raise InputError(f"{name} is a database, which cannot be read from a pipe: give its path")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise InputError(f"{name} is not text in UTF-8 ({found}): expected {_EXPECTED}") from error
    if not text.strip():
        raise InputError(f"{name} is empty: expected {_EXPECTED}")
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply to be a model call") from error
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) > 1 and isinstance(_json(lines[0][1]), dict):
            return _plain("JSON Lines", [_line(line, n, name) for n, line in lines], name)
        raise InputError(f"{name} is not JSON: {_place(error)}") from error
    if isinstance(value, list):
        return _plain("a list", value, name)
    if not isinstance(value, dict):
        raise InputError(f"{name} holds {_kind(value)}: expected {_EXPECTED}")
    if _is_item(value):
        return _plain("one item", [value], name)
    return _request(value, name)


def _request(body: Mapping[str, Any], name: str) -> ModelCall:
    """Read the body of a request to either API."""
    state = tuple(
        key for key in ("previous_response_id", "conversation", "prompt") if body.get(key)
    )
    if "messages" in body:
        format_ = _member(body, "response_format", name)
        schema = _member(format_, "json_schema", name).get("schema")
        call = _beside(body, "chat", schema, name)
        items = _items(body["messages"], f"`messages` of {name}")
        return _with_instructions(
            ModelCall(kind="a Chat Completions request", items=items, call=call, body=body)
        )
    if "input" in body or state:
        schema = _member(_member(body, "text", name), "format", name).get("schema")
        call = _beside(body, "responses", schema, name)
        given = body.get("input")
        given = [] if given is None and state else given
        items = (
            [{"role": "user", "content": given}]
            if isinstance(given, str)
            else _items(given, f"`input` of {name}")
        )
        kind = "a Responses request"
        return ModelCall(kind=kind, items=items, call=call, server_state=state, body=body)
    near = _nearest(("messages", "input"), body)
    hint = f"; did you mean `{near[1]}` where it says `{near[0]}`?" if near else ""
    raise InputError(
        f"{name} holds {_kind(body)}: expected a request with `input` or `messages`, or an item "
        f"with a `role` or a `type`{hint}"
    )


def _with_instructions(found: ModelCall) -> ModelCall:
    """Take the system message that begins a Chat request for what it is to the SDK: instructions.

    What tools cost there depends on whether there are any.
    """
    first = found.items[0] if found.items else {}
    content = first.get("content")
    if first.get("role") != "system" or not isinstance(content, str):
        return found
    call = replace(found.call, instructions=content)
    return replace(found, items=found.items[1:], call=call, first=1)


def _beside(
    body: Mapping[str, Any], api: Literal["responses", "chat"], schema: Any, name: str
) -> CallContext:
    """Read what stands beside the items of a request."""
    texts = {}
    for key in ("model", "instructions"):
        value = body.get(key)
        if value is not None and not isinstance(value, str):
            raise InputError(f"`{key}` of {name} is {_kind(value)}: expected a text")
        texts[key] = value
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise InputError(f"`tools` of {name} is {_kind(tools)}: expected a list of objects")
    return CallContext(
        model=texts["model"] or None,
        api=api,
        instructions=texts["instructions"] if api == "responses" else None,
        tools=[_tool(tool, n, name) for n, tool in enumerate(tools or ())],
        output_schema=schema if isinstance(schema, dict) else None,
        tool_choice=_choice(body.get("tool_choice")),
    )


def _tool(tool: Any, number: int, name: str) -> Item:
    if not isinstance(tool, dict):
        where = f"tool {number} in `tools` of {name}"
        raise InputError(f"{where} is {_kind(tool)}: expected an object")
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


def _choice(choice: Any) -> str | None:
    """Return a tool choice in the form in which the SDK has it: a mode, or a name."""
    if not isinstance(choice, dict):
        return choice if isinstance(choice, str) else None
    function = choice.get("function")
    if isinstance(function, dict):
        choice = {**choice, **function}
    if choice.get("type") == "allowed_tools":
        return "auto"  # the mode costs nothing, and what the list costs nobody has measured
    named = choice.get("name") or choice.get("type")
    return named if isinstance(named, str) else None


def _member(holder: Mapping[str, Any], key: str, name: str) -> Mapping[str, Any]:
    value = holder.get(key)
    if value is not None and not isinstance(value, dict):
        raise InputError(f"`{key}` of {name} is {_kind(value)}: expected an object")
    return value or {}


def _plain(kind: str, values: Sequence[Any], name: str) -> ModelCall:
    items = _items(values, name)
    return ModelCall(kind=kind, items=items, call=CallContext(api=api_of(items)))


def _items(values: Any, where: str) -> Sequence[Item]:
    if not isinstance(values, list | tuple):
        raise InputError(f"{where} is {_kind(values)}: expected a list of items")
    for number, value in enumerate(values):
        if not _is_item(value):
            found = f"item {number} of {where} is {_kind(value)}"
            raise InputError(f"{found}: expected {_AN_ITEM}, as the OpenAI API takes it")
    return values


def _is_item(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(value.get(key), str) for key in ("role", "type")
    )


# Archives and databases.


def _from_directory(path: Path, session: str | None, keys: Keys | None) -> ModelCall:
    newest = None if session is not None else _newest_transcript(path)
    folder = path.absolute().name
    chosen = session_of(folder) or folder
    if newest is None:
        newest, chosen = _in_archive(path, session)
    if newest is None:
        raise SessionError(f"session {session!r} of {_quoted(path)} has no transcript")
    found = from_bytes(_unpacked(newest.read_bytes(), newest, keys), _quoted(newest))
    kind = f"{newest.name} of an archive"
    return replace(found, kind=kind, archived=True, session=chosen or None)


def _in_archive(path: Path, session: str | None) -> tuple[Path | None, str]:
    """Return the newest transcript of a session in an archive, and what the session is called."""
    storage = FileStorage(path)
    sessions = [known for known in storage.sessions() if _may_have_steps(storage, known)]
    if not sessions:
        raise InputError(
            f"{_quoted(path)} is a directory without `{transcript_name(1)}.jsonl`: "
            f"expected {_EXPECTED}"
        )
    chosen = _chosen(session, sessions, _quoted(path))
    found = [
        newest
        for folder in storage.folders(chosen)
        if (newest := _newest_transcript(path / folder)) is not None
    ]
    return max(found, key=_step_of, default=None), chosen


def _may_have_steps(storage: FileStorage, session_id: str) -> bool:
    try:
        return bool(storage.steps(session_id))
    except StorageError:
        return True  # whoever chooses it hears why


def _newest_transcript(directory: Path) -> Path | None:
    return max(filter(_step_of, _files(directory)), key=_step_of, default=None)


def _step_of(path: Path) -> int:
    step = _STEP.fullmatch(path.name)
    return int(step[1]) if step else 0


def _files(directory: Path) -> Iterator[Path]:
    return directory.iterdir() if directory.is_dir() else iter(())


def _from_database(path: Path, session: str | None) -> ModelCall:
    name = _quoted(path)
    # A database that nobody has open is read as it is: nothing is created beside it, and the folder
    # may be one that cannot be written to.
    beside = any(path.with_name(path.name + end).exists() for end in ("-wal", "-journal"))
    mode = "mode=ro" if beside else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as database:
            return _from_tables(database, name, session)
    except sqlite3.Error as error:
        raise InputError(f"the database {name} cannot be read: {error}") from error


def _from_tables(database: sqlite3.Connection, name: str, session: str | None) -> ModelCall:
    tables = [
        row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
    ]
    if "agent_messages" not in tables:
        raise InputError(
            f"the database {name} has {_listed(tables) or 'no tables'}: expected the table "
            "`agent_messages` of the Agents SDK's SQLiteSession"
        )
    query = "SELECT session_id FROM agent_messages GROUP BY session_id ORDER BY max(id) DESC"
    sessions = [str(row[0]) for row in database.execute(query)]
    if not sessions:
        raise InputError(f"the database {name} holds no messages yet")
    chosen = _chosen(session, sessions, name)
    rows = database.execute(
        "SELECT message_data FROM agent_messages WHERE session_id = ? ORDER BY id", (chosen,)
    )
    where = f"session {chosen!r} of {name}"
    values = [_line(row[0], number, where) for number, row in enumerate(rows, 1)]
    return replace(_plain("an SQLiteSession", values, where), session=chosen)


def _chosen(session: str | None, sessions: Sequence[str], name: str) -> str:
    if session is None and len(sessions) == 1:
        return sessions[0]
    if session in sessions and session is not None:
        return session
    if session is None:
        found = f"{name} holds {len(sessions)} sessions"
    else:
        near = next(iter(difflib.get_close_matches(session, sessions, n=1)), None)
        meant = f" (did you mean {near!r}?)" if near else ""
        found = f"{name} holds no session {printable(session)!r}{meant}"
    raise SessionError(f"{found}: choose one of {_listed(sessions)} by `--session`")


# What errors say.


def _line(line: Any, number: int, name: str) -> Any:
    try:
        return json.loads(line)
    except RecursionError as error:
        raise InputError(f"line {number} of {name} is nested too deeply") from error
    except (ValueError, TypeError) as error:
        column = getattr(error, "colno", 1)
        why = getattr(error, "msg", "not JSON")
        raise InputError(
            f"line {number}, column {column} of {name} is not JSON: {why}; every line has to be "
            "an item of its own"
        ) from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}; expected {_EXPECTED}"
    return printable(str(error), 80)


def _kind(value: Any) -> str:
    if isinstance(value, dict) and value:
        return f"an object with {_listed(value)}"
    if isinstance(value, dict):
        return "an empty object"
    return _NAMES[type(value)]


def _listed(names: Iterable[Any]) -> str:
    shown = [f"`{printable(str(name), 80)}`" for name in names]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _nearest(wanted: Sequence[str], found: Iterable[str]) -> tuple[str, str] | None:
    """Return (what was written, what was meant) of the first name that looks like a slip."""
    for written in found:
        if meant := difflib.get_close_matches(written, wanted, n=1, cutoff=0.7):
            return written, meant[0]
    return None


def _nearest_file(path: Path) -> str:
    try:
        names = [entry.name for entry in _files(path.parent)]
    except OSError:
        return ""
    near = difflib.get_close_matches(path.name, names, n=1)
    if near:
        return f": did you mean {_quoted(path.with_name(near[0]))}?"
    return f": expected {_EXPECTED}"


def _quoted(path: Path) -> str:
    return f"`{printable(str(path))}`"
