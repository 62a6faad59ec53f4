"""What each table becomes, by rule, and what is left to a person."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from archetypes.mapping import map_tables, mapped_objects, proven_keys
from archetypes.planning import mapped
from archetypes.step_output import digest_of, finished
from schemas.agent_output import (
    Citation,
    ColumnCount,
    ColumnProfile,
    DiscoveredObject,
    DiscoveryResult,
    Partition,
    ProfilingResult,
    StepOutput,
    TableMapping,
    TableProfile,
)
from schemas.errors import InputError
from tests.archetypes.mapping_documents import (
    column,
    discovery,
    foreign,
    index,
    key,
    named,
    profiling,
    refused,
    shop,
    table,
    view,
)

_MIB = 1 << 20
_ID = column("id", "bigint", nullable=False)


def only(*objects: DiscoveredObject, profile: dict[str, list[ColumnProfile]] | None = None, rows: int = 1000) -> TableMapping:
    """Return the mapping of the first table."""
    found = discovery(*objects)
    output = map_tables(found, profiling(found, profile, rows=rows) if profile is not None else None, target="s3://lake/shop")
    return mapped(output).tables[0]


def values(name: str, **facts: object) -> ColumnProfile:
    return ColumnProfile.model_validate({"origin": "full_scan", "name": name, "nulls": 0, **facts})


def codes(output: StepOutput) -> list[tuple[str, str]]:
    return [(found.code, found.object) for found in output.findings]


def test_equal_documents_give_equal_bytes() -> None:
    found = shop()

    once, again = (map_tables(found, None, target="s3://lake/shop").canonical() for _ in range(2))

    assert once == again


def test_each_column_gets_the_type_its_rule_makes() -> None:
    orders = next(one for one in mapped(map_tables(shop(), None, target="file:/t")).tables if one.name == named("orders"))

    assert [(one.source, one.target, one.coercion.spark) for one in orders.columns] == [
        ("id", "id", "bigint"),
        ("customer", "customer", "bigint"),
        ("price", "price", "decimal(12,2)"),
        ("weight", "weight", "string"),
        ("placed_at", "placed_at", "timestamp"),
        ("day", "day", "date"),
        ("tags", "tags", "array<string>"),
        ("about", "about", "string"),
        ("zip code", "zip code", "string"),
    ]
    assert orders.contract.rules == {"about": ("json",)}
    assert orders.contract.criticality == {"price": "critical"}
    assert [one.criticality for one in orders.columns][:3] == ["key", "normal", "critical"]
    assert (orders.file_bytes, orders.ranges, orders.sort_by) == (256 * _MIB, 5, ("id",))


def test_rules_that_fired_are_counted_with_those_of_parts() -> None:
    output = map_tables(discovery(table("t", _ID, column("tags", "text[]"), column("said"))), None, target="file:/t")

    assert {use.rule_id: use.count for use in output.rules_applied} == {"PG-01b": 1, "PG-06": 2, "PG-16": 1}


def test_json_below_a_domain_is_compared_as_json() -> None:
    assert only(table("t", _ID, column("j", "json"), column("d", "json domain"))).contract.rules == {"j": ("json",), "d": ("json",)}


def test_a_choice_that_the_values_made_cites_the_profile() -> None:
    found = discovery(table("t", _ID, column("weight", "numeric"), column("day", "date")))
    seen = [values("weight", max_precision=7, max_scale=3), values("day", special=(ColumnCount(kind="bc", count=0),))]
    profile = profiling(found, {"t": seen})

    output = map_tables(found, profile, target="file:/t")

    id_, weight, day = mapped(output).tables[0].columns
    assert (weight.coercion.spark, weight.origin) == ("decimal(38,3)", "full_scan")
    assert weight.citations == (Citation(sha256=digest_of(profile), pointer="/result/tables/0/columns/0"),)
    assert (id_.origin, day.origin, day.citations) == ("metadata", "metadata", ())


def test_a_refused_and_an_unreadable_column_are_unmapped_with_what_to_do() -> None:
    found = discovery(table("t", _ID, column("kind", "regclass"), column("secret", readable=False)))

    output = map_tables(found, None, target="file:/t")

    (kind, secret) = mapped(output).tables[0].unmapped
    assert output.status == "PARTIAL" and output.confidence_bp == 3333
    assert kind.remedy == "Declare rule PG-06e to keep the printed name, or exclude the column."
    assert secret.remedy == "GRANT SELECT ON public.t TO reader;"
    assert kind.citations == (Citation(sha256=digest_of(found), pointer="/result/objects/0/columns/1"),)
    assert ("refused_column", "public.t.kind") in codes(output) and ("refused_column", "public.t.secret") in codes(output)


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        pytest.param({"keys": (key("unique", "code"), key("primary", "id"))}, ("id",), id="the primary key before others"),
        pytest.param({"keys": (key("unique", "code"),)}, ("code",), id="a unique constraint without NULL"),
        pytest.param({"indexes": (index("code", "id"), index("code"))}, ("code",), id="the shorter unique index"),
        pytest.param({"keys": (key("unique", "said"),)}, (), id="NULL repeats in a unique key"),
        pytest.param({"indexes": (index("code", predicate="id > 1"),)}, (), id="a partial index"),
        pytest.param({"indexes": (index("code", valid=False),)}, (), id="an index whose building failed"),
        pytest.param({"indexes": (index("code", unique=False),)}, (), id="an index that is not unique"),
        pytest.param({"indexes": (index("lower(code)"),)}, (), id="an index on an expression"),
        pytest.param({"keys": (key("primary", "what"),)}, (), id="a key whose column is refused"),
    ],
)
def test_the_key_is_one_that_the_source_enforces(facts: dict[str, object], wanted: tuple[str, ...]) -> None:
    columns = (_ID, column("code", nullable=False), column("said"), column("what", "regclass", nullable=False))

    one = only(table("t", *columns, **facts))

    assert one.contract.keys == wanted
    assert one.contract.unique_keys is bool(wanted)
    assert any("name a row" in question for question in one.questions) is not bool(wanted)


def test_without_a_key_the_profile_proposes_one_as_a_question() -> None:
    found = discovery(table("t", column("a", "bigint"), column("b")))
    profile = profiling(found, {"t": [values("a")]}, candidate_keys=(("a",), ("gone",)))

    output = map_tables(found, profile, target="file:/t")

    one = mapped(output).tables[0]
    assert one.contract.keys == () and "proposes keys: [a]. " in one.questions[0]
    assert ("no_key", "public.t") in codes(output)


@pytest.mark.parametrize(("rows", "origin", "empty"), [(0, "full_scan", True), (1, "full_scan", False), (0, "sample", False)])
def test_a_table_of_which_all_rows_were_looked_at_may_be_empty(rows: int, origin: str, empty: bool) -> None:
    found = discovery(table("t", _ID, keys=(key("primary", "id"),)))
    cited = {} if origin == "full_scan" else {"citations": (Citation(sha256="0" * 64, pointer=""),)}
    one = TableProfile.model_validate({"origin": origin, "name": named("t"), "rows": rows, **cited})
    profile = finished("profiling", dataset="public", inputs={"discovery": "0" * 64}, result=ProfilingResult(pin="snapshot", tables=(one,)))

    mapping = mapped(map_tables(found, profile, target="file:/t")).tables[0]

    assert mapping.contract.expect_empty is empty
    assert any("It holds no row" in question for question in mapping.questions) is empty


def test_the_key_of_a_parent_does_not_speak_of_those_who_inherit() -> None:
    parent = table("p", _ID, keys=(key("primary", "id"),), partitions=(Partition(name=named("c")),))
    child = table("c", _ID, parents=(named("p"),))

    mapping = mapped(map_tables(discovery(parent, child), None, target="file:/t"))

    assert proven_keys(parent) == () and mapping.tables[0].contract.keys == ()
    assert any("(public.c)" in question for question in mapping.tables[0].questions)
    assert [one.name.name for one in mapping.tables] == ["p", "c"]


def test_partitions_are_read_through_their_parent_unless_it_is_not_there() -> None:
    leaf = table("p11", _ID, kind="partition", parents=(named("p1"),), bytes=100 * _MIB, pages=12_800)
    part = table("p1", _ID, kind="partitioned_table", parents=(named("p"),), pages=None, partitions=(Partition(name=named("p11")),))
    parent = table("p", _ID, kind="partitioned_table", pages=None, partitions=(Partition(name=named("p1")),))

    with_parent, alone = (map_tables(discovery(*some), None, target="file:/t") for some in ((parent, part, leaf), (part, leaf)))

    assert [(one.name.name, one.ranges) for one in mapped(with_parent).tables] == [("p", 2)]
    assert {("read_through_parent", "public.p1"), ("read_through_parent", "public.p11")} <= set(codes(with_parent))
    assert [one.name.name for one in mapped(alone).tables] == ["p1"]


def test_what_becomes_no_table_is_said() -> None:
    found = discovery(
        table("t", _ID), view("v", "SELECT 1"), refused("far", "A foreign table."), table("s", kind="sequence"), table("empty")
    )

    output = map_tables(found, None, target="file:/t")

    assert {("view_not_migrated", "public.v"), ("refused_object", "public.far"), ("no_columns", "public.empty")} <= set(codes(output))
    assert output.status == "PARTIAL"
    assert [one.name.name for one in mapped_objects(found_result(found))] == ["t", "empty"]


def found_result(output: StepOutput) -> DiscoveryResult:
    assert isinstance(output.result, DiscoveryResult)
    return output.result


@pytest.mark.parametrize(
    ("days", "nulls", "size_mib", "origin", "wanted"),
    [
        pytest.param(10, 0, 1280, "full_scan", ("day",), id="just large enough"),
        pytest.param(10, 0, 1279, "full_scan", (), id="a folder would be too small"),
        pytest.param(10, 5, 1280, "full_scan", (), id="NULL is a folder too"),
        pytest.param(10_000, 0, 1_280_000, "full_scan", ("day",), id="as many folders as may be"),
        pytest.param(10_001, 0, 2_000_000, "full_scan", (), id="too many folders"),
        pytest.param(10, 0, 1280, "sample", (), id="a sample does not count days"),
    ],
)
def test_a_date_makes_folders_where_they_are_few_and_large(
    days: int, nulls: int, size_mib: int, origin: str, wanted: tuple[str, ...]
) -> None:
    cited = () if origin == "full_scan" else (Citation(sha256="0" * 64, pointer=""),)
    found = discovery(table("t", _ID, column("day", "date"), bytes=size_mib * _MIB))
    day = values("day", distinct_estimate=days, nulls=nulls)
    profile = profiling(found, {"t": [day]})
    assert profile.result is not None
    if cited:
        own = (Citation(sha256=profile.inputs[0].sha256, pointer=""),)
        profile = profiling(found, {"t": [day.model_copy(update={"origin": origin, "citations": own})]})

    one = mapped(map_tables(found, profile, target="file:/t")).tables[0]

    assert one.partition_by == wanted
    assert ("PARTITIONED BY (`day`)" in one.ddl) is bool(wanted)


def test_a_table_of_dates_alone_keeps_a_column_in_its_files() -> None:
    assert (
        only(table("t", column("day", "date"), bytes=9999 * _MIB), profile={"t": [values("day", distinct_estimate=2)]}).partition_by == ()
    )


def test_names_stay_as_they_are_and_plainer_ones_are_proposed() -> None:
    one = only(table("Two Words", column("Id", "bigint"), column("zip.code"), column("order"), column("🙂"), column("fine")))

    assert [one.target for one in one.columns] == ["Id", "zip.code", "order", "🙂", "fine"]
    assert one.path == "two_words"
    proposals = [question for question in one.questions if "write target" in question]
    assert [question.split("write target: ")[1] for question in proposals] == ["id?", "zip_code?", "order_?", "n_d06f1525?"]


def test_names_that_differ_only_in_case_are_found() -> None:
    found = discovery(table("t", column("Price"), column("price"), column("n")))

    output = map_tables(found, None, target="file:/t")

    one = mapped(output).tables[0]
    assert ("names_alike", "public.t") in codes(output)
    assert any(
        "Columns Price and price differ only in case" in question and "target: price for price" in question for question in one.questions
    )


def test_no_two_tables_share_a_folder() -> None:
    names = ["orders", "Orders", "ORDERS", "or ders", "or_ders", "日", "_", "order"]

    paths = [one.path for one in mapped(map_tables(discovery(*(table(name, _ID) for name in names)), None, target="file:/t")).tables]

    assert len(set(paths)) == len(names)
    assert paths[0] == "orders" and paths[4] == "or_ders"
    assert all(path[0].isalpha() and path == path.lower() for path in paths)


def test_the_statement_of_the_target_parses_whatever_the_names() -> None:
    names = ["a`b", "it's", "new\nline", "🙂", 'quo"te', "back\\slash", "select", "a.b", "{x}", "--", ";"]
    columns = [column(name) for name in names] + [
        column("p", "pair"),
        column("r", "int4range"),
        column("i", "interval"),
        column("t", "time"),
    ]

    ddl = only(table("it's;`", *columns)).ddl

    parsed = sqlglot.parse_one(ddl, dialect="spark")
    assert isinstance(parsed, exp.Create)
    assert [one.name for one in parsed.find(exp.Schema).expressions][: len(names)] == names  # type: ignore[union-attr]
    assert "struct<from:int,`a b`:timestamp_ntz>" in ddl and "LOCATION 's3://lake/shop/it_s/data/{version}'" in ddl


def test_row_security_is_a_question() -> None:
    assert any("BYPASSRLS" in question for question in only(table("t", _ID, row_security="enabled")).questions)


def test_a_document_of_another_step_is_refused() -> None:
    found = shop()
    mapping = map_tables(found, None, target="file:/t")

    with pytest.raises(InputError, match="not a mapping"):
        map_tables(mapping, None, target="file:/t")
    with pytest.raises(InputError, match="not a discovery"):
        map_tables(found, found, target="file:/t")


def test_a_foreign_key_names_no_row() -> None:
    assert only(table("t", column("a", "bigint", nullable=False), keys=(foreign("a", to="x"),))).contract.keys == ()
