"""A table of PostgreSQL to a DataFrame: which queries read it, and proof that they read all of it on one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from connectors.postgres_columns import ReadColumn, select_sql, spark_value
from connectors.postgres_connection import PostgresLogin, jdbc_properties, jdbc_url
from connectors.postgres_objects import CatalogTable
from connectors.postgres_snapshot import ExportedSnapshot
from engine.portable_sql import quote_identifier
from schemas.errors import ConfigError, EngineError

__all__ = ["KeyRange", "ReadingPlan", "read_rows", "reading_plan", "require_all_rows"]

_HEAP = "heap"
_PLACE = "parity_place"
_TASK_PAGES = 8192  # 64 MiB: a second or two of one core
_SMALLEST_TASK_PAGES = 128  # 1 MiB: below it a connection costs more than the rows
_MOST_TASKS = 1000
_FETCH_BYTES = 16 * 1024 * 1024
_FETCH_ROWS = (100, 10_000)  # 50,000 was slower than 10,000 in every run
_FETCH_UNKNOWN = 1000


@dataclass(frozen=True)
class KeyRange:
    """How to split what has no pages: a column of whole numbers and where its ranges begin.

    Attributes:
        begins: ascending, without the first; rows below, above and with NULL are read too.
    """

    column: str
    begins: tuple[int, ...]


@dataclass(frozen=True)
class ReadingPlan:
    """Queries that together read every row once.

    Attributes:
        way: `ctid ranges`, `key ranges` or `one query`.
        reason: for people.
        relation: quoted, with `ONLY` where the table has no children.
        predicates: one per task; disjoint, and together always true. Over `parity_place`, where there is one.
        place: SQL that `parity_place` stands for; None where no predicate needs it.
        fetch_rows: per round trip, never 0.
        pinned_search_path: names are looked up in pg_catalog only; views keep the role's own path, which their functions may need.
    """

    way: Literal["ctid ranges", "key ranges", "one query"]
    reason: str
    relation: str
    predicates: tuple[str, ...]
    place: str | None
    fetch_rows: int
    pinned_search_path: bool


def reading_plan(
    table: CatalogTable,
    below: Collection[CatalogTable] = (),
    *,
    tasks: int | None = None,
    parallelism: int = 8,
    fetch_rows: int | None = None,
    key_range: KeyRange | None = None,
) -> ReadingPlan:
    """Return how a table is read.

    Ranges of pages need no key, no index and no bounds query, and cannot be skewed by sparse keys; measured, nothing was faster.
    They serve partitioned and inheriting tables as well: each range is scanned in every child at once, with the rights and the
    row security of the parent. Views and foreign tables have no pages: one query, or ranges of a key.

    Args:
        below: every table that the rows of a parent lie in, at any depth.
        tasks: how many ranges; None: by size, at least `parallelism` where that pays.
        fetch_rows: None: so that a round trip brings about 16 MiB.
        key_range: for views and foreign tables.

    Raises:
        ConfigError: `tasks` or `fetch_rows` is not a whole number above 0, or ranges are asked of what has none.
    """
    for name, number in (("ranges", tasks), ("fetchsize", fetch_rows)):
        if number is not None and number < 1:
            why = " With 0, Spark would read live data instead of the snapshot." if name == "fetchsize" else ""
            raise ConfigError(f"Option {name}: {number} is not above 0.{why}", object=name, hint=f"Leave {name} out, or write {name}=1000.")
    relation = table.name.sql if table.children else f"ONLY {table.name.sql}"
    stored = [one for one in (table, *below) if one.kind in ("table", "materialized view")]
    fetch = fetch_rows or _fetch_rows(table, stored)
    paged = bool(stored) and all(one.access_method == _HEAP for one in stored) and not any(one.kind == "foreign table" for one in below)
    if table.kind in ("table", "partitioned table", "materialized view") and paged and table.readable_whole:
        pages = [one.pages for one in stored]
        begins = _page_begins(pages, tasks or _task_count(sum(pages), parallelism))
        where = f"{len(stored)} tables" if len(stored) > 1 else "table"
        reason = f"{len(begins) + 1} ranges of the {sum(pages):,} pages of the {where}"
        predicates = _ranges(_PLACE, [f"'({page},0)'::tid" for page in begins], nullable=False)
        return ReadingPlan("ctid ranges", reason, relation, predicates, "ctid", fetch, pinned_search_path=True)
    kind = _without_pages(table)
    views = table.kind == "view"
    if views or table.kind == "foreign table":
        relation = table.name.sql
    if key_range is not None:
        predicates = _ranges(_PLACE, [str(int(begin)) for begin in key_range.begins], nullable=True)
        place = quote_identifier("postgres", key_range.column)
        reason = f"{len(predicates)} ranges of {key_range.column}: it is {kind}"
        return ReadingPlan("key ranges", reason, relation, predicates, place, fetch, pinned_search_path=not views)
    if tasks is not None and tasks > 1:
        raise ConfigError(f"Option ranges: {table.name} is {kind}, so it has no pages to split.", object="ranges", hint="Leave it out.")
    return ReadingPlan("one query", f"one query: it is {kind}", relation, ("true",), None, fetch, pinned_search_path=not views)


def read_rows(
    spark: SparkSession, login: PostgresLogin, snapshot: ExportedSnapshot, plan: ReadingPlan, columns: Sequence[ReadColumn]
) -> DataFrame:
    """Return the rows of a table, lazily, as the snapshot shows them.

    Every query carries the snapshot's guard: one that runs anywhere else ends itself. No filter is pushed down, since text
    compares otherwise there.

    Returns:
        One row per row of the table; the columns under their own names, in their canonical types.
        Cost: narrow; each action opens one connection per task; lazy but for the query of the schema, of one row.
    """
    searched = {"search_path": "pg_catalog"} if plan.pinned_search_path else {"search_path": None}
    properties = {
        **jdbc_properties(login),
        "fetchsize": str(plan.fetch_rows),
        "sessionInitStatement": snapshot.init_statement(**searched),
        "pushDownPredicate": "false",
        "queryTimeout": "0",
    }
    # In the predicates and not in the query: Spark asks for the schema with that, by reading one row outside of the snapshot.
    guarded = [f"{snapshot.guard()} AND ({predicate})" for predicate in plan.predicates]
    raw = spark.read.jdbc(jdbc_url(login), _query(plan, columns), predicates=guarded, properties=properties)
    arrived = {field.name: field.dataType for field in raw.schema.fields}
    return raw.select(*(spark_value(F.col(alias), column, arrived[alias]).alias(column.name) for alias, column in _aliased(columns)))


def require_all_rows(read: int, snapshot: ExportedSnapshot, plan: ReadingPlan, where: str) -> None:
    """Check that as many rows were read as the exporting transaction counts.

    Args:
        read: rows of all tasks together.
        where: the table, for the error.

    Raises:
        EngineError: more or fewer.
    """
    there = snapshot.count(plan.relation)
    if read != there:
        raise EngineError(
            f"{where}: {read:,} rows were read, but the snapshot holds {there:,}.",
            object=where,
            hint="Report this: ranges overlap or leave something out.",
        )


def _without_pages(table: CatalogTable) -> str:
    if table.kind in ("view", "foreign table"):
        return f"a {table.kind}"
    if not table.readable_whole:
        return "a table of which the role may read single columns, but not where its rows lie"
    return "a table that is not stored as a heap throughout"


def _query(plan: ReadingPlan, columns: Sequence[ReadColumn]) -> str:
    """Columns are numbered, because Spark does not escape quotes in the names it sends, and compares them without their case."""
    selected = [f"{select_sql(column)} AS {alias}" for alias, column in _aliased(columns)] or ["1 AS c0"]
    if plan.place is not None:
        selected.append(f"{plan.place} AS {_PLACE}")
    return " ".join(("(SELECT", ", ".join(selected), "FROM", plan.relation, ") AS parity"))


def _aliased(columns: Sequence[ReadColumn]) -> list[tuple[str, ReadColumn]]:
    return [(f"c{number}", column) for number, column in enumerate(columns, start=1)]


def _ranges(place: str, begins: Sequence[str], *, nullable: bool) -> tuple[str, ...]:
    """Half-open ranges; the first reaches down without end, the last up."""
    if not begins:
        return ("true",)
    first = f"{place} < {begins[0]}" + (f" OR {place} IS NULL" if nullable else "")
    middle = [f"{place} >= {begin} AND {place} < {end}" for begin, end in pairwise(begins)]
    return (first, *middle, f"{place} >= {begins[-1]}")


def _task_count(pages: int, parallelism: int) -> int:
    wanted = max(-(-pages // _TASK_PAGES), min(parallelism, -(-pages // _SMALLEST_TASK_PAGES)), 1)
    return min(wanted, _MOST_TASKS)


def _page_begins(pages: Sequence[int], tasks: int) -> tuple[int, ...]:
    """Pages at which ranges begin, the first left out, so that all ranges hold about as many pages over all tables.

    >>> _page_begins([100], 4), _page_begins([10, 100], 2), _page_begins([0], 4)
    ((25, 50, 75), (45,), ())
    """
    ordered, total = sorted(pages), sum(pages)
    begins: list[int] = []
    done, passed, index = 0, 0, 0
    for number in range(1, tasks):
        wanted = total * number // tasks
        while index < len(ordered):
            step = (ordered[index] - passed) * (len(ordered) - index)
            if done + step >= wanted:
                break
            done, passed, index = done + step, ordered[index], index + 1
        if index == len(ordered):
            break
        begin = passed + (wanted - done) // (len(ordered) - index)
        if begin > (begins[-1] if begins else 0):
            begins.append(begin)
    return tuple(begins)


def _fetch_rows(table: CatalogTable, stored: Sequence[CatalogTable]) -> int:
    """Wide rows come in small numbers: all that one round trip brings lies in the memory of a task."""
    rows = sum(one.rows_estimate or 0 for one in stored)
    if not rows:
        return _FETCH_UNKNOWN if len(table.columns) < 100 else _FETCH_ROWS[0]
    width = max(1, sum(one.bytes for one in stored) // rows)
    return max(_FETCH_ROWS[0], min(_FETCH_ROWS[1], _FETCH_BYTES // width))
