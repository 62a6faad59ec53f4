# ruff: noqa: S608 -- the SQL is made of quoted identifiers, types of the catalog and constants
"""A table on a snapshot to the figures of its columns: one scan counts everything, and nothing of it leaves the server as rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, get_args

from connectors.postgres_objects import CatalogColumn, CatalogTable
from connectors.postgres_proof import ServerProof
from connectors.postgres_snapshot import ExportedSnapshot
from engine.portable_sql import quote_identifier
from schemas.coercion import NativeType, SpecialValue
from schemas.errors import ConnectorError, EngineError, TransientConnectorError

__all__ = [
    "SHOWN_CHARS",
    "ColumnFigures",
    "Failure",
    "TableFigures",
    "distinct_estimates",
    "has_places",
    "key_counts",
    "partition_rows",
    "profiling",
    "scan",
    "value_samples",
]

SHOWN_CHARS = 200
"""Of each smallest, greatest and sampled value; more is not fetched."""

_COLUMNS_A_STATEMENT = 200  # planning takes longer than a scan beyond it; a select list holds 1,664
_SAMPLED_VALUES = 50_000
_SAMPLED_ROWS = (50, 1_000)
_SAMPLED_PAGES = 64
_INTERVAL_INFINITY_SINCE = 170000
_UNICODE = "UTF8"

_PAGED = ("table", "partitioned table", "materialized view")

_WHOLE = ("int2", "int4", "int8")
_COLLATED = ("text", "varchar", "name", "citext", "char", "xml")
_FLOATS = ("float4", "float8")
_CALENDAR = ("date", "timestamp", "timestamptz")
_ORDERED = ("time", "timetz", "interval", "inet", "cidr", "oid", "pg_lsn")
_ORDERED_AS_TEXT = ("uuid", "macaddr", "macaddr8")
_WRITTEN = ("json", "jsonb", "tsvector", "tsquery", "bit", "varbit", "hstore", "ltree")
_NO_SAMPLES = ("bytea", "tsvector", "bit", "varbit")

# name, aggregate over the value {v}; {f} is FILTER (WHERE …) or nothing
_Figure = tuple[str, str]


@dataclass(frozen=True)
class ColumnFigures:
    """What one scan says of a column; figures that were not looked for are None, and not among `special`.

    Attributes:
        minimum, maximum: as text, at most SHOWN_CHARS long, in the order of the type; texts in the order of their bytes.
        total: exact sum, as text.
        digits_before_point: that the greatest finite number has; 0 below 1.
    """

    name: str
    nulls: int
    minimum: str | None = None
    maximum: str | None = None
    total: str | None = None
    max_chars: int | None = None
    max_bytes: int | None = None
    digits_before_point: int | None = None
    max_scale: int | None = None
    special: tuple[tuple[SpecialValue, int], ...] = ()

    @property
    def max_precision(self) -> int | None:
        """Digits that a decimal needs for every finite value; None without one."""
        if self.digits_before_point is None or self.max_scale is None:
            return None
        return max(1, self.digits_before_point + self.max_scale)


@dataclass(frozen=True)
class Failure:
    """A column about which the server could not answer; `counted`: but its NULLs it could count."""

    column: str
    text: str
    counted: bool


@dataclass(frozen=True)
class TableFigures:
    """One table, on one snapshot; columns that failed are left out."""

    rows: int
    columns: tuple[ColumnFigures, ...]
    failures: tuple[Failure, ...] = ()


@dataclass
class _Scan:
    """What was found so far; `rows` must be the same in every statement, and is None before the first."""

    snapshot: ExportedSnapshot
    relation: str
    rows: int | None = None
    columns: list[ColumnFigures] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def counted(self) -> int:
        """Return the rows, counted alone when no statement did; when they cannot be counted, no column is to blame."""
        if self.rows is None:
            row = _answer(self.snapshot, f"SELECT count(*) FROM {self.relation}")
            if isinstance(row, ConnectorError):
                raise row
            self.rows = int(row[0])
        return self.rows


@contextmanager
def profiling(snapshot: ExportedSnapshot) -> Iterator[None]:
    """Look up names in pg_catalog only, and compile no query, which takes longer than running it where there are many columns."""
    before = snapshot.fetch("SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_setting('jit')")[0]
    setting = "SELECT pg_catalog.set_config('search_path', %s, true), pg_catalog.set_config('jit', %s, true)"
    snapshot.fetch(setting, ["pg_catalog", "off"])
    try:
        yield
    finally:
        if not snapshot.connection.closed:
            snapshot.fetch(setting, list(before))


def scan(
    snapshot: ExportedSnapshot, table: CatalogTable, columns: Sequence[CatalogColumn], sample_percent: str | None = None
) -> TableFigures:
    """Return the figures of a table's columns, inside `profiling`.

    A statement holds up to 200 columns, and scans once. One that fails is halved until the column is known that it fails for; of that
    one NULLs are counted alone, and when that fails too, nothing.

    Args:
        columns: readable ones of the table.
        sample_percent: of the pages, chosen by their numbers; None: all rows. Views have no pages: all rows.

    Raises:
        TransientConnectorError: the connection was lost.
        ConnectorError: rows cannot even be counted.
        EngineError: two statements on the snapshot saw different numbers of rows.
    """
    found = _Scan(snapshot, _relation(table, sample_percent))
    for start in range(0, len(columns), _COLUMNS_A_STATEMENT):
        _scanned(found, columns[start : start + _COLUMNS_A_STATEMENT])
    order = {column.name: place for place, column in enumerate(columns)}
    return TableFigures(found.counted(), tuple(sorted(found.columns, key=lambda one: order[one.name])), tuple(found.failures))


def key_counts(
    snapshot: ExportedSnapshot, table: CatalogTable, key: Sequence[CatalogColumn], sample_percent: str | None = None
) -> tuple[int, int] | None:
    """Return how many keys have several rows and how many rows have NULL in the key; None where the type knows no equality.

    Texts are told apart by their bytes, whatever the collation. Keys with NULL are not among the first number.
    """
    relation = _relation(table, sample_percent)
    names = [quote_identifier("postgres", column.name) for column in key]
    compared = [_compared(name, column.type) for name, column in zip(names, key, strict=True)]
    missing = " OR ".join(f"{name} IS NULL" for name in names)
    duplicates = (
        f"SELECT count(*) FROM (SELECT FROM {relation} WHERE NOT ({missing}) GROUP BY {', '.join(compared)} HAVING count(*) > 1) AS twice"
    )
    row = _answer(snapshot, f"SELECT ({duplicates}), (SELECT count(*) FROM {relation} WHERE {missing})")
    return None if isinstance(row, ConnectorError) else (int(row[0]), int(row[1]))


def partition_rows(
    snapshot: ExportedSnapshot, table: CatalogTable, families: Sequence[Collection[int]], sample_percent: str | None = None
) -> tuple[int, ...] | ConnectorError:
    """Return how many rows lie in each of several families of tables below a table.

    Args:
        families: oids of a direct child and of everything below it, for each child.
    """
    query = f"SELECT tableoid::bigint, count(*) FROM {_relation(table, sample_percent)} GROUP BY 1"
    rows = _answers(snapshot, query)
    if isinstance(rows, ConnectorError):
        return rows
    counted = {int(oid): int(count) for oid, count in rows}
    return tuple(sum(counted.get(oid, 0) for oid in family) for family in families)


def distinct_estimates(snapshot: ExportedSnapshot, table: CatalogTable, rows: int) -> dict[str, int]:
    """Return how many values each column has by the last ANALYZE, scaled to the rows that were counted; never exact.

    Columns that were never analysed, or that the role may not read, are left out.
    """
    query = (
        "SELECT attname::text, n_distinct::float8 FROM pg_stats WHERE schemaname = %s AND tablename = %s AND inherited = %s"
        " ORDER BY attname"
    )
    found = snapshot.fetch(query, [table.name.schema, table.name.name, bool(table.children)])
    return {name: min(rows, round(-share * rows if share < 0 else share)) for name, share in found if share}


def value_samples(
    snapshot: ExportedSnapshot, table: CatalogTable, columns: Sequence[CatalogColumn]
) -> dict[str, tuple[str, ...]] | ConnectorError:
    """Return some values of each column as text, the same ones each time: of up to a thousand rows, from pages all over the table.

    Args:
        columns: all of the table's, since a role that may read some only is not told where rows lie; see `has_places`.
    """
    wanted = [column for column in columns if _root(column.type).name not in _NO_SAMPLES]
    if not wanted:
        return {}
    rows = max(_SAMPLED_ROWS[0], min(_SAMPLED_ROWS[1], _SAMPLED_VALUES // len(wanted)))
    names = [quote_identifier("postgres", column.name) for column in wanted]
    inner = f"SELECT {', '.join(names)} FROM {_relation(table, _sampled_percent(table))} ORDER BY tableoid, ctid LIMIT {rows}"
    texts = [f"left({name}::text, {SHOWN_CHARS})" for name in names]
    found = _answers(snapshot, f"SELECT {', '.join(texts)} FROM ({inner}) AS taken")
    if isinstance(found, ConnectorError):
        return found
    return {column.name: tuple(str(row[place]) for row in found if row[place] is not None) for place, column in enumerate(wanted)}


def has_places(table: CatalogTable) -> bool:
    """Return whether rows of a table have places that this role can order them by."""
    return table.kind in _PAGED and all(column.readable for column in table.columns)


# one statement


def _scanned(found: _Scan, columns: Sequence[CatalogColumn], *, nulls_only: bool = False) -> None:
    server = found.snapshot.server
    asked = [[] if nulls_only else list(_figures(column.type, server)) for column in columns]
    selected = [_selected(column, figures) for column, figures in zip(columns, asked, strict=True)]
    row = _answer(found.snapshot, f"SELECT count(*), {', '.join(selected)} FROM {found.relation}")
    if not isinstance(row, ConnectorError):
        _same_rows(found, int(row[0]))
        found.columns += [_column_figures(column, figures, values) for column, figures, values in zip(columns, asked, row[1:], strict=True)]
    elif len(columns) > 1:
        found.counted()
        half = len(columns) // 2
        _scanned(found, columns[:half])
        _scanned(found, columns[half:])
    elif not nulls_only:
        known = len(found.columns)
        _scanned(found, columns, nulls_only=True)
        found.failures.append(Failure(columns[0].name, row.message, counted=len(found.columns) > known))


def _selected(column: CatalogColumn, figures: Sequence[_Figure]) -> str:
    """All figures of a column as one array of texts, so that a select list holds many columns."""
    name = quote_identifier("postgres", column.name)
    parts = [f"(count(*) - count({name}))::text", *(f"({sql})::text" for _, sql in figures)]
    return f"ARRAY[{', '.join(part.replace(_VALUE, name) for part in parts)}]"


def _column_figures(column: CatalogColumn, figures: Sequence[_Figure], values: Sequence[str | None]) -> ColumnFigures:
    texts = dict(zip(["nulls", *(key for key, _ in figures)], values, strict=True))
    greatest = texts.get("greatest")
    return ColumnFigures(
        name=column.name,
        nulls=int(texts["nulls"] or 0),
        minimum=texts.get("minimum"),
        maximum=texts.get("maximum"),
        total=texts.get("total"),
        max_chars=_whole(texts.get("max_chars")),
        max_bytes=_whole(texts.get("max_bytes")),
        digits_before_point=None if greatest is None else len(greatest.lstrip("0")),
        max_scale=_whole(texts.get("max_scale")),
        special=tuple((kind, int(texts[kind] or 0)) for kind in _SPECIAL if kind in texts),
    )


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)


def _same_rows(found: _Scan, rows: int) -> None:
    if found.rows not in (None, rows):
        raise EngineError(
            f"{found.relation}: one statement on the snapshot saw {found.rows} rows, another {rows}.",
            object=found.relation,
            hint="Report this: the snapshot does not hold the table still.",
        )
    found.rows = rows


def _answers(snapshot: ExportedSnapshot, query: str) -> list[tuple[Any, ...]] | ConnectorError:
    """Return the rows, or the error of a query that may fail without ending the transaction that holds the snapshot."""
    try:
        with snapshot.connection.transaction():
            return snapshot.fetch(query)
    except TransientConnectorError:
        raise
    except ConnectorError as exc:
        if exc.object == "statement_timeout":
            raise
        return exc


def _answer(snapshot: ExportedSnapshot, query: str) -> tuple[Any, ...] | ConnectorError:
    found = _answers(snapshot, query)
    return found if isinstance(found, ConnectorError) else found[0]


def _relation(table: CatalogTable, sample_percent: str | None) -> str:
    relation = table.name.sql if table.children or table.kind in ("view", "partitioned table") else f"ONLY {table.name.sql}"
    sampled = sample_percent is not None and table.kind in _PAGED
    return f"{relation} TABLESAMPLE SYSTEM ({sample_percent}) REPEATABLE (0)" if sampled else relation


def _sampled_percent(table: CatalogTable) -> str | None:
    """A part of a big table, so that the sample is not sorted out of all rows; pages of children are not known here."""
    return f"{100 * _SAMPLED_PAGES / table.pages:.6f}" if table.pages > 2 * _SAMPLED_PAGES else None


def _compared(name: str, native: NativeType) -> str:
    root = _root(native)
    return f'({name})::text COLLATE "C"' if root.name in (*_COLLATED, "bpchar") or root.extension == "citext" else name


# figures

_VALUE = "\0value\0"
_SPECIAL: tuple[SpecialValue, ...] = get_args(SpecialValue)


def _figures(native: NativeType, server: ServerProof) -> Iterator[_Figure]:
    """Yield what is asked of a column; of arrays and ranges it is asked of their elements and bounds."""
    root = _root(native)
    value = _cast(_VALUE, native, root)
    if root.kind in ("array", "range", "multirange"):
        yield from _inside(root, value, server)
    else:
        yield from _extremes(root, value)
        yield from _sizes(root, value, lambda aggregate, measured: f"{aggregate}({measured})")
        for kind, condition in _conditions(root, value, server):
            yield kind, f"count(*) FILTER (WHERE {condition})"


def _inside(root: NativeType, value: str, server: ServerProof) -> Iterator[_Figure]:
    if root.kind == "array":
        yield "array_dimensions", f"count(*) FILTER (WHERE array_ndims({value}) > 1)"
        yield "array_bounds", f"count(*) FILTER (WHERE array_lower({value}, 1) <> 1)"
    leaf, clauses = root, list[str]()
    expression = value
    while leaf.kind in ("array", "range", "multirange") and leaf.element is not None:
        alias = f"e{len(clauses)}"
        if leaf.kind == "range":
            clauses.append(f"LATERAL (VALUES (lower({expression})), (upper({expression}))) AS {alias}(v)")
        else:
            clauses.append(f"LATERAL unnest({expression}) AS {alias}(v)")
        element = leaf.element
        leaf = _root(element)
        expression = _cast(f"{alias}.v", element, leaf)
    if leaf.kind not in ("base", "enum") or (leaf.kind == "base" and leaf.schema_name != "pg_catalog" and leaf.extension is None):
        return
    source = ", ".join(clauses)

    def of_all(aggregate: str, measured: str) -> str:
        return f"{aggregate}((SELECT {aggregate}({measured}) FROM {source}))"

    yield from _sizes(leaf, expression, of_all)
    for kind, condition in _conditions(leaf, expression, server):
        yield kind, f"coalesce(sum((SELECT count(*) FROM {source} WHERE {condition})), 0)"


def _extremes(root: NativeType, value: str) -> Iterator[_Figure]:
    name = root.name
    if root.kind == "enum" or _is(root, *_WHOLE, "numeric", *_FLOATS, *_CALENDAR, *_ORDERED):
        compared = value
    elif _is(root, "money"):
        compared = f"({value})::numeric"
    elif _is_text(root) or _is(root, *_ORDERED_AS_TEXT):
        compared = f'left(({value})::text, {SHOWN_CHARS}) COLLATE "C"'
    else:
        return
    yield "minimum", f"left(min({compared})::text, {SHOWN_CHARS})"
    yield "maximum", f"left(max({compared})::text, {SHOWN_CHARS})"
    if name in _WHOLE or _is(root, "numeric", "money"):
        yield "total", f"sum({compared})"


def _sizes(root: NativeType, value: str, of_all: Callable[[str, str], str]) -> Iterator[_Figure]:
    if _is(root, "numeric", "money"):
        number = f"({value})::numeric" if root.name == "money" else value
        finite = f"CASE WHEN {number} NOT IN ('NaN', 'Infinity', '-Infinity') THEN {{}} END"
        yield "greatest", f"trunc({of_all('max', finite.format(f'abs({number})'))})"
        yield "max_scale", of_all("max", f"min_scale({number})")
    elif _is(root, "bytea"):
        yield "max_bytes", of_all("max", f"octet_length({value})")
    elif _is(root, "bpchar"):
        yield "max_chars", of_all("max", f"char_length({value})")
        yield "max_bytes", of_all("max", f"octet_length({value})")
    elif root.kind == "enum" or _is_text(root) or root.name in _WRITTEN:
        yield "max_chars", of_all("max", f"char_length(({value})::text)")
        yield "max_bytes", of_all("max", f"octet_length(({value})::text)")


def _conditions(root: NativeType, value: str, server: ServerProof) -> Iterator[tuple[SpecialValue, str]]:
    if _is(root, "numeric", *_FLOATS):
        yield "nan", f"{value} = 'NaN'"
        yield "positive_infinity", f"{value} = 'Infinity'"
        yield "negative_infinity", f"{value} = '-Infinity'"
    elif _is(root, *_CALENDAR):
        yield "positive_infinity", f"{value} = 'infinity'"
        yield "negative_infinity", f"{value} = '-infinity'"
        yield "bc", f"{value} < '0001-01-01' AND {value} > '-infinity'"
        yield "before_1582", f"{value} < '1582-10-15' AND {value} > '-infinity'"
        yield "year_above_9999", f"{value} >= '10000-01-01' AND {value} < 'infinity'"
    elif _is(root, "interval") and server.version_number >= _INTERVAL_INFINITY_SINCE:
        yield "positive_infinity", f"{value} = 'infinity'"
        yield "negative_infinity", f"{value} = '-infinity'"
    elif _is(root, "time"):
        yield "hour_24", f"{value} = '24:00:00'"
    elif _is(root, "timetz"):
        yield "hour_24", f"extract(hour FROM {value}) = 24"
    elif root.kind == "enum" or _is_text(root):
        text = f'(({value})::text COLLATE "C")'
        yield "empty_text", f"{text} = ''"
        if not _is(root, "bpchar"):  # its blanks are padding, and no part of the text
            yield "trailing_blanks", f"right({text}, 1) = ' '"
        if server.encoding == _UNICODE:
            yield "not_nfc", f"CASE WHEN octet_length({text}) <> char_length({text}) THEN {text} IS NOT NFC NORMALIZED ELSE false END"
        yield "backslash_n", f"{text} = '\\N'"
        yield "line_break", f"strpos({text}, chr(10)) > 0 OR strpos({text}, chr(13)) > 0"


def _is(root: NativeType, *names: str) -> bool:
    return root.kind == "base" and root.schema_name == "pg_catalog" and root.name in names


def _is_text(root: NativeType) -> bool:
    return _is(root, *_COLLATED, "bpchar") or (root.kind == "base" and root.extension == "citext" and root.name == "citext")


def _root(native: NativeType) -> NativeType:
    while native.kind == "domain" and native.base is not None:
        native = native.base
    return native


def _cast(value: str, native: NativeType, root: NativeType) -> str:
    """A domain's functions are those of its base type; said aloud, since not all are found for it."""
    return value if native is root else f"({value})::{root.declared}"
