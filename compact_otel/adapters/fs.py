"""The archive on disk: one directory a session, JSON lines that every tool reads.

    .compact/archive/
      user_123/
        transcript-pre-compact-001.jsonl   the history before the first compaction, an item a line
        summary-001.json                   what took its place, with its figures
        events.jsonl                       what happened, an event a line, chained (see `audit`)
        events.seal                        the end of that chain
        checkpoints.jsonl                  a checkpoint a line; the last one of a key counts
        claim-0f3a....lock                 there while somebody compacts the conversation
        removed-007                        empty; number 7 was removed and is not given again

Rules it keeps, for threads and processes alike:

1. A file is there whole or not at all, and no transcript replaces another: it is written under a
   temporary name, which is also the claim to its number, and then renamed.
2. A line is appended by one write. A line that a crash or a full disk tore is closed by the next
   writer and passed over by readers. Events are appended under a lock, for each is bound to the
   one before it; where the file system knows none, two writers may break the chain. The line that
   tells of a write comes before it, and goes again if that fails.
3. Only the owner may read: directories are 0700 and files 0600, whatever the umask.
4. Symbolic links are not followed, neither for a session's directory nor for a file in it, and
   what is no file (a pipe, a device) is neither read nor waited for. What is read back is data: of
   bounded size and depth, or passed over.
5. Text goes through redaction. Checkpoints do not: their summary is sent to the model again, and a
   redacted one would be another text. Rule 3 protects them, and a key (docs/ARCHIVE.md). A session
   whose id holds a secret is called by a hash of it, `redacted-3f0a...`; its owner reads it back by
   its id all the same, also where settings changed since and it has two folders (see `naming`).
6. A claim is a lock of the operating system (see `claims`). Nothing that is stored depends on it.

Whole files survive a power failure (fsync); of the appended lines the newest may be missing then.
A process that is killed may leave a hidden `.tmp` file and a gap in the numbers behind, or an empty
`.lock` file that locks nothing.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from compact_otel.adapters import audit, claims
from compact_otel.adapters.naming import (
    Naming,
    Place,
    is_shortened,
    listed,
    named_in,
    session_of,
)
from compact_otel.adapters.outgoing import Outgoing
from compact_otel.adapters.packing import GZIP, Packing, UnsoundError
from compact_otel.adapters.records import (
    CHECKPOINTS,
    EVENTS,
    LARGEST,
    Stored,
    given,
    json_line,
    loaded,
    newest_checkpoints,
    readable,
    removed_name,
    removed_steps,
    step_of,
    summary_name,
    together,
    transcript_name,
    whole_lines,
)
from compact_otel.core.errors import StorageError
from compact_otel.core.types import ArchiveReceipt, Checkpoint, Item
from compact_otel.keys import Keys
from compact_otel.redaction import Gate, plain

_log = logging.getLogger("compact_otel")

_EVENTS = "events.jsonl"
_SEAL = "events.seal"
_CHECKPOINTS = "checkpoints.jsonl"
_PAUSE_S = 0.05  # between two attempts to claim
_ALONE_S, _GLANCE_S = 5.0, 0.002  # an event is appended in less than one of these looks
_STEP_S = 0.05  # between two steps of a writer lies much less
_TAIL = 8192
"""Bytes in which the last event is looked for first."""
_SESSION = "session.json"  # only where the directory's name does not tell the session
_TRANSCRIPT = re.compile(r"transcript-pre-compact-([0-9]{3,})\.jsonl(?:\.gz)?")
_NUMBERED = re.compile(rf"{_TRANSCRIPT.pattern}|summary-([0-9]{{3,}})\.json")
_RECORD = re.compile(rf"{_NUMBERED.pattern}|events\.jsonl|checkpoints\.jsonl")
_WHOLE = rf"(?:{_NUMBERED.pattern}|session\.json)"
_CLAIM = re.compile(r"claim-[0-9a-f]{16}\.lock")
_TEMPORARY = re.compile(rf"\.({_WHOLE}|checkpoints\.jsonl)(\.[0-9a-f]{{16}})?\.tmp")
_HASHED = re.compile(rf"{_NUMBERED.pattern}|{_TEMPORARY.pattern}")
_OURS = re.compile(
    rf"{_WHOLE}|{_TEMPORARY.pattern}|events\.jsonl|events\.seal|checkpoints\.jsonl"
    rf"|removed-[0-9]{{3,}}|{_CLAIM.pattern}"
)
"""Whatever this module writes; nothing else is ever removed."""

# Windows knows neither O_NOFOLLOW nor O_NONBLOCK and would write `\r\n` without O_BINARY. What is
# no file is not waited for: somebody may have put a pipe in its place.
_ALWAYS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
_FOLDER = sum(getattr(os, name, 0) for name in ("O_DIRECTORY", "O_NONBLOCK"))

_LINKED = "symbolic links are not followed here: replace it by what it points to"
_NO_FILE = "only files are used here: remove what has its name"
_WAYS_OUT = {
    ("read", errno.ELOOP): _LINKED,
    ("write", errno.ELOOP): _LINKED,
    ("remove", errno.ELOOP): _LINKED,
    ("read", errno.ENXIO): _NO_FILE,
    ("write", errno.ENXIO): _NO_FILE,
    ("read", errno.EISDIR): _NO_FILE,
    ("write", errno.EISDIR): _NO_FILE,
    ("read", errno.EFBIG): f"nothing of more than {LARGEST >> 20} MiB is read; it can be removed",
    ("remove", errno.ENOENT): "`records()` names what there is",
    ("remove", errno.EACCES): "whoever owns it may remove it",
    ("remove", errno.EPERM): "whoever owns it may remove it",
    ("read", errno.ENOENT): "`steps()` names the transcripts there are",
}
_WAY_OUT = "make room or rights for it, or give `FileStorage` another `path`"


class FileStorage:
    """Keeps sessions in files below `path`; docs/ARCHIVE.md says in which.

    Nothing is created before the first write. A relative `path` is taken from the directory the
    process is in now, wherever it goes later.

    Args:
        path: Directory of the archive.
        redactor: What text goes through; None is `Redactor()`, the patterns of this package.
        redact: False stores text as it is.
        keys: Encrypt with the first of them, and read what was encrypted with any.
        encrypt: False with `keys` only reads what is encrypted; True without them is an error.
        compress: Whether transcripts are compressed.

    Raises:
        ConfigError: If a key is none or missing, or `cryptography` is not installed.
    """

    name = "fs"

    def __init__(
        self,
        path: str | os.PathLike[str] = ".compact/archive",
        *,
        redactor: Gate | None = None,
        redact: bool = True,
        keys: Keys | None = None,
        encrypt: bool | None = None,
        compress: bool = False,
    ) -> None:
        self._packing = Packing(keys, encrypt=encrypt, compress=compress)
        self._root = Path(path).absolute()
        self._outgoing = Outgoing(redactor, redact=redact)
        self._naming = Naming(redactor, redact=redact)
        self._warned = False

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Store a history under the session's next number, one item a line.

        Items may be mappings or models, and hold anything (see `redaction.plain`).

        Raises:
            StorageError: If it cannot be written; nothing is left behind then.
        """
        records = [plain(message) for message in messages]
        data = self._outgoing.lines(records)
        place = self._home(session_id)
        with self._writing(place, "transcript-pre-compact") as directory:
            step, descriptor, target = _claim_next(
                directory, above=self._given(session_id, directory)
            )
            claim, target = _temporary(target), target.with_name(target.name + self._packing.suffix)
            with _given_up(descriptor, claim):
                packed = self._packing.transcript(data, _place(target))
            receipt = self._receipt(target, step, len(packed), len(messages))
            record = self._outgoing.audit(place.name, self.name, receipt, data, records)
            with (
                _written(descriptor, claim, packed),
                self._chained(place, directory, record),
            ):
                claim.replace(target)
        return receipt

    def save_summary(
        self, session_id: str, step: int, summary: Mapping[str, Any]
    ) -> ArchiveReceipt:
        """Store the summary of a step; saved again it replaces the first.

        Raises:
            StorageError: If it cannot be written; an earlier one stays.
        """
        record = plain(summary)
        data = self._outgoing.line(record)
        file_name = f"{summary_name(step)}.json"
        place = self._home(session_id)
        with self._writing(place, file_name) as directory:
            target = directory / file_name
            packed = self._packing.record(data, _place(target))
            receipt = self._receipt(target, step, len(packed), 1)
            audited = self._outgoing.audit(place.name, self.name, receipt, data, [record])
            temporary = _own_temporary(target)
            with (
                _written(_create(temporary), temporary, packed),
                self._chained(place, directory, audited),
            ):
                temporary.replace(target)
        return receipt

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Append an event to the session's log.

        Raises:
            StorageError: If it cannot be written.
        """
        place = self._home(session_id)
        self._chain(place, self._outgoing.event(place.name, event))

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Append a checkpoint, unredacted: its summary has to reach the model as it was.

        Raises:
            StorageError: If it cannot be written.
        """
        line = json_line(plain(checkpoint.as_dict()))
        place = self._home(session_id)
        with self._writing(place, _CHECKPOINTS) as directory:
            target = directory / _CHECKPOINTS
            packed = self._packing.record(line, _place(target))
            receipt = ArchiveReceipt(
                id=audit.checkpoint_id(checkpoint.key),
                step=checkpoint.version,
                location=str(target),
                size=len(packed),
                messages=1,
                redacted=False,
            )
            record = self._outgoing.audit(place.name, self.name, receipt, line)
            temporary = _own_temporary(target)
            with (
                _written(_create(temporary), temporary, packed, lasting=False),
                self._chained(place, directory, record),
            ):
                _append(target, packed)
            temporary.unlink(missing_ok=True)

    def load_checkpoints(self, session_id: str) -> list[Checkpoint]:
        """Return the newest checkpoint of each key, oldest first; torn and foreign lines are not.

        Raises:
            StorageError: If the file is there and cannot be read.
        """
        return newest_checkpoints(self._all_lines(session_id, _CHECKPOINTS))

    def load_transcript(self, session_id: str, step: int) -> list[dict[str, Any]]:
        """Return the items of a transcript, as JSON data.

        Raises:
            StorageError: If there is none of that step, or it cannot be read.
        """
        file_name = f"{transcript_name(step)}.jsonl"
        lines = whole_lines(self._read(session_id, file_name, f"{file_name}{GZIP}"))
        return [_parsed(line, f"line {at} of `{file_name}`") for at, line in enumerate(lines, 1)]

    def load_summary(self, session_id: str, step: int) -> dict[str, Any]:
        """Return what `save_summary` stored for a step.

        Raises:
            StorageError: If there is none of that step, or it cannot be read.
        """
        file_name = f"{summary_name(step)}.json"
        summary = _parsed(self._read(session_id, file_name), f"`{file_name}`")
        if not isinstance(summary, dict):
            message = f"`{file_name}` is no JSON object: it was changed since it was written"
            raise StorageError(errno.EIO, message)
        return summary

    def load_events(self, session_id: str) -> list[dict[str, Any]]:
        """Return the events that were saved, oldest first; torn lines are left out.

        Raises:
            StorageError: If the file is there and cannot be read.
        """
        records = readable(self._all_lines(session_id, _EVENTS))
        return [audit.bare(record) for record in records if not audit.is_audit(record)]

    def load_audit(self, session_id: str) -> list[dict[str, Any]]:
        """Return a record for each write to the session, oldest first (docs/ARCHIVE.md).

        Raises:
            StorageError: If the file is there and cannot be read.
        """
        records = readable(self._all_lines(session_id, _EVENTS))
        return [audit.bare(record) for record in records if audit.is_audit(record)]

    def verify(self, session_id: str) -> list[audit.Fault]:
        """Return what is not as it was written, by the chain of the session's events.

        Others may write meanwhile; nothing is locked or written here.

        Raises:
            StorageError: If something is there and cannot be read.
        """
        return audit.of_all(self._places(session_id), self._faults)

    def _faults(self, place: Place) -> list[audit.Fault]:
        found = audit.lasting(lambda: self._seen(place), _STEP_S)
        if _session_in(self._root / place.folder) is None and list(self._records(place)):
            return [audit.NAMELESS, *found]
        return found

    def _seen(self, place: Place) -> audit.Seen:
        """Look at all that is there: what the first seal tells of, and then what tells of it."""
        with self._reading(place) as directory:
            before = _seal_in(directory)
        stored, unfinished = self._digests(place)
        for line in self._lines(place, _CHECKPOINTS):
            for checkpoint in newest_checkpoints([line]):
                digests = stored.setdefault(audit.checkpoint_id(checkpoint.key), [])
                digests.append(audit.digest_of(line + b"\n"))
        lines = self._lines(place, _EVENTS)
        with self._reading(place) as directory:
            after = _seal_in(directory)
        told = math.inf if before == after else before.sequence if before else 0
        return audit.Seen(place, lines, stored, told, (before, after), unfinished)

    def _digests(self, place: Place) -> tuple[dict[str, list[str]], set[str]]:
        """Return the hashes of transcripts and summaries by id, and of what has no name yet."""
        stored: dict[str, list[str]] = {}
        unfinished: set[str] = set()
        names: list[str] = []
        with self._reading(place) as directory, suppress(FileNotFoundError):
            names = sorted(path.name for path in directory.iterdir())
        for name in filter(_HASHED.fullmatch, names):
            # What is gone was removed meanwhile, or it has got its name.
            with _explained("read", directory / name), suppress(FileNotFoundError):
                digest = self._digest(directory / name)
                if _TEMPORARY.fullmatch(name):
                    unfinished.add(digest)
                else:
                    stored.setdefault(name.partition(".")[0], []).append(digest)
        return stored, unfinished

    def records(self, session_id: str) -> list[Stored]:
        """Return what is stored of a session, sorted by id; none for one that is not there.

        Raises:
            StorageError: If the session's directory is there and cannot be read.
        """
        return together(one for place in self._places(session_id) for one in self._records(place))

    def _records(self, place: Place) -> Iterator[Stored]:
        with self._reading(place) as directory:
            for name, status in _ours(directory).items():
                if _NUMBERED.fullmatch(name):
                    ident = name.partition(".")[0]
                elif name in (_EVENTS, _SEAL):
                    ident = EVENTS
                elif name == _CHECKPOINTS:
                    ident = CHECKPOINTS
                else:
                    continue
                yield Stored(ident, status.st_size, status.st_mtime)

    def is_claimed(self, session_id: str) -> bool:
        """Say whether somebody compacts a conversation of the session right now.

        Raises:
            StorageError: If the session's directory is there and cannot be read.
        """
        return any(map(self._is_claimed, self._places(session_id)))

    def _is_claimed(self, place: Place) -> bool:
        with self._reading(place) as directory:
            for name in filter(_CLAIM.fullmatch, _ours(directory)):
                with suppress(FileNotFoundError):
                    if claims.is_held(directory / name, _open_there):
                        return True
            return False

    def remove(self, session_id: str, ident: str) -> None:
        """Remove a transcript or a summary for good; its number is not given again.

        The audit says so first: whoever is ended in between leaves something that is there still,
        and nothing that seems to be lost.

        Args:
            session_id: The session.
            ident: What to remove, as `records` names it: `transcript-pre-compact-003`.

        Raises:
            ValueError: If `ident` names neither a transcript nor a summary.
            StorageError: If there is none of that id, or it cannot be removed.
        """
        step = step_of(ident)
        places = self._places(session_id)
        removed = [self._removed(place, ident, step) for place in places]
        if not any(removed):
            with self._removing(places[-1]):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    def _removed(self, place: Place, ident: str, step: int) -> bool:
        """Remove a transcript or a summary from a folder; say whether it was there."""
        with self._removing(place) as directory:
            names = _ours(directory)
        target = next((name for name in names if name.partition(".")[0] == ident), None)
        if target is None:
            return False
        self._chain(place, self._outgoing.removed(place.name, self.name, ident))
        with self._removing(place) as directory:
            if step == max(given(names)):
                os.close(_open(directory / removed_name(step), os.O_WRONLY | os.O_CREAT))
                for lower in removed_steps(names):
                    if lower < step:
                        (directory / removed_name(lower)).unlink(missing_ok=True)
            (directory / target).unlink(missing_ok=True)
            _sync_directory(directory)
        return True

    def remove_session(self, session_id: str, *, before: float = math.inf) -> bool:
        """Remove all that was written of a session, its events and checkpoints, too.

        What stands in its directory and was not written by this class stays, and the directory
        with it. Whoever is ended meanwhile leaves records without events, which is no fault.

        Args:
            session_id: The session; one that is not there is removed already.
            before: Leave it as it is if anything of it was written at this time or later, in
                seconds since the epoch.

        Returns:
            Whether it was removed: not if somebody compacts a conversation of it, or has written
            to it.

        Raises:
            StorageError: If something cannot be removed.
        """
        places = self._places(session_id)
        if len(places) > 1 and not all(self._may_go(place, before) for place in places):
            return False
        return all(self._gone(place, before) for place in places)

    def _may_go(self, place: Place, before: float) -> bool:
        if self._is_claimed(place):
            return False
        with self._removing(place) as directory:
            return _are_older(_ours(directory), before)

    def _gone(self, place: Place, before: float) -> bool:
        """Remove a folder of a session, as `remove_session` says."""
        with self._removing(place) as directory:
            with self._all_claims(directory) as alone:
                if not (alone and directory.is_dir() and _are_older(_ours(directory), before)):
                    return alone and not directory.is_dir()
                with _alone(directory / _EVENTS):
                    there = _ours(directory)
                    if not _are_older(there, before):
                        return False
                    # Records without events are what a crash leaves; the reverse is a loss.
                    for name in (_SEAL, _EVENTS):
                        (directory / name).unlink(missing_ok=True)
                # Whoever is ended meanwhile leaves no records of nobody.
                for name in sorted(there.keys() - {_SEAL, _EVENTS}, key=_SESSION.__eq__):
                    path = directory / name
                    with suppress(FileNotFoundError):
                        if not _CLAIM.fullmatch(name) and path.lstat().st_mtime < before:
                            path.unlink()
            with suppress(OSError):  # somebody else's files are in it, or a new one
                directory.rmdir()
        return True

    @contextmanager
    def _all_claims(self, directory: Path) -> Iterator[bool]:
        """Claim every conversation that somebody has claimed; enter with False if one has."""
        held: list[object] = []
        try:
            for name in filter(_CLAIM.fullmatch, _ours(directory)):
                try:
                    claim = claims.hold(directory / name, _open_there)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno not in claims.UNSUPPORTED:
                        raise
                    continue
                if claim is None:
                    break
                held.append(claim)
            else:
                yield True
                return
            yield False
        finally:
            for claim in held:
                claims.let_go(claim)

    @contextmanager
    def _removing(self, place: Place) -> Iterator[Path]:
        directory = self._root / place.folder
        with _explained("remove", directory):
            _refuse_link(directory)
            yield directory

    def called(self, session_id: str) -> str:
        """Return what a session is listed as: its id, or a hash where that tells a secret."""
        return self._naming.called(session_id, self._is_there)

    def steps(self, session_id: str) -> list[int]:
        """Return the numbers of the session's transcripts, ascending.

        Raises:
            StorageError: If the session's directory is there and cannot be read.
        """
        found: set[int] = set()
        for place in self._places(session_id):
            with self._reading(place) as directory:
                matches = map(_TRANSCRIPT.fullmatch, _ours(directory))
                found.update(int(match[1]) for match in matches if match)
        return sorted(found)

    def sessions(self) -> list[str]:
        """Return the names of the sessions that have a directory, sorted.

        That is the id, or a hash of it where that tells a secret (see `called`), or the name of the
        directory where nothing tells the id any more. All other methods take such a name.

        Raises:
            StorageError: If the archive is there and cannot be read.
        """
        with _explained("read", self._root):
            try:
                directories = _directories(self._root)
            except FileNotFoundError:
                return []
            found = map(_name_of, directories)
            return listed(name for name in found if name is not None)

    def folders(self, session_id: str) -> list[str]:
        """Return what the directories of a session are called; the one written to is the last."""
        return [place.folder for place in self._places(session_id)]

    @contextmanager
    def claim(self, session_id: str, key: str, timeout: float) -> Iterator[bool]:
        """Keep others, in this process or another, from compacting a conversation meanwhile.

        May be entered in one thread and left in another. The claim ends with this process at the
        latest, however that ends; a forked child neither has nor ends it. Where the file system
        knows no locks, this enters with False at once and warns once: nobody is kept away, and two
        processes may pay for the same summary.

        Args:
            session_id: The session.
            key: Names the conversation; those with other keys do not wait for it.
            timeout: Seconds to wait for whoever has the claim; 0 tries once.

        Yields:
            True if the claim is held, False if it could not be had in time.

        Raises:
            StorageError: If the file for it cannot be opened or created.
        """
        claim = self._claimed(session_id, _claim_name(key), timeout)
        try:
            yield claim is not None
        finally:
            if claim is not None:
                claims.let_go(claim)

    def _claimed(self, session_id: str, file_name: str, timeout: float) -> object | None:
        deadline = time.monotonic() + timeout
        while True:
            with self._writing(self._home(session_id), file_name) as directory:
                try:
                    claim = claims.hold(directory / file_name, _open_shared)
                except OSError as error:
                    if error.errno not in claims.UNSUPPORTED:
                        raise
                    (directory / file_name).unlink(missing_ok=True)
                    self._warn(error)
                    return None
            left = deadline - time.monotonic()
            if claim is not None or left <= 0:
                return claim
            time.sleep(min(_PAUSE_S, left))

    def _warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            _log.warning(
                "the file system of the archive knows no locks (%s): processes that share it may "
                "pay for the same summary twice",
                errno.errorcode.get(error.errno or 0, error.errno),
            )

    def _chain(self, place: Place, record: Any) -> None:
        """Append an event behind the last one."""
        with (
            self._writing(place, _EVENTS) as directory,
            self._chained(place, directory, record),
        ):
            pass

    @contextmanager
    def _chained(self, home: Place, directory: Path, record: Any) -> Iterator[None]:
        """Append an event behind the last one, and take it back if what is done inside fails.

        An audit record comes before what it tells of, which lies in a temporary file until then:
        so whoever is ended in between leaves nothing that seems to be somebody else's, or lost.
        """
        place = _place(directory / _EVENTS)
        with _alone(directory / _EVENTS) as events:
            last = self._last_link(events, place)
            last = last or audit.beginning(home)
            line = audit.chained(record, last)
            packed = self._packing.record(line, place)
            before = os.fstat(events).st_size
            try:
                _append_to(events, packed)
                _seal(directory, audit.Link(last.sequence + 1, audit.digest_of(line[:-1])))
                yield
            except BaseException:
                # Where nothing can be locked somebody else may have written meanwhile.
                if os.fstat(events).st_size <= before + len(packed) + 1:
                    with suppress(OSError):  # first: an event without a seal is no loss
                        _seal(directory, last)
                    with suppress(OSError):
                        os.ftruncate(events, before)
                raise

    def _receipt(self, target: Path, step: int, size: int, messages: int) -> ArchiveReceipt:
        return ArchiveReceipt(
            id=target.name.partition(".")[0],
            step=step,
            location=str(target),
            size=size,
            messages=messages,
            redacted=self._outgoing.redacts,
        )

    def _last_link(self, events: int, place: str) -> audit.Link | None:
        """Return the link of the last whole line of a file, None if there is none."""
        end, length = os.lseek(events, 0, os.SEEK_END), _TAIL
        while end:
            begin = max(0, end - length)
            if end - begin > LARGEST:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            os.lseek(events, begin, os.SEEK_SET)
            lines = whole_lines(_read_from(events, end - begin))
            for line in reversed(lines[1:] if begin else lines):
                if link := audit.link_of(*self._packing.readable([line], place)):
                    return link
            if not begin:
                break
            length *= 4
        return None

    def _digest(self, path: Path) -> str:
        """Return the hash of what a file holds; that of its bytes if they cannot be unpacked."""
        data = _read(path)
        with suppress(UnsoundError):
            data = self._packing.opened(data, _place(path))
        return audit.digest_of(data)

    # --- folders of a session ---

    def _home(self, session_id: str) -> Place:
        return self._naming.home(session_id, self._is_there)

    def _places(self, session_id: str) -> list[Place]:
        """Return the folders of a session that are there, or the one that would be."""
        found = [
            place
            for place in self._naming.places(session_id)
            if _is_directory(self._root / place.folder)
            and not (place.is_nameless and _session_in(self._root / place.folder) is not None)
        ]
        return found or [self._home(session_id)]

    def _is_there(self, folder: str) -> bool:
        return os.path.lexists(self._root / folder)

    def _given(self, session_id: str, directory: Path) -> int:
        """Return the highest number that was given in a directory, or another of its session."""
        names = [path.name for path in directory.iterdir()]
        for place in self._places(session_id):
            with suppress(OSError):  # two of a number are better than none
                names += (path.name for path in (self._root / place.folder).iterdir())
        return max(given(names), default=0)

    @contextmanager
    def _writing(self, place: Place, file_name: str) -> Iterator[Path]:
        directory = self._root / place.folder
        with _explained("write", directory / file_name):
            _make_directory(directory)
            _refuse_link(directory)
            if is_shortened(place.folder) and not (
                place.is_nameless or (directory / _SESSION).exists()
            ):
                _replace(directory / _SESSION, json_line({"session_id": place.name}))
            yield directory

    @contextmanager
    def _reading(self, place: Place, file_name: str = "") -> Iterator[Path]:
        directory = self._root / place.folder
        with _explained("read", directory / file_name):
            _refuse_link(directory)
            yield directory

    def _read(self, session_id: str, *file_names: str) -> bytes:
        """Return what the first file that is there holds; the folder written to comes first."""
        paths = [
            (place, self._root / place.folder / name)
            for place in reversed(self._places(session_id))
            for name in file_names
        ]
        place, path = next((one for one in paths if os.path.lexists(one[1])), paths[0])
        with self._reading(place, file_names[0]):
            return self._packing.opened(_read(path), _place(path))

    def _all_lines(self, session_id: str, file_name: str) -> list[bytes]:
        places = self._places(session_id)
        return [line for place in places for line in self._lines(place, file_name)]

    def _lines(self, place: Place, file_name: str) -> list[bytes]:
        with self._reading(place, file_name) as directory:
            path = directory / file_name
            try:
                lines = whole_lines(_read(path))
            except FileNotFoundError:
                return []
            return self._packing.readable(lines, _place(path))


@contextmanager
def _explained(verb: str, path: Path) -> Iterator[None]:
    """Turn an OSError into a StorageError that names the end of the path and a way out."""
    where = "/".join(path.parts[-3:])
    try:
        yield
    except StorageError as error:
        said = f"cannot {verb} `{where}`: {error.strerror}"
        raise type(error)(error.errno or errno.EIO, said) from error
    except OSError as error:
        number = error.errno or errno.EIO
        way_out = _WAYS_OUT.get((verb, number), _WAY_OUT)
        message = f"cannot {verb} `{where}`: {os.strerror(number)}; {way_out}"
        raise StorageError(number, message) from error


def _parsed(line: bytes, where: str) -> Any:
    try:
        return loaded(line)
    except ValueError as error:
        message = f"{where} is not JSON as it is stored: it was changed since it was written"
        raise StorageError(errno.EIO, message) from error


def _make_directory(path: Path) -> None:
    """Create `path` and the directories above it that are missing, for the owner alone."""
    for directory in (*reversed(path.parents), path):
        if not directory.exists():
            with suppress(FileExistsError):
                directory.mkdir(0o700)
                directory.chmod(0o700)  # the umask may have taken rights away
                _sync_directory(directory.parent)


def _refuse_link(directory: Path) -> None:
    if directory.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _is_directory(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def _directories(root: Path) -> list[Path]:
    with os.scandir(root) as entries:
        return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def _ours(directory: Path) -> dict[str, os.stat_result]:
    """Return the files in a directory that this module wrote, by name; no links, no folders."""
    found: dict[str, os.stat_result] = {}
    with suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if _OURS.fullmatch(entry.name):
                with suppress(FileNotFoundError):  # gone meanwhile, as locks and temporary files go
                    found[entry.name] = entry.stat(follow_symlinks=False)
    return {name: status for name, status in found.items() if stat.S_ISREG(status.st_mode)}


def _are_older(files: Mapping[str, os.stat_result], before: float) -> bool:
    """Say whether all that was written is older; locks and an empty log were not written."""
    return all(
        status.st_mtime < before
        for name, status in files.items()
        if not _CLAIM.fullmatch(name) and (name != _EVENTS or status.st_size)
    )


def _session_in(directory: Path) -> str | None:
    """Return the id that a folder or `session.json` in it tells, None if neither does."""
    if not is_shortened(directory.name):
        return session_of(directory.name)
    try:
        lines = whole_lines(_read(directory / _SESSION))
    except OSError:
        return None
    return named_in(lines, directory.name)


def _name_of(directory: Path) -> str | None:
    """Return what the session of a folder is called, None if it is nobody's."""
    session_id = _session_in(directory)
    if session_id is None and is_shortened(directory.name):
        with suppress(OSError):  # whoever reads it will say why it cannot be read
            if not any(map(_RECORD.fullmatch, _ours(directory))):
                return None
        return directory.name
    return session_id


def _claim_name(key: str) -> str:
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"claim-{digest[:16]}.lock"


def _place(path: Path) -> str:
    """Return where a record belongs, whatever the archive is called and wherever it is moved."""
    return f"{path.parent.name}/{path.name.removeprefix('.').partition('.')[0]}"


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")


def _check_is_file(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))


def _own_temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(8).hex()}.tmp")


def _claim_next(directory: Path, above: int) -> tuple[int, int, Path]:
    """Claim the next free number above one and return it, what to write to, and the file's name.

    Whoever creates the temporary file of a number, and then finds no file of that number, is the
    only one who may create it, until the temporary file is renamed to it or removed.
    """
    step = above
    while True:
        step += 1
        target = directory / f"{transcript_name(step)}.jsonl"
        with suppress(FileExistsError):
            descriptor = _create(_temporary(target))
            if not any(map(os.path.lexists, (target, target.with_name(target.name + GZIP)))):
                return step, descriptor, target
            os.close(descriptor)
            _temporary(target).unlink()


def _create(path: Path) -> int:
    return _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def _open_there(path: Path) -> int:
    return _open(path, os.O_RDWR)


def _open_shared(path: Path) -> int:
    return _open(path, os.O_RDWR | os.O_CREAT)


def _open(path: Path, flags: int) -> int:
    descriptor = os.open(path, flags | _ALWAYS, 0o600)
    try:
        _check_is_file(descriptor)
        if flags & os.O_CREAT and hasattr(os, "fchmod"):
            os.fchmod(descriptor, 0o600)  # the umask may have taken rights away
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _given_up(descriptor: int, temporary: Path) -> Iterator[None]:
    """Give a claim to a number up if it cannot be used."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            temporary.unlink()
        raise


def _replace(target: Path, data: bytes) -> None:
    temporary = _own_temporary(target)
    with _written(_create(temporary), temporary, data):
        temporary.replace(target)


@contextmanager
def _written(
    descriptor: int, temporary: Path, data: bytes, *, lasting: bool = True
) -> Iterator[None]:
    """Write a temporary file, for it to get its name inside; takes over the descriptor.

    It is removed if anything fails. `lasting` waits until it is on the disk, with its name.
    """
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if lasting:
                os.fsync(descriptor)
        yield
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if lasting:
        _sync_directory(temporary.parent)


def _sync_directory(directory: Path) -> None:
    """Make a rename last. Some systems cannot; the file is there all the same."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | _FOLDER)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _append(path: Path, line: bytes) -> None:
    descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        _append_to(descriptor, line)
    finally:
        os.close(descriptor)


def _append_to(descriptor: int, line: bytes) -> None:
    """Append a whole line by one write, so that lines of several writers do not mix."""
    if os.lseek(descriptor, 0, os.SEEK_END):
        os.lseek(descriptor, -1, os.SEEK_END)
        if os.read(descriptor, 1) != b"\n":
            line = b"\n" + line  # close what a crash tore, or it would take this line with it
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Open a file for appending, alone among those who do so; anyway where nothing can be locked.

    Raises:
        OSError: ETIMEDOUT if somebody else does not let go of it.
    """
    deadline = time.monotonic() + _ALONE_S
    descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        while True:
            if claims.locked(descriptor):
                if claims.is_still(descriptor, path):
                    break
                # The session was removed meanwhile: what is appended to this would be lost.
                claims.unlock(descriptor)
                descriptor = -1
                descriptor = _open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            if time.monotonic() > deadline:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            time.sleep(_GLANCE_S)
        yield descriptor
    finally:
        if descriptor >= 0:
            claims.unlock(descriptor)


def _read_from(descriptor: int, size: int) -> bytes:
    found = b""
    while len(found) < size and (piece := os.read(descriptor, size - len(found))):
        found += piece
    return found


def _seal(directory: Path, last: audit.Link) -> None:
    """Note the end of the chain; in one write of always the same length."""
    descriptor = _open(directory / _SEAL, os.O_WRONLY | os.O_CREAT)
    try:
        os.write(descriptor, f"{last.sequence:020d} {last.digest}\n".encode())
    finally:
        os.close(descriptor)


def _seal_in(directory: Path) -> audit.Link | None:
    with suppress(FileNotFoundError, ValueError):
        sequence, digest = _read(directory / _SEAL).decode("ascii", "replace").split()
        return audit.Link(int(sequence), digest)
    return None


def _read(path: Path) -> bytes:
    with os.fdopen(_open(path, os.O_RDONLY), "rb") as file:
        data = file.read(LARGEST + 1) if os.fstat(file.fileno()).st_size <= LARGEST else None
    if data is None or len(data) > LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data
