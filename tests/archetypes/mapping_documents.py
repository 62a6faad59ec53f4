"""Discoveries and profiles made by hand, for steps that only read documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archetypes.step_output import digest_of, finished
from schemas.agent_output import (
    Citation,
    ColumnProfile,
    DiscoveredColumn,
    DiscoveredIndex,
    DiscoveredKey,
    DiscoveredObject,
    DiscoveryResult,
    Identity,
    ObjectName,
    ProfilingResult,
    StepFinding,
    StepOutput,
    TableProfile,
)
from schemas.coercion import NativeType
from tests.policy.native_types import array, base, composite, domain, enum, numeric, of_extension, ranged

__all__ = ["CATALOG", "column", "discovery", "foreign", "index", "key", "named", "profiling", "refused", "shop", "table", "view"]

CATALOG = "5" * 64

_TYPES: dict[str, NativeType] = {
    "bigint": base("int8", "bigint"),
    "integer": base("int4", "integer"),
    "smallint": base("int2", "smallint"),
    "text": base("text"),
    "numeric": numeric(),
    "numeric(12,2)": numeric(12, 2),
    "numeric(14,2)": numeric(14, 2),
    "double precision": base("float8", "double precision"),
    "boolean": base("bool", "boolean"),
    "date": base("date"),
    "timestamp": base("timestamp", "timestamp without time zone"),
    "timestamptz": base("timestamptz", "timestamp with time zone"),
    "time": base("time", "time without time zone"),
    "interval": base("interval"),
    "json": base("json"),
    "jsonb": base("jsonb"),
    "bytea": base("bytea"),
    "uuid": base("uuid"),
    "regclass": base("regclass"),
    "geometry": of_extension("geometry", "postgis"),
    "mood": enum("sad", "it's"),
    "json domain": domain(base("jsonb"), "payload"),
    "text[]": array(base("text")),
    "pair": composite(("from", base("int4", "integer")), ("a b", base("timestamp", "timestamp without time zone"))),
    "int4range": ranged("int4range", base("int4", "integer")),
}


def named(name: str) -> ObjectName:
    return ObjectName(schema_name="public", name=name)


def column(name: str, declared: str = "text", *, position: int = 1, nullable: bool = True, **facts: Any) -> DiscoveredColumn:
    return DiscoveredColumn(name=name, position=position, native_type=_TYPES[declared], nullable=nullable, **facts)


def key(kind: str, *columns: str, references: str | None = None, referenced: Sequence[str] = (), name: str = "k") -> DiscoveredKey:
    return DiscoveredKey.model_validate(
        {
            "name": name,
            "kind": kind,
            "columns": columns,
            "references": named(references) if references else None,
            "referenced_columns": tuple(referenced),
        }
    )


def index(*columns: str, unique: bool = True, **facts: Any) -> DiscoveredIndex:
    return DiscoveredIndex(name="i", method="btree", columns=columns, unique=unique, **facts)


def table(
    name: str, *columns: DiscoveredColumn, kind: str = "table", bytes: int = 0, pages: int | None = 0, **facts: Any
) -> DiscoveredObject:
    placed = tuple(one.model_copy(update={"position": place}) for place, one in enumerate(columns, start=1))
    facts = {"owner": "shop", "permission_bits": 3, **facts}
    return DiscoveredObject.model_validate(
        {"origin": "metadata", "name": named(name), "kind": kind, "columns": placed, "bytes": bytes, "pages": pages, **facts}
    )


def view(name: str, sql: str, *columns: DiscoveredColumn, kind: str = "view") -> DiscoveredObject:
    return table(name, *columns, kind=kind, sql=sql, pages=None)


def refused(name: str, why: str, kind: str = "foreign_table") -> DiscoveredObject:
    cited = (Citation(sha256=CATALOG, pointer="/objects/0"),)
    return table(name, kind=kind, pages=None).model_copy(update={"origin": "refused", "refusal": why, "citations": cited})


def foreign(*columns: str, to: str, referenced: Sequence[str] = ("id",)) -> DiscoveredKey:
    return key("foreign", *columns, references=to, referenced=referenced, name="f")


def discovery(*objects: DiscoveredObject) -> StepOutput:
    identity = Identity(
        system="PostgreSQL 16.2", cluster="1", host="db.example", port=5432, database="shop", role="reader", encoding="UTF8", collation="C"
    )
    result = DiscoveryResult(identity=identity, objects=objects, permission_bits=3)
    findings = [
        StepFinding(code="refused_object", severity="HIGH", object=one.name.name, text=one.refusal) for one in objects if one.refusal
    ]
    return finished("discovery", dataset="public", inputs={"catalog": CATALOG}, result=result, findings=findings)


def profiling(found: StepOutput, tables: Mapping[str, Sequence[ColumnProfile]], *, rows: int = 1000, **facts: Any) -> StepOutput:
    profiled = tuple(
        TableProfile(origin="full_scan", name=named(name), rows=rows, columns=tuple(columns), **facts) for name, columns in tables.items()
    )
    result = ProfilingResult(pin="PostgreSQL snapshot 1:1:", tables=profiled)
    return finished("profiling", dataset="public", inputs={"discovery": digest_of(found)}, result=result)


def shop() -> StepOutput:
    """A small shop: two tables that refer to each other's kind, one without a key, a view and an enum."""
    customers = table(
        "customers",
        column("id", "bigint", nullable=False),
        column("email"),
        column("mood", "mood"),
        keys=(key("primary", "id"), key("unique", "email", name="u")),
    )
    orders = table(
        "orders",
        column("id", "bigint", nullable=False),
        column("customer", "bigint", nullable=False),
        column("price", "numeric(12,2)"),
        column("weight", "numeric"),
        column("placed_at", "timestamptz"),
        column("day", "date"),
        column("tags", "text[]"),
        column("about", "jsonb"),
        column("zip code"),
        keys=(key("primary", "id"), foreign("customer", to="customers")),
        bytes=300 << 20,
        pages=38_400,
    )
    log = table("log", column("at", "timestamp"), column("said"))
    sums = view(
        "sums",
        " SELECT o.customer, c.email, sum(o.price) AS total\n   FROM (public.orders o JOIN public.customers c ON ((o.customer = c.id)))\n"
        "  GROUP BY o.customer, c.email;",
        column("customer", "bigint"),
        column("email"),
        column("total", "numeric"),
    )
    return discovery(customers, orders, log, sums)
