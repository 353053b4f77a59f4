"""The JSON schema of a file with settings, for editors and for checks before a program starts."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from compact_otel.config.checking import file_model

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema: types, bounds, defaults and meanings, as the dataclasses declare them.

    Names that are none do not fit. Rules that span fields are not in it: `compactctl
    validate-config` knows them.
    """
    return {"$schema": DIALECT, **file_model().model_json_schema(schema_generator=_Plain)}


class _Plain(GenerateJsonSchema):
    """Leaves out titles, which only say the names once more."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False
