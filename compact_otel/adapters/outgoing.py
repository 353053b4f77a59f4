"""What goes into an archive, as it may stand there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from compact_otel.adapters import audit
from compact_otel.adapters.records import json_line
from compact_otel.core.types import ArchiveReceipt
from compact_otel.redaction import Gate, Redactor


class Outgoing:
    """Redacts text and the names of sessions, and makes the audit record of a write.

    Args:
        redactor: What text goes through; None is `Redactor()`.
        redact: False lets everything pass.

    Attributes:
        redacts: Whether it does.
    """

    def __init__(self, redactor: Gate | None, *, redact: bool) -> None:
        self.redacts = redact
        self._gate = (redactor or Redactor()) if redact else None
        self._names = redactor if isinstance(redactor, Redactor) else Redactor()

    def data(self, data: Any) -> Any:
        """Return JSON data as it may be stored."""
        return data if self._gate is None else self._gate.value(data)

    def line(self, data: Any) -> bytes:
        """Return JSON data as a record."""
        return json_line(self.data(data))

    def lines(self, values: Iterable[Any]) -> bytes:
        """Return JSON data as records, one each."""
        gate = self._gate  # what is made of a redactor may say of one value what it likes
        clean = gate.values(values) if type(gate) is Redactor else map(self.data, values)
        return b"".join(map(json_line, clean))

    def name(self, session_id: str) -> str:
        """Return what a session is called: a hash where its id would tell a secret."""
        if self._gate is None or self._names.name(session_id) == session_id:
            return session_id
        digest = sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()
        return f"redacted-{digest[:32]}"

    def audit(
        self,
        session_id: str,
        adapter: str,
        receipt: ArchiveReceipt,
        data: bytes,
        records: Sequence[Any] | None = None,
    ) -> Any:
        """Return the audit record of a write.

        Args:
            session_id: The session.
            adapter: Name of what stored it.
            receipt: What was stored, and where.
            data: Its bytes.
            records: What it was before it was redacted, None if it was not.
        """
        before = data if records is None else b"".join(map(json_line, records))
        return self.data(audit.written(self.name(session_id), adapter, receipt, data, before))

    def removed(self, session_id: str, adapter: str, ident: str) -> Any:
        """Return the audit record of something that is taken out on purpose."""
        return self.data(audit.removed(self.name(session_id), adapter, ident))
