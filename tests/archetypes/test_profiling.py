# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Profiling of a real server: every figure against values that are known, one snapshot, and no value in the document."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from archetypes import profiling
from archetypes.discovery import discover
from archetypes.profiling import profile
from archetypes.value_forms import form_of, frequent_forms
from connectors import postgres_profile
from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_profile import key_counts
from connectors.postgres_snapshot import ExportedSnapshot, pinned_source
from policy.classify import Classification, ColumnFacts
from policy.coercion import load_rules, rule_for
from schemas.agent_output import ColumnProfile, DiscoveryResult, ProfilingResult, StepOutput, TableProfile
from schemas.errors import ConfigError, ConnectorError, EngineError, InputError, MissingTableError, TransientConnectorError
from tests.archetypes.torture import logged_statements
from tests.connectors.postgres_stage import PostgresStage
from tests.standins.postgres_server import find_binaries


def result(output: StepOutput) -> ProfilingResult:
    assert isinstance(output.result, ProfilingResult)
    return output.result


def table(output: StepOutput, name: str) -> TableProfile:
    (found,) = [one for one in result(output).tables if one.name.name == name]
    return found


def column(output: StepOutput, name: str, of: str = "types") -> ColumnProfile:
    found = table(output, of).column(name)
    assert found is not None
    return found


def seen(found: ColumnProfile) -> dict[str, int]:
    return {count.kind: count.count for count in found.special if count.count}


def profiled(stage: PostgresStage, schema: str, tables: Sequence[str] | None = None, sample: str | None = None) -> StepOutput:
    discovery = discover(stage.login(), schema)
    with pinned_source(stage.login()) as snapshot:
        return profile(snapshot, discovery, tables=tables, sample=sample)


@pytest.fixture(scope="session")
def whole(stage: PostgresStage, torture: str) -> StepOutput:
    return profiled(stage, torture)


def test_every_table_with_rows_of_its_own_is_profiled_on_one_pin(whole: StepOutput) -> None:
    assert [one.name.name for one in result(whole).tables] == [
        'Odd."name" 😀', "ajar", "bare", "checked", "child", "filled", "fleeting", "keyless", "mixed_near", "nothing", "parent", "people",
        "sales", "types", "writable",
    ]  # fmt: skip
    assert whole.confidence_bp == 10_000 and result(whole).sample is None
    assert [read.name for read in whole.inputs] == ["discovery", "pin", "statistics"]
    assert result(whole).pin.startswith("PostgreSQL snapshot ")


def test_documents_are_valid_by_the_published_schema(stage: PostgresStage, torture: str, whole: StepOutput) -> None:
    schema = json.loads((Path(__file__).parents[2] / "schemas" / "agent_output.schema.json").read_text(encoding="utf-8"))

    for output in (discover(stage.login(), torture), whole, profiled(stage, torture, ["people"], sample="50%")):
        jsonschema.validate(json.loads(output.canonical()), schema)


def test_what_is_left_out_is_told(torture: str, whole: StepOutput) -> None:
    assert whole.status == "PARTIAL"
    left = {(one.code, one.object) for one in whole.findings if one.code in ("refused_object", "unreadable_column")}
    assert left == {
        *(("refused_object", f"{torture}.{name}") for name in ("mixed", "never", "secured", "shut")),
        ("unreadable_column", f"{torture}.ajar.Se.cret"),
    }
    assert [one.name for one in table(whole, "ajar").columns] == ["id"]


NULLS = {"id": 0, "t": 0, "n": 0, "p": 1, "pa": 2, "pt": 2, "ia": 0, "i8": 1, "ov": 1, "da": 0, "tz": 0, "gen": 0}


@pytest.mark.parametrize(("name", "nulls"), NULLS.items())
def test_nulls_are_counted_and_a_row_of_nulls_is_none(whole: StepOutput, name: str, nulls: int) -> None:
    assert column(whole, name).nulls == nulls


SPECIAL: dict[str, dict[str, int]] = {
    "f4": {"nan": 1},
    "f8": {"nan": 1, "negative_infinity": 1},
    "n": {"nan": 1, "positive_infinity": 1},
    "n50": {},
    "na": {"nan": 1},
    "nr": {"positive_infinity": 1},
    "da": {"positive_infinity": 1, "bc": 1, "before_1582": 2},
    "ts": {"negative_infinity": 1, "year_above_9999": 1},
    "tz": {"positive_infinity": 1, "bc": 1, "before_1582": 2},
    "daa": {"positive_infinity": 1, "before_1582": 1},
    "dr": {"positive_infinity": 1, "before_1582": 1},
    "dmr": {},
    "ti": {"hour_24": 1},
    "tt": {"hour_24": 1},
    "ia": {"array_dimensions": 1, "array_bounds": 1},
    "t": {"empty_text": 1, "not_nfc": 1, "line_break": 1},
    "vc": {"backslash_n": 1, "trailing_blanks": 1},
    "c": {"empty_text": 1},
    "e": {"empty_text": 1},
    "ta": {"empty_text": 1, "backslash_n": 1, "line_break": 1, "not_nfc": 1, "trailing_blanks": 1},
    "i8": {},
    "x": {},
}


@pytest.mark.parametrize(("name", "counts"), SPECIAL.items())
def test_special_values_are_counted_also_inside_arrays_and_ranges(whole: StepOutput, name: str, counts: dict[str, int]) -> None:
    assert seen(column(whole, name)) == counts


@pytest.mark.parametrize(
    ("name", "precision", "scale"),
    [("n", 20, 20), ("n50", 49, 9), ("n10", 3, 2), ("d", 3, 1), ("m", 19, 2), ("na", 2, 1), ("ps", 6, 2), ("nr", 3, 3), ("i8", None, None)],
)
def test_digits_are_those_that_hold_every_finite_value(whole: StepOutput, name: str, precision: int | None, scale: int | None) -> None:
    assert (column(whole, name).max_precision, column(whole, name).max_scale) == (precision, scale)


@pytest.mark.parametrize(
    ("name", "chars", "octets"),
    [("t", 1048576, 1048576), ("vc", 3, 3), ("c", 2, 5), ("x", None, 2), ("ta", 6, 7), ("j", 8, 8), ("bits", 3, 3), ("e", 5, 5),
     ("i2", None, None)],
)  # fmt: skip
def test_lengths_are_those_of_the_longest_value(whole: StepOutput, name: str, chars: int | None, octets: int | None) -> None:
    assert (column(whole, name).max_chars, column(whole, name).max_bytes) == (chars, octets)


RULES = {"n": "PG-03c", "n50": "PG-03b", "n10": "PG-02", "da": "PG-10b", "ts": "PG-11b", "tz": "PG-12b", "ti": "PG-13b", "ia": "PG-16b"}


@pytest.mark.parametrize(("name", "rule"), RULES.items())
def test_rules_decide_by_what_was_seen(stage: PostgresStage, torture: str, whole: StepOutput, name: str, rule: str) -> None:
    discovery = discover(stage.login(), torture, "types").result
    assert isinstance(discovery, DiscoveryResult)
    (native,) = [one.native_type for one in discovery.objects[0].columns if one.name == name]

    assert rule_for(native, column(whole, name), load_rules()).rule_id == rule


def test_digits_agree_with_decimals_of_python(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    texts = ["0", "-0.10", "12.340", "999.9999", "-100000", "1e-30", "5e10", "0.000", "123456789012345678901234567890"]
    stage.run("CREATE TABLE t (n numeric); CREATE TABLE zeros (n numeric); INSERT INTO zeros VALUES (0.00); CREATE TABLE none (n numeric)")
    with stage.owner.cursor() as cursor:
        cursor.executemany("INSERT INTO t VALUES (%s::numeric)", [(text,) for text in texts])
    output = profiled(stage, schema)

    signs = [Decimal(text).normalize().as_tuple() for text in texts]
    scale = max(max(-int(sign.exponent), 0) for sign in signs)
    before = max(max(len(sign.digits) + int(sign.exponent), 0) for sign in signs)
    assert (column(output, "n", "t").max_precision, column(output, "n", "t").max_scale) == (before + scale, scale)
    assert (column(output, "n", "zeros").max_precision, column(output, "n", "zeros").max_scale) == (1, 0)
    assert (column(output, "n", "none").max_precision, column(output, "n", "none").max_scale) == (None, None)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_times_are_counted_up_to_the_day(stage: PostgresStage, kind: str) -> None:
    schema = stage.fresh_schema()
    days = ["0001-12-31 BC", "0001-01-01", "1582-10-14", "1582-10-15", "9999-12-31", "10000-01-01", "infinity", "-infinity"]
    stage.run(f"CREATE TABLE t (v {kind}); INSERT INTO t SELECT day::{kind} FROM unnest(ARRAY{days}) AS day")

    assert seen(column(profiled(stage, schema), "v", "t")) == {
        "positive_infinity": 1, "negative_infinity": 1, "bc": 1, "before_1582": 3, "year_above_9999": 1,
    }  # fmt: skip


def test_odd_names_are_profiled(whole: StepOutput) -> None:
    odd = table(whole, 'Odd."name" 😀')

    assert [(one.name, one.nulls) for one in odd.columns] == [("select", 0), ("Id", 1), ("id", 0), ('a.b "c" 😀', 1), ("100%", 1)]
    assert odd.rows == 3 and odd.candidate_keys == ()


def test_tables_without_rows_or_columns_are_profiled(whole: StepOutput) -> None:
    assert (table(whole, "nothing").rows, [one.nulls for one in table(whole, "nothing").columns]) == (0, [0, 0])
    assert table(whole, "nothing").columns[1].minimum is None
    assert (table(whole, "bare").rows, table(whole, "bare").columns) == (2, ())


def test_keys_are_proven_by_count(stage: PostgresStage, whole: StepOutput) -> None:
    assert (table(whole, "people").key, table(whole, "people").candidate_keys) == (("id",), (("id",),))
    assert (table(whole, "people").duplicate_keys, table(whole, "people").null_keys) == (0, 0)
    parent = table(whole, "parent")  # its children's rows are read with it, and its key says nothing about those
    assert (parent.rows, parent.duplicate_keys, parent.candidate_keys) == (4, 1, ())
    assert "duplicate_keys" in {one.code for one in whole.findings if one.object.endswith(".parent")}
    assert (table(whole, "keyless").key, table(whole, "keyless").duplicate_keys, table(whole, "keyless").candidate_keys) == (
        (), None, (("code",),),
    )  # fmt: skip


def test_keys_with_null_are_counted_apart_from_those_with_several_rows(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, 'x'), (NULL, 'x'), (NULL, 'x'), (3, NULL)")
    with pinned_source(stage.login()) as snapshot:
        (found,) = describe_tables(snapshot.connection, [TableName(schema, "t")])
        assert key_counts(snapshot, found, found.columns) == (1, 3)


def test_a_key_of_a_type_without_equality_is_not_counted(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (a json)")
    with pinned_source(stage.login()) as snapshot:
        (found,) = describe_tables(snapshot.connection, [TableName(schema, "t")])
        assert key_counts(snapshot, found, found.columns) is None and snapshot.is_alive()


def test_pairs_are_tried_where_no_column_is_a_key(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("""
        CREATE TABLE t AS SELECT i / 30 AS a, i % 30 AS b, 'x' AS c FROM generate_series(1, 900) AS i; ANALYZE t;
        CREATE TABLE twice (a text, b int, CONSTRAINT u UNIQUE (a), UNIQUE (b));
        INSERT INTO twice VALUES ('a', NULL), ('b', 1), ('c', NULL);
        CREATE TABLE words (id text); INSERT INTO words VALUES ('a'), ('a'), ('b'), (NULL)
    """)
    output = profiled(stage, schema)

    assert table(output, "t").candidate_keys == (("a", "b"),)
    assert column(output, "c", "t").distinct_estimate == 1
    assert table(output, "twice").candidate_keys == (("a",),)
    assert table(output, "words").candidate_keys == ()


def test_distinct_values_of_a_partitioned_table_are_those_of_all_partitions(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("""
        CREATE TABLE t (id int, day date) PARTITION BY RANGE (day);
        CREATE TABLE early PARTITION OF t FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
        CREATE TABLE late PARTITION OF t FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
        INSERT INTO t SELECT i, DATE '2019-12-25' + i % 14 FROM generate_series(1, 140) AS i; ANALYZE t
    """)
    output = profiled(stage, schema)

    assert (column(output, "id", "t").distinct_estimate, column(output, "day", "t").distinct_estimate) == (140, 14)


def test_texts_of_a_key_are_told_apart_by_their_bytes(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    try:
        stage.run("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this server was built without ICU, and has no collation that takes different texts for equal")
    stage.run("CREATE TABLE t (code text COLLATE loose); INSERT INTO t VALUES ('a'), ('A')")

    assert table(profiled(stage, schema), "t").candidate_keys == (("code",),)


def test_a_name_is_that_of_the_discovered_schema_before_others(stage: PostgresStage) -> None:
    other, schema = stage.fresh_schema(), stage.fresh_schema()
    stage.run(f"""
        CREATE TABLE sales (id int, day date) PARTITION BY RANGE (day); CREATE TABLE late (id int);
        CREATE TABLE {other}.late PARTITION OF sales FOR VALUES FROM ('2020-01-01') TO (MAXVALUE); INSERT INTO late VALUES (1), (2)
    """)

    assert [one.rows for one in result(profiled(stage, schema, ["late", "late", f"{other}.late"])).tables] == [2, 0]


def test_partitions_are_counted_and_add_up(whole: StepOutput) -> None:
    assert (table(whole, "sales").rows, table(whole, "sales").partition_rows) == (100, (30, 70, 0))
    assert (table(whole, "parent").rows, table(whole, "parent").partition_rows) == (4, (3,))


def test_a_partition_is_profiled_alone_when_it_is_named_or_its_parent_refused(
    stage: PostgresStage, torture: str, whole: StepOutput
) -> None:
    assert table(whole, "mixed_near").rows == 1
    assert table(profiled(stage, torture, ["sales_21"]), "sales_21").partition_rows == (35, 35)


def test_no_value_is_in_the_document(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("""
        CREATE TABLE t (id int PRIMARY KEY, word text, email text, salary numeric, born date, tags text[], doc jsonb, kind text);
        INSERT INTO t SELECT i, 'Canary7d1f' || i, 'canary7d1f' || i || '@example.com', 71771.71 + i, DATE '1971-07-17' + i,
          ARRAY['Canary7d1f'], '{"a": "Canary7d1f"}', 'Canary7d1f' FROM generate_series(1, 20) AS i;
        CREATE VIEW spoilt AS SELECT id, word::int AS number FROM t
    """)
    text = profiled(stage, schema, ["t", "spoilt"]).canonical().decode()

    for canary in ("anary7d1f", "71771", "71772", "71791", "1971"):
        assert canary not in text
    output = profiled(stage, schema)
    assert column(output, "email", "t").minimum is not None and column(output, "email", "t").minimum.text == "‹email›"  # type: ignore[union-attr]
    assert (column(output, "email", "t").pii, column(output, "email", "t").patterns) == ("email", ())
    assert [(one.form, one.count) for one in column(output, "word", "t").patterns] == [("Aaaaaa9a9a99", 11), ("Aaaaaa9a9a9", 9)]
    assert column(output, "salary", "t").exact_sum is None


def test_what_is_public_is_shown(stage: PostgresStage, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = stage.fresh_schema()
    stage.run(
        "CREATE TABLE t (a int, b text, c date); INSERT INTO t VALUES (10, 'b', '2020-01-02'), (9, 'B', '2019-12-31'), (NULL, 'é', NULL)"
    )

    def public(columns: Sequence[ColumnFacts]) -> tuple[Classification, ...]:
        return tuple(
            Classification(column=one.name, criticality="normal", pii_kind=None, sensitivity="public", evidence=("a", "b"))
            for one in columns
        )

    monkeypatch.setattr(profiling, "classify", public)
    output = profiled(stage, schema)

    shown = [(one.minimum.text, one.maximum.text) for one in table(output, "t").columns if one.minimum and one.maximum]
    assert shown == [("9", "10"), ("B", "é"), ("2019-12-31", "2020-01-02")]
    assert (column(output, "a", "t").exact_sum, column(output, "b", "t").exact_sum) == ("19", None)
    assert not any(one.minimum.masked for one in table(output, "t").columns if one.minimum)


def test_forms_say_which_kind_of_character_and_never_which() -> None:
    assert form_of("Straße 7\t²") == "Aaaaaa 9·9"
    assert len(form_of("x" * 1000)) == 41
    assert [(one.form, one.count) for one in frequent_forms(["a1", "b2", "C", "", "d4"])] == [("a9", 3)]


def test_one_failing_column_does_not_fail_the_others(stage: PostgresStage, torture: str) -> None:
    output = profiled(stage, torture, ["broken"])

    assert [(one.name, one.nulls) for one in table(output, "broken").columns] == [("id", 0), ("good", 0)]
    (told,) = [one for one in output.findings if one.code == "unprofiled_column"]
    assert (output.status, told.object, "22012" in told.text) == ("PARTIAL", f"{torture}.broken.bad", True)


def test_a_table_whose_rows_cannot_be_counted_is_told_and_the_next_one_is_profiled(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run(
        "CREATE TABLE a (i int); INSERT INTO a VALUES (0); CREATE TABLE z (i int); CREATE VIEW bad AS SELECT i FROM a WHERE 1 / i > 0"
    )
    output = profiled(stage, schema, ["bad", "z"])

    assert [one.name.name for one in result(output).tables] == ["z"]
    assert ("unprofiled_table", f"{schema}.bad") in {(one.code, one.object) for one in output.findings}
    assert profiled(stage, schema, ["bad"]).status == "REFUSED"


def test_a_sample_is_marked_and_is_the_same_one_each_time(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run(
        "CREATE TABLE t AS SELECT i AS id, repeat('x', 300) AS v FROM generate_series(1, 20000) AS i; ANALYZE t; CREATE VIEW w AS TABLE t"
    )
    output = profiled(stage, schema, ["t", "w"], sample="10%")
    rows = table(output, "t").rows

    assert 500 < rows < 5000 and result(output).sample == "10%"
    assert (table(output, "t").origin, column(output, "id", "t").complete) == ("sample", False)
    digest = next(read.sha256 for read in output.inputs if read.name == "sample")
    assert {citation.sha256 for citation in table(output, "t").citations} == {digest}
    assert table(output, "t").candidate_keys == ()
    assert column(output, "id", "t").distinct_estimate == 20000
    assert (table(output, "w").origin, table(output, "w").rows) == ("full_scan", 20000)
    assert output.confidence_bp == 5000
    assert table(profiled(stage, schema, ["t"], sample="1/10"), "t").rows == rows
    with pytest.raises(ConfigError):
        profiled(stage, schema, sample="200%")


def test_equal_inputs_give_equal_bytes(stage: PostgresStage, torture: str) -> None:
    discovery = discover(stage.login(), torture)
    with pinned_source(stage.login()) as one, pinned_source(stage.login()) as other:
        assert one.pin == other.pin
        assert profile(one, discovery).canonical() == profile(other, discovery).canonical()
        sampled = [profile(snapshot, discovery, sample="50%").canonical() for snapshot in (one, other)]
    assert sampled[0] == sampled[1]


def test_writers_are_not_seen_and_the_snapshot_outlives_failures(stage: PostgresStage, torture: str) -> None:
    discovery = discover(stage.login(), torture)
    with pinned_source(stage.login()) as snapshot:
        before = snapshot.fetch("SHOW search_path"), snapshot.fetch("SHOW jit")
        first = profile(snapshot, discovery, tables=["keyless", "broken"])
        stage.run(f"INSERT INTO {torture}.keyless VALUES ('new', NULL, NULL)")
        second = profile(snapshot, discovery, tables=["keyless", "broken"])
        assert snapshot.is_alive() and (snapshot.fetch("SHOW search_path"), snapshot.fetch("SHOW jit")) == before
    stage.run(f"DELETE FROM {torture}.keyless WHERE code = 'new'")

    assert first.canonical() == second.canonical()


def test_1600_columns_take_several_statements(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    kinds = ("int", "text", "numeric", "date", "text[]")
    stage.run(f"CREATE TABLE wide ({', '.join(f'c{number} {kinds[number % 5]}' for number in range(1600))})")
    stage.run("INSERT INTO wide (c0, c1599) VALUES (1, '{a,b}'), (2, NULL)")
    wide = table(profiled(stage, schema), "wide")

    assert [one.name for one in wide.columns] == [f"c{number}" for number in range(1600)]
    assert (wide.rows, wide.columns[0].nulls, wide.columns[1].nulls, wide.columns[1599].nulls) == (2, 0, 2, 1)
    assert wide.columns[1599].max_chars == 1


def test_statements_that_see_different_rows_are_an_error(stage: PostgresStage, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1)")
    monkeypatch.setattr(postgres_profile, "_COLUMNS_A_STATEMENT", 1)
    real = postgres_profile._answer

    def moving(snapshot: ExportedSnapshot, query: str) -> Any:
        row = real(snapshot, query)
        return (row[0] + 1, *row[1:]) if '"b"' in query and not isinstance(row, ConnectorError) else row

    monkeypatch.setattr(postgres_profile, "_answer", moving)
    with pytest.raises(EngineError, match="saw 1 rows, another 2"):
        profiled(stage, schema)


def test_what_does_not_fit_the_discovery_is_refused(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (a int)")
    discovery = discover(stage.login(), schema)
    found = discovery.result
    assert isinstance(found, DiscoveryResult)
    elsewhere = discovery.model_copy(
        update={"result": found.model_copy(update={"identity": found.identity.model_copy(update={"cluster": "1"})})}
    )
    stage.run("ALTER TABLE t ADD b int")

    with pinned_source(stage.login()) as snapshot:
        with pytest.raises(MissingTableError, match="no table tt"):
            profile(snapshot, discovery, tables=["tt"])
        with pytest.raises(InputError, match="columns changed since the discovery"):
            profile(snapshot, discovery)
        with pytest.raises(InputError, match="of another server"):
            profile(snapshot, elsewhere)


def test_a_lost_connection_ends_the_step(stage: PostgresStage, torture: str) -> None:
    discovery = discover(stage.login(), torture)
    login = stage.login()
    named = replace(login, settings=replace(login.settings, application_name="doomed"))
    told: list[tuple[int, int, str]] = []

    def end(done: int, all_of_them: int, name: str) -> None:
        told.append((done, all_of_them, name))
        if done == 1:
            stage.end_sessions("doomed")

    with pytest.raises(TransientConnectorError), pinned_source(named) as snapshot:
        profile(snapshot, discovery, tables=["people", "keyless", "sales"], progress=end)
    assert told == [(0, 3, f"{torture}.people"), (1, 3, f"{torture}.keyless")]


def test_a_statement_timeout_is_an_error_and_blames_no_column(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run("CREATE TABLE t (a int); INSERT INTO t VALUES (1); CREATE VIEW slow AS SELECT a, pg_sleep(60)::text AS s FROM t")
    discovery = discover(stage.login(), schema)

    with pytest.raises(ConnectorError, match="statement_timeout"), pinned_source(stage.login(statement_timeout="2s")) as snapshot:
        profile(snapshot, discovery, tables=["slow"])
    assert stage.logged().count("canceling statement due to statement timeout") == 1


def test_nothing_is_written(stage: PostgresStage, torture: str) -> None:
    discovery = discover(stage.login(), torture)
    stage.run("SELECT 'profiling begins'")
    with pinned_source(stage.login()) as snapshot:
        profile(snapshot, discovery)
    statements = logged_statements(stage, "profiling begins")

    assert len(statements) > 30
    assert {statement.split()[0].upper() for statement in statements} == {"BEGIN", "ROLLBACK", "SELECT", "SAVEPOINT", "RELEASE", "WITH"}
    assert all("ORDER BY tableoid, ctid LIMIT" in one for one in statements if "AS taken" in one)
    assert sum("count(*)" in one and '"people"' in one and "ARRAY[" in one for one in statements) == 1


@pytest.mark.shared_data
def test_a_real_database_is_discovered_and_profiled(stage: PostgresStage, shared_data: Path) -> None:
    stage.run("CREATE DATABASE pagila")
    server = replace(stage.server, database="pagila")
    dump = gzip.decompress((shared_data / "pagila" / "pagila.sql.gz").read_bytes())
    grants = b"GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;"
    command = [str(find_binaries() / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", server.dsn]
    subprocess.run(command, input=dump + b"\n" + grants, check=True, capture_output=True)
    login = stage.login()
    login = replace(login, address=replace(login.address, database="pagila"))

    discovery = discover(login, "public")
    with pinned_source(login) as snapshot:
        output = profile(snapshot, discovery)

    assert isinstance(discovery.result, DiscoveryResult)
    assert [one.name.name for one in discovery.result.objects if one.origin == "refused"] == ["rental_by_category"]
    assert {one.name.name: one.rows for one in result(output).tables} == {
        "actor": 200, "address": 603, "category": 16, "city": 600, "country": 109, "customer": 599, "film": 1000, "film_actor": 5462,
        "film_category": 2367, "inventory": 4581, "language": 6, "payment": 16049, "rental": 16044, "staff": 1500, "store": 500,
    }  # fmt: skip
    assert table(output, "payment").partition_rows == (723, 2401, 2713, 2547, 2677, 2654, 2334)
    assert column(output, "email", "customer").pii == "email" and column(output, "password", "staff").pii == "secret"
    assert all(one.duplicate_keys == one.null_keys == 0 for one in result(output).tables)
