"""A URI to an opened table: the one door of this package."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import SparkSession

from connectors.base import Door, OpenedTable
from connectors.delimited import DelimitedDoor
from connectors.delta_lake import DeltaDoor
from connectors.files import FileDoor
from connectors.hive import HiveDoor
from connectors.iceberg import IcebergDoor
from connectors.json_lines import JsonDoor
from connectors.locations import parse_location
from connectors.postgres import PostgresDoor, TypeChoice
from connectors.spark_errors import SPARK_FAILURES, translate_spark_error
from schemas.errors import ConfigError

__all__ = ["DOORS", "open_table"]

_FILES = FileDoor()
DOORS: Mapping[str, Door] = {
    "parquet": _FILES,
    "orc": _FILES,
    "avro": _FILES,
    "csv": DelimitedDoor(),
    "json": JsonDoor(),
    "delta": DeltaDoor(),
    "iceberg": IcebergDoor(),
    "hive": HiveDoor(),
}


def open_table(spark: SparkSession, uri: str, options: Mapping[str, str], *, side: str, types: TypeChoice | None = None) -> OpenedTable:
    """Return the table that a URI names, pinned and ready to be read lazily.

    Args:
        uri: `scheme:location[@version]`.
        options: of this side; one that the door does not know is refused.
        side: `source` or `target`, for errors.
        types: what becomes of types that Spark does not have; only databases ask.

    Raises:
        ParityError: ConfigError, MissingTableError (exit 2), UnreadableDataError, ConnectorError (exit 3); see connectors.base.Door.
    """
    location = parse_location(uri, side)
    try:
        return _door(location.scheme, types).open(spark, location, options)
    except SPARK_FAILURES as exc:
        raise translate_spark_error(exc, f"{side} {location}") from None


def _door(scheme: str, types: TypeChoice | None) -> Door:
    if scheme != "postgres":
        return DOORS[scheme]
    if types is None:
        raise ConfigError(f"{scheme}: tables are opened with the rules of their types.", object=scheme, hint="Give open_table types=….")
    return PostgresDoor(types)
