"""The archive in S3, or in a store that speaks its protocol; needs `compact-otel[s3]`.

    s3://bucket/prefix/
      user_123/
        transcript-pre-compact-001.jsonl   the history before the first compaction, an item a line
        summary-001.json                   what took its place, with its figures
        events/00000001.json               what happened, an object an event: S3 cannot append;
                                         chained (see `audit`)
        checkpoints/9f86d081884c7d65.json  the checkpoint of a key
        removed-007                        empty; number 7 was removed and is not given again

Rules it keeps, for any number of processes and machines:

1. An object is there whole or not at all: S3 stores it with one request.
2. No transcript and no event replaces another: its number belongs to whoever creates the object
   (`If-None-Match: *`), everybody else takes the next one. A request that was repeated because no
   answer came finds its own object, and knows it by a token; so does one that is made again after
   the first was given up.
3. A checkpoint is replaced by a newer version of itself only (`If-Match`): what somebody else has
   written since it was read is looked at first.
4. Credentials come from boto3's default chain: a role of the machine, the container or the web
   identity, a profile, the environment. There is no argument for them, and an address that holds
   them is refused.
5. Text goes through redaction; checkpoints do not (see `fs`). With `kms_key_id` every object is
   encrypted with that key (SSE-KMS), without it as the bucket says.

It takes no claims: two processes that compact one conversation at the same moment each ask for a
summary, and both are stored. Needs `s3:GetObject`, `s3:PutObject` and `s3:ListBucket`, with a key
also `kms:GenerateDataKey` and `kms:Decrypt`; whoever removes something, `s3:DeleteObject`.
"""

from __future__ import annotations

import errno
import math
import os
import random
import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from compact_otel.adapters import audit
from compact_otel.adapters.claims import ThreadClaims
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
from compact_otel.config import check_bucket
from compact_otel.core.errors import ConfigError, StorageError, UnauditedError
from compact_otel.core.types import ArchiveReceipt, Checkpoint, Item
from compact_otel.forks import mutex
from compact_otel.keys import Keys
from compact_otel.redaction import Gate, plain

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_TRANSCRIPT = re.compile(r"transcript-pre-compact-([0-9]{3,})\.jsonl(?:\.gz)?")
_NUMBERED = re.compile(rf"{_TRANSCRIPT.pattern}|summary-([0-9]{{3,}})\.json")
_CHECKPOINT = re.compile(r"[0-9a-f]{32}\.json")
_EVENT = re.compile(r"([0-9]{8,})\.json")
_SESSION = "session.json"  # only where the folder's name does not tell the session

_CONNECT_S, _READ_S, _ATTEMPTS = 2, 5, 3
"""The engine goes on without a storage that is slow; these end the work that it no longer waits
for."""
_TRIES = 50
"""Others that may take a number, or replace a checkpoint, at the same moment."""
_TURN_S = 2.0
"""How long threads of this process take numbers in turn, before they do so in competition."""
_PAUSE_S = 0.01
_STEP_S = 0.5
"""Between an object and its event lie a few requests."""
_REMEMBERED, _TRUSTED_S = 1024, 60.0
"""Sessions whose last event is known, and how long: somebody may remove the session meanwhile."""
_CONTENT_TYPES = {
    "jsonl": "application/x-ndjson",
    "gz": "application/gzip",
}
_WRITE = "write"
"""Metadata that tells one write from another."""
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "409", "412"})
_MISSING = frozenset({"NoSuchKey", "404"})
_CODES = {
    "NoSuchBucket": (errno.ENOENT, "create it, or name another one in `storage.bucket`"),
    "AccessDenied": (errno.EACCES, "allow s3:GetObject, s3:PutObject and s3:ListBucket for it"),
    "NotImplemented": (
        errno.ENOTSUP,
        "it has to know conditional writes (`If-None-Match`) and, with `kms_key_id`, SSE-KMS",
    ),
}
_RAISED = {
    "NoCredentialsError": (errno.EACCES, "give the process a role, a profile or the environment"),
    "PartialCredentialsError": (errno.EACCES, "the environment or the profile has half of them"),
    "EndpointConnectionError": (errno.ECONNREFUSED, "look at `storage.endpoint` and the network"),
    "ConnectTimeoutError": (errno.ETIMEDOUT, "look at `storage.endpoint` and the network"),
    "ReadTimeoutError": (errno.ETIMEDOUT, "the store is slow"),
    "NoRegionError": (errno.EINVAL, "name it in `storage.region` or AWS_REGION"),
}


class _Unanswered(NamedTuple):
    """A write that was asked for, and may or may not have been done."""

    key: str
    token: str
    step: int
    size: int


class S3Storage:
    """Keeps sessions below `s3://bucket/prefix/`, as docs/ARCHIVE.md says. Thread safe.

    Nothing is asked of the network before the first write or read. A forked child opens connections
    of its own.

    Args:
        bucket: Name of the bucket; it has to be there.
        prefix: What the keys begin with.
        kms_key_id: Key for SSE-KMS: its id, ARN or alias (`alias/aws/s3` is the one AWS keeps for
            the account). None leaves encryption to the bucket.
        region: Region of the bucket; None leaves it to boto3.
        endpoint: URL of a compatible store.
        client: An S3 client of boto3 with whatever it needs; the three above do not concern it.
        redactor: What text goes through; None is `Redactor()`, the patterns of this package.
        redact: False stores text as it is.
        keys: Encrypt with the first of them before anything leaves the process, and read what was
            encrypted with any.
        encrypt: False with `keys` only reads what is encrypted; True without them is an error.
        compress: Whether transcripts are compressed.

    Raises:
        ConfigError: If boto3 is not installed, a name is empty, credentials stand in `endpoint`, a
            key is none or missing, or `cryptography` is not installed.
    """

    name = "s3"

    def __init__(
        self,
        bucket: str,
        prefix: str = "compact/archive",
        *,
        kms_key_id: str | None = None,
        region: str | None = None,
        endpoint: str | None = None,
        client: Any = None,
        redactor: Gate | None = None,
        redact: bool = True,
        keys: Keys | None = None,
        encrypt: bool | None = None,
        compress: bool = False,
    ) -> None:
        check_bucket(bucket, endpoint)
        if client is None and find_spec("boto3") is None:
            raise ConfigError("S3 needs boto3: pip install 'compact-otel[s3]'")
        self._packing = Packing(keys, encrypt=encrypt, compress=compress)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}
        )
        self._region, self._endpoint = region, endpoint
        self._given = client
        self._made: tuple[int, Any] | None = None
        self._latest = 0
        self._last_events: OrderedDict[str, tuple[float, audit.Link]] = OrderedDict()
        self._unanswered: OrderedDict[str, _Unanswered] = OrderedDict()
        self._turns = ThreadClaims()
        self._making = mutex()
        self._outgoing = Outgoing(redactor, redact=redact)
        self._naming = Naming(redactor, redact=redact)
        self._seen_folders: dict[str, None] = {}

    def save_transcript(self, session_id: str, messages: Sequence[Item]) -> ArchiveReceipt:
        """Store a history under the session's next number, one item a line.

        Items may be mappings or models, and hold anything (see `redaction.plain`).

        Raises:
            StorageError: If it cannot be written; nothing is left behind then.
            UnauditedError: If it is there, and only its line in the events is missing.
        """
        records = [plain(message) for message in messages]
        data = self._outgoing.lines(records)
        home = self._home(session_id)
        folder = self._folder(home)
        with self._explained("write", folder), self._turns.claim(folder, _TURN_S):
            self._name_session(home)
            others = [self._folder(one) for one in self._places(session_id) if one != home]
            above = max(map(self._highest, others), default=0)
            step, key, size = self._add_transcript(folder, data, above)
        receipt = self._receipt(transcript_name(step), key, step, size, len(messages))
        self._audit(home, receipt, data, records)
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
        home = self._home(session_id)
        key = f"{self._folder(home)}{summary_name(step)}.json"
        with self._explained("write", key):
            self._name_session(home)
            packed = self._packing.record(data, self._place(key))
            self._put(key, packed)
        receipt = self._receipt(summary_name(step), key, step, len(packed), 1)
        self._audit(home, receipt, data, [record])
        return receipt

    def save_event(self, session_id: str, event: Mapping[str, Any]) -> None:
        """Store an event behind all others of the session.

        Raises:
            StorageError: If it cannot be written.
        """
        home = self._home(session_id)
        self._chain(home, self._outgoing.event(home.name, event))

    def save_checkpoint(self, session_id: str, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, unredacted: its summary has to reach the model as it was.

        One of the same key is replaced unless its version is newer.

        Raises:
            StorageError: If it cannot be written.
        """
        line = json_line({**plain(checkpoint.as_dict()), "saved_ns": self._now()})
        home = self._home(session_id)
        digest = sha256(checkpoint.key.encode("utf-8", "surrogatepass")).hexdigest()
        key = f"{self._folder(home)}checkpoints/{digest[:32]}.json"
        with self._explained("write", key):
            self._name_session(home)
            packed = self._packing.record(line, self._place(key))
            if not self._replaced(key, packed, checkpoint):
                return
        receipt = ArchiveReceipt(
            id=audit.checkpoint_id(checkpoint.key),
            step=checkpoint.version,
            location=f"s3://{self._bucket}/{key}",
            size=len(packed),
            messages=1,
            redacted=False,
        )
        self._audit(home, receipt, line)

    def _replaced(self, key: str, packed: bytes, checkpoint: Checkpoint) -> bool:
        """Store a checkpoint unless a newer version of it is there; say whether that was done."""
        condition: dict[str, str] = {"IfNoneMatch": "*"}
        for _ in range(_TRIES):
            if self._put(key, packed, **condition):
                return True
            body, condition = self._current(key)
            there = newest_checkpoints(self._packing.readable([body], self._place(key)))
            if any(one.version > checkpoint.version for one in there):
                return False
        raise StorageError(errno.EBUSY, "others replace it without a pause")

    def load_checkpoints(self, session_id: str) -> list[Checkpoint]:
        """Return the session's checkpoints, in the order in which they were written.

        Raises:
            StorageError: If they are there and cannot be read.
        """
        lines: list[bytes] = []
        for place in self._places(session_id):
            folder = f"{self._folder(place)}checkpoints/"
            with self._explained("read", folder):
                lines += (line for key, _ in self._listed(folder) for line in self._line(key))
        lines.sort(key=_saved)
        if lines:
            self._now(after=_saved(lines[-1]))
        return newest_checkpoints(lines)

    def _now(self, after: int = 0) -> int:
        """Return a time for a checkpoint, behind all that are known: a clock may be set back.

        Args:
            after: Nanoseconds since the epoch at which one is known to have been stored.
        """
        with self._making:
            self._latest = max(time.time_ns(), self._latest + 1, after)
            return self._latest

    def load_transcript(self, session_id: str, step: int) -> list[dict[str, Any]]:
        """Return the items of a transcript, as JSON data.

        Raises:
            StorageError: If there is none of that step, or it cannot be read.
        """
        name = f"{transcript_name(step)}.jsonl"
        key, body = self._found(session_id, name, f"{name}{GZIP}")
        return [_parsed(line, key) for line in whole_lines(body)]

    def load_summary(self, session_id: str, step: int) -> dict[str, Any]:
        """Return what `save_summary` stored for a step.

        Raises:
            StorageError: If there is none of that step, or it cannot be read.
        """
        key, body = self._found(session_id, f"{summary_name(step)}.json")
        summary = _parsed(body, key)
        if not isinstance(summary, dict):
            message = f"`{key}` is no JSON object: it was changed since it was written"
            raise StorageError(errno.EIO, message)
        return summary

    def load_events(self, session_id: str) -> list[dict[str, Any]]:
        """Return the session's events, oldest first.

        Raises:
            StorageError: If they are there and cannot be read.
        """
        records = self._all_events(session_id)
        return [audit.bare(record) for record in records if not audit.is_audit(record)]

    def load_audit(self, session_id: str) -> list[dict[str, Any]]:
        """Return a record for each write to the session, oldest first (docs/ARCHIVE.md).

        Raises:
            StorageError: If they are there and cannot be read.
        """
        records = self._all_events(session_id)
        return [audit.bare(record) for record in records if audit.is_audit(record)]

    def verify(self, session_id: str) -> list[audit.Fault]:
        """Return what is not as it was written, by the chain of the session's events.

        The last events may be missing without a trace: a bucket with versions keeps them. Others
        may write meanwhile; nothing is written here.

        Raises:
            StorageError: If something is there and cannot be read.
        """
        places = self._places(session_id)
        with self._explained("read", self._prefix):
            there = [place for place in places if self._ours(self._folder(place))]
        return audit.of_all(there or places[-1:], self._faults)

    def _faults(self, place: Place) -> list[audit.Fault]:
        found = audit.lasting(lambda: self._seen(place), _STEP_S)
        with self._explained("read", self._folder(place)):
            if self._session_in(place.folder) is None and list(self._records(place)):
                return [audit.NAMELESS, *found]
        return found

    def _seen(self, place: Place) -> audit.Seen:
        """Look at all that is there, between two looks at which events there are."""
        folder = self._folder(place)
        stored: dict[str, list[str]] = {}
        with self._explained("read", folder):
            numbers = self._numbers(f"{folder}events/", _EVENT)
            for key, _ in self._listed(folder):
                name = key.removeprefix(folder)
                digest = self._digest(key) if _NUMBERED.fullmatch(name) else None
                if digest is not None:
                    stored.setdefault(name.partition(".")[0], []).append(digest)
            for key, _ in self._listed(f"{folder}checkpoints/"):
                for line in self._line(key):
                    for checkpoint in newest_checkpoints([line]):
                        digest = audit.digest_of(line + b"\n")
                        stored[audit.checkpoint_id(checkpoint.key)] = [digest]
            lines = self._events(place)
            moved = self._numbers(f"{folder}events/", _EVENT) != numbers
        told = max(numbers, default=0) if moved else math.inf
        return audit.Seen(place, lines, stored, told)

    def _events(self, place: Place) -> list[bytes]:
        folder = f"{self._folder(place)}events/"
        keys = sorted(key for key, _ in self._listed(folder))
        return [line for key in keys for line in self._line(key)]

    def _all_events(self, session_id: str) -> list[dict[str, Any]]:
        lines: list[bytes] = []
        for place in self._places(session_id):
            with self._explained("read", f"{self._folder(place)}events/"):
                lines += self._events(place)
        return readable(lines)

    def records(self, session_id: str) -> list[Stored]:
        """Return what is stored of a session, sorted by id; none for one that is not there.

        Raises:
            StorageError: If the session's objects cannot be listed.
        """
        found: list[Stored] = []
        for place in self._places(session_id):
            with self._explained("read", self._folder(place)):
                found += self._records(place)
        return together(found)

    def _records(self, place: Place) -> Iterator[Stored]:
        for name, one in self._ours(self._folder(place)).items():
            if _NUMBERED.fullmatch(name):
                yield Stored(name.partition(".")[0], one.size, one.written)
            elif "/" in name:
                ident = EVENTS if name.startswith("events/") else CHECKPOINTS
                yield Stored(ident, one.size, one.written)

    def is_claimed(self, session_id: str) -> bool:  # noqa: ARG002 - as of files
        """Say that nobody claims a session here: there are no claims in S3."""
        return False

    def remove(self, session_id: str, ident: str) -> None:
        """Remove a transcript or a summary; its number is not given again.

        The audit says so first, as with files. A bucket with versions keeps what was removed.

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
            message = f"no `{self._folder(places[-1])}{ident}` is kept; `records()` names what is"
            raise StorageError(errno.ENOENT, message)

    def _removed(self, place: Place, ident: str, step: int) -> bool:
        """Remove a transcript or a summary from a folder; say whether it was there."""
        folder = self._folder(place)
        with self._explained("remove", folder):
            names = self._ours(folder)
        target = next((name for name in names if name.partition(".")[0] == ident), None)
        if target is None:
            return False
        self._chain(place, self._outgoing.removed(place.name, self.name, ident))
        with self._explained("remove", folder):
            if step == max(given(names)):
                self._put(f"{folder}{removed_name(step)}", b"")
                for lower in removed_steps(names):
                    if lower < step:
                        self._delete(f"{folder}{removed_name(lower)}")
            self._delete(f"{folder}{target}")
        return True

    def remove_session(self, session_id: str, *, before: float = math.inf) -> bool:
        """Remove all that was written of a session, its events and checkpoints, too.

        Objects below its prefix that were not written by this class stay.

        Args:
            session_id: The session; one that is not there is removed already.
            before: Leave it as it is if anything of it was written at this time or later, in
                seconds since the epoch.

        Returns:
            Whether it was removed: not if somebody has written to it.

        Raises:
            StorageError: If something cannot be removed.
        """
        folders = [self._folder(place) for place in self._places(session_id)]
        with self._explained("remove", folders[-1]):
            found = [(folder, self._ours(folder)) for folder in folders]
        if any(one.written >= before for _, there in found for one in there.values()):
            return False
        for folder, there in found:
            with self._explained("remove", folder):
                # The end of the chain first, then what it tells of: whoever is ended in between
                # leaves records without events, which is no fault; last, whose they are.
                events = sorted((n for n in there if n.startswith("events/")), reverse=True)
                others = sorted(there.keys() - set(events), key=lambda n: (n == _SESSION, n))
                for name in (*events, *others):
                    self._delete(f"{folder}{name}")
            with self._making:
                self._last_events.pop(f"{folder}events/", None)
                self._seen_folders.pop(folder, None)
        return True

    def called(self, session_id: str) -> str:
        """Return what a session is listed as: its id, or a hash where that tells a secret.

        Raises:
            StorageError: If the bucket cannot be listed.
        """
        with self._explained("read", self._prefix):
            return self._naming.called(session_id, self._is_there)

    def steps(self, session_id: str) -> list[int]:
        """Return the numbers of the session's transcripts, ascending.

        Raises:
            StorageError: If the session's objects cannot be listed.
        """
        found: set[int] = set()
        for place in self._places(session_id):
            folder = self._folder(place)
            with self._explained("read", folder):
                found.update(self._numbers(folder, _TRANSCRIPT))
        return sorted(found)

    def sessions(self) -> list[str]:
        """Return the names of the sessions there are, sorted; see `FileStorage.sessions`.

        Raises:
            StorageError: If the bucket cannot be listed.
        """
        with self._explained("read", self._prefix):
            folders = [
                key.removeprefix(self._prefix).rstrip("/")
                for key, is_folder in self._listed(self._prefix)
                if is_folder
            ]
            found = map(self._name_of, folders)
            return listed(name for name in found if name is not None)

    # --- objects ---

    def _add_transcript(self, folder: str, data: bytes, above: int) -> tuple[int, str, int]:
        """Store a transcript under the next free number; return that, the key and the bytes.

        Args:
            folder: Where.
            data: What.
            above: The highest number that was given elsewhere.
        """
        what, token = _told_apart(folder, data), uuid4().hex
        lost = self._found_after_all(what)
        if lost is not None:
            return lost.step, lost.key, lost.size
        for tried in range(_TRIES):
            step = max(self._highest(folder), above) + 1
            key = f"{folder}{transcript_name(step)}.jsonl{self._packing.suffix}"
            packed = self._packing.transcript(data, self._place(key))
            with self._remembered(what, _Unanswered(key, token, step, len(packed))):
                if self._put(key, packed, token, IfNoneMatch="*"):
                    return step, key, len(packed)
            _pause(tried)
        raise StorageError(errno.EBUSY, "others take every number")

    def _audit(
        self,
        home: Place,
        receipt: ArchiveReceipt,
        data: bytes,
        records: Sequence[Any] | None = None,
    ) -> None:
        """Store the audit record of a write; the arguments are those of `Outgoing.audit`.

        Raises:
            UnauditedError: If that cannot be written.
        """
        record = self._outgoing.audit(home.name, self.name, receipt, data, records)
        try:
            self._chain(home, record)
        except StorageError as error:
            raise UnauditedError(error, receipt, record) from error

    def _chain(self, place: Place, record: Any) -> None:
        """Store an event behind the last one; who was faster is looked at, and bound to."""
        events = f"{self._folder(place)}events/"
        with self._explained("write", events), self._turns.claim(events, _TURN_S):
            self._name_session(place)
            with self._making:
                known, last = self._last_events.pop(events, (0.0, None))
            if time.monotonic() - known > _TRUSTED_S:
                last = None
            what, token = _told_apart(events, json_line(record)), uuid4().hex
            if self._found_after_all(what) is not None:
                return
            for tried in range(_TRIES):
                last = last or self._last_link(place, events)
                line = audit.chained(record, last)
                step = last.sequence + 1
                key = f"{events}{step:08d}.json"
                packed = self._packing.record(line, self._place(key))
                with self._remembered(what, _Unanswered(key, token, step, len(packed))):
                    if self._put(key, packed, token, IfNoneMatch="*"):
                        break
                last = None
                _pause(tried)
            else:
                raise StorageError(errno.EBUSY, "others take every number")
            with self._making:  # or the next one would have to list them all
                link = audit.Link(last.sequence + 1, audit.digest_of(line[:-1]))
                self._last_events[events] = (time.monotonic(), link)
                if len(self._last_events) > _REMEMBERED:
                    self._last_events.popitem(last=False)

    def _last_link(self, place: Place, events: str) -> audit.Link:
        number = max(self._numbers(events, _EVENT), default=0)
        if not number:
            return audit.beginning(place)
        found = self._line(f"{events}{number:08d}.json")
        return audit.Link(number, audit.digest_of(found[0] if found else b""))

    @contextmanager
    def _remembered(self, what: str, written: _Unanswered) -> Iterator[None]:
        """Remember a write that got no answer, or a failure: it may have been done all the same."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError):
            with self._making:
                self._unanswered[what] = written
                if len(self._unanswered) > _REMEMBERED:
                    self._unanswered.popitem(last=False)
            raise

    def _found_after_all(self, what: str) -> _Unanswered | None:
        """Return an earlier write of the same without an answer, if it was done after all."""
        with self._making:
            written = self._unanswered.get(what)
        if written is None:
            return None
        is_there = self._holds(written.key, written.token)
        with self._making:
            self._unanswered.pop(what, None)
        return written if is_there else None

    def _put(self, key: str, data: bytes, token: str = "", **condition: str) -> bool:
        """Store an object; return False if the condition does not hold."""
        from botocore.exceptions import ClientError

        token = token or uuid4().hex
        try:
            self._client().put_object(
                Bucket=self._bucket,
                Key=key,
                Body=data,
                ContentType=_CONTENT_TYPES.get(key.rpartition(".")[2], "application/json"),
                Metadata={_WRITE: token},
                **self._encryption,
                **condition,
            )
        except ClientError as error:
            # Somebody deleted what was to be replaced: it is looked at anew.
            if condition and _code(error) in _TAKEN | _MISSING:
                return self._holds(key, token)
            raise
        return True

    def _holds(self, key: str, token: str) -> bool:
        """Say whether an object is what was just written: boto3 asks again if no answer came."""
        from botocore.exceptions import ClientError

        try:
            found = self._client().head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) in _MISSING:
                return False
            raise
        return bool(found.get("Metadata", {}).get(_WRITE) == token)

    def _current(self, key: str) -> tuple[bytes, dict[str, str]]:
        """Return what an object holds, and the condition that it still does."""
        from botocore.exceptions import ClientError

        try:
            found = self._client().get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if _code(error) not in _MISSING:
                raise
            return b"", {"IfNoneMatch": "*"}
        return _body(found, key), {"IfMatch": found["ETag"]}

    def _get(self, key: str) -> bytes | None:
        body, condition = self._current(key)
        return body if "IfMatch" in condition else None

    def _line(self, key: str) -> list[bytes]:
        """Return what an object of one line holds, without the line feed; nothing if it is gone."""
        body = self._get(key)
        return [] if body is None else self._packing.readable([body], self._place(key))

    def _digest(self, key: str) -> str | None:
        """Return the hash of what an object holds, None if it is gone meanwhile.

        It is that of its bytes if they cannot be unpacked.
        """
        data = self._get(key)
        if data is None:
            return None
        with suppress(UnsoundError):
            data = self._packing.opened(data, self._place(key))
        return audit.digest_of(data)

    def _found(self, session_id: str, *names: str) -> tuple[str, bytes]:
        """Return the first object that is there, and what it holds; first where it is written."""
        folders = [self._folder(place) for place in reversed(self._places(session_id))]
        keys = [f"{folder}{name}" for folder in folders for name in names]
        with self._explained("read", keys[0]):
            for key in keys:
                body = self._get(key)
                if body is not None:
                    return key, self._packing.opened(body, self._place(key))
        message = f"no `{keys[0]}` is kept; `steps()` names the transcripts there are"
        raise StorageError(errno.ENOENT, message)

    def _delete(self, key: str) -> None:
        self._client().delete_object(Bucket=self._bucket, Key=key)

    def _ours(self, folder: str) -> dict[str, Stored]:
        """Return the objects below a session's folder that this class wrote, by name."""
        pages = self._client().get_paginator("list_objects_v2")
        found: dict[str, Stored] = {}
        for page in pages.paginate(Bucket=self._bucket, Prefix=folder):
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(folder)
                if _is_ours(name):
                    found[name] = Stored(name, entry["Size"], entry["LastModified"].timestamp())
        return found

    def _listed(self, folder: str) -> Iterator[tuple[str, bool]]:
        """Yield the keys right below a folder, and whether each is a folder itself."""
        pages = self._client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=folder, Delimiter="/"):
            yield from ((entry["Prefix"], True) for entry in page.get("CommonPrefixes", ()))
            yield from ((entry["Key"], False) for entry in page.get("Contents", ()))

    def _highest(self, folder: str) -> int:
        """Return the highest number that was given in a folder, 0 if none was."""
        names = (key.removeprefix(folder) for key, _ in self._listed(folder))
        return max(given(names), default=0)

    def _numbers(self, folder: str, pattern: re.Pattern[str]) -> list[int]:
        names = (key.removeprefix(folder) for key, _ in self._listed(folder))
        return [int(match[1]) for name in names if (match := pattern.fullmatch(name))]

    # --- sessions ---

    def _folder(self, place: Place) -> str:
        return f"{self._prefix}{place.folder}/"

    def _home(self, session_id: str) -> Place:
        with self._explained("write", self._prefix):
            return self._naming.home(session_id, self._is_there)

    def _places(self, session_id: str) -> list[Place]:
        """Return the folders that a session may have; the one that is written to is the last."""
        places = self._naming.places(session_id)
        with self._explained("read", self._prefix):
            return [
                place
                for place in places
                if not (place.is_nameless and self._session_in(place.folder) is not None)
            ]

    def _is_there(self, folder: str) -> bool:
        """Say whether there is a folder; one that was there is not asked for again."""
        prefix = f"{self._prefix}{folder}/"
        if prefix in self._seen_folders:
            return True
        found = self._client().list_objects_v2(Bucket=self._bucket, Prefix=prefix, MaxKeys=1)
        if not found.get("Contents"):
            return False
        with self._making:
            if len(self._seen_folders) >= _REMEMBERED:
                self._seen_folders.clear()
            self._seen_folders[prefix] = None
        return True

    def _place(self, key: str) -> str:
        """Return where an object belongs, whatever the prefix; for files it is the same."""
        folder, _, name = key.removeprefix(self._prefix).partition("/")
        return f"{folder}/{name.partition('/')[0].partition('.')[0]}"

    def _name_session(self, place: Place) -> None:
        """Write down a session that the name of its folder does not tell."""
        if is_shortened(place.folder) and not place.is_nameless:
            key = f"{self._folder(place)}{_SESSION}"
            self._put(key, json_line({"session_id": place.name}), IfNoneMatch="*")

    def _session_in(self, folder: str) -> str | None:
        """Return the id that a folder or `session.json` in it tells, None if neither does."""
        return self._named_in(folder) if is_shortened(folder) else session_of(folder)

    def _named_in(self, folder: str) -> str | None:
        from botocore.exceptions import ClientError

        try:
            body = self._get(f"{self._prefix}{folder}/{_SESSION}") or b""
        except (ClientError, StorageError):
            return None  # one that may not be read hides no other
        return named_in([body], folder)

    def _name_of(self, folder: str) -> str | None:
        """Return what the session of a folder is called, None if it is nobody's."""
        session_id = self._session_in(folder)
        if session_id is None and is_shortened(folder):
            return folder if list(self._records(Place(folder, folder))) else None
        return session_id

    # --- the rest ---

    def _client(self) -> Any:
        if self._given is not None:
            return self._given
        with self._making:
            if self._made is None or self._made[0] != os.getpid():
                self._made = (os.getpid(), _new_client(self._region, self._endpoint))
            return self._made[1]

    def _receipt(self, ident: str, key: str, step: int, size: int, messages: int) -> ArchiveReceipt:
        return ArchiveReceipt(
            id=ident,
            step=step,
            location=f"s3://{self._bucket}/{key}",
            size=size,
            messages=messages,
            redacted=self._outgoing.redacts,
        )

    @contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        """Turn what boto3 raises into a StorageError that names the place and a way out."""
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"s3://{self._bucket}/{key}"
        try:
            yield
        except StorageError as error:
            said = f"cannot {verb} `{where}`: {error.strerror}"
            raise type(error)(error.errno or errno.EIO, said) from error
        except ClientError as error:
            number, way_out = _CODES.get(_code(error), (errno.EIO, "the store refused it"))
            if verb == "remove" and number == errno.EACCES:
                way_out = "allow s3:ListBucket and s3:DeleteObject for it"
            message = f"cannot {verb} `{where}`: {_code(error)}; {way_out}"
            raise StorageError(number, message) from error
        except BotoCoreError as error:
            name = type(error).__name__
            number, way_out = _RAISED.get(name, (errno.EIO, "boto3 could not ask the store"))
            raise StorageError(number, f"cannot {verb} `{where}`: {name}; {way_out}") from error


def _new_client(region: str | None, endpoint: str | None) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    # A session of our own: the default one of boto3 is not for several threads.
    return boto3.session.Session().client(
        "s3", region_name=region, endpoint_url=endpoint, config=config
    )


def _told_apart(folder: str, data: bytes) -> str:
    return sha256(folder.encode() + b"\n" + data).hexdigest()


def _pause(tried: int) -> None:
    time.sleep(random.uniform(0, _PAUSE_S * tried))  # noqa: S311 - no secret


def _is_ours(name: str) -> bool:
    inner, slash, last = name.partition("/")
    if slash:
        pattern = {"events": _EVENT, "checkpoints": _CHECKPOINT}.get(inner)
        return pattern is not None and pattern.fullmatch(last) is not None
    return bool(name == _SESSION or _NUMBERED.fullmatch(name) or removed_steps([name]))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _saved(line: bytes) -> int:
    saved = next((record.get("saved_ns") for record in readable([line])), None)
    return saved if isinstance(saved, int) else 0


def _parsed(line: bytes, key: str) -> Any:
    try:
        return loaded(line)
    except ValueError as error:
        message = f"`{key}` is not JSON as it is stored: it was changed since it was written"
        raise StorageError(errno.EIO, message) from error


def _body(found: Any, key: str) -> bytes:
    """Return what an object holds.

    Raises:
        StorageError: If it is larger than anything that was written here.
    """
    if found["ContentLength"] > LARGEST:
        found["Body"].close()
        message = f"`{key}` has more than {LARGEST >> 20} MiB, and is not read; it can be removed"
        raise StorageError(errno.EFBIG, message)
    body: bytes = found["Body"].read()
    return body
