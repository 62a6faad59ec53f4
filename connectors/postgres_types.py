"""Types of a PostgreSQL catalog to `NativeType`, down to elements, fields, labels and base types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas.coercion import NativeType

if TYPE_CHECKING:
    import psycopg

__all__ = ["TypeKey", "native_types"]

TypeKey = tuple[int, int, int]
"""Of a column: the type's oid, its modifier (-1: none), its declared dimensions."""

_TYPES = """
SELECT type.oid::bigint AS oid, type.typname::text AS name, space.nspname::text AS schema, type.typtype::text AS type,
       CASE WHEN element.typarray = type.oid THEN element.oid::bigint END AS element,
       type.typbasetype::bigint AS base, type.typtypmod AS base_modifier, type.typndims AS dimensions, type.typrelid::bigint AS relation,
       coalesce(ranges.rngsubtype, multiranges.rngtypid)::bigint AS ranged, extension.extname::text AS extension
FROM pg_catalog.pg_type AS type
JOIN pg_catalog.pg_namespace AS space ON space.oid = type.typnamespace
LEFT JOIN pg_catalog.pg_type AS element ON element.oid = type.typelem
LEFT JOIN pg_catalog.pg_range AS ranges ON ranges.rngtypid = type.oid
LEFT JOIN pg_catalog.pg_range AS multiranges ON multiranges.rngmultitypid = type.oid
LEFT JOIN pg_catalog.pg_depend AS brought
  ON brought.classid = 'pg_catalog.pg_type'::regclass AND brought.objid = type.oid AND brought.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension AS extension ON extension.oid = brought.refobjid
"""
_LABELS = "SELECT enumtypid::bigint AS type, enumlabel::text AS label FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder"
_FIELDS = """
SELECT attrelid::bigint AS relation, attname::text AS name, atttypid::bigint AS type, atttypmod AS modifier, attndims AS dimensions
FROM pg_catalog.pg_attribute AS attribute WHERE attrelid = ANY(%s::oid[]) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum
"""
_DECLARED = """
SELECT type::bigint AS type, modifier, pg_catalog.format_type(type, modifier) AS declared
FROM unnest(%s::oid[], %s::int[]) AS asked(type, modifier)
"""
_MONEY = "SELECT pg_catalog.scale(1::money::numeric) AS scale"
_KINDS = {"b": "base", "c": "composite", "d": "domain", "e": "enum", "p": "pseudo", "r": "range", "m": "multirange"}
_HEADER = 4  # of types whose length counts the word that holds it
_WITH_FRACTION = ("time", "timetz", "timestamp", "timestamptz")
_NO_PRECISION = 0xFFFF


@dataclass(frozen=True)
class _Book:
    """All types of a database by oid, and what the ones in use are called with their modifiers."""

    types: Mapping[int, Mapping[str, Any]]
    labels: Mapping[int, tuple[str, ...]]
    fields: Mapping[int, Sequence[Mapping[str, Any]]]
    declared: Mapping[tuple[int, int], str]
    money_scale: int | None

    def native(self, oid: int, modifier: int, dimensions: int) -> NativeType:
        """Return the type with everything it consists of."""
        row = self.types[oid]
        element, base = row["element"] or row["ranged"], row["base"]
        kind = "array" if row["element"] else _KINDS[row["type"]]
        return NativeType.model_validate(
            {
                "name": row["name"],
                "schema_name": row["schema"],
                "kind": kind,
                "declared": self.declared[oid, modifier],
                "dimensions": dimensions if kind == "array" else 0,
                "element": self.native(element, modifier if kind == "array" else -1, 0) if element else None,
                "base": self.native(base, row["base_modifier"], row["dimensions"]) if kind == "domain" else None,
                "labels": self.labels.get(oid, ()),
                "fields": tuple(
                    (field["name"], self.native(field["type"], field["modifier"], field["dimensions"]))
                    for field in self.fields.get(row["relation"], ())
                )
                if kind == "composite"
                else (),
                "extension": row["extension"],
                **(self._modifiers(row["name"], modifier) if row["schema"] == "pg_catalog" and kind == "base" else {}),
            }
        )

    def _modifiers(self, name: str, modifier: int) -> dict[str, int]:
        if name == "money" and self.money_scale is not None:
            return {"scale": self.money_scale}
        return _modifiers(name, modifier)


def native_types(connection: psycopg.Connection[Any], keys: Collection[TypeKey]) -> dict[TypeKey, NativeType]:
    """Return each type as the catalog describes it.

    Args:
        connection: whose search_path is `pg_catalog`, so that names outside it are written with their schema.
    """
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        types = {row["oid"]: row for row in cursor.execute(_TYPES).fetchall()}
        labels: dict[int, tuple[str, ...]] = {}
        for row in cursor.execute(_LABELS).fetchall():
            labels[row["type"]] = (*labels.get(row["type"], ()), row["label"])
        fields = _fields(cursor, types, [key[0] for key in keys])
        pairs = sorted(_pairs(types, fields, keys))
        asked = cursor.execute(_DECLARED, [[oid for oid, _ in pairs], [modifier for _, modifier in pairs]]).fetchall()
        money = cursor.execute(_MONEY).fetchall() if any(types[oid]["name"] == "money" for oid, _ in pairs) else []
    declared = {(row["type"], row["modifier"]): row["declared"] for row in asked}
    book = _Book(types, labels, fields, declared, money[0]["scale"] if money else None)
    return {key: book.native(*key) for key in keys}


def _fields(
    cursor: psycopg.Cursor[dict[str, Any]], types: Mapping[int, Mapping[str, Any]], used: Sequence[int]
) -> dict[int, list[dict[str, Any]]]:
    """Fields of the composites in use, and of those inside them."""
    fields: dict[int, list[dict[str, Any]]] = {}
    waiting = set(used)
    while waiting:
        relations = []
        for oid in _parts(types, waiting):
            row = types[oid]
            if row["type"] == "c" and row["relation"] not in fields:
                fields[row["relation"]] = []
                relations.append(row["relation"])
        waiting = set()
        if relations:
            for row in cursor.execute(_FIELDS, [relations]).fetchall():
                fields[row["relation"]].append(row)
                waiting.add(row["type"])
    return fields


def _parts(types: Mapping[int, Mapping[str, Any]], used: Collection[int]) -> set[int]:
    """The types and what they are arrays, ranges or domains of, all the way down."""
    found: set[int] = set()
    waiting = list(used)
    while waiting:
        oid = waiting.pop()
        if oid in found:
            continue
        found.add(oid)
        row = types[oid]
        waiting += [part for part in (row["element"], row["ranged"], row["base"]) if part]
    return found


def _pairs(
    types: Mapping[int, Mapping[str, Any]], fields: Mapping[int, Sequence[Mapping[str, Any]]], keys: Collection[TypeKey]
) -> set[tuple[int, int]]:
    """Every type and modifier that `_Book.native` will meet."""
    found: set[tuple[int, int]] = set()
    waiting = [(oid, modifier) for oid, modifier, _ in keys]
    while waiting:
        oid, modifier = pair = waiting.pop()
        if pair in found:
            continue
        found.add(pair)
        row = types[oid]
        if row["element"]:
            waiting.append((row["element"], modifier))
        if row["ranged"]:
            waiting.append((row["ranged"], -1))
        if row["base"]:
            waiting.append((row["base"], row["base_modifier"]))
        if row["type"] == "c":
            waiting += [(field["type"], field["modifier"]) for field in fields.get(row["relation"], ())]
    return found


def _modifiers(name: str, modifier: int) -> dict[str, int]:
    """Undo the packing of the server's own types."""
    if modifier < 0:
        return {}
    if name == "numeric":
        packed = modifier - _HEADER
        return {"precision": (packed >> 16) & 0xFFFF, "scale": ((packed & 0x7FF) ^ 0x400) - 0x400}
    if name in ("varchar", "bpchar"):
        return {"length": modifier - _HEADER}
    if name in ("bit", "varbit"):
        return {"length": modifier}
    if name in _WITH_FRACTION:
        return {"precision": modifier}
    if name == "interval" and modifier & 0xFFFF != _NO_PRECISION:
        return {"precision": modifier & 0xFFFF}
    return {}
