"""What goes into an archive, as it may stand there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compact_otel.adapters import audit
from compact_otel.adapters.records import json_line
from compact_otel.core.types import ArchiveReceipt
from compact_otel.redaction import Gate, Redactor, plain


class Outgoing:
    """Redacts text, and makes the audit record of a write.

    Args:
        redactor: What text goes through; None is `Redactor()`.
        redact: False lets everything pass.

    Attributes:
        redacts: Whether it does.
    """

    def __init__(self, redactor: Gate | None, *, redact: bool) -> None:
        self.redacts = redact
        self._gate = (redactor or Redactor()) if redact else None

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

    def event(self, name: str, event: Mapping[str, Any]) -> Any:
        """Return an event as it may be stored; a missing audit record is one, too.

        Args:
            name: What the session is called where it is stored.
            event: What happened.
        """
        data = plain(event)
        if isinstance(data, dict) and audit.is_audit(data):
            return self._audited(name, data)
        return self.data(data)

    def audit(
        self,
        name: str,
        adapter: str,
        receipt: ArchiveReceipt,
        data: bytes,
        records: Sequence[Any] | None = None,
    ) -> Any:
        """Return the audit record of a write.

        Args:
            name: What the session is called where it is stored.
            adapter: Name of what stored it.
            receipt: What was stored, and where.
            data: Its bytes.
            records: What it was before it was redacted, None if it was not.
        """
        before = data if records is None else b"".join(map(json_line, records))
        return self._audited(name, audit.written(name, adapter, receipt, data, before))

    def removed(self, name: str, adapter: str, ident: str) -> Any:
        """Return the audit record of something that is taken out on purpose."""
        return self._audited(name, audit.removed(name, adapter, ident))

    def _audited(self, name: str, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return an audit record without secrets.

        Hashes, numbers and times stay, or what was written could not be held against them; what
        does not look like that goes through the gate like any text, and so do fields of others.
        """
        kept = {field: value for field, value in record.items() if audit.fits(field, value, name)}
        clean = self.data({field: record[field] for field in record if field not in kept})
        order = {field: None for field in record if field in kept or field in clean}
        return {**order, **clean, **kept}
