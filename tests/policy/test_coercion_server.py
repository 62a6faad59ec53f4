"""The rules and read forms against a real PostgreSQL: every type it has, and values that drivers change."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from policy.coercion import declared_rule, load_rules, rule_for
from schemas.coercion import ARRAY_ELEMENT, READ_SETTINGS, READ_SQL, Coercion, NativeType, ReadForm
from tests.policy.native_types import array, base, composite, domain, enum, numeric, profile, ranged
from tests.standins.postgres_server import running_postgres

RULES = load_rules()
R = ReadForm
INT4, INT8, TEXT, DATE, BYTEA = base("int4", "integer"), base("int8", "bigint"), base("text"), base("date"), base("bytea")
PAIR = composite(("n", INT4), ("b c", TEXT), ("d", DATE), ("raw", BYTEA))
TYPES = (
    "CREATE TYPE mood AS ENUM ('sad', 'it''s ok')",
    'CREATE TYPE pair AS (n int, "b c" text, d date, raw bytea)',
    "CREATE DOMAIN amount AS numeric(12,2)",
    "CREATE DOMAIN numbers AS int[]",
    "CREATE TYPE floatrange AS RANGE (subtype = float8)",
)
KINDS = {"b": "base", "r": "range", "m": "multirange", "p": "pseudo"}


@pytest.fixture(scope="module")
def server() -> Iterator[psycopg.Connection[Any]]:
    """A connection with the settings of every session that reads."""
    with running_postgres() as postgres, psycopg.connect(postgres.dsn, autocommit=True, prepare_threshold=None) as connection:
        for name, value in READ_SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        for statement in TYPES:
            connection.execute(statement)
        yield connection


def sql_of(coercion: Coercion, native: NativeType, x: str) -> str:
    """Return the SQL of a form, composed as its documentation says."""
    assert coercion.read is not None
    bare = native
    while coercion.rule_id == "PG-18" and bare.base is not None:
        bare, coercion = bare.base, coercion.part("base")
    parts: dict[str, str] = {}
    if coercion.read is R.JSON_ARRAY:
        parts["element"] = sql_of(coercion.part("element"), bare.element, ARRAY_ELEMENT)
    elif coercion.read is R.JSON_RANGE:
        parts = {end: sql_of(coercion.part("element"), bare.element, f"{end}({x})") for end in ("lower", "upper")}
    elif coercion.read is R.JSON_ROW:
        fields = (sql_of(coercion.part(name), field, f'(({x})."{name}")') for name, field in bare.fields)
        parts["fields"] = ", ".join(f"({field})::text" for field in fields)
    return READ_SQL[coercion.read].format(x=x, **parts)


def arrived(server: psycopg.Connection[Any], declared: str, literal: str | None, native: NativeType, coercion: Coercion) -> Any:
    """Return what the form of a rule makes of a value, as it leaves the server."""
    server.execute("DROP TABLE IF EXISTS one")
    server.execute(f'CREATE TABLE one ("a "" column" {declared})')
    server.execute("INSERT INTO one VALUES (%s)", [literal])
    return server.execute(f"SELECT {sql_of(coercion, native, QUOTED)} FROM one").fetchone()[0]  # noqa: S608


QUOTED = '"a "" column"'

# declared type, as the catalog tells it, literal, what arrives
VALUES: list[tuple[str, NativeType, str, Any]] = [
    ("oid", base("oid"), "4294967295", 4294967295),
    ("xid", base("xid"), "4294967295", 4294967295),
    ("xid8", base("xid8"), "18446744073709551615", "18446744073709551615"),
    ("numeric(38,0)", numeric(38, 0), "9" * 38, Decimal("9" * 38)),
    ("numeric", numeric(), "0." + "0" * 21 + "1", "0." + "0" * 21 + "1"),
    ("numeric(50,10)", numeric(50, 10), "1.5", "1.5000000000"),
    ("numeric", numeric(), "9" * 60, "9" * 60),
    ("numeric", numeric(), "NaN", "NaN"),
    ("numeric", numeric(), "-Infinity", "-Infinity"),
    ("numeric(3,5)", numeric(3, 5), "0.00999", "0.00999"),
    ("numeric(5,-2)", numeric(5, -2), "1234567", "1234600"),
    ("mood", enum("sad", "it's ok"), "it's ok", "it's ok"),
    ("name", base("name"), "x" * 63, "x" * 63),
    ('"char"', base("char", '"char"'), "\\303", "\\303"),
    ('"char"', base("char", '"char"'), "", ""),
    ("char(5)", base("bpchar", "character(5)", length=5), "ab", "ab   "),
    ("char(5)", base("bpchar", "character(5)", length=5), "", "     "),
    ("bpchar", base("bpchar"), "ab  ", "ab  "),
    ("uuid", base("uuid"), "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("inet", base("inet"), "192.168.0.1", "192.168.0.1"),
    ("inet", base("inet"), "192.168.0.1/8", "192.168.0.1/8"),
    ("inet", base("inet"), "::FFFF:1.2.3.4", "::ffff:1.2.3.4"),
    ("cidr", base("cidr"), "10.0.0.0/8", "10.0.0.0/8"),
    ("macaddr", base("macaddr"), "08-00-2B-01-02-03", "08:00:2b:01:02:03"),
    ("macaddr8", base("macaddr8"), "08002b0102030405", "08:00:2b:01:02:03:04:05"),
    ("bit(5)", base("bit", "bit(5)"), "10101", "10101"),
    ("bit(1)", base("bit", "bit(1)"), "1", "1"),
    ("varbit", base("varbit"), "", ""),
    ("pg_lsn", base("pg_lsn"), "16/B374D848", "16/B374D848"),
    ("bytea", BYTEA, "\\x00ff27", b"\x00\xff'"),
    ("date", DATE, "1970-01-01", 0),
    ("date", DATE, "1582-10-14", -141428),
    ("date", DATE, "1582-10-15", -141427),
    ("date", DATE, "0001-01-01", -719162),
    ("date", DATE, "0001-12-31 BC", -719163),
    ("date", DATE, "4714-11-24 BC", -2440588),
    ("date", DATE, "9999-12-31", 2932896),
    ("date", DATE, "5874897-12-31", 2145042905),
    ("timestamp", base("timestamp"), "1969-12-31 23:59:59.999999", -1),
    ("timestamp", base("timestamp"), "4714-11-24 00:00:00 BC", -2440588 * 86_400_000_000),
    ("timestamp", base("timestamp"), "294247-01-10 04:00:53.999999", 9_223_372_036_853_999_999),
    ("timestamptz", base("timestamptz"), "2024-03-31 02:30:00.123456+02", 1_711_845_000_123_456),
    ("timestamptz", base("timestamptz"), "1582-10-10 00:00:00+00", -141432 * 86_400_000_000),
    ("time", base("time"), "00:00:00", 0),
    ("time", base("time"), "23:59:59.999999", 86_399_999_999),
    ("time", base("time"), "24:00:00", 86_400_000_000),
    ("timetz", base("timetz"), "12:00:00.000001-08:30", "12:00:00.000001-08:30"),
    ("interval", base("interval"), "-1 year 3 mons -4 days 25:00:00.000001", "-9 -4 90000000001"),
    ("interval", base("interval"), "1 mon", "1 0 0"),
    ("interval", base("interval"), "30 days", "0 30 0"),
    ("interval", base("interval"), "-0.000001 s", "0 0 -1"),
    ("interval", base("interval"), "2562047788:00:54.775807", "0 0 9223372036854775807"),
    ("interval", base("interval"), "-178000000 years", "-2136000000 0 0"),
    ("json", base("json"), '{"a" : 1, "a":2.50}', '{"a" : 1, "a":2.50}'),
    ("jsonb", base("jsonb"), '{"b" : 1, "a":2.50}', '{"a": 2.50, "b": 1}'),
    ("text[]", array(TEXT), '{a,NULL,"b\\"\nc","\\\\N",""}', ["a", None, 'b"\nc', "\\N", ""]),
    ("text[]", array(TEXT), "{}", []),
    ("bytea[]", array(BYTEA), '{"\\\\x00ff"}', ["00ff"]),
    ("bool[]", array(base("bool")), "{t,f,NULL}", ["true", "false", None]),
    ("float8[]", array(base("float8")), "{NaN,-Infinity,-0,0.1,5e-324}", ["NaN", "-Infinity", "-0", "0.1", "5e-324"]),
    ("char(3)[]", array(base("bpchar", "character(3)")), "{a}", ["a  "]),
    ("date[]", array(DATE), "{1582-10-10}", ["-141432"]),
    ("numeric(12,2)[]", array(numeric(12, 2)), "{1.5}", ["1.50"]),
    ("mood[]", array(enum("sad", "it's ok")), "{sad}", ["sad"]),
    ("amount[]", array(domain(numeric(12, 2))), "{7}", ["7.00"]),
    ("numbers[]", array(domain(array(INT4), "numbers")), '{"{1,NULL}",NULL}', ['["1",null]', None]),
    ("amount", domain(numeric(12, 2)), "7", Decimal("7.00")),
    ("numbers", domain(array(INT4), "numbers"), "{1,2}", ["1", "2"]),
    ("pair", PAIR, '(1,"it""s, )",1582-10-10,"\\\\x00ff")', ["1", 'it"s, )', "-141432", "00ff"]),
    ("pair", PAIR, "(,,,)", [None, None, None, None]),
    ("pair[]", array(PAIR), '{"(1,,,)",NULL,"(,,,)"}', ['["1",null,null,null]', None, "[null,null,null,null]"]),
    ("int4range", ranged("int4range", INT4), "(1,5]", ["2", "6", "true", "false", "false"]),
    ("int8range", ranged("int8range", INT8), "(,)", [None, None, "false", "false", "false"]),
    ("int4range", ranged("int4range", INT4), "empty", [None, None, "false", "false", "true"]),
    ("daterange", ranged("daterange", DATE), "[1582-10-10,)", ["-141432", None, "true", "false", "false"]),
    ("tsrange", ranged("tsrange", base("timestamp")), "(1970-01-01,1970-01-02]", ["0", "86400000000", "false", "true", "false"]),
    ("floatrange", ranged("floatrange", base("float8")), "[0.1,Infinity]", ["0.1", "Infinity", "true", "true", "false"]),
    ("int4range[]", array(ranged("int4range", INT4)), '{"[1,2)"}', ['["1","2","true","false","false"]']),
    ("int4multirange", ranged("int4multirange", INT4, "multirange"), "{[1,2],[5,6)}", "{[1,3),[5,6)}"),
    ("money", base("money", scale=2), "-1234.56", "-1234.56"),
    ("tsvector", base("tsvector"), "a:1A b", "'a':1A 'b'"),
    ("tsquery", base("tsquery"), "a & !b", "'a' & !'b'"),
    ("point", base("point"), "(0.1,-0)", "(0.1,-0)"),
    ("polygon", base("polygon"), "((0,0),(1e300,0.30000000000000004))", "((0,0),(1e+300,0.30000000000000004))"),
    ("jsonpath", base("jsonpath"), "$.a", '$."a"'),
]  # fmt: skip

# declared type, as the catalog tells it, literal, what the server says instead of a value
LOUD = [
    ("date", DATE, "infinity", "cannot subtract infinite dates"),
    ("date", DATE, "-infinity", "cannot subtract infinite dates"),
    ("timestamp", base("timestamp"), "infinity", "invalid input syntax"),
    ("timestamp", base("timestamp"), "-infinity", "cannot convert infinity"),
    ("timestamptz", base("timestamptz"), "infinity", "invalid input syntax"),
    ("timestamptz", base("timestamptz"), "294247-01-10 04:00:54+00", "year 294247"),
    ("timestamp", base("timestamp"), "294276-12-31 23:59:59.999999", "year 294276"),
    ("text[]", array(TEXT), "[0:1]={a,b}", "array \\[0:1\\]"),
    ("text[]", array(TEXT), "{{a,b},{c,d}}", "array \\[1:2\\]\\[1:2\\]"),
    ("date[]", array(DATE), "{infinity}", "cannot subtract infinite dates"),
    ("daterange", ranged("daterange", DATE), "[2024-01-01,infinity]", "cannot subtract infinite dates"),
    ("pair", PAIR, "(1,,infinity,)", "cannot subtract infinite dates"),
]  # fmt: skip


def shown(case: tuple[Any, ...]) -> str:
    return f"{case[0]} {case[2]:.30}"


@pytest.mark.parametrize(("declared", "native", "literal", "expected"), VALUES, ids=map(shown, VALUES))
def test_a_value_leaves_the_server_as_it_is(server, declared, native, literal, expected):
    coercion = rule_for(native, None, RULES)
    found = arrived(server, declared, literal, native, coercion)

    assert (json.loads(found) if isinstance(expected, list) else found) == expected


@pytest.mark.parametrize("declared", sorted({case[0] for case in VALUES}))
def test_null_stays_null_in_every_form(server, declared):
    native = next(case[1] for case in VALUES if case[0] == declared)

    assert arrived(server, declared, None, native, rule_for(native, None, RULES)) is None


@pytest.mark.parametrize(("declared", "native", "literal", "says"), LOUD, ids=map(shown, LOUD))
def test_what_a_form_cannot_hold_ends_the_read(server, declared, native, literal, says):
    with pytest.raises(psycopg.Error, match=says):
        arrived(server, declared, literal, native, rule_for(native, None, RULES))


def test_a_plain_driver_would_have_changed_these(server):
    """The forms are not there for nothing: a cast to text loses blanks and adds a mask."""
    lost = server.execute("SELECT 'ab'::char(5)::text, '1.2.3.4'::inet::text").fetchone()

    assert lost == ("ab", "1.2.3.4/32")


def test_floats_as_text_are_the_same_bits(server):
    for number in (5e-324, 1.7976931348623157e308, 0.1, 1 / 3, -0.0):
        (text,) = server.execute("SELECT %s::float8::text", [number]).fetchone()
        assert struct.pack("<d", float(text)) == struct.pack("<d", number)


def test_every_form_is_tried_on_the_server_or_needs_an_extension():
    used = set()
    for _, native, _, _ in VALUES:
        forms = [rule_for(native, None, RULES)]
        while forms:
            form = forms.pop()
            used.add(form.read)
            forms += [part.coercion for part in form.parts]

    assert set(ReadForm) - used == {R.HEX_TEXT, R.JSON_MAP}
    assert set(READ_SQL) == set(ReadForm)


def catalog(server: psycopg.Connection[Any]) -> dict[str, NativeType]:
    """Return every type of pg_catalog that is no table, by name; as little of a catalog reader as these tests need."""
    rows = server.execute(
        "SELECT t.oid, t.typname, t.typtype, t.typcategory, format_type(t.oid, NULL), "
        "CASE WHEN t.typtype IN ('r', 'm') THEN coalesce(r.rngsubtype, m.rngtypid) WHEN t.typcategory = 'A' THEN t.typelem END "
        "FROM pg_type t LEFT JOIN pg_range r ON r.rngtypid = t.oid LEFT JOIN pg_range m ON m.rngmultitypid = t.oid "
        "WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typrelid = 0 "
        "AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typrelid <> 0)"
    ).fetchall()
    by_oid = {row[0]: row for row in rows}

    def told(oid: int) -> NativeType:
        _, name, kind, category, declared, part = by_oid[oid]
        inner = told(part) if part else None
        kind = "array" if category == "A" and kind == "b" else KINDS[kind]
        return NativeType.model_validate({"name": name, "kind": kind, "declared": declared, "element": inner})

    return {row[1]: told(row[0]) for row in rows}


def test_every_type_of_the_server_has_a_rule_or_is_refused_by_name(server):
    found = {name: rule_for(native, None, RULES) for name, native in catalog(server).items()}

    assert len(found) > 150
    assert sorted(name for name, coercion in found.items() if coercion.rule_id is None) == []
    refused = {name for name, coercion in found.items() if coercion.refused and not name.startswith(("_", "any", "pg_", "reg"))}
    assert refused == {
        "cstring", "event_trigger", "fdw_handler", "gtsvector", "index_am_handler", "int2vector", "internal", "language_handler",
        "money", "oidvector", "record", "table_am_handler", "trigger", "tsm_handler", "unknown", "void",
    }  # fmt: skip


def test_names_in_rules_are_names_of_the_server_or_of_extensions(server):
    known = set(catalog(server))

    for rule in RULES.rules:
        for wanted in rule.matches:
            if wanted.kind == "base" and wanted.extension is None:
                assert set(wanted.names) <= known, rule.rule_id


def test_types_in_user_tables_with_the_same_name_are_not_taken_for_those_of_the_server(server):
    assert rule_for(base("date", schema_name="public"), None, RULES).rule_id is None


def test_a_declared_text_keeps_what_the_type_could_not(server):
    for declared, native, literal, rule_id in (
        ("date", DATE, "infinity", "PG-10c"),
        ("timestamptz", base("timestamptz"), "0044-03-15 12:00:00+00 BC", "PG-12c"),
        ("time", base("time"), "24:00:00", "PG-13c"),
        ("text[]", array(TEXT), "[0:1]={a,b}", "PG-16f"),
        ("bytea[]", array(BYTEA), '{"\\\\x00ff"}', "PG-16f"),
        ("interval[]", array(base("interval")), '{"1 mon -2 days"}', "PG-16f"),
        ("numeric(12,2)", numeric(12, 2), "NaN", "PG-03c"),
        ("daterange", ranged("daterange", DATE), "[2020-01-01,infinity]", "PG-17m"),
    ):
        coercion = declared_rule(rule_id, native, profile(), RULES)
        assert arrived(server, declared, literal, native, coercion) == literal


def test_vectors_are_text_with_every_digit(server):
    server.execute("CREATE EXTENSION IF NOT EXISTS vector")
    native = base("vector", "vector(2)", schema_name="public", extension="vector")

    assert arrived(server, "vector(2)", "[1,0.1]", native, rule_for(native, None, RULES)) == "[1,0.1]"
