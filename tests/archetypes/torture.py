# ruff: noqa: S608 -- constants
"""A schema that holds what makes migrations fail; the role `reader` may read most of it."""

from __future__ import annotations

import re

from tests.connectors.postgres_stage import PostgresStage

__all__ = ["EVERY_TYPE", "TORTURE", "logged_statements"]

_ENTRY = re.compile(r"(?:statement|execute [^:]*): +(.*)", re.DOTALL)


EVERY_TYPE = """
    CREATE TYPE mood AS ENUM ('sad', 'o k', '', 'happy');
    CREATE DOMAIN price AS numeric(50, 10); CREATE DOMAIN dear AS price; CREATE DOMAIN prices AS price[];
    CREATE TYPE pair AS (a int, "b ""c" text);
    CREATE TABLE types (
      id int PRIMARY KEY, i2 smallint, i8 bigint, o oid, b boolean, f4 real, f8 float8, n numeric, n50 numeric(50,10), n10 numeric(10,2),
      d dear, m money, t text, vc varchar(20), c char(5), one "char", nm name, x bytea, u uuid, j json, jb jsonb, da date, ts timestamp,
      tz timestamptz, ti time, tt timetz, iv interval, ip inet, mac macaddr, bits bit varying, e mood, p pair, ia int[], na numeric[],
      ta text[], pa pair[], ps prices, daa date[], ir int4range, dr daterange, dmr datemultirange, nr numrange[], tv tsvector, pt point,
      ov oidvector, lsn pg_lsn, gen text GENERATED ALWAYS AS (upper(t)) STORED, gone int
    );
    ALTER TABLE types DROP COLUMN gone;
    INSERT INTO types VALUES
     (1, -32768, -9223372036854775808, 4294967295, true, 'NaN', '-Infinity', 'NaN', '1234567890123456789012345678901234567890.1234567890',
      1.50, 12.5000, '-1.05', '', 'a  ', 'ab', 'x', 'n', '\\x00ff', '00000000-0000-0000-0000-000000000000', '{"a": 1}', '[1]',
      'infinity', '-infinity', '0044-03-15 BC', '24:00:00', '24:00:00+02', '1 mon 2 days', '10.0.0.1/8', '08:00:2b:01:02:03', B'101', '',
      ROW(NULL, NULL), '{1,2}', '{1.500,NaN,NULL}', ARRAY['', '\\N', E'a\\nb'], ARRAY[ROW(1, 'x')::pair], '{10.25}',
      '{infinity,1500-01-01}',
      '[1,5)', '[1500-01-01,infinity]', '{[2020-01-01,2020-02-01)}', ARRAY['[0.001,Infinity)'::numrange], 'fat:1 cat:2', '(1,2)', '1 2',
      '16/B374D848'),
     (2, 32767, 9223372036854775807, 0, false, '0', 'NaN', '0.00000000000000000001', 0.5, -0.05, 0, '92233720368547758.07',
      repeat('x', 1048576), '\\N', '', ' ', 'N', '', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'null', 'null', '0001-01-01 BC',
      '12345-06-07', '1582-10-14 23:59:59.999999', '23:59:59.999999', '00:00:00-15', '-1 sec', '::1', 'ff:ff:ff:ff:ff:ff', B'', 'happy',
      ROW(1, 'y'), '[0:1]={1,2}', '{}', '{"caf\u00e9", "cafe\u0301 "}', NULL, '{-0.5,1000}',
      '{}', 'empty', '(,)', '{}', '{}', '', NULL, '', '0/0'),
     (3, NULL, NULL, NULL, NULL, NULL, NULL, 'Infinity', NULL, NULL, NULL, NULL, E'cafe\u0301\r\\n', NULL, NULL, NULL, NULL, NULL, NULL,
      NULL, NULL, '1582-10-14', NULL, 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{{1},{2}}',
      NULL, NULL, NULL, NULL, NULL, NULL,
      NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""

TORTURE = (
    EVERY_TYPE
    + """
    CREATE TABLE "Odd.""name"" 😀" ("select" int, "Id" int, "id" int, "a.b ""c"" 😀" text, "100%" text, UNIQUE ("Id"));
    INSERT INTO "Odd.""name"" 😀" VALUES (1, 1, 1, 'x', 'y'), (1, 2, 1, NULL, '%s'), (2, NULL, 2, '', NULL);
    CREATE TABLE nothing (id int, v text); CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES;
    CREATE TABLE keyless (code text, day date, note text);
    INSERT INTO keyless SELECT 'c' || i, DATE '2020-01-01' + i % 7, 'same' FROM generate_series(1, 500) AS i;
    CREATE TABLE sales (id int, day date, region text, PRIMARY KEY (id, day, region)) PARTITION BY RANGE (day);
    CREATE TABLE sales_20 PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE sales_21 PARTITION OF sales FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (region);
    CREATE TABLE sales_21_eu PARTITION OF sales_21 FOR VALUES IN ('eu'); CREATE TABLE sales_21_rest PARTITION OF sales_21 DEFAULT;
    CREATE TABLE sales_rest PARTITION OF sales DEFAULT;
    INSERT INTO sales SELECT i, DATE '2020-12-01' + i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END FROM generate_series(1, 100) AS i;
    CREATE TABLE parent (id int PRIMARY KEY, v text); CREATE TABLE child (w int) INHERITS (parent);
    INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (1, 'c', 1), (2, 'c', 2), (3, 'c', 3);
    CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
    CREATE TABLE secured (id int PRIMARY KEY); INSERT INTO secured VALUES (1); ALTER TABLE secured ENABLE ROW LEVEL SECURITY;
    CREATE TABLE shut (id int PRIMARY KEY); REVOKE SELECT ON shut FROM reader;
    CREATE TABLE ajar (id int PRIMARY KEY, "Se.cret" text); INSERT INTO ajar VALUES (1, 'x');
    REVOKE SELECT ON ajar FROM reader; GRANT SELECT (id) ON ajar TO reader;
    CREATE TABLE writable (id int PRIMARY KEY); GRANT INSERT, DELETE ON writable TO reader;
    CREATE TABLE people (id serial PRIMARY KEY, email text, iban text, status text, salary numeric(10,2), born date);
    INSERT INTO people (email, iban, status, salary, born)
      SELECT 'user' || i || '@example.com', 'DE89370400440532013000', CASE WHEN i % 2 = 0 THEN 'A-1' ELSE 'B-2' END, 1000 + i,
             DATE '1980-01-01' + i FROM generate_series(1, 50) AS i;
    CREATE TABLE checked (id int PRIMARY KEY, person int REFERENCES people (id)); INSERT INTO checked VALUES (1, 1);
    ALTER TABLE checked ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
    CREATE VIEW broken AS SELECT id, 1 / (id - 1) AS bad, 'fine' AS good FROM checked;
    CREATE MATERIALIZED VIEW filled AS SELECT id FROM people; CREATE MATERIALIZED VIEW never AS SELECT id FROM people WITH NO DATA;
    CREATE FOREIGN DATA WRAPPER w_SCHEMA_NAME; CREATE SERVER far_SCHEMA_NAME FOREIGN DATA WRAPPER w_SCHEMA_NAME;
    CREATE FOREIGN TABLE far (id int) SERVER far_SCHEMA_NAME;
    CREATE TABLE mixed (id int, day date) PARTITION BY RANGE (day);
    CREATE TABLE mixed_near PARTITION OF mixed FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE FOREIGN TABLE mixed_far PARTITION OF mixed FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') SERVER far_SCHEMA_NAME;
    INSERT INTO mixed_near VALUES (1, '2020-05-05');
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER stamped BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE PUBLICATION p_SCHEMA_NAME FOR TABLE people WITH (publish = 'insert, update');
"""
)


def logged_statements(stage: PostgresStage, since: str) -> list[str]:
    """Return what sessions of Parity sent since a text was logged, in order."""
    entries = stage.logged().split(since)[-1].split("parity@")[1:]
    found = [_ENTRY.match(entry.split("LOG:")[-1].lstrip()) for entry in entries if "LOG:" in entry]
    return [match.group(1).strip() for match in found if match]
