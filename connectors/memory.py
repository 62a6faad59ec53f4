"""DataFrames that the caller already has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.base import OpenedTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["from_dataframe"]


def from_dataframe(df: DataFrame, name: str) -> OpenedTable:
    """Return a DataFrame as one side; what it reads is the caller's own pin, which Parity neither sets nor checks.

    Args:
        name: for people: `source` or `target`, or the variable's name.
    """
    return OpenedTable(uri=f"dataframe:{name}", rows=df)
