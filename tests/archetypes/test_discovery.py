# ruff: noqa: S608 -- the SQL of these tests is made of quoted names and constants
"""Discovery of a real server: every object is described or refused, and every refusal names what would change it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from archetypes.discovery import discover
from archetypes.step_output import load, stored
from schemas.agent_output import DiscoveredObject, DiscoveryResult, StepOutput
from schemas.errors import ConfigError, ConnectorError, MissingTableError
from tests.archetypes.torture import logged_statements
from tests.connectors.postgres_stage import PostgresStage


def result(output: StepOutput) -> DiscoveryResult:
    assert isinstance(output.result, DiscoveryResult)
    return output.result


def named(output: StepOutput, name: str) -> DiscoveredObject:
    (found,) = [one for one in result(output).objects if one.name.name == name]
    return found


@pytest.fixture(scope="session")
def found(stage: PostgresStage, torture: str) -> StepOutput:
    return discover(stage.login(), torture)


def test_every_object_is_described_or_refused(stage: PostgresStage, torture: str, found: StepOutput) -> None:
    query = f"SELECT relname FROM pg_class WHERE relnamespace = '{torture}'::regnamespace AND relkind IN ('r','p','v','m','f','S')"
    there = {name for (name,) in stage.rows(query)}

    assert {one.name.name for one in result(found).objects} == there
    assert found.status == "PARTIAL"
    assert {one.name.name for one in result(found).objects if one.origin == "refused"} == {
        "far", "mixed", "mixed_far", "never", "secured", "shut",
    }  # fmt: skip
    share = 1 - 6 / len(there)
    assert found.confidence_bp == int(10_000 * share)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("far", "foreign_table", "no part of the snapshot"),
        ("mixed", "refused_object", r"foreign tables.*mixed_far"),
        ("never", "never_filled", r'REFRESH MATERIALIZED VIEW "s\d+"."never";'),
        ("secured", "row_security", r'ALTER ROLE "reader" BYPASSRLS;'),
        ("shut", "missing_right", r'GRANT SELECT ON "s\d+"."shut" TO "reader";'),
    ],
)
def test_a_refusal_names_reason_and_remedy_and_cites_the_catalog(found: StepOutput, name: str, code: str, reason: str) -> None:
    table = named(found, name)

    assert table.origin == "refused" and table.columns == () and re.search(reason, table.refusal or "")
    (told,) = [one for one in found.findings if one.object.endswith(f".{name}")]
    assert told.code == code and re.search(reason, told.text)
    catalog = next(read.sha256 for read in found.inputs if read.name == "catalog")
    assert [citation.sha256 for citation in table.citations] == [catalog] and told.citations == table.citations


def test_columns_are_told_with_their_types_and_origins(found: StepOutput) -> None:
    columns = {column.name: column for column in named(found, "types").columns}

    assert (columns["n50"].native_type.precision, columns["n50"].native_type.scale) == (50, 10)
    assert columns["d"].native_type.base is not None and columns["d"].native_type.base.kind == "domain"
    assert (columns["gen"].generated, columns["gen"].default) == ("upper(t)", None)
    assert "gone" not in columns and columns["id"].position == 1
    odd = [column.name for column in named(found, 'Odd."name" 😀').columns]
    assert odd == ["select", "Id", "id", 'a.b "c" 😀', "100%"]
    assert named(found, "people").columns[0].default is not None
    assert [(column.name, column.readable) for column in named(found, "ajar").columns] == [("id", True), ("Se.cret", False)]


def test_a_foreign_table_refuses_everything_above_it(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run(f"""
        CREATE FOREIGN DATA WRAPPER w_{schema}; CREATE SERVER far_{schema} FOREIGN DATA WRAPPER w_{schema};
        CREATE TABLE top (id int, day date) PARTITION BY RANGE (day);
        CREATE TABLE middle PARTITION OF top FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') PARTITION BY LIST (id);
        CREATE TABLE near PARTITION OF middle FOR VALUES IN (1);
        CREATE FOREIGN TABLE far PARTITION OF middle FOR VALUES IN (2) SERVER far_{schema}
    """)
    output = discover(stage.login(), schema)

    assert {one.name.name for one in result(output).objects if one.origin == "refused"} == {"top", "middle", "far"}


def test_partitions_children_keys_and_sizes_are_told(stage: PostgresStage, torture: str, found: StepOutput) -> None:
    sales, parent, people = named(found, "sales"), named(found, "parent"), named(found, "people")

    assert (sales.kind, sales.partition_by, sales.bytes) == ("partitioned_table", "RANGE (day)", None)
    assert [one.name.name for one in sales.partitions] == ["sales_20", "sales_21", "sales_rest"]
    assert sales.partitions[0].bound == "FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')"
    assert named(found, "sales_20").kind == "partition" and named(found, "sales_21").kind == "partitioned_table"
    assert [one.name.name for one in parent.partitions] == ["child"] and named(found, "child").parents[0].name == "parent"
    assert [(key.kind, key.columns) for key in people.keys] == [("primary", ("id",))]
    assert [(people.bytes,)] == stage.rows(f"SELECT pg_table_size('{torture}.people')") and people.pages == 1
    checked = {key.kind: key for key in named(found, "checked").keys}
    assert checked["foreign"].references is not None and checked["foreign"].references.name == "people"
    assert (checked["check"].definition, checked["check"].validated) == ("CHECK ((id > 0)) NOT VALID", False)
    assert named(found, "people_id_seq").kind == "sequence"


def test_what_needs_what_is_told(found: StepOutput) -> None:
    links = {(one.kind, one.source.name, one.target.name) for one in result(found).dependencies}

    assert links >= {
        ("foreign_key", "checked", "people"),
        ("view", "broken", "checked"),
        ("partition", "sales_20", "sales"),
        ("inherits", "child", "parent"),
        ("sequence", "people", "people_id_seq"),
        ("trigger", "people", "stamp"),
        ("type", "types", "mood"),
        ("type", "types", "pair"),
        ("type", "types", "price"),
    }
    (publication,) = result(found).publications
    assert ([table.name for table in publication.tables], publication.operations) == (["people"], ("insert", "update"))


def test_rights_are_bits_and_more_than_reading_is_a_finding(found: StepOutput) -> None:
    assert named(found, "people").permission_bits == 0b11
    assert named(found, "writable").permission_bits == 0b1_0111
    assert named(found, "shut").permission_bits == 0b10
    assert result(found).permission_bits == 0b1001_0111
    texts = {one.code: one.text for one in found.findings}
    assert "writable (INSERT, DELETE)" in texts["role_can_write"]
    assert texts["more_than_reading"].endswith(": insert, delete, temporary tables.")


def test_a_superuser_is_found_and_sees_everything(stage: PostgresStage, torture: str) -> None:
    output = discover(stage.login(user="postgres"), torture)

    assert result(output).permission_bits == 0xFFF
    assert [one.severity for one in output.findings if one.code == "role_can_write"] == ["MEDIUM"]
    assert named(output, "shut").origin == named(output, "secured").origin == "metadata"
    assert named(output, "secured").row_security == "enabled"


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("no_primary_key", "keyless"),
        ("unlogged", "fleeting"),
        ("inheritance", "parent"),
        ("not_validated", "checked"),
        ("unreadable_column", "ajar.Se.cret"),
        ("generated_column", "types.gen"),
    ],
)
def test_what_a_person_should_know_is_a_finding(torture: str, found: StepOutput, code: str, where: str) -> None:
    assert f"{torture}.{where}" in {one.object for one in found.findings if one.code == code}


def test_what_could_not_be_seen_is_told_with_its_grant(torture: str, found: StepOutput) -> None:
    assert {one.what: one.remedy for one in result(found).unseen} == {
        f"column Se.cret of {torture}.ajar": f'GRANT SELECT ("Se.cret") ON "{torture}"."ajar" TO "reader";',
        f"table {torture}.shut": f'GRANT SELECT ON "{torture}"."shut" TO "reader";',
        f"rows of {torture}.secured that row-level security hides": 'ALTER ROLE "reader" BYPASSRLS;',
    }


def test_patterns_choose_and_the_rest_is_excluded(stage: PostgresStage, torture: str) -> None:
    output = discover(stage.login(), torture, "people,chec*")

    assert [one.name.name for one in result(output).objects] == ["checked", "people", "people_id_seq"]
    assert "keyless" in {one.name for one in result(output).excluded}
    assert output.status == "DONE" and output.confidence_bp == 10_000
    with pytest.raises(MissingTableError, match="people"):
        discover(stage.login(), torture, "poeple")
    with pytest.raises(MissingTableError, match="no schema"):
        discover(stage.login(), "nowhere")
    with pytest.raises(ConfigError):
        discover(stage.login(), torture, "a,,b")


def test_a_schema_that_may_not_be_used_is_refused_with_the_grant(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run(f"CREATE TABLE t (id int); REVOKE USAGE ON SCHEMA {schema} FROM reader")

    output = discover(stage.login(), schema)

    assert output.status == "REFUSED"
    assert f'GRANT USAGE ON SCHEMA "{schema}" TO "reader";' in output.findings[0].text


def test_an_empty_schema_matches_nothing(stage: PostgresStage) -> None:
    with pytest.raises(MissingTableError):
        discover(stage.login(), stage.fresh_schema())


def test_the_same_database_gives_the_same_bytes(stage: PostgresStage, torture: str, found: StepOutput, tmp_path: Path) -> None:
    assert discover(stage.login(), torture).canonical() == found.canonical()
    assert load(stored(found, tmp_path)) == found


def test_1600_columns_are_discovered(stage: PostgresStage) -> None:
    schema = stage.fresh_schema()
    stage.run(f"CREATE TABLE wide ({', '.join(f'c{number} int' for number in range(1600))})")

    assert len(named(discover(stage.login(), schema), "wide").columns) == 1600


def test_nothing_is_written_and_no_row_is_read(stage: PostgresStage, torture: str) -> None:
    stage.run("SELECT 'discovery begins'")
    discover(stage.login(), torture)
    statements = logged_statements(stage, "discovery begins")

    assert len(statements) > 10
    assert {statement.split()[0].upper() for statement in statements} == {"SELECT", "BEGIN", "SET", "ROLLBACK"}
    assert not any(f'"{torture}".' in statement for statement in statements)


def test_a_server_that_is_not_there_is_an_error_and_no_document(stage: PostgresStage) -> None:
    login = stage.login()
    with pytest.raises(ConnectorError):
        discover(replace(login, address=replace(login.address, port=1)), "public")
