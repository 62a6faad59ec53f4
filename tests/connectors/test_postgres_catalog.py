# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Discovery: exact names, types with all their parts, what belongs together, and what the role could not see."""

from __future__ import annotations

import re

import pytest

from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables, discover
from connectors.postgres_connection import connect
from connectors.postgres_objects import Catalog, CatalogTable, Dependency, Grant
from connectors.postgres_patterns import matches, parse_patterns
from schemas.coercion import NativeType
from schemas.errors import ConfigError, MissingTableError
from tests.connectors.postgres_stage import PostgresStage


def found(stage: PostgresStage, schema: str, patterns: str = "*") -> Catalog:
    with connect(stage.login()) as connection:
        return discover(connection, [schema], patterns)


def only(stage: PostgresStage, schema: str, name: str = "t") -> CatalogTable:
    (table,) = [table for table in found(stage, schema).tables if table.name.name == name]
    return table


TYPES = [
    ("numeric", {"name": "numeric", "declared": "numeric"}),
    ("numeric(12,2)", {"name": "numeric", "declared": "numeric(12,2)", "precision": 12, "scale": 2}),
    ("numeric(5,-3)", {"name": "numeric", "declared": "numeric(5,-3)", "precision": 5, "scale": -3}),
    ("numeric(3,5)", {"name": "numeric", "declared": "numeric(3,5)", "precision": 3, "scale": 5}),
    ("numeric(1000,1000)", {"name": "numeric", "declared": "numeric(1000,1000)", "precision": 1000, "scale": 1000}),
    ("varchar(20)", {"name": "varchar", "declared": "character varying(20)", "length": 20}),
    ("varchar", {"name": "varchar", "declared": "character varying"}),
    ("char(5)", {"name": "bpchar", "declared": "character(5)", "length": 5}),
    ("bpchar", {"name": "bpchar", "declared": "bpchar"}),
    ('"char"', {"name": "char", "declared": '"char"'}),
    ("bit(5)", {"name": "bit", "declared": "bit(5)", "length": 5}),
    ("bit varying", {"name": "varbit", "declared": "bit varying"}),
    ("timestamptz(3)", {"name": "timestamptz", "declared": "timestamp(3) with time zone", "precision": 3}),
    ("timestamp", {"name": "timestamp", "declared": "timestamp without time zone"}),
    ("time(0)", {"name": "time", "declared": "time(0) without time zone", "precision": 0}),
    ("interval day to second(2)", {"name": "interval", "declared": "interval day to second(2)", "precision": 2}),
    ("interval year to month", {"name": "interval", "declared": "interval year to month"}),
    ("money", {"name": "money", "declared": "money", "scale": 2}),
    (
        "varchar(3)[][]",
        {
            "name": "_varchar",
            "kind": "array",
            "declared": "character varying(3)[]",
            "dimensions": 2,
            "element": {"name": "varchar", "declared": "character varying(3)", "length": 3},
        },
    ),
    ("int4range", {"name": "int4range", "kind": "range", "declared": "int4range", "element": {"name": "int4", "declared": "integer"}}),
    (
        "datemultirange",
        {
            "name": "datemultirange",
            "kind": "multirange",
            "declared": "datemultirange",
            "element": {"name": "daterange", "kind": "range", "declared": "daterange", "element": {"name": "date", "declared": "date"}},
        },
    ),
    ("oidvector", {"name": "oidvector", "declared": "oidvector"}),
]


@pytest.mark.parametrize(("written", "expected"), TYPES, ids=[written for written, _ in TYPES])
def test_a_type_is_described_with_its_modifiers(postgres_stage: PostgresStage, written: str, expected: dict[str, object]) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"CREATE TABLE t (c {written})")

    assert only(postgres_stage, schema).columns[0].type == NativeType.model_validate(expected)


def test_types_of_users_are_described_down_to_their_parts(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TYPE "Mood" AS ENUM ('sad', 'o k', '', 'happy'); ALTER TYPE "Mood" ADD VALUE 'first' BEFORE 'sad';
        CREATE DOMAIN price AS numeric(10, 2) CHECK (value > 0); CREATE DOMAIN dear AS price; CREATE DOMAIN prices AS price[];
        CREATE TYPE inner_pair AS (a int, "b ""c" varchar(3)[]); CREATE TYPE pair AS (p inner_pair, m "Mood", gone int, d dear);
        ALTER TYPE pair DROP ATTRIBUTE gone;
        CREATE TYPE spread AS RANGE (subtype = float8);
        CREATE TABLE t (m "Mood", d dear, ps prices, p pair, pa pair[], s spread)
    """)
    mood, dear, prices, pair, pairs, spread = (column.type for column in only(postgres_stage, schema).columns)

    assert (mood.kind, mood.name, mood.schema_name, mood.declared) == ("enum", "Mood", schema, f'{schema}."Mood"')
    assert mood.labels == ("first", "sad", "o k", "", "happy")
    assert dear.kind == "domain" and dear.base is not None and dear.base.base is not None
    assert (dear.base.name, dear.base.base.declared, dear.base.base.scale) == ("price", "numeric(10,2)", 2)
    assert prices.base is not None and prices.base.element is not None
    assert (prices.base.kind, prices.base.element.name) == ("array", "price")
    assert [name for name, _ in pair.fields] == ["p", "m", "d"]
    assert [name for name, _ in pair.fields[0][1].fields] == ["a", 'b "c']
    assert pair.fields[0][1].fields[1][1].declared == "character varying(3)[]"
    assert pairs.element == pair
    assert spread.element is not None and (spread.kind, spread.element.name) == ("range", "float8")


def test_columns_keep_their_names_places_and_origins(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE t ("Id" int GENERATED ALWAYS AS IDENTITY, id int GENERATED BY DEFAULT AS IDENTITY, gone int,
          "a.b ""c"" 😀" text COLLATE "C" DEFAULT 'x''y', "select" text NOT NULL, up text GENERATED ALWAYS AS (upper("select")) STORED);
        ALTER TABLE t DROP COLUMN gone; COMMENT ON COLUMN t.up IS 'as shouted'
    """)
    columns = only(postgres_stage, schema).columns

    assert [(column.position, column.name) for column in columns] == [(1, "Id"), (2, "id"), (4, 'a.b "c" 😀'), (5, "select"), (6, "up")]
    assert [column.identity for column in columns] == ["always", "by default", None, None, None]
    assert [column.nullable for column in columns] == [False, False, True, False, True]
    assert (columns[2].default, columns[2].collation) == ("'x''y'::text", "pg_catalog.C")
    assert (columns[4].generated, columns[4].default, columns[4].comment) == ("stored", 'upper("select")', "as shouted")


def test_keys_and_indexes_are_in_their_own_order(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE other (a int, b int, UNIQUE (b, a));
        CREATE TABLE t (a int, b int, c text, d int, PRIMARY KEY (c, a), FOREIGN KEY (b, a) REFERENCES other (b, a) DEFERRABLE,
          CONSTRAINT small CHECK (d < 10) NOT VALID);
        CREATE UNIQUE INDEX odd ON t (lower(c), d DESC) INCLUDE (b) WHERE d > 0
    """)
    table = only(postgres_stage, schema)

    assert table.primary_key == ("c", "a")
    keys = {key.kind: key for key in table.keys}
    assert (keys["foreign"].columns, keys["foreign"].references) == (("b", "a"), TableName(schema, "other"))
    assert (keys["foreign"].referenced_columns, keys["foreign"].deferrable) == (("b", "a"), True)
    (odd,) = [index for index in table.indexes if index.name == "odd"]
    assert (odd.columns, odd.included, odd.unique, odd.predicate) == (("lower(c)", "d"), ("b",), True, "(d > 0)")
    assert Dependency(TableName(schema, "t"), TableName(schema, "other"), "foreign key") in found(postgres_stage, schema).dependencies


def test_partitions_and_children_come_with_their_parent(postgres_stage: PostgresStage) -> None:
    schema, elsewhere = postgres_stage.fresh_schema(), postgres_stage.fresh_schema()
    postgres_stage.run(f"""
        SET search_path = {schema};
        CREATE TABLE sales (id int, day date, region text) PARTITION BY RANGE (day);
        CREATE TABLE sales_20 PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE {elsewhere}.sales_21 PARTITION OF sales FOR VALUES FROM ('2021-01-01') TO (MAXVALUE) PARTITION BY LIST (region);
        CREATE TABLE {elsewhere}.sales_21_eu PARTITION OF {elsewhere}.sales_21 FOR VALUES IN ('eu', NULL);
        CREATE TABLE sales_rest PARTITION OF sales DEFAULT;
        CREATE TABLE parent (i int); CREATE TABLE child (j int) INHERITS (parent);
        CREATE TABLE by_expression (id int) PARTITION BY HASH ((id % 7))
    """)
    catalog = found(postgres_stage, schema, "sales,parent,by*")
    tables = {str(table.name): table for table in catalog.tables}

    assert list(tables) == sorted(
        [f"{schema}.{name}" for name in ("by_expression", "child", "parent", "sales", "sales_20", "sales_rest")]
        + [f"{elsewhere}.sales_21", f"{elsewhere}.sales_21_eu"]
    )
    sales = tables[f"{schema}.sales"]
    assert (sales.kind, sales.partition_key, sales.partition_columns) == ("partitioned table", "RANGE (day)", ("day",))
    assert sales.children == (TableName(schema, "sales_20"), TableName(schema, "sales_rest"), TableName(elsewhere, "sales_21"))
    assert tables[f"{elsewhere}.sales_21_eu"].bound == "FOR VALUES IN ('eu', NULL)"
    assert tables[f"{schema}.sales_rest"].bound == "DEFAULT"
    assert tables[f"{schema}.child"].parents == (TableName(schema, "parent"),) and not tables[f"{schema}.child"].is_partition
    assert tables[f"{schema}.by_expression"].partition_columns == ()
    assert Dependency(TableName(elsewhere, "sales_21"), TableName(schema, "sales"), "partition") in catalog.dependencies


def test_views_foreign_tables_and_sequences_are_described(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"""
        CREATE TABLE t (id serial, v int); CREATE VIEW a AS SELECT id FROM t WHERE v > 1; CREATE VIEW b AS SELECT a.id FROM a;
        CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM b WITH NO DATA;
        CREATE FOREIGN DATA WRAPPER w_{schema}; CREATE SERVER far_{schema} FOREIGN DATA WRAPPER w_{schema};
        CREATE FOREIGN TABLE f (i int) SERVER far_{schema}; CREATE SEQUENCE loose INCREMENT -2 MAXVALUE 10 CYCLE
    """)
    catalog = found(postgres_stage, schema)
    tables = {table.name.name: table for table in catalog.tables}

    assert {name: table.kind for name, table in tables.items()} == {
        "a": "view", "b": "view", "f": "foreign table", "m": "materialized view", "t": "table",
    }  # fmt: skip
    assert re.sub(r"\s+", " ", tables["a"].definition or "").strip() == f"SELECT id FROM {schema}.t WHERE (v > 1);"
    assert (tables["m"].populated, tables["f"].foreign_server) == (False, f"far_{schema}")
    own = {(one.dependent.name, one.on.name, one.kind) for one in catalog.dependencies}
    assert own == {("a", "t", "view"), ("b", "a", "view"), ("m", "b", "view"), ("t", "t_id_seq", "sequence")}
    loose, serial = catalog.sequences
    assert (loose.increment, loose.maximum, loose.cycles, loose.owned_by) == (-2, 10, True, None)
    assert serial.owned_by == (TableName(schema, "t"), "id")


def test_sizes_are_those_of_the_table_and_rows_an_estimate(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t AS SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i")
    before = only(postgres_stage, schema)
    postgres_stage.run("ANALYZE t")
    after = only(postgres_stage, schema)

    assert (before.rows_estimate, after.rows_estimate) == (None, 10000)
    assert after.pages == postgres_stage.rows("SELECT pg_relation_size('t') / 8192")[0][0] > 100
    assert after.bytes >= after.pages * 8192
    assert (after.access_method, after.persistence, after.change_marker) == ("heap", "permanent", before.change_marker)
    postgres_stage.run("TRUNCATE t")
    assert only(postgres_stage, schema).change_marker != after.change_marker


def test_rights_row_security_and_publications_are_told(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"""
        CREATE TABLE t (i int); GRANT SELECT ON t TO PUBLIC;
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY;
        CREATE POLICY few ON t AS RESTRICTIVE FOR SELECT TO reader USING (i > 5); CREATE PUBLICATION p_{schema} FOR TABLE t
    """)
    table = only(postgres_stage, schema)

    assert Grant("PUBLIC", "SELECT", False) in table.grants
    assert (table.owner, table.row_security, table.row_security_forced, table.publications) == ("postgres", True, True, (f"p_{schema}",))
    (policy,) = table.policies
    assert (policy.name, policy.permissive, policy.command, policy.roles, policy.using) == ("few", False, "SELECT", ("reader",), "(i > 5)")


def test_what_the_role_cannot_see_is_told_with_the_grant(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("""
        CREATE TABLE shut (i int); REVOKE SELECT ON shut FROM reader; CREATE TABLE ajar (i int, "Se.cret" text);
        REVOKE SELECT ON ajar FROM reader; GRANT SELECT (i) ON ajar TO reader;
        CREATE TABLE hidden (i int); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE TABLE open (i int)
    """)
    catalog = found(postgres_stage, schema)

    assert {one.object: one.grant for one in catalog.unreadable} == {
        f"table {schema}.shut": f'GRANT SELECT ON "{schema}"."shut" TO "reader";',
        f"column Se.cret of {schema}.ajar": f'GRANT SELECT ("Se.cret") ON "{schema}"."ajar" TO "reader";',
        f"rows of {schema}.hidden that row-level security hides": 'ALTER ROLE "reader" BYPASSRLS;',
    }
    postgres_stage.run(f"REVOKE USAGE ON SCHEMA {schema} FROM reader")
    assert f'GRANT USAGE ON SCHEMA "{schema}" TO "reader";' in {one.grant for one in found(postgres_stage, schema).unreadable}
    assert not any(table.readable for table in found(postgres_stage, schema).tables)


def test_what_no_pattern_names_is_listed(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run('CREATE TABLE orders (); CREATE TABLE lineitem (); CREATE TABLE "line,x" (); CREATE TABLE "Orders" ()')

    catalog = found(postgres_stage, schema, 'orders,line*,"line,x"')

    assert [table.name.name for table in catalog.tables] == ["line,x", "lineitem", "orders"]
    assert [one.name.name for one in catalog.excluded] == ["Orders"]
    with pytest.raises(MissingTableError, match=r"Did you mean .*[oO]rders"):
        found(postgres_stage, schema, "order")
    with pytest.raises(MissingTableError, match="no schema"):
        found(postgres_stage, schema.upper())


def test_the_same_database_gives_an_equal_answer_also_inside_a_snapshot(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run("CREATE TABLE t (i int PRIMARY KEY, v text); CREATE VIEW v AS SELECT * FROM t")

    with connect(postgres_stage.login()) as connection:
        alone = discover(connection, [schema])
        connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = public")
        within = discover(connection, [schema])
        assert connection.execute("SHOW search_path").fetchone() == ("public",)
        connection.execute("ROLLBACK")
        assert describe_tables(connection, [TableName(schema, "t")]) == (alone.tables[0],)
    assert alone == within


def test_1600_columns_and_none_are_described(postgres_stage: PostgresStage) -> None:
    schema = postgres_stage.fresh_schema()
    postgres_stage.run(f"CREATE TABLE wide ({', '.join(f'c{number} int' for number in range(1600))}); CREATE TABLE bare ()")

    assert [len(table.columns) for table in found(postgres_stage, schema).tables] == [0, 1600]


@pytest.mark.parametrize("text", ["", "a,,b", "a,", '"a', 'a"b', " "])
def test_a_list_of_patterns_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="no list of tables"):
        parse_patterns(text)


def test_patterns_take_letters_as_written() -> None:
    patterns = parse_patterns(' a.b , x?z,"q*","wi""th" ')

    assert [name for name in ("a.b", "axb", "xyz", "XYZ", "q*", "qq", 'wi"th') if matches(name, patterns)] == ["a.b", "xyz", "q*", 'wi"th']
