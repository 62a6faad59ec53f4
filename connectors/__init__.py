"""The doors to the world: every place tables are read from."""

from connectors.base import Door, Location, OpenedTable
from connectors.locations import parse_location
from connectors.manifest import require_local
from connectors.opening import open_table
from connectors.spark_errors import translate_spark_error

__all__ = ["Door", "Location", "OpenedTable", "open_table", "parse_location", "require_local", "translate_spark_error"]
