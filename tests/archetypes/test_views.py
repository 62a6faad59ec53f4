"""Views mean the same over the migrated tables, or are refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

from archetypes.views import Readable, ReadableColumn, UntranslatableError, output_columns, tables_of, translate_view
from schemas.agent_output import ObjectName


def named(name: str) -> ObjectName:
    return ObjectName(schema_name="public", name=name)


_COLUMNS = {
    "id": ReadableColumn("id", "bigint"),
    "customer": ReadableColumn("customer", "bigint"),
    "price": ReadableColumn("price", "decimal(12,2)"),
    "share": ReadableColumn("share", "double"),
    "day": ReadableColumn("day", "date"),
    "Zip code": ReadableColumn("zip_code", "string"),
    "mood": ReadableColumn("mood", "string", ordered=False),
    "code": ReadableColumn("code", "string", ordered=False, compared=False),
}
_READABLE = {
    named("orders"): Readable(("orders",), _COLUMNS),
    named("customers"): Readable(
        ("cu's",), {"id": ReadableColumn("id", "bigint"), "email": ReadableColumn("mail", "string"), "ok": ReadableColumn("ok", "boolean")}
    ),
}
_VIEW = named("v")


@pytest.fixture(scope="module")
def tables() -> Iterator[duckdb.DuckDBPyConnection]:
    """The migrated tables, in an engine that runs what is translated."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT * FROM (VALUES (1::BIGINT, 7::BIGINT, 1.50::DECIMAL(12,2), 0.5::DOUBLE, DATE '2026-02-03', 'Z1',"
            " 'sad', 'c '), (2, 7, 2.50, 1.0, NULL, NULL, 'fine', NULL), (3, 8, NULL, NULL, DATE '2025-01-01', 'Z1', NULL, 'd'))"
            " AS t(id, customer, price, share, day, zip_code, mood, code)"
        )
        connection.execute(
            """CREATE TABLE "cu's" AS SELECT * FROM (VALUES (7::BIGINT, 'A@x', true), (8, NULL, false)) AS t(id, mail, ok)"""
        )
        yield connection


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        pytest.param(
            "SELECT c.email, sum(o.price) AS total\n FROM (public.orders o JOIN public.customers c ON ((o.customer = c.id)))\n"
            " GROUP BY c.email ORDER BY (sum(o.price)) DESC;",
            [(None, None), ("A@x", Decimal("4.00"))],
            id="NULL is the greatest, so it comes first when descending",
        ),
        pytest.param(
            "SELECT CASE WHEN c.ok THEN 'active'::text ELSE ''::text END AS notes, ((c.email || ' '::text) || c.email) AS twice"
            " FROM customers c",
            [("active", "A@x A@x"), ("", None)],
            id="NULL in a chain of texts is NULL",
        ),
        pytest.param('SELECT "Zip code" AS "Zip code" FROM orders WHERE (id = ANY (ARRAY[1, 2]))', [("Z1",), (None,)], id="ANY of a list"),
        pytest.param("SELECT (price * (2)::numeric) AS x FROM orders WHERE id = 1", [(Decimal("3.00"),)], id="numeric keeps its digits"),
        pytest.param(
            "WITH a AS (SELECT id, email FROM customers) SELECT upper(a.email) AS u FROM a ORDER BY a.id", [("A@X",), (None,)], id="CTE"
        ),
        pytest.param("SELECT id FROM orders WHERE customer = 8 UNION ALL SELECT id FROM customers WHERE ok", [(3,), (7,)], id="UNION ALL"),
        pytest.param(
            "SELECT o.id, (SELECT c.email FROM customers c WHERE c.id = o.customer) AS m FROM orders o ORDER BY o.id DESC LIMIT 1",
            [(3, None)],
            id="an inner query that looks outside",
        ),
        pytest.param("SELECT EXTRACT(year FROM day) AS y FROM orders WHERE id = 1", [(2026,)], id="parts of dates"),
        pytest.param("SELECT share / 2 AS half FROM orders WHERE id = 1", [(0.25,)], id="division of doubles"),
        pytest.param("SELECT mood, count(*) AS n FROM orders GROUP BY mood HAVING (count(*) > 5)", [], id="an enum may be grouped"),
        pytest.param("SELECT code FROM orders WHERE id = 1", [("c ",)], id="what compares otherwise may be passed on"),
        pytest.param("SELECT id FROM orders WHERE (\"Zip code\" ~~ 'Z%'::text) AND NOT (id IS DISTINCT FROM 1::bigint)", [(1,)], id="LIKE"),
        pytest.param("SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id DESC) AS r FROM orders WHERE id > 1 ORDER BY 1",
                     [(2, 1), (3, 1)], id="windows"),
    ],
)  # fmt: skip
def test_a_translated_view_gives_the_rows_of_the_source(
    tables: duckdb.DuckDBPyConnection, sql: str, rows: list[tuple[object, ...]]
) -> None:
    assert tables.execute(translate_view(_VIEW, sql, _READABLE, "duckdb")).fetchall() == rows
    for dialect in ("spark", "athena"):
        assert translate_view(_VIEW, sql, _READABLE, dialect)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        pytest.param("SELECT public.group_concat(email) FROM customers", "public.group_concat", id="a function of users"),
        pytest.param("SELECT my_own(email) FROM customers", "my_own", id="a function that nobody knows"),
        pytest.param("SELECT string_agg(email, ', ') FROM customers", "STRING_AGG", id="an aggregate without an order"),
        pytest.param("SELECT now() AS n", "CURRENT_TIMESTAMP", id="the clock"),
        pytest.param("SELECT id / 2 AS x FROM orders", "divides", id="division of whole numbers"),
        pytest.param("SELECT price / 2 AS x FROM orders", "divides", id="division of decimals"),
        pytest.param("SELECT day + 1 AS x FROM orders", "number", id="arithmetic of dates"),
        pytest.param('SELECT sum("Zip code") AS x FROM orders', "number", id="a sum of text"),
        pytest.param("SELECT email::varchar(3) AS x FROM customers", "casts", id="a cast that cuts"),
        pytest.param("SELECT share::text AS x FROM orders", "casts", id="the text of a double"),
        pytest.param("SELECT price::integer AS x FROM orders", "casts", id="a cast that rounds"),
        pytest.param("SELECT mood FROM orders ORDER BY mood", "orders", id="the order of labels"),
        pytest.param("SELECT mood FROM orders ORDER BY 1", "orders", id="the order of labels by number"),
        pytest.param("SELECT max(mood) AS m FROM orders", "orders", id="the greatest label"),
        pytest.param(
            "SELECT a.m FROM (SELECT mood AS m, id FROM orders) a ORDER BY a.m", "inner query", id="the order of labels further out"
        ),
        pytest.param("SELECT id FROM orders WHERE code = 'c'", "compares otherwise", id="blanks at the end"),
        pytest.param("SELECT DISTINCT code FROM orders", "compares otherwise", id="distinct values that compare otherwise"),
        pytest.param("SELECT id FROM orders WHERE \"Zip code\" LIKE '\\_%'", "backslash", id="an escape"),
        pytest.param("SELECT id, price FROM orders GROUP BY id", "not grouped", id="a column that its key groups"),
        pytest.param("SELECT DISTINCT ON (customer) id FROM orders", "DISTINCT ON", id="DISTINCT ON"),
        pytest.param("SELECT id FROM ONLY orders", "ONLY", id="ONLY"),
        pytest.param("SELECT id FROM orders NATURAL JOIN customers", "NATURAL", id="NATURAL JOIN"),
        pytest.param(
            "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 3) SELECT n FROM a", "RECURSIVE", id="recursion"
        ),
        pytest.param("SELECT nope FROM orders", "not migrated", id="a column that is not there"),
        pytest.param("SELECT id FROM gone", "public.gone", id="a table that is not there"),
        pytest.param("SELECT id FROM other.orders", "other.orders", id="a table of another schema"),
        pytest.param("VALUES (1)", "no query", id="no table and no select"),
        pytest.param("SELECT (", "not understood", id="no SQL"),
    ],
)
def test_what_is_not_known_to_mean_the_same_is_refused(sql: str, why: str) -> None:
    with pytest.raises(UntranslatableError, match=why):
        translate_view(_VIEW, sql, _READABLE, "duckdb")


def test_numeric_without_digits_never_becomes_a_type_of_few_digits() -> None:
    spark = translate_view(_VIEW, "SELECT price::numeric AS a, (id)::numeric AS b FROM orders", _READABLE, "spark")

    assert "AS DECIMAL(20, 0)) AS `b`" in spark and "`orders`.`price` AS `a`" in spark


def test_the_tables_behind_a_view_are_found_without_its_own_names() -> None:
    sql = "WITH a AS (SELECT id FROM b) SELECT a.id FROM a JOIN other.c USING (id) WHERE EXISTS (SELECT 1 FROM b)"

    assert tables_of(_VIEW, sql) == (ObjectName(schema_name="other", name="c"), named("b"))


def test_a_view_of_a_view_knows_what_its_columns_may_do() -> None:
    columns = output_columns(_VIEW, 'SELECT id AS a, mood AS b, code AS c, "Zip code" AS d, price * 2 AS e FROM orders', _READABLE)

    assert [(one.ordered, one.compared) for one in columns.values()] == [
        (True, True),
        (False, True),
        (False, False),
        (True, True),
        (True, True),
    ]
    above = {**_READABLE, _VIEW: Readable(("v",), columns)}
    assert 'FROM "v" AS "v"' in translate_view(named("w"), "SELECT e + 1 AS f FROM v", above, "duckdb")
    with pytest.raises(UntranslatableError, match="orders"):
        translate_view(named("w"), "SELECT b FROM v ORDER BY b", above, "duckdb")


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        pytest.param("SELECT id, said FROM t ORDER BY said", True, id="the order of the output"),
        pytest.param("SELECT said, count(*) AS n FROM t WHERE said = 'x' GROUP BY said ORDER BY 1", True, id="equality"),
        pytest.param("SELECT id FROM t ORDER BY said LIMIT 1", False, id="which rows come first"),
        pytest.param("SELECT max(said) AS m FROM t", False, id="the greatest"),
        pytest.param("SELECT id FROM t WHERE said > 'M'", False, id="what comes after"),
        pytest.param("SELECT a.s FROM (SELECT said AS s FROM t) a WHERE a.s > 'M'", False, id="what comes after, further out"),
        pytest.param("SELECT a.s FROM (SELECT said AS s FROM t) a ORDER BY a.s", True, id="the order of the output, further out"),
    ],
)
def test_text_under_a_collation_may_only_order_the_output(sql: str, kept: bool) -> None:
    columns = {"id": ReadableColumn("id", "bigint"), "said": ReadableColumn("said", "string", collated=True)}
    readable = {named("t"): Readable(("t",), columns)}

    if kept:
        assert translate_view(_VIEW, sql, readable, "duckdb")
    else:
        with pytest.raises(UntranslatableError, match=r"collation|inner query"):
            translate_view(_VIEW, sql, readable, "duckdb")
