"""The base of every noun: frozen, and deaf to no typo."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["Model"]


class Model(BaseModel):
    """A value: it cannot be changed, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def document(self) -> dict[str, Any]:
        """Return the JSON-ready form: aliases as names, nothing but JSON types."""
        return self.model_dump(mode="json", by_alias=True)
