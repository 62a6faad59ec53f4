"""A plan that a person changed is read, or refused with the table and the field."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from schemas import plan
from schemas.errors import ConfigError
from schemas.plan import MigrationPlan, SignedPlan, read_plan

EXAMPLES = Path(plan.__file__).parent / "examples"
FULL = json.loads((EXAMPLES / "plan.full.json").read_text(encoding="utf-8"))
SECRET = "hunt"
WRITTEN = """
# made by parity plan
archetype: postgres_to_s3
source: postgres://reader@localhost:5432/shop
source_secret: file:///run/secrets/reader
schema: public
target: file:/data/lake
discovery_sha256: {digest}
tables:
  - name: orders
    path: orders
    columns:
      - {{name: id, rule_id: PG-01b, target_type: bigint}}
      - {{name: placed, rule_id: PG-12, target_type: timestamp, target: placed_at}}   # renamed
      - {{name: "on", rule_id: PG-06, target_type: string}}
    contract:
      keys: id
      rules: {{placed: "trunc:ms,utc_from:Europe/Berlin"}}
      exclude: ["on"]
    sort_by: placed
"""


def written(old="", new=""):
    text = WRITTEN.format(digest="a" * 64)
    assert old in text
    return text.replace(old, new) if old else text


def changed(**fields):
    return yaml.safe_dump({**FULL, **fields}, allow_unicode=True)


def table(**fields):
    return changed(tables=[{**FULL["tables"][0], **fields}, FULL["tables"][1]])


def columns(*fields):
    rows = [{"name": f"c{at}", "rule_id": "PG-06", "target_type": "string", **row} for at, row in enumerate(fields)]
    return table(columns=rows, contract={}, sort_by=[])


def contract(**fields):
    return table(contract=fields)


def test_a_plan_in_yaml_is_read_with_the_forms_that_contracts_allow():
    found = read_plan(written(), "plan.yaml")
    orders = found.table("orders")

    assert (found.schema_name, found.source_secret) == ("public", "file:///run/secrets/reader")
    assert orders.contract.keys == ("id",)
    assert orders.contract.rules == {"placed": ("trunc:ms,utc_from:Europe/Berlin",)}
    assert orders.sort_by == ("placed",)
    assert [column.name for column in orders.written()] == ["id", "placed"]
    assert orders.comparison().mapping == {"placed": "placed_at"}
    assert found.refused() == ()
    with pytest.raises(KeyError):
        found.table("customers")


def test_a_plan_is_the_same_whatever_form_it_is_written_in():
    again = read_plan(json.dumps(read_plan(written()).document()))

    assert again == read_plan(written())
    assert again.digest() == read_plan(written()).digest()
    assert read_plan(written("rule_id: PG-12", "rule_id: PG-12c")).digest() != again.digest()


def test_a_refused_column_waits_for_a_person():
    left = columns({"rule_id": None, "target_type": None}, {})
    excluded = yaml.safe_load(left)
    excluded["tables"][0]["contract"] = {"exclude": ["c0"]}

    assert read_plan(left).refused() == (("orders", "c0"),)
    assert read_plan(yaml.safe_dump(excluded)).refused() == ()


def test_odd_names_are_kept_as_they_are():
    names = ["Größe", "a.b", 'quote"', "SELECT", "🙂", "on", "1", " x "]
    found = read_plan(columns(*({"name": name} for name in names)))

    assert [column.name for column in found.table("orders").columns] == names


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param("a: [", "plan.yaml: is no YAML: line 1, column 5: ", None, id="no YAML"),
        pytest.param("- a", "plan.yaml: a mapping of fields is wanted.", "archetype, source", id="a list"),
        pytest.param("", "plan.yaml: a mapping of fields is wanted.", "schema", id="empty"),
        pytest.param(written("path: orders", "path: a\n    path: b"), "path stands there twice", None, id="a field twice"),
        pytest.param(written("schema: public", "schema: no"), "schema: a text is wanted", "quotes", id="YAML's no"),
        pytest.param(written('name: "on"', "name: on"), "table orders: column number 3: name: a text is wanted", "quotes", id="YAML's on"),
        pytest.param(written("name: id", "name: 1"), "table orders: column number 1: name: a text is wanted", "number", id="a number"),
        pytest.param(written("name: id", "name: ~"), "table orders: column number 1: name: a text is wanted", "no value", id="no value"),
        pytest.param(
            written("sort_by", "sorted_by"), "table orders: sorted_by: there is no such field", "sort_by", id="a field of a table"
        ),
        pytest.param(written("keys", "key"), "table orders: contract.key: there is no such field", "keys", id="a field of a contract"),
        pytest.param(written("rule_id: PG-12", "rule: PG-12"), "table orders: column placed: ", "rule_id", id="a field of a column"),
        pytest.param(written("target: file", "traget: file"), "traget: there is no such field", "target", id="a field of the plan"),
        pytest.param(written("rule_id: PG-12", "rule_id: twelve"), "table orders: column placed: rule_id: ", None, id="no rule id"),
        pytest.param(written("keys: id", "keys: ident"), "table orders: contract.keys: there is no column ident", None, id="no such key"),
        pytest.param(
            written("sort_by: placed", "sort_by: palced"),
            "sort_by: there is no column palced; did you mean placed?",
            None,
            id="no such column",
        ),
        pytest.param(
            written("sort_by: placed", 'sort_by: "on"'), "table orders: sort_by: on is excluded", None, id="sorted by what is left out"
        ),
        pytest.param(written("keys: id", 'keys: "on"'), "table orders: contract.keys: on is excluded", None, id="a key that is left out"),
        pytest.param(
            contract(tolerance={"wieght": "abs:1"}),
            "contract.tolerance: there is no column wieght; did you mean weight?",
            None,
            id="tolerance",
        ),
        pytest.param(
            contract(rules={"target.nothing": ["rtrim"]}), "contract.rules: there is no column nothing", None, id="rules of one side"
        ),
        pytest.param(
            contract(mapping={"weight": "kg"}),
            "contract.mapping: weight is kg, but the column's target is weight_kg",
            None,
            id="two targets",
        ),
        pytest.param(
            contract(keys=["id"], sample=1), "table orders: contract.sample: a text is wanted", "quotes", id="a number in a contract"
        ),
        pytest.param(columns({}, {"name": "c0"}), "table orders: columns: c0 stands there twice", None, id="a column twice"),
        pytest.param(columns({}, {"target": "c0"}), "columns: target name c0 stands there twice", None, id="a target twice"),
        pytest.param(table(partition_by=["id", "id"]), "partition_by: id stands there twice", None, id="partitioned twice"),
        pytest.param(table(partition_by="nothing"), "partition_by: there is no column nothing", None, id="partitioned by nothing"),
        pytest.param(
            table(partition_by=["id", "price", "weight", "placed_at", "tags"]), "no folder has to remain", None, id="only folders"
        ),
        pytest.param(table(file_mib=0), "table orders: file_mib: ", None, id="files of nothing"),
        pytest.param(table(ranges=0), "table orders: ranges: ", None, id="no ranges"),
        pytest.param(table(path="../orders"), "table orders: path: ", None, id="above the target"),
        pytest.param(table(path="/orders"), "table orders: path: ", None, id="from the root"),
        pytest.param(table(path="a//b"), "table orders: path: ", None, id="an empty folder"),
        pytest.param(table(path="_orders"), "hidden from readers", None, id="a hidden folder"),
        pytest.param(table(path="a/x=1"), "table orders: path: no control character", None, id="a folder that is a partition"),
        pytest.param(table(path="Shapes_2020"), "is, or lies in, the folder of table ", None, id="one folder, other case"),
        pytest.param(table(path="shapes_2020/orders"), "lies in, the folder of table Shapes.2020", None, id="a folder in another"),
        pytest.param(table(name="Shapes.2020"), "tables: Shapes.2020 stands there twice", None, id="a table twice"),
        pytest.param(changed(tables=[]), "tables: ", None, id="no tables"),
        pytest.param(changed(tables="orders"), "tables: ", None, id="tables that are none"),
        pytest.param(changed(tables=["orders"]), "tables.number 1: ", None, id="a table that is none"),
        pytest.param(changed(source="shop"), "source: a scheme is wanted", None, id="no URI"),
        pytest.param(changed(source="postgres://reader@host"), "source: write postgres://user@host:port/database", None, id="no database"),
        pytest.param(changed(source="postgres://[::1/shop"), "source: this is no URI", None, id="a broken URI"),
        pytest.param(changed(target="s3:///prefix"), "target: write s3://bucket/prefix or file:/folder", None, id="no bucket"),
        pytest.param(changed(target="file:/"), "target: write s3://bucket/prefix or file:/folder", None, id="the root"),
        pytest.param(changed(target="https://host/x"), "target: write s3://", None, id="another store"),
        pytest.param(changed(discovery_sha256="A" * 64), "discovery_sha256: ", None, id="no digest"),
        pytest.param(changed(archetype="mysql_to_s3"), "archetype: ", None, id="another route"),
    ],
)
def test_a_fault_is_named_with_its_table_and_field(text, message, hint):
    with pytest.raises(ConfigError) as caught:
        read_plan(text, "plan.yaml")

    assert caught.value.message.startswith("plan.yaml: ")
    assert message in caught.value.message
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"source": f"postgres://reader:{SECRET}@host/shop"}, id="in the user"),
        pytest.param({"source": f"postgres://reader%3A{SECRET}%40@host/shop"}, id="encoded"),
        pytest.param({"source": f"postgres://reader@host/shop?password={SECRET}"}, id="as a parameter"),
        pytest.param({"source": f"postgres://reader@host/shop?sslmode=require&pass%77ord={SECRET}"}, id="as an encoded parameter"),
        pytest.param({"target": f"s3://key:{SECRET}@bucket/prefix"}, id="in the target"),
        pytest.param({"source_secret": SECRET}, id="instead of its place"),
        pytest.param({"source_secret": f"env://{SECRET} er"}, id="a place that is none"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(fields):
    with pytest.raises(ConfigError) as caught:
        read_plan(changed(**fields))
    with pytest.raises(ValidationError) as raw:
        MigrationPlan.model_validate({**FULL, **fields})

    for said in (str(caught.value), str(raw.value)):
        assert SECRET not in said


@pytest.mark.parametrize("place", ["env://SHOP_READER", "file:///run/secrets/reader", None])
def test_the_place_of_a_secret_is_kept(place):
    assert read_plan(changed(source_secret=place)).source_secret == place


def test_a_table_without_columns_is_a_table():
    assert read_plan(table(columns=[], contract={}, sort_by=[])).table("orders").written() == ()


def test_an_envelope_carries_the_plan_byte_for_byte():
    envelope = SignedPlan.model_validate_json((EXAMPLES / "signed_plan.one_signature.json").read_bytes())

    assert envelope.payload_type == plan.PLAN_PAYLOAD_TYPE
    assert MigrationPlan.model_validate_json(base64.b64decode(envelope.payload)) == MigrationPlan.model_validate(FULL)


@pytest.mark.parametrize("payload", ["", "abc", "ab=c", "ab c"])
def test_what_is_no_base64_is_no_payload(payload):
    with pytest.raises(ValidationError, match="payload"):
        SignedPlan.model_validate({"payload": payload, "signatures": [{"keyid": "k", "sig": "AAAA"}]})
