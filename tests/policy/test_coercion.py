"""Which rule each type of PostgreSQL gets, from its declaration and from what a profile shows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

import policy
from policy import coercion
from policy.coercion import declared_rule, load_rulebook, load_rules, rule_for, rulebook_sha256
from schemas.coercion import ReadForm
from schemas.errors import ConfigError
from tests.policy.native_types import array, base, composite, domain, enum, numeric, of_extension, profile, ranged, sampled

POLICY = Path(policy.__file__).parent
RULES = load_rules()
DATE, TIMESTAMP, TIMESTAMPTZ, TEXT = base("date"), base("timestamp"), base("timestamptz"), base("text")
R = ReadForm
STRUCT_OF_RANGE = "struct<lower:{0},upper:{0},lower_inclusive:boolean,upper_inclusive:boolean,empty:boolean>"

REG = ("class", "collation", "config", "dictionary", "namespace", "oper", "operator", "proc", "procedure", "role", "type")
POINTS_IN_TIME = (
    ("PG-10", DATE, "date", R.DAYS),
    ("PG-11", TIMESTAMP, "timestamp_ntz", R.MICROS),
    ("PG-12", TIMESTAMPTZ, "timestamp", R.MICROS),
)
INFINITIES = ("positive_infinity", "negative_infinity")
FAR = ("bc", "before_1582", "year_above_9999")
MACHINERY = (
    "gtsvector", "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary",
)  # fmt: skip
AS_TEXT = {
    "PG-17i": {
        "ltree": ("ltree", "lquery", "ltxtquery"),
        "cube": ("cube",),
        "seg": ("seg",),
        "intarray": ("query_int",),
        "isn": ("ean13", "isbn", "isbn13", "ismn", "ismn13", "issn", "issn13", "upc"),
    },
    "PG-17j": {"vector": ("vector", "halfvec", "sparsevec")},
}

# rule, type, profile, Spark type, read form, loss
CASES = [
    ("PG-01", base("int2", "smallint"), None, "smallint", R.AS_IS, "exact"),
    ("PG-01a", base("int4", "integer"), None, "int", R.AS_IS, "exact"),
    ("PG-01b", base("int8", "bigint"), None, "bigint", R.AS_IS, "exact"),
    ("PG-01c", base("oid"), None, "bigint", R.INTEGER, "exact"),
    ("PG-01c", base("xid"), None, "bigint", R.INTEGER, "exact"),
    ("PG-01c", base("cid"), None, "bigint", R.INTEGER, "exact"),
    ("PG-01d", base("xid8"), None, "decimal(20,0)", R.DECIMAL_FROM_TEXT, "exact"),
    ("PG-02", numeric(12, 2), None, "decimal(12,2)", R.AS_IS, "exact"),
    ("PG-02", numeric(1, 0), None, "decimal(1,0)", R.AS_IS, "exact"),
    ("PG-02", numeric(38, 0), None, "decimal(38,0)", R.AS_IS, "exact"),
    ("PG-02", numeric(38, 38), None, "decimal(38,38)", R.AS_IS, "exact"),
    ("PG-02", numeric(12, 2), profile(8, 2, nan=0), "decimal(12,2)", R.AS_IS, "exact"),
    ("PG-02", numeric(12, 2), profile(8, 2, positive_infinity=0), "decimal(12,2)", R.AS_IS, "exact"),
    ("PG-03b", numeric(39, 0), None, "string", R.TEXT, "text"),
    ("PG-03b", numeric(39, 38), None, "string", R.TEXT, "text"),
    ("PG-03b", numeric(5, -2), None, "string", R.TEXT, "text"),
    ("PG-03b", numeric(3, 5), None, "string", R.TEXT, "text"),
    ("PG-03b", numeric(), None, "string", R.TEXT, "text"),
    ("PG-03b", numeric(), profile(39, 0), "string", R.TEXT, "text"),
    ("PG-03b", numeric(), profile(), "string", R.TEXT, "text"),
    ("PG-03b", numeric(), profile(0, 0), "string", R.TEXT, "text"),
    ("PG-03b", numeric(), sampled(10, 2), "string", R.TEXT, "text"),
    ("PG-03a", numeric(), profile(38, 20), "decimal(38,20)", R.DECIMAL_FROM_TEXT, "text"),
    ("PG-03a", numeric(), profile(1, 0, nan=0), "decimal(38,0)", R.DECIMAL_FROM_TEXT, "text"),
    ("PG-03a", numeric(1000, 10), profile(12, 10), "decimal(38,10)", R.DECIMAL_FROM_TEXT, "text"),
    ("PG-03a", numeric(5, -2), profile(7, 0), "decimal(38,0)", R.DECIMAL_FROM_TEXT, "text"),
    ("PG-03a", numeric(3, 5), profile(5, 5), "decimal(38,5)", R.DECIMAL_FROM_TEXT, "text"),
    ("PG-03c", numeric(), profile(3, 1, nan=1), "string", R.TEXT, "text"),
    ("PG-03c", numeric(), profile(3, 1, positive_infinity=1), "string", R.TEXT, "text"),
    ("PG-03c", numeric(), sampled(3, 1, negative_infinity=1), "string", R.TEXT, "text"),
    ("PG-03c", numeric(39, 0), profile(3, 0, nan=1), "string", R.TEXT, "text"),
    ("PG-03c", numeric(3, 5), profile(5, 5, nan=1), "string", R.TEXT, "text"),
    ("PG-04", base("float4", "real"), None, "float", R.AS_IS, "exact"),
    ("PG-04", base("float4", "real"), profile(nan=1), "float", R.AS_IS, "exact"),
    ("PG-04a", base("float8", "double precision"), None, "double", R.AS_IS, "exact"),
    ("PG-05", base("bool", "boolean"), None, "boolean", R.AS_IS, "exact"),
    ("PG-06", TEXT, None, "string", R.AS_IS, "exact"),
    ("PG-06", base("varchar", "character varying(20)", length=20), None, "string", R.AS_IS, "exact"),
    ("PG-06a", enum("sad", "happy"), None, "string", R.TEXT, "exact"),
    *(("PG-06b", base(name), None, "string", R.TEXT, "exact") for name in ("name", "xml", "refcursor", "jsonpath", "aclitem")),
    ("PG-06c", of_extension("citext", "citext"), None, "string", R.TEXT, "exact"),
    ("PG-06d", base("char", '"char"'), None, "string", R.TEXT, "text"),
    ("PG-07", base("bpchar", "character(5)", length=5), None, "string", R.PRINTED, "exact"),
    ("PG-07", base("bpchar", "bpchar"), None, "string", R.PRINTED, "exact"),
    ("PG-08", base("uuid"), None, "string", R.TEXT, "text"),
    *(("PG-08a", base(name), None, "string", R.PRINTED, "text") for name in ("inet", "cidr", "macaddr", "macaddr8")),
    ("PG-08b", base("bit", "bit(5)", length=5), None, "string", R.TEXT, "text"),
    ("PG-08b", base("varbit", "bit varying"), None, "string", R.TEXT, "text"),
    *(("PG-08c", base(name), None, "string", R.TEXT, "text") for name in ("pg_lsn", "tid", "pg_snapshot", "txid_snapshot")),
    ("PG-09", base("bytea"), None, "binary", R.AS_IS, "exact"),
    ("PG-10", DATE, None, "date", R.DAYS, "exact"),
    ("PG-10", DATE, profile(positive_infinity=0, bc=0, before_1582=0, year_above_9999=0), "date", R.DAYS, "exact"),
    ("PG-10a", DATE, profile(bc=1, before_1582=1), "date", R.DAYS, "text"),
    ("PG-10a", DATE, profile(before_1582=1), "date", R.DAYS, "text"),
    ("PG-10a", DATE, sampled(year_above_9999=1), "date", R.DAYS, "text"),
    ("PG-11", TIMESTAMP, None, "timestamp_ntz", R.MICROS, "exact"),
    ("PG-11", TIMESTAMP, profile(negative_infinity=0, before_1582=0), "timestamp_ntz", R.MICROS, "exact"),
    ("PG-11a", TIMESTAMP, profile(before_1582=1), "timestamp_ntz", R.MICROS, "text"),
    ("PG-11a", TIMESTAMP, profile(bc=1), "timestamp_ntz", R.MICROS, "text"),
    ("PG-12", TIMESTAMPTZ, None, "timestamp", R.MICROS, "exact"),
    ("PG-12", TIMESTAMPTZ, profile(bc=0), "timestamp", R.MICROS, "exact"),
    ("PG-12a", TIMESTAMPTZ, profile(year_above_9999=1), "timestamp", R.MICROS, "text"),
    ("PG-13", base("time", "time without time zone"), None, "bigint", R.MICROS_OF_DAY, "text"),
    ("PG-13", base("time", "time(3) without time zone", precision=3), profile(hour_24=0), "bigint", R.MICROS_OF_DAY, "text"),
    ("PG-13a", base("timetz", "time with time zone"), profile(hour_24=1), "string", R.TEXT, "text"),
    ("PG-14", base("interval"), None, "struct<months:int,days:int,microseconds:bigint>", R.INTERVAL_PARTS, "text"),
    ("PG-15", base("json"), None, "string", R.TEXT, "text"),
    ("PG-15a", base("jsonb"), None, "string", R.TEXT, "text"),
    ("PG-16", array(TEXT), None, "array<string>", R.JSON_ARRAY, "exact"),
    ("PG-16", array(TEXT, dimensions=0), profile(array_dimensions=0, array_bounds=0), "array<string>", R.JSON_ARRAY, "exact"),
    ("PG-16", array(DATE), profile(bc=1), "array<date>", R.JSON_ARRAY, "text"),
    ("PG-16", array(numeric()), profile(12, 3), "array<decimal(38,3)>", R.JSON_ARRAY, "text"),
    ("PG-16", array(domain(numeric(12, 2))), None, "array<decimal(12,2)>", R.JSON_ARRAY, "exact"),
    ("PG-16d", composite(("a", base("int4", "integer")), ("b c", DATE)), None, "struct<a:int,`b c`:date>", R.JSON_ROW, "exact"),
    ("PG-16d", composite(("`", TEXT)), None, "struct<````:string>", R.JSON_ROW, "exact"),
    ("PG-16d", composite(("in", composite(("x", base("bytea"))))), None, "struct<in:struct<x:binary>>", R.JSON_ROW, "exact"),
    ("PG-16e", of_extension("hstore", "hstore"), None, "map<string,string>", R.JSON_MAP, "exact"),
    ("PG-17", base("money", scale=2), None, "decimal(19,2)", R.DECIMAL_OF_MONEY, "text"),
    ("PG-17", base("money", scale=0), None, "decimal(19,0)", R.DECIMAL_OF_MONEY, "text"),
    ("PG-17b", ranged("int4range", base("int4", "integer")), None, STRUCT_OF_RANGE.format("int"), R.JSON_RANGE, "text"),
    ("PG-17b", ranged("numrange", numeric()), None, STRUCT_OF_RANGE.format("string"), R.JSON_RANGE, "text"),
    ("PG-17b", ranged("tsrange", TIMESTAMP), None, STRUCT_OF_RANGE.format("timestamp_ntz"), R.JSON_RANGE, "text"),
    ("PG-17c", ranged("int4multirange", base("int4", "integer"), "multirange"), None, "string", R.TEXT, "text"),
    ("PG-17d", base("tsvector"), None, "string", R.TEXT, "text"),
    ("PG-17d", base("tsquery"), None, "string", R.TEXT, "text"),
    *(("PG-17e", base(name), None, "string", R.TEXT, "text") for name in ["point", "line", "lseg", "box", "path", "polygon", "circle"]),
    ("PG-17f", of_extension("geometry", "postgis", "geometry(Point,4326)"), None, "binary", R.HEX_TEXT, "text"),
    ("PG-17f", of_extension("geometry", "postgis", "gis.geometry(MultiPolygonZM,3857)"), None, "binary", R.HEX_TEXT, "text"),
    ("PG-17f", of_extension("geography", "postgis", "geography(Point,4326)"), None, "binary", R.HEX_TEXT, "text"),
    ("PG-17f", of_extension("geography", "postgis", "geography"), None, "binary", R.HEX_TEXT, "text"),
    ("PG-17i", of_extension("ltree", "ltree"), None, "string", R.TEXT, "text"),
    ("PG-17i", of_extension("cube", "cube"), None, "string", R.TEXT, "text"),
    ("PG-17i", of_extension("isbn13", "isn"), None, "string", R.TEXT, "text"),
    ("PG-17j", of_extension("vector", "vector", "vector(3)"), None, "string", R.TEXT, "text"),
    *((f"{rule}a", of, profile(**{kind: 1}), spark, read, "text") for rule, of, spark, read in POINTS_IN_TIME for kind in FAR),
    *(
        (rule, of_extension(name, extension), None, "string", R.TEXT, "text")
        for rule, extensions in AS_TEXT.items()
        for extension, names in extensions.items()
        for name in names
    ),
    ("PG-18", domain(numeric(12, 2)), None, "decimal(12,2)", R.AS_IS, "exact"),
    ("PG-18", domain(domain(DATE, "day"), "birthday"), profile(bc=1), "date", R.DAYS, "text"),
    ("PG-18", domain(array(TEXT)), None, "array<string>", R.JSON_ARRAY, "exact"),
]  # fmt: skip

# rule that refuses (None: no rule is for the type), type, profile, what is said, what can be done
REFUSALS = [
    ("PG-02a", numeric(12, 2), profile(8, 2, nan=1), "NaN", "PG-03c"),
    ("PG-02a", numeric(38, 38), sampled(8, 2, nan=1), "NaN", "PG-03c"),
    ("PG-02a", numeric(1, 0), profile(1, 0, nan=1), "NaN", "PG-03c"),
    *(("PG-06f", base(f"reg{kind}"), None, "points to an object", "PG-06e") for kind in REG),
    *((f"{rule}b", of, profile(**{kind: 1}), "infinity", f"{rule}c") for rule, of, _, _ in POINTS_IN_TIME for kind in INFINITIES),
    *((f"{rule}b", of, profile(bc=1, positive_infinity=1), "infinity", f"{rule}c") for rule, of, _, _ in POINTS_IN_TIME),
    ("PG-10b", DATE, profile(positive_infinity=1), "infinity", "PG-10c"),
    ("PG-10b", DATE, sampled(negative_infinity=1, bc=1), "infinity", "PG-10c"),
    ("PG-11b", TIMESTAMP, profile(negative_infinity=1), "infinity", "PG-11c"),
    ("PG-12b", TIMESTAMPTZ, profile(positive_infinity=2), "infinity", "PG-12c"),
    ("PG-13b", base("time"), profile(hour_24=1), "24:00:00", "PG-13c"),
    ("PG-16a", array(base("int2"), name="int2vector"), None, "first index is 0", "xclude"),
    ("PG-16a", array(base("oid"), name="oidvector"), None, "first index is 0", "xclude"),
    ("PG-16a", array(array(base("int2"), name="int2vector"), name="_int2vector"), None, "first index is 0", "xclude"),
    ("PG-16a", array(array(base("oid"), name="oidvector"), name="_oidvector"), None, "first index is 0", "xclude"),
    ("PG-16a", base("int2vector"), None, "first index is 0", "xclude"),
    ("PG-16a", base("oidvector"), None, "first index is 0", "xclude"),
    ("PG-16b", array(TEXT), profile(array_dimensions=1), "dimensions", "PG-16f"),
    ("PG-16b", array(TEXT), profile(array_bounds=1), "first index", "PG-16f"),
    ("PG-16c", array(TEXT, dimensions=2), profile(array_dimensions=0), "several dimensions", "PG-16f"),
    ("PG-16", array(DATE), profile(positive_infinity=1), "its element type is refused", "PG-16f"),
    ("PG-16", array(of_extension("raster", "postgis_raster")), None, "no rule is for", "PG-16f"),
    ("PG-16", array(None), None, "catalog does not tell", "xclude"),
    ("PG-16d", composite(), None, "no parts", "xclude"),
    ("PG-16d", composite(("a", TEXT), ("b", base("regtype"))), None, "its field b is refused", "PG-16g"),
    ("PG-17a", base("money"), None, "lc_monetary", "lc_monetary"),
    ("PG-17b", ranged("ourrange", base("ours", schema_name="public")), None, "its element type is refused", "PG-17m"),
    ("PG-17g", of_extension("geometry", "postgis"), None, "SRID", "PG-17h"),
    ("PG-17g", of_extension("geometry", "postgis", "geometry(Point,0)"), None, "SRID", "PG-17h"),
    ("PG-17g", of_extension("geometry", "postgis", "geometry(Point)"), None, "SRID", "PG-17h"),
    ("PG-17g", of_extension("geography", "postgis", "geography(Point,0)"), None, "SRID", "PG-17h"),
    *(("PG-17k", base(name), None, "own machinery", "xclude") for name in MACHINERY),
    ("PG-17l", base("anyelement", kind="pseudo"), None, "no type of stored values", "xclude"),
    ("PG-18", domain(None), None, "catalog does not tell", "xclude"),
    ("PG-18", domain(DATE), profile(positive_infinity=1), "its base type is refused", "PG-10c"),
    (None, base("numeric", schema_name="public"), None, "no rule is for", "xclude"),
    (None, base("ours", schema_name="public"), None, "no rule is for", "xclude"),
    (None, base("brand_new_type"), None, "no rule is for", "xclude"),
    (None, of_extension("citext", "other"), None, "of the extension other that no rule is for", "xclude"),
    (None, of_extension("raster", "postgis_raster"), None, "of the extension postgis_raster", "xclude"),
    (None, base("hstore", schema_name="public"), None, "no rule is for", "xclude"),
]

# rule that only a person chooses, type, profile, Spark type, read form
DECLARED = [
    ("PG-03b", numeric(), profile(12, 3), "string", R.TEXT),
    ("PG-03c", numeric(12, 2), profile(8, 2, nan=1), "string", R.TEXT),
    ("PG-03a", numeric(), sampled(12, 3), "decimal(38,3)", R.DECIMAL_FROM_TEXT),
    *(("PG-06e", base(f"reg{kind}"), None, "string", R.TEXT) for kind in REG),
    ("PG-10", DATE, profile(positive_infinity=1), "date", R.DAYS),
    ("PG-10c", DATE, profile(positive_infinity=1), "string", R.TEXT),
    ("PG-10c", domain(DATE), profile(positive_infinity=1), "string", R.TEXT),
    ("PG-11c", TIMESTAMP, None, "string", R.TEXT),
    ("PG-12c", TIMESTAMPTZ, None, "string", R.TEXT),
    ("PG-13c", base("time"), profile(hour_24=1), "string", R.TEXT),
    ("PG-16", array(TEXT, dimensions=2), None, "array<string>", R.JSON_ARRAY),
    ("PG-16f", array(DATE), profile(positive_infinity=1), "string", R.TEXT),
    ("PG-16f", domain(array(TEXT)), None, "string", R.TEXT),
    ("PG-16g", composite(("a", DATE), ("b", base("regtype"))), None, "string", R.TEXT),
    ("PG-17h", of_extension("geometry", "postgis"), None, "binary", R.HEX_TEXT),
    ("PG-17h", of_extension("geography", "postgis", "geography(Point,0)"), None, "binary", R.HEX_TEXT),
    ("PG-17m", ranged("daterange", DATE), profile(positive_infinity=1), "string", R.TEXT),
]


def shown(case):
    return f"{case[0]} {case[1].declared}"


@pytest.mark.parametrize(("rule_id", "native", "seen", "spark", "read", "loss"), CASES, ids=map(shown, CASES))
def test_a_type_gets_its_rule(rule_id, native, seen, spark, read, loss):
    found = rule_for(native, seen, RULES, column="c")

    assert (found.rule_id, found.spark, found.read, found.loss) == (rule_id, spark, read, loss)
    assert found.canonical
    assert found.parquet
    assert not found.refused


@pytest.mark.parametrize(("rule_id", "native", "seen", "says", "remedy"), REFUSALS, ids=map(shown, REFUSALS))
def test_what_cannot_be_kept_is_refused_with_column_type_and_remedy(rule_id, native, seen, says, remedy):
    found = rule_for(native, seen, RULES, column="orders.shape")

    assert (found.rule_id, found.loss, found.refused) == (rule_id, "refuse", True)
    assert (found.canonical, found.spark, found.parquet, found.read) == (None, None, None, None)
    assert "orders.shape" in found.reason
    assert native.declared in found.reason
    assert says in found.reason
    assert remedy in (found.remedy or "")


@pytest.mark.parametrize(("rule_id", "native", "seen", "spark", "read"), DECLARED, ids=map(shown, DECLARED))
def test_a_person_may_choose_another_rule_that_is_for_the_type(rule_id, native, seen, spark, read):
    found = declared_rule(rule_id, native, seen, RULES, column="c")

    assert (found.rule_id, found.spark, found.read, found.native) == (rule_id, spark, read, native.declared)
    assert found.loss == ("exact" if rule_id in ("PG-10", "PG-16") else "text")


def test_a_rule_named_for_a_domain_is_that_of_its_base():
    found = declared_rule("PG-10c", domain(domain(DATE, "day"), "birthday"), None, RULES)

    assert (found.native, found.part("base").native, found.part("base").part("base").native) == ("birthday", "day", "date")
    assert {part.read for part in (found, found.part("base"), found.part("base").part("base"))} == {R.TEXT}
    assert found.rule_ids() == ("PG-10c",)
    kept = declared_rule("PG-18", domain(DATE), None, RULES)
    assert kept.rule_ids() == ("PG-18", "PG-10")


def test_every_rule_is_tried_above():
    tried = {case[0] for case in (*CASES, *REFUSALS, *DECLARED)} - {None}

    assert tried == {rule.rule_id for rule in RULES.rules}


def test_rules_that_only_a_person_chooses_are_never_chosen():
    chosen = {rule_id for case in (*CASES, *REFUSALS) for rule_id in rule_for(case[1], case[2], RULES).rule_ids()}

    assert not chosen & {rule.rule_id for rule in RULES.rules if rule.declared_only}


def test_every_remedy_that_names_a_rule_can_be_followed():
    for _, native, seen, _, _ in REFUSALS:
        remedy = rule_for(native, seen, RULES).remedy or ""
        for rule in RULES.rules:
            if rule.rule_id in remedy.replace(",", " ").split():
                assert not declared_rule(rule.rule_id, native, seen, RULES).refused, (native.declared, rule.rule_id)


def test_inside_arrays_structs_and_ranges_nothing_is_read_in_the_drivers_own_type():
    for case in CASES:
        if case[1].kind in ("array", "composite", "range"):
            assert all(part.coercion.read is not ReadForm.AS_IS for part in rule_for(case[1], case[2], RULES).parts), shown(case)
    inner = rule_for(array(domain(composite(("data", base("bytea")), ("n", numeric(12, 2))))), None, RULES).part("element")
    assert [part.coercion.read for part in inner.part("base").parts] == [ReadForm.HEX, ReadForm.DECIMAL_FROM_TEXT]


@pytest.mark.parametrize(
    ("native", "read"),
    [
        *((base(name), R.TEXT) for name in ("int2", "int4", "int8", "float4", "float8", "bool", "text", "varchar")),
        (numeric(12, 2), R.DECIMAL_FROM_TEXT),
        (base("bytea"), R.HEX),
        (domain(base("bytea")), R.HEX),
        (DATE, R.DAYS),
        (base("bpchar"), R.PRINTED),
        (composite(("a", TEXT)), R.JSON_ROW),
    ],
    ids=str,
)
def test_each_type_has_a_form_for_the_inside_of_an_array(native, read):
    assert rule_for(array(native), None, RULES).part("element").read is read


def test_the_base_of_a_domain_outside_of_arrays_is_read_as_itself():
    assert rule_for(domain(base("bytea")), None, RULES).read is ReadForm.AS_IS
    assert rule_for(array(domain(base("bytea"))), None, RULES).part("element").read is ReadForm.HEX


def test_what_the_profile_shows_of_a_row_is_not_held_against_its_fields():
    found = rule_for(composite(("d", DATE), ("n", numeric())), profile(3, 1, positive_infinity=1), RULES)

    assert found.spark == "struct<d:date,n:string>"


def test_every_rule_that_decided_is_named_outermost_first():
    found = rule_for(array(domain(composite(("d", DATE), ("n", numeric(12, 2))))), None, RULES)

    assert found.rule_ids() == ("PG-16", "PG-18", "PG-16d", "PG-10", "PG-02")
    with pytest.raises(KeyError):
        found.part("base")


def test_digits_of_the_profile_stand_in_types_and_questions():
    found = rule_for(numeric(), profile(21, 9), RULES)

    assert (found.canonical, found.parquet) == ("decimal(38,9)", "DECIMAL(38,9)")
    assert "decimal(38,9) holds every value of today, which need 21 digits" in (found.question or "")


def test_questions_of_fields_name_the_field():
    found = rule_for(composite(("weight", numeric()), ("id", base("int4"))), None, RULES)

    assert (found.question or "").startswith("Field weight: This numeric column becomes text")


def test_the_name_of_the_profile_names_the_column():
    assert rule_for(base("ours", schema_name="public"), profile(), RULES).reason.startswith("seen ours")


@pytest.mark.parametrize(
    ("rule_id", "native", "seen", "says", "hint"),
    [
        pytest.param("PG-99", DATE, None, "there is no rule PG-99", "PG-09", id="unknown"),
        pytest.param("PG-09", DATE, None, "PG-09 is not for the type date", "PG-10c, PG-10a, PG-10", id="another type"),
        pytest.param("PG-10b", DATE, None, "PG-10b only refuses", "PG-10c, PG-10a, PG-10", id="a refusal"),
        pytest.param("PG-02", numeric(39, 0), None, "PG-02 is not for the type numeric(39,0)", "PG-03c, PG-03a, PG-03b", id="too wide"),
        pytest.param("PG-03a", numeric(), None, "takes its digits from the profile", "profiling", id="no digits"),
        pytest.param("PG-06", base("ours", schema_name="public"), None, "is not for the type ours", "view", id="no rule at all"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_those_that_do(rule_id, native, seen, says, hint):
    with pytest.raises(ConfigError) as caught:
        declared_rule(rule_id, native, seen, RULES, column="orders.c")

    assert caught.value.message.startswith("orders.c: ")
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_rulebook_holds_the_digest_of_each_file():
    for file in load_rulebook().files:
        digest = hashlib.sha256((POLICY / file.path).read_bytes()).hexdigest()
        assert file.sha256 == digest, f"{file.path} was changed: raise both versions and write {digest} into the rulebook"
    assert rulebook_sha256() == hashlib.sha256((POLICY / "type_coercion_rulebook.json").read_bytes()).hexdigest()
    assert {file.path for file in load_rulebook().files} == {f"type_rules/{path.name}" for path in (POLICY / "type_rules").iterdir()}


def test_rules_that_the_rulebook_does_not_vouch_for_are_not_used(monkeypatch):
    shipped = coercion._shipped
    monkeypatch.setattr(coercion, "_shipped", lambda path: shipped(path) + (b" " if path.startswith("type_rules") else b""))

    with pytest.raises(ConfigError, match="was changed"):
        load_rules.__wrapped__("postgres_parquet")


def test_an_unknown_pair_of_stores_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="no type rules oracle_parquet") as caught:
        load_rules("oracle_parquet")
    assert "postgres_parquet" in (caught.value.hint or "")
