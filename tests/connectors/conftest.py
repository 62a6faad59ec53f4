# ruff: noqa: S608 -- the SQL of these tables is made of quoted names and constants
"""Real tables of every format, small."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from connectors.postgres_address import TableName
from engine.portable_sql import quote_identifier
from tests.connectors.postgres_stage import PostgresStage, running_stage

Rows = list[tuple[str | None, ...]]
_serial = itertools.count()


@dataclass(frozen=True)
class Stored:
    """A table that a test stored: its URI, one that names nothing, and how to change it behind Parity's back."""

    scheme: str
    uri: str
    missing_uri: str
    change: Callable[[], None]


def frame(spark: SparkSession, names: list[str], rows: Rows) -> DataFrame:
    return spark.createDataFrame(rows, T.StructType([T.StructField(name, T.StringType()) for name in names]))


def write_csv(path: Path, names: list[str], rows: Rows) -> None:
    """Quote what is text, leave NULL unquoted: RFC 4180 with the difference that Parity reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(_quote(value) for value in row) for row in [tuple(names), *rows]]
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())


def _quote(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def write_json(path: Path, names: list[str], rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def postgres_stage() -> Iterator[PostgresStage]:
    with running_stage() as stage:
        yield stage


@pytest.fixture(scope="session")
def iceberg_catalog(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = "doors"
    spark.conf.set(f"spark.sql.catalog.{name}", "org.apache.iceberg.spark.SparkCatalog")
    spark.conf.set(f"spark.sql.catalog.{name}.type", "hadoop")
    spark.conf.set(f"spark.sql.catalog.{name}.warehouse", str(tmp_path_factory.mktemp("iceberg")))
    return name


def store_in_postgres(stage: PostgresStage, names: list[str], rows: Rows) -> Stored:
    schema = stage.fresh_schema()
    columns = ", ".join(f"{quote_identifier('postgres', name)} text" for name in names)
    stage.run(f"CREATE TABLE t ({columns})" + (" PARTITION BY LIST (p)" if "p" in names else ""))
    for value in sorted({str(row[names.index("p")]) for row in rows} if "p" in names else ()):
        stage.run(f"CREATE TABLE {quote_identifier('postgres', 't_' + value)} PARTITION OF t FOR VALUES IN ('{value}')")
    with stage.owner.cursor() as cursor:
        cursor.executemany(f"INSERT INTO t VALUES ({', '.join('%s' for _ in names)})".encode(), rows)
    uri, missing = stage.uri(TableName(schema, "t")), stage.uri(TableName(schema, "tx"))
    return Stored("postgres", uri, missing, lambda: stage.run(f"DELETE FROM {schema}.t; INSERT INTO {schema}.t VALUES ('9')"))


@pytest.fixture
def store(spark: SparkSession, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Stored]]:
    """Return a function that stores rows of text under a scheme, partitioned by `p` when a column has that name."""
    tables: list[str] = []

    def one(scheme: str, names: list[str], rows: Rows) -> Stored:
        folder = tmp_path / f"t{next(_serial)}"
        partition = ["p"] if "p" in names else []
        if scheme in ("csv", "json"):
            write = write_csv if scheme == "csv" else write_json
            ending = f"part-0.{scheme}"
            if partition:
                kept = [i for i, name in enumerate(names) if name != "p"]
                for value in sorted({str(row[names.index("p")]) for row in rows}):
                    chosen = [tuple(row[i] for i in kept) for row in rows if row[names.index("p")] == value]
                    write(folder / f"p={value}" / ending, [names[i] for i in kept], chosen)
            else:
                write(folder / ending, names, rows)
            return Stored(
                scheme, f"{scheme}:{folder}", f"{scheme}:{folder}x", lambda: write(next(folder.rglob(ending)), names[:1], rows[:0])
            )
        if scheme == "postgres":
            return store_in_postgres(request.getfixturevalue("postgres_stage"), names, rows)
        table = frame(spark, names, rows).coalesce(1)
        if scheme in ("parquet", "orc", "avro"):
            table.write.format(scheme).partitionBy(*partition).save(str(folder))
            data = next(path for path in folder.rglob(f"part-*.{scheme}"))
            return Stored(scheme, f"{scheme}:{folder}", f"{scheme}:{folder}x", lambda: data.write_bytes(data.read_bytes() + b"x"))
        if scheme == "delta":
            table.write.format("delta").partitionBy(*partition).save(str(folder))
            again = frame(spark, names, rows[:1])
            return Stored(
                scheme, f"delta:{folder}", f"delta:{folder}x",
                lambda: again.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(str(folder)),
            )  # fmt: skip
        if scheme == "iceberg":
            name = f"{request.getfixturevalue('iceberg_catalog')}.db.t{next(_serial)}"
            writer = table.writeTo(name).using("iceberg")
            (writer.partitionedBy("p") if partition else writer).create()
            tables.append(name)
            return Stored(scheme, f"iceberg:{name}", f"iceberg:{name}x", lambda: frame(spark, names, rows[:1]).writeTo(name).append())
        name = f"default.t{next(_serial)}"
        table.write.format("parquet").partitionBy(*partition).saveAsTable(name)
        tables.append(name)
        return Stored(scheme, f"hive:{name}", f"hive:{name}x", lambda: frame(spark, names, rows[:1]).write.insertInto(name))

    yield one
    for name in tables:
        spark.sql(f"DROP TABLE IF EXISTS {name}")


__all__ = ["Rows", "Stored", "frame", "write_csv", "write_json"]
