# ruff: noqa: S608 -- constants
"""Every type with its edge values and every odd shape, by the two calls; what arrived is held against what the server itself prints.

The files are read by pyarrow and the source by psycopg: a reading of Parity that changes a value would be the same for the load and for
the comparison, which would then agree with itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.archetypes.torture import EVERY_TYPE
from tests.connectors.postgres_stage import PostgresStage
from tests.e2e.server_texts import arrived, expected

Parity = Callable[..., Result]

_REFUSED = {"da": "PG-10c", "ts": "PG-11c", "tz": "PG-12c", "ti": "PG-13c", "ia": "PG-16f", "daa": "PG-16f", "dr": "PG-17m", "ov": None}
"""Columns of `types` that no type of Parquet holds, with the rule that the plan proposes for each; oidvector has none."""

_SHAPES = """
CREATE TABLE "Odd.""name"" 😀" ("select" int, "Id" int, "id" int, "a.b ""c"" 😀" text, "100%" text, "x=y/z" text);
INSERT INTO "Odd.""name"" 😀" VALUES
  (1, 1, 1, 'x', 'y', ''), (1, 1, 1, 'x', 'y', ''), (2, NULL, 2, '', NULL, '\\N'), (3, 2, 1, E'\\r\\n', '%s', E'\\t');
CREATE TABLE nothing (id int PRIMARY KEY, v text);
CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES;
CREATE TABLE sales (gone int, id int, day date, region text, PRIMARY KEY (id, day, region)) PARTITION BY RANGE (day);
ALTER TABLE sales DROP COLUMN gone;
CREATE TABLE sales_20 (region text NOT NULL, extra int, day date NOT NULL, id int NOT NULL); ALTER TABLE sales_20 DROP COLUMN extra;
ALTER TABLE sales ATTACH PARTITION sales_20 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE sales_21 PARTITION OF sales FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (region);
CREATE TABLE sales_21_eu PARTITION OF sales_21 FOR VALUES IN ('eu'); CREATE TABLE sales_21_rest PARTITION OF sales_21 DEFAULT;
INSERT INTO sales SELECT i, DATE '2020-12-01' + i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END FROM generate_series(1, 60) AS i;
CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (w int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (1, 'c', 1), (2, 'c', 2), (2, 'c', 3);
"""

_MORE = r"""
CREATE TYPE mood AS ENUM ('sad', 'o k', '', 'it''s "so"'); CREATE TYPE pair AS (a int, "b ""c" text);
CREATE TYPE inner_ AS (t text, d date, a int[], n numeric);
CREATE TYPE outer_ AS (i inner_, l inner_[], "A" int, "a" text, b bytea, c char(3));
CREATE DOMAIN ts0 AS timestamp(0); CREATE DOMAIN ranges AS int4range; CREATE DOMAIN spans AS interval; CREATE DOMAIN cash AS money;
CREATE DOMAIN letters AS char(4); CREATE DOMAIN pairs AS pair; CREATE DOMAIN days AS date; CREATE DOMAIN bytes AS bytea;
CREATE DOMAIN reals AS real; CREATE DOMAIN codes AS char(3)[];
CREATE TABLE domains (id int PRIMARY KEY, ts ts0, rg ranges, sp spans, ca cash, le letters, pp pairs, d days, b bytes, f reals, cs codes);
INSERT INTO domains VALUES
 (1, '1899-12-31 23:59:59', '[1,5)', '-1 year -2 days +03:04:05.000006', '1234.5', 'a', ROW(1, 'x "q", (z)'), '0044-03-15 BC',
  '\x5c2200', '1.1', ARRAY['a', NULL, 'abc']),
 (2, '0001-01-01 00:00:00 BC', 'empty', '178000000 years', '-0.01', '', NULL, '9999-12-31', '', '-0', '{}'),
 (3, '294246-12-31 23:59:59', '(,5)', '-178000000 years', NULL, NULL, ROW(NULL, ''), NULL, NULL, NULL, NULL);
CREATE TABLE nested (id int PRIMARY KEY, ou outer_, ip inet[], ch char(3)[], mo money[], bi bit(3)[], tr tsrange, tz tstzrange[], ti time[],
  iv interval[], by bytea[], js jsonb[], f4 real[], f8 float8[], bo boolean[], nu numeric(5,2)[], nn numeric[], na name[], c1 "char"[],
  en mood[], tt timetz[]);
INSERT INTO nested VALUES
 (1, ROW(ROW('a,"b\"(', '1582-10-10', '{1,NULL}', 1.500),
         ARRAY[ROW(NULL, NULL, NULL, NULL)::inner_, NULL, ROW('', '0001-01-01 BC', '{}', '0.00')::inner_], 3, 'low', '\x00', 'z'),
  ARRAY['10.0.0.1/32', '::1/64']::inet[], ARRAY['', 'a  '], ARRAY['1.5', '-2']::money[], ARRAY[B'101', NULL],
  '[0044-01-01 BC,1582-10-10 12:00:00.000001)', ARRAY['(,)', 'empty', '[1800-01-01 00:00+00,)']::tstzrange[], '{00:00,23:59:59.999999}',
  '{1 mon,-1 sec}', ARRAY['\x', '\xff']::bytea[], ARRAY['{"a": 1.00, "b": 1e400}', 'null']::jsonb[],
  '{NaN,-0,1.17549435e-38,3.4028235e38,1e-45}', '{-0,5e-324,1.7976931348623157e308,0.1}', '{t,f,NULL}', '{1.5,-999.99}',
  '{1.500,1e-30,12345678901234567890123456789012345678901234567890}', '{a,"b c"}', ARRAY['x', '']::"char"[],
  ARRAY['', 'it''s "so"']::mood[], '{00:00+15:59,24:00-01:02:03}'),
 (2, NULL, '{}', '{}', '{}', '{}', '(,)', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
INSERT INTO nested VALUES (3, ROW(NULL, NULL, NULL, NULL, NULL, NULL));
CREATE TABLE plain (id int PRIMARY KEY, cd cidr, x8 xid8, xi xid, sn pg_snapshot, td tid, m8 macaddr8, tq tsquery, jp jsonpath, bo box,
  pa path, po polygon, ci circle, li line, ls lseg, vb varbit, b3 bit(3), neg numeric(4,-2), tiny numeric(2,5), n38 numeric(38,38), t text,
  j json, jb jsonb, gi int GENERATED ALWAYS AS IDENTITY, gs numeric GENERATED ALWAYS AS (id / 3.0) STORED);
INSERT INTO plain VALUES
 (1, '10.0.0.0/8', '18446744073709551615', '4294967295', '10:20:10,14,15', '(42,7)', '08:00:2b:01:02:03:04:05', 'fat & (rat | !cat:*AB)',
  '$.a[*] ? (@ > 1)', '(1,1),(0,0.1)', '[(0,0),(1e-300,1)]', '((0,0),(1,1),(2,0))', '<(0,0),1.1>', '{1,-1,0}', '[(0,0),(1,1)]', B'',
  B'101', 12300, 0.00012, 0.12345678901234567890123456789012345678, E'\uFFFF\uFFFE\uFEFF\U0001F600\u0001', '{"a":1,"a":2, "b": 1.0}',
  '{"a":1.0}'),
 (2, '0.0.0.0/0', '0', '0', '1:1:', '(0,0)', '00:00:00:00:00:00:00:00', '', '$', '(0,0),(0,0)', '((0,0))', '((0,0))', '<(0,0),0>',
  '{0,1,0}', '[(0,0),(0,0)]', B'0', B'000', -9900, -0.00099, 0, E'\uFEFFbom\r\n\t\x7f\u0085\u2028 ',
  ' [1e999, 12345678901234567890123] ', '12345678901234567890.10');
INSERT INTO plain (id) VALUES (3);
"""


@dataclass(frozen=True)
class Run:
    """A schema that was planned, answered and run."""

    schema: str
    place: Path
    planned: Result
    plan: str
    ran: Result

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        document = json.loads((self.place / "work" / "result.json").read_text())
        return {table["name"]: table for table in document["tables"]}


def run(stage: PostgresStage, parity: Parity, place: Path, *, answer: Callable[[str], str] = str, tables: str = "*") -> Run:
    """Plan the schema that the stage made last, answer the plan, and run it."""
    (schema,) = stage.rows("SELECT current_schema()")[0]
    source = ("--source", stage.uri(), "--schema", schema, "--tables", tables)
    planned = parity("plan", "postgres-to-s3", *source, "--target", f"file:{place}/lake", "--out", place / "plan.yaml")
    assert planned.exit_code == 0, planned.output
    text = (place / "plan.yaml").read_text()
    (place / "plan.yaml").write_text(answer(text))
    return Run(schema, place, planned, text, parity("run", place / "plan.yaml", "--workdir", place / "work"))


def require_equal(stage: PostgresStage, ran: Run, table: str) -> None:
    """Check every row of the files against the server; the message names the column, and no value twice."""
    written, told = arrived(ran.place / "lake", ran.tables[table]["path"], expected(stage.server.dsn, ran.schema, table))
    assert len(written) == len(told)
    for name in told[0] if told else ():
        assert sorted((row[name] for row in written), key=repr) == sorted((row[name] for row in told), key=repr), f"{table}.{name}"
    assert sorted(map(repr, written)) == sorted(map(repr, told)), table


def with_remedies(text: str) -> str:
    """Answer every refused column of the plan with the rule that it proposes; one without is excluded."""
    for name, rule in _REFUSED.items():
        if rule is not None:
            text = re.sub(rf"name: {name}, rule_id: [^,]+, target_type: null", f"name: {name}, rule_id: {rule}, target_type: string", text)
    return text.replace("unique_keys: true\n", "unique_keys: true\n      exclude: [ov]\n", 1) if "name: ov," in text else text


def refusals(text: str) -> dict[str, str | None]:
    """Return each refused column of a plan with the rule that the comment above it names."""
    found = {}
    for said, name in re.findall(r"# REFUSED: ((?:.*\n *# )*.*)\n *- \{name: (\w+),", text):
        rule = re.search(r"Declare rule (PG-\w+)", re.sub(r"\s*#\s*", " ", said))
        found[name] = rule[1] if rule else None
    return found


@pytest.fixture(scope="module")
def every_type(stage: PostgresStage, parity: Parity, tmp_path_factory: pytest.TempPathFactory) -> Run:
    stage.fresh_schema()
    stage.run(EVERY_TYPE)
    return run(stage, parity, tmp_path_factory.mktemp("types"), answer=with_remedies)


def test_what_no_type_holds_is_refused_by_the_plan_with_the_way_out(every_type: Run) -> None:
    assert refusals(every_type.plan) == _REFUSED
    assert "To be decided before it runs" in every_type.planned.output


def test_every_value_of_every_type_arrives_as_the_server_prints_it(stage: PostgresStage, every_type: Run) -> None:
    assert every_type.ran.exit_code == 0, every_type.ran.output
    assert every_type.tables["types"]["verdict"] == "PASS_WITH_RULES"
    assert [reason["text"] for reason in every_type.tables["types"]["reasons"]] == ["The contract leaves out column ov."]
    require_equal(stage, every_type, "types")


def test_every_shape_of_a_table_arrives(stage: PostgresStage, parity: Parity, tmp_path: Path) -> None:
    stage.fresh_schema()
    stage.run(_SHAPES)
    folders = "  - name: nothing\n    path: nothing\n"
    ran = run(stage, parity, tmp_path, answer=lambda text: text.replace(folders, f"{folders}    partition_by: [v]\n"))

    assert ran.ran.exit_code == 0, ran.ran.output
    assert {name: table["verdict"] for name, table in ran.tables.items()} == dict.fromkeys(
        ('Odd."name" 😀', "nothing", "sales", "parent", "child"), "PASS"
    )
    for name in ran.tables:
        require_equal(stage, ran, name)
    assert {name: table["source_rows"] for name, table in ran.tables.items() if name in ("nothing", "parent")} == {
        "nothing": 0,
        "parent": 4,
    }
    assert ".bare: It has no columns" in ran.plan
    assert "It holds no row" in ran.plan


@pytest.mark.slow
def test_what_came_after_the_plan_stops_its_own_table_and_the_column_is_named(stage: PostgresStage, parity: Parity, tmp_path: Path) -> None:
    schema = stage.fresh_schema()
    stage.run("""
        CREATE TABLE codes (id int PRIMARY KEY, code text); INSERT INTO codes VALUES (1, 'a'), (2, NULL);
        CREATE TABLE prices (id int PRIMARY KEY, fine numeric(5,2), price numeric(5,2)); INSERT INTO prices VALUES (1, 1, 1);
        CREATE TABLE keys (k int[] PRIMARY KEY, v text); INSERT INTO keys VALUES ('{1,2}', 'a'), ('{}', 'b'), ('{NULL}', 'c');
        CREATE TABLE ajar (id int PRIMARY KEY, "Se.cret" text, b text);
        INSERT INTO ajar SELECT i, 'x', 'y' FROM generate_series(1, 5000) AS i;
        REVOKE SELECT ON ajar FROM reader; GRANT SELECT (id, b) ON ajar TO reader;
        CREATE TABLE secured (id int PRIMARY KEY); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    """)

    def answered(text: str) -> str:
        stage.run(f"INSERT INTO {schema}.codes VALUES (3, ''); UPDATE {schema}.prices SET price = 'NaN'")
        text = text.replace("    path: codes\n", "    path: codes\n    partition_by: [code]\n")
        first, _, rest = text.partition("  - name: ajar\n")
        return first + "  - name: ajar\n" + rest.replace("contract:", "contract:\n      exclude: [Se.cret]", 1)

    ran = run(stage, parity, tmp_path, answer=answered)

    assert ran.ran.exit_code == 4, ran.ran.output
    verdicts = {name: table["verdict"] for name, table in ran.tables.items()}
    assert verdicts == {"codes": "INCONCLUSIVE", "prices": "INCONCLUSIVE", "keys": "PASS", "ajar": "PASS_WITH_RULES"}
    assert "column code holds ''" in ran.tables["codes"]["reasons"][0]["text"]
    assert "column price holds NaN" in ran.tables["prices"]["reasons"][0]["text"]
    assert f"{schema}.secured: " in ran.plan
    for name in ("keys", "ajar"):
        require_equal(stage, ran, name)


@pytest.mark.slow
def test_domains_nested_values_and_rare_types_arrive(stage: PostgresStage, parity: Parity, tmp_path: Path) -> None:
    stage.fresh_schema()
    stage.run(_MORE)
    ran = run(stage, parity, tmp_path)

    assert ran.ran.exit_code == 0, ran.ran.output
    for name in ("domains", "nested", "plain"):
        assert ran.tables[name]["verdict"] == "PASS"
        require_equal(stage, ran, name)


@pytest.mark.slow
def test_sixteen_hundred_columns_and_texts_of_a_mebibyte_arrive(stage: PostgresStage, parity: Parity, tmp_path: Path) -> None:
    stage.fresh_schema()
    columns = ", ".join(f"c{place} {('int', 'bool', 'date', 'smallint')[place % 4]}" for place in range(1599))
    stage.run(f"CREATE TABLE wide (id int PRIMARY KEY, {columns})")
    stage.run("INSERT INTO wide (id, c0, c1598) VALUES (1, 7, '0044-03-15 BC'), (2, NULL, NULL)")
    stage.run("CREATE TABLE long (id int PRIMARY KEY, t text, b bytea)")
    long = "repeat(chr(8364 + i), 400000), decode(repeat('00ff', 524288), 'hex')"
    stage.run(f"INSERT INTO long SELECT i, {long} FROM generate_series(1, 8) AS i")
    ran = run(stage, parity, tmp_path)

    assert ran.ran.exit_code == 0, ran.ran.output
    for name in ("wide", "long"):
        assert ran.tables[name]["verdict"] == "PASS"
        require_equal(stage, ran, name)
