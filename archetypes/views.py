"""The query of a view of PostgreSQL to the same query over the migrated tables, or to the reason why there is none.

Only what is known to mean the same in the other engine is translated; everything else is refused by name, since a query that runs and
says something else is worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp, parse_one
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

from archetypes.mapping import shown
from archetypes.target_ddl import parsed_type
from schemas.agent_output import ObjectName

__all__ = ["Readable", "ReadableColumn", "UntranslatableError", "ViewDialect", "output_columns", "tables_of", "translate_view"]

ViewDialect = Literal["duckdb", "spark", "athena"]
_POSTGRES = "postgres"


class UntranslatableError(Exception):
    """The view says something that is not known to mean the same elsewhere; no error of a run."""


@dataclass(frozen=True)
class ReadableColumn:
    """A column of the source as the target has it.

    Attributes:
        name: in the target.
        spark: its type there.
        ordered: the target orders such values as the source does; not so labels of an enum, and numbers that became text.
        compared: equal values are equal there; not so `char(n)`, which the source compares without its blanks.
        collated: text that the source orders by a collation and the target by its bytes; only the order of the output may rest on it.
    """

    name: str
    spark: str
    ordered: bool = True
    compared: bool = True
    collated: bool = False


@dataclass(frozen=True)
class Readable:
    """A table or view that a translated view may read.

    Attributes:
        parts: its name in the target, from the outermost.
        columns: by name in the source.
    """

    parts: tuple[str, ...]
    columns: Mapping[str, ReadableColumn]


# What means the same in PostgreSQL, DuckDB, Spark in ANSI mode and Athena. Types of operands are checked besides.
_CLAUSES = (
    exp.Select, exp.Subquery, exp.Union, exp.Intersect, exp.Except, exp.With, exp.CTE, exp.From, exp.Join, exp.Where, exp.Group, exp.Having,
    exp.Order, exp.Ordered, exp.Limit, exp.Distinct, exp.Table, exp.TableAlias, exp.Alias, exp.Column, exp.Identifier, exp.Star, exp.Tuple,
)  # fmt: skip
_VALUES = (
    exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Case, exp.If, exp.Coalesce, exp.Nullif,
    exp.DPipe, exp.Upper, exp.Lower, exp.Length, exp.Abs, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Extract, exp.Var,
    exp.Window, exp.WindowSpec, exp.RowNumber, exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Any, exp.Array,
)  # fmt: skip
_CONDITIONS = (
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In, exp.Between, exp.Exists, exp.Like,
    exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip
_KNOWN = (*_CLAUSES, *_VALUES, *_CONDITIONS)

_WIDTHS = ("TINYINT", "SMALLINT", "INT", "BIGINT")
_WHOLE = set(_WIDTHS)
_EXACT = _WHOLE | {"DECIMAL"}
_NUMBERS = _EXACT | {"FLOAT", "DOUBLE"}
_TEXT = {"TEXT", "VARCHAR", "CHAR"}
_DAYS = {"DATE", "TIMESTAMP", "TIMESTAMPNTZ"}
_PARTS_OF_DAYS = ("YEAR", "MONTH", "DAY")
_ORDERING = (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.Min, exp.Max, exp.Ordered)


_UNKNOWN_ARGUMENTS: tuple[tuple[type[exp.Expr], str, str], ...] = (
    (exp.Select, "locks", "FOR UPDATE"),
    (exp.Select, "offset", "OFFSET"),
    (exp.Select, "laterals", "LATERAL"),
    (exp.Table, "sample", "TABLESAMPLE"),
    (exp.Table, "only", "ONLY"),
    (exp.Join, "method", "NATURAL JOIN"),
    (exp.With, "recursive", "WITH RECURSIVE"),
    (exp.Between, "symmetric", "BETWEEN SYMMETRIC"),
)


def tables_of(name: ObjectName, sql: str) -> tuple[ObjectName, ...]:
    """Return the tables and views that a view reads, each once, sorted.

    Raises:
        UntranslatableError: the query does not parse.
    """
    tree = _parsed(sql)
    found = {_named(table, name) for table in _base_tables(tree)}
    return tuple(sorted(found, key=lambda one: (one.schema_name, one.name)))


def translate_view(name: ObjectName, sql: str, readable: Mapping[ObjectName, Readable], dialect: ViewDialect) -> str:
    """Return the query of a view in another dialect, over the names of the target; output columns keep their names.

    Args:
        name: of the view, in whose schema names without one are looked up.
        sql: as the source prints it.
        readable: what it may read.

    Raises:
        UntranslatableError: the reason, for people.
    """
    tree = _parsed(sql)
    _require_known(tree)
    _place_in_schema(tree, name, readable)
    tree = _without_any(_qualified(tree, readable))
    _require_meanings(tree, readable)
    _drop_bare_numeric(tree)
    _use_target_names(tree, readable)
    try:
        written = tree.sql(dialect=dialect, identify=True, pretty=True, unsupported_level=ErrorLevel.RAISE)
        parse_one(written, dialect=dialect)
    except SqlglotError as error:
        raise UntranslatableError(f"it has no form in {dialect}: {_first_line(error)}") from None
    return written


def output_columns(name: ObjectName, sql: str, readable: Mapping[ObjectName, Readable]) -> dict[str, ReadableColumn]:
    """Return the columns of a translated view, for views that read it.

    Raises:
        UntranslatableError: as `translate_view`.
    """
    tree = _parsed(sql)
    _require_known(tree)
    _place_in_schema(tree, name, readable)
    query = _qualified(tree, readable)
    return {
        one.alias_or_name: ReadableColumn(
            one.alias_or_name,
            one.type.sql("spark") if one.type else "string",
            ordered=all(found.ordered for found in _columns_in(one, query, readable)),
            compared=all(found.compared for found in _columns_in(one, query, readable)),
            collated=any(found.collated for found in _columns_in(one, query, readable)),
        )
        for one in query.selects
    }


def _parsed(sql: str) -> exp.Query:
    try:
        tree = parse_one(sql.strip().rstrip(";"), dialect=_POSTGRES)
    except SqlglotError as error:
        raise UntranslatableError(f"its query is not understood: {_first_line(error)}") from None
    if not isinstance(tree, exp.Query):
        raise UntranslatableError("it is no query.")
    return tree


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].split(". Line", 1)[0][:200]


def _base_tables(tree: exp.Expr) -> Iterator[exp.Table]:
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    return (table for table in tree.find_all(exp.Table) if table.db or table.name not in named)


def _named(table: exp.Table, view: ObjectName) -> ObjectName:
    return ObjectName(schema_name=table.db or view.schema_name, name=table.name)


def _require_known(tree: exp.Expr) -> None:
    """Refuse everything that is not on the list, functions of users by their name."""
    for node in tree.walk():
        if isinstance(node, exp.Dot):
            raise UntranslatableError(f"it uses {node.sql(_POSTGRES)}, which the target does not have.")
        if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)):
            raise UntranslatableError(f"it calls the function {node.name}, which is not known to mean the same elsewhere.")
        if type(node) not in _KNOWN:
            what = node.sql(_POSTGRES)
            raise UntranslatableError(f"it uses {what[:80]}, which is not known to mean the same elsewhere.")
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            raise UntranslatableError("it uses DISTINCT ON, which other engines do not have.")
        for kind, argument, words in _UNKNOWN_ARGUMENTS:
            if isinstance(node, kind) and node.args.get(argument):
                raise UntranslatableError(f"it uses {words}, which is not known to mean the same elsewhere.")


def _place_in_schema(tree: exp.Expr, view: ObjectName, readable: Mapping[ObjectName, Readable]) -> None:
    for table in list(_base_tables(tree)):
        name = _named(table, view)
        if table.catalog or name not in readable:
            raise UntranslatableError(f"it reads {shown(name.schema_name, name.name)}, which is not there.")
        table.set("db", exp.to_identifier(name.schema_name, quoted=True))
        table.set("this", exp.to_identifier(name.name, quoted=True))


def _qualified(tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> exp.Query:
    """Return the query with every column named after its table, and every type that is known."""
    schema = MappingSchema(dialect=_POSTGRES, normalize=False)
    for name, one in readable.items():
        columns = {column: parsed_type(found.spark) for column, found in one.columns.items()}
        schema.add_table(
            exp.table_(exp.to_identifier(name.name, quoted=True), db=exp.to_identifier(name.schema_name, quoted=True)),
            columns or {"": "text"},
            normalize=False,
        )
    try:
        found = qualify(tree, schema=schema, dialect=_POSTGRES, identify=True, validate_qualify_columns=True)
        found = annotate_types(found, schema=schema, dialect=_POSTGRES)
    except SqlglotError as error:
        raise UntranslatableError(f"it reads a column that is not migrated: {_first_line(error)}") from None
    if not isinstance(found, exp.Query):
        raise UntranslatableError("it is no query.")
    return found


def _without_any(tree: exp.Query) -> exp.Query:
    """`x = ANY (ARRAY[a, b])` is how PostgreSQL prints `x IN (a, b)`."""

    def as_list(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
            held = node.expression.this.unnest()
            if isinstance(held, exp.Array):
                return exp.In(this=node.this, expressions=held.expressions)
        return node

    found = tree.transform(as_list)
    if not isinstance(found, exp.Query):
        raise UntranslatableError("it is no query.")
    if left := found.find(exp.Any, exp.Array):
        raise UntranslatableError(f"it uses {left.sql(_POSTGRES)[:80]}, which is not known to mean the same elsewhere.")
    return found


def _require_meanings(tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> None:
    """Refuse what has another meaning elsewhere because of its types."""
    for node in tree.walk():
        said = node.sql(_POSTGRES)[:80]
        if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div)):
            _require(node.left, _NUMBERS, said)
            _require(node.right, _NUMBERS, said)
            if isinstance(node, exp.Div) and not {_type(node.left), _type(node.right)} & {"FLOAT", "DOUBLE"}:
                raise UntranslatableError(f"it divides, {said}: digits of exact numbers differ between engines.")
        elif isinstance(node, (exp.Neg, exp.Abs, exp.Sum, exp.Avg)):
            _require(node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this, _NUMBERS, said)
        elif isinstance(node, (exp.DPipe, exp.Like)):
            for side in (node.this, node.expression):
                _require(side, _TEXT, said)
            if isinstance(node, exp.Like) and "\\" in node.expression.sql(_POSTGRES):
                raise UntranslatableError(f"it uses {said}, whose backslash other engines do not take as an escape.")
        elif isinstance(node, (exp.Upper, exp.Lower, exp.Length)):
            _require(node.this, _TEXT, said)
        elif isinstance(node, exp.Extract):
            _require(node.expression, _DAYS, said)
            if node.name.upper() not in _PARTS_OF_DAYS:
                raise UntranslatableError(f"it uses {said}, which is not known to mean the same elsewhere.")
        elif isinstance(node, exp.Cast):
            _require_cast(node, said)
        elif isinstance(node, exp.Select):
            _require_grouped(node)
        if isinstance(node, _ORDERING):
            _require_order(node, tree, readable)
    _require_compared(tree, readable)


def _require_order(node: exp.Expr, tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> None:
    said = node.sql(_POSTGRES)[:80]
    for found in _columns_in(_output_of(node), tree, readable):
        if not found.ordered:
            raise UntranslatableError(f"it orders, {said}, what the target orders otherwise, such as labels of an enum.")
        if found.collated and not _orders_output(node, tree):
            raise UntranslatableError(f"it compares text by the collation of the database, {said}; the target compares bytes.")


def _orders_output(node: exp.Expr, tree: exp.Query) -> bool:
    """Whether it only says in which order all rows come out."""
    return isinstance(node, exp.Ordered) and node.parent is tree.args.get("order") and not tree.args.get("limit")


def _require_grouped(select: exp.Select) -> None:
    """PostgreSQL takes the columns of a table as grouped once its key is; others do not."""
    group = select.args.get("group")
    if not isinstance(group, exp.Group):
        return
    grouped = {one.unnest().sql(_POSTGRES) for one in group.expressions}
    pending: list[exp.Expr] = [*select.expressions, *([select.args["having"]] if select.args.get("having") else [])]
    while pending:
        node = pending.pop()
        if isinstance(node, (exp.AggFunc, exp.Query)) or node.unnest().sql(_POSTGRES) in grouped:
            continue
        if isinstance(node, exp.Column):
            raise UntranslatableError(f"it selects {node.sql(_POSTGRES)}, which is not grouped: others ask for that.")
        pending += node.iter_expressions()


def _output_of(node: exp.Expr) -> exp.Expr:
    """Return the output column that an ORDER BY means by its name or number, else the node itself."""
    if not isinstance(node, exp.Ordered):
        return node
    query = node.find_ancestor(exp.Query)
    wanted = node.this.unnest()
    for place, one in enumerate(query.selects if query else (), start=1):
        by_name = isinstance(wanted, exp.Column) and not wanted.table and wanted.name == one.alias_or_name
        if by_name or (isinstance(wanted, exp.Literal) and wanted.name == str(place)):
            return one
    return node


def _require_compared(tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> None:
    """What the target compares otherwise may only be passed on."""
    root_only = not any(
        isinstance(node, exp.Distinct) or (isinstance(node, exp.SetOperation) and node.args.get("distinct")) for node in tree.walk()
    )
    ordering = [node for node in tree.walk() if isinstance(node, _ORDERING)]
    within = any(not _orders_output(node, tree) for node in ordering)
    for column, found in _read_columns(tree, readable):
        inner = column.find_ancestor(exp.Select) is not tree
        said = (column.parent or column).sql(_POSTGRES)[:80]
        if inner and ((not found.ordered and ordering) or (found.collated and within)):
            raise UntranslatableError(f"it orders, and reads {said} in an inner query: the target may order it otherwise.")
        above = column.parent.parent if isinstance(column.parent, exp.Alias) else column.parent
        if not found.compared and (inner or not root_only or above is not tree):
            raise UntranslatableError(f"it works with {column.name}, {said}, which the target compares otherwise.")


def _type(node: exp.Expr | None) -> str:
    node = node.unnest() if node is not None else None
    return node.type.this.value if node is not None and node.type is not None else "UNKNOWN"


def _require(node: exp.Expr | None, wanted: Collection[str], said: str) -> None:
    if isinstance(node, exp.Null) or _type(node) in wanted:
        return
    kind = "number" if wanted is _NUMBERS else "text" if wanted is _TEXT else "date"
    raise UntranslatableError(f"it uses {said}, whose operand is not known to be a {kind} there.")


def _require_cast(node: exp.Cast, said: str) -> None:
    """Allow casts that change no value: within a family, of whole numbers to text or more digits, and of literals."""
    source, target = _type(node.this), node.to.this.value
    literal = isinstance(node.this.unnest(), (exp.Literal, exp.Null))
    digits = bool(node.to.expressions)
    allowed = (
        (target in _TEXT and not digits and (source in _TEXT or source in _WHOLE))
        or (target in _WHOLE and source in _WHOLE and _WIDTHS.index(source) <= _WIDTHS.index(target))
        or (target == "DECIMAL" and source in _EXACT)
        or (target == "DOUBLE" and source in ("FLOAT", "DOUBLE"))
        or (target == source and not digits)
        or (target in ("DATE", "TIMESTAMP") and literal)
    )
    if not allowed:
        raise UntranslatableError(f"it casts, {said}, which is not known to give the same elsewhere.")


def _read_columns(tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> Iterator[tuple[exp.Column, ReadableColumn]]:
    """Yield every place where a column of a table or view is read."""
    for scope in traverse_scope(tree):
        tables = {alias: source for alias, source in scope.sources.items() if isinstance(source, exp.Table)}
        for column in scope.columns:
            if column.table in tables:
                table = tables[column.table]
                yield column, readable[ObjectName(schema_name=table.db, name=table.name)].columns[column.name]


def _columns_in(node: exp.Expr, tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> Iterator[ReadableColumn]:
    return (found for column, found in _read_columns(tree, readable) if _inside(column, node))


def _inside(inner: exp.Expr, outer: exp.Expr) -> bool:
    here: exp.Expr | None = inner
    while here is not None and here is not outer:
        here = here.parent
    return here is outer


def _drop_bare_numeric(tree: exp.Query) -> None:
    """`::numeric` without digits keeps every digit in PostgreSQL; elsewhere it is a type with few."""
    for cast in list(tree.find_all(exp.Cast)):
        if cast.to.this is exp.DataType.Type.DECIMAL and not cast.to.expressions:
            if _type(cast.this) == "DECIMAL":
                cast.replace(cast.this)
            else:
                cast.set("to", exp.DataType.build("decimal(20,0)"))


def _use_target_names(tree: exp.Query, readable: Mapping[ObjectName, Readable]) -> None:
    renamed: list[tuple[exp.Column, str]] = []
    tables: dict[int, tuple[exp.Table, Readable]] = {}
    for scope in traverse_scope(tree):
        for alias, source in scope.sources.items():
            if not isinstance(source, exp.Table):
                continue
            found = readable[ObjectName(schema_name=source.db, name=source.name)]
            tables[id(source)] = (source, found)
            renamed += [(column, found.columns[column.name].name) for column in scope.columns if column.table == alias]
    for column, name in renamed:
        column.set("this", exp.to_identifier(name, quoted=True))
    for table, found in tables.values():
        parts = [exp.to_identifier(part, quoted=True) for part in found.parts]
        for slot, part in zip(("this", "db", "catalog"), [*reversed(parts), None, None], strict=False):
            table.set(slot, part)
