"""Claims: one at a time among the threads of a process, or among all processes that see a file.

A claim on a file is a lock of the operating system on the opened file (`flock`, on Windows a locked
byte). Rules it keeps:

1. It ends with its holder's process, whatever ends that. A file that merely exists claims nothing.
2. Threads exclude each other as processes do: each attempt opens the file anew, and the lock
   belongs to what was opened.
3. A forked child holds no claim of its parent's and ends none. It shares what the parent has
   opened, so it closes its copies at once; else the claim would live as long as the child.
4. The file goes with the claim. Whoever had it open finds that it has lost its name, and that a
   lock on it does not count; so it is with a file that somebody else removes.

These few lines stand here because filelock, whose job it is, keeps rule 3 since late 3.x only
(before, a forked child both ends its parent's lock and outlives it), takes 0.17 s to import, puts
itself into every fork and audit event of the process, and may end a forked child by itself.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from compact_otel.forks import mutex

UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system without locks answers."""

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _end(descriptor: int, path: Path) -> None:
        os.close(descriptor)
        path.unlink()  # fails, and may, if somebody else has just opened it

    def unlock(descriptor: int) -> None:
        """Close what `locked` locked."""
        os.close(descriptor)

    def is_still(descriptor: int, path: Path) -> bool:  # noqa: ARG001 - as on other systems
        """Say whether a file that was opened has its name still."""
        return True  # a file that is open cannot be removed here
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _end(descriptor: int, path: Path) -> None:
        try:
            with suppress(OSError):
                if is_still(descriptor, path):
                    path.unlink()
        finally:
            unlock(descriptor)

    def unlock(descriptor: int) -> None:
        """Close what `locked` locked."""
        try:
            # A process just being forked may have a copy, so closing alone would not do.
            with suppress(OSError):  # nothing can be locked here
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def is_still(descriptor: int, path: Path) -> bool:
        """Say whether a file that was opened has its name still."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.lstat(path))
        except FileNotFoundError:
            return False


_held: dict[object, tuple[int, Path]] = {}
# Over open and lock: a fork in between would give the child a descriptor that nobody closes.
_holding = mutex()


def hold(path: Path, opened: Callable[[Path], int]) -> object | None:
    """Try once to claim a file; return what `let_go` takes, None if somebody else has it.

    Args:
        path: The file; its content does not matter.
        opened: Opens it for writing, creates it if it is not there, and returns a descriptor.

    Raises:
        OSError: If it cannot be opened, or its file system knows no locks (see `UNSUPPORTED`).
    """
    with _holding:
        descriptor = opened(path)
        try:
            if _is_locked(descriptor, path):
                claim = object()
                _held[claim] = (descriptor, path)
                descriptor = -1
                return claim
        finally:
            if descriptor >= 0:
                os.close(descriptor)
    return None


def _is_locked(descriptor: int, path: Path) -> bool:
    return _is_free(descriptor) and is_still(descriptor, path)


def _is_free(descriptor: int) -> bool:
    """Lock an opened file unless somebody else has; say whether that was done."""
    try:
        _lock(descriptor)
    except (BlockingIOError, PermissionError):  # some systems say EACCES for EAGAIN
        return False
    return True


def locked(descriptor: int) -> bool:
    """Try once to lock an opened file until it is closed; True also where nothing can be locked.

    For the moment of one write; `unlock` ends it.
    """
    try:
        return _is_free(descriptor)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return True
        raise


def is_held(path: Path, opened: Callable[[Path], int]) -> bool:
    """Say whether somebody has claimed a file, and leave it as it is.

    Args:
        path: The file.
        opened: As in `hold`, but does not create it.

    Raises:
        OSError: If it cannot be opened.
    """
    with _holding:
        descriptor = opened(path)
        if not locked(descriptor):
            os.close(descriptor)
            return True
        unlock(descriptor)
    return False


def let_go(claim: object) -> None:
    """End a claim; one that a forked child has from its parent is none, and nothing happens."""
    with _holding:
        descriptor, path = _held.pop(claim, (-1, Path()))
        if descriptor >= 0:
            with suppress(OSError):  # the file system is gone, and the lock with it
                _end(descriptor, path)


def _let_go_of_the_parents() -> None:
    for descriptor, _ in _held.values():
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_of_the_parents)


@dataclass(slots=True)
class _Place:
    """Where those who want the same key meet."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class ThreadClaims:
    """Claims by key among the threads of this process; costs memory for those in use only."""

    def __init__(self) -> None:
        self._mutex = mutex()
        self._places: dict[Hashable, _Place] = {}
        self._process = os.getpid()

    @contextmanager
    def claim(self, key: Hashable, timeout: float) -> Iterator[bool]:
        """Enter with True when the claim is held, with False if it was not free in time.

        Args:
            key: What is claimed.
            timeout: Seconds to wait; 0 tries once.
        """
        place = self._enter(key)
        held = False
        try:
            held = place.lock.acquire(timeout=min(max(0.0, timeout), threading.TIMEOUT_MAX))
            yield held
        finally:
            if held:
                place.lock.release()
            self._leave(key, place)

    def _enter(self, key: Hashable) -> _Place:
        with self._mutex:
            if self._process != os.getpid():  # a forked child; its parent's threads are not here
                self._process, self._places = os.getpid(), {}
            place = self._places.setdefault(key, _Place())
            place.users += 1
            return place

    def _leave(self, key: Hashable, place: _Place) -> None:
        with self._mutex:
            place.users -= 1
            if not place.users and self._places.get(key) is place:
                del self._places[key]
