"""What was discovered and profiled to what each table becomes: types by rule, names, keys, partitions, files, open questions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from archetypes.step_output import digest_of, finished
from archetypes.target_ddl import spark_ddl
from archetypes.target_names import alike, plain_names, trouble_with
from policy.classify import ColumnFacts, classify
from policy.coercion import load_rules, rule_for
from schemas.agent_output import (
    Citation,
    ColumnMapping,
    ColumnProfile,
    DiscoveredColumn,
    DiscoveredObject,
    DiscoveryResult,
    MappingResult,
    ObjectName,
    Origin,
    ProfilingResult,
    StepFinding,
    StepOutput,
    TableMapping,
    TableProfile,
    UnmappedColumn,
)
from schemas.coercion import Coercion, TypeRules
from schemas.contract import Contract, Criticality
from schemas.errors import InputError

__all__ = ["NOT_IN_PLAN", "TABLES", "VERSION", "discovered", "map_tables", "mapped_objects", "proven_keys", "shown"]

VERSION = "data/{version}"
"""Folder of a published version, below that of its table; `{version}` is what the manifest says."""

TABLES = ("table", "partitioned_table", "partition")
"""Kinds of objects that hold rows of their own, or through their partitions."""

NOT_IN_PLAN = ("no_columns", "not_migrated", "refused_object", "view_not_migrated")
"""Codes of findings about objects of which no table is made."""

_MIB = 1 << 20
_FILE_BYTES = 256 * _MIB
_PARTITION_BYTES = 128 * _MIB
_MOST_PARTITIONS = 10_000
_RANGE_BYTES = 64 * _MIB
_MOST_RANGES = 1_000
_JSON_RULES = ("PG-15", "PG-15a")
_NESTED = ("array<", "struct<", "map<")
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PARTITIONS = ("partition", "partitioned_table")  # one of the latter that has a parent is partitioned once more


@dataclass(frozen=True)
class _Read:
    """What the step was given, and how its parts are cited."""

    discovery: DiscoveryResult
    profiling: ProfilingResult | None
    discovery_sha256: str
    profiling_sha256: str | None
    rules: TypeRules

    def profile(self, name: ObjectName) -> TableProfile | None:
        """The profile of a table, or None where there is none."""
        return next((table for table in self.profiling.tables if table.name == name), None) if self.profiling else None

    def profile_citation(self, name: ObjectName, column: str) -> tuple[Citation, ...]:
        """Where the profile of a column stands."""
        return tuple(
            Citation(sha256=self.profiling_sha256, pointer=f"/result/tables/{at}/columns/{place}")
            for at, table in enumerate(self.profiling.tables if self.profiling else ())
            for place, values in enumerate(table.columns)
            if self.profiling_sha256 and table.name == name and values.name == column
        )

    def column_citation(self, found: DiscoveredObject, place: int) -> Citation:
        """Where a column stands in the discovery."""
        table = next(place for place, one in enumerate(self.discovery.objects) if one.name == found.name)
        return Citation(sha256=self.discovery_sha256, pointer=f"/result/objects/{table}/columns/{place}")


def map_tables(discovery: StepOutput, profiling: StepOutput | None, *, target: str) -> StepOutput:
    """Return what every table that can be read becomes under a target.

    Partitions are read through their parent. Views are not tables: archetypes.views translates them. A column without a rule, with a
    rule that refuses, or that the role may not read stands in `unmapped`, with what a person can do.

    Args:
        discovery: of the source.
        profiling: None: nothing is known of the values, so rules and proposals that need them are not used.
        target: `s3://bucket/prefix` or `file:/folder`.

    Raises:
        InputError: a document is of another step, or was refused.
    """
    found = discovered(discovery)
    profile = _profiled(profiling)
    read = _Read(found, profile, digest_of(discovery), digest_of(profiling) if profiling else None, load_rules())
    objects = mapped_objects(found)
    paths = _paths(objects)
    tables, findings, rules = [], list(_left_out(read)), Counter[str]()
    for one in objects:
        table = _table(one, read, paths[one.name.name], target)
        tables.append(table)
        findings += _findings(one, table, read)
        rules.update(rule_id for column in table.columns for rule_id in column.coercion.rule_ids())
    inputs = {"discovery": read.discovery_sha256, **({"profiling": read.profiling_sha256} if read.profiling_sha256 else {})}
    return finished(
        "mapping",
        dataset=discovery.dataset,
        inputs=inputs,
        result=MappingResult(tables=tuple(tables)),
        findings=findings,
        rules=rules,
        archetype=discovery.archetype,
        migration=discovery.migration,
        epoch=discovery.epoch,
        status="PARTIAL" if any(table.unmapped for table in tables) or any(one.origin == "refused" for one in found.objects) else "DONE",
    )


def discovered(discovery: StepOutput) -> DiscoveryResult:
    """Return the result of a discovery.

    Raises:
        InputError: it is the document of another step, or was refused.
    """
    if not isinstance(discovery.result, DiscoveryResult):
        raise InputError(
            f"A discovery with a result is wanted, not a {discovery.step}.", object=discovery.step, hint="Run discovery first."
        )
    return discovery.result


def mapped_objects(discovery: DiscoveryResult) -> tuple[DiscoveredObject, ...]:
    """Return the objects that are migrated: tables that can be read, partitions only where their parent is not among them."""
    names = {one.name for one in discovery.objects if one.origin != "refused"}
    return tuple(
        one
        for one in discovery.objects
        if one.kind in TABLES and one.origin != "refused" and not (one.kind in _PARTITIONS and names & set(one.parents))
    )


def proven_keys(found: DiscoveredObject) -> tuple[tuple[str, ...], ...]:
    """Return the keys that the source itself enforces over all rows that are read: the primary one, then unique ones without NULL.

    A key of a table that others inherit from does not speak of their rows, which are read with it.
    """
    if found.kind == "table" and found.partitions:
        return ()
    required = {column.name for column in found.columns if not column.nullable}
    primary = [key.columns for key in found.keys if key.kind == "primary"]
    unique = [key.columns for key in found.keys if key.kind == "unique" and required.issuperset(key.columns)]
    unique += [
        index.columns
        for index in found.indexes
        if index.unique and index.valid and index.predicate is None and required.issuperset(index.columns)
    ]
    order = {column.name: place for place, column in enumerate(found.columns)}
    unique.sort(key=lambda key: (len(key), [order[name] for name in key]))
    return tuple(dict.fromkeys(key for key in (*primary, *unique) if key))


def shown(*parts: str) -> str:
    """Return a name as people write it.

    >>> shown("public", "orders"), shown("public", "Shapes.2020", "shape")
    ('public.orders', 'public."Shapes.2020".shape')
    """
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)


def _profiled(profiling: StepOutput | None) -> ProfilingResult | None:
    if profiling is None:
        return None
    if not isinstance(profiling.result, ProfilingResult):
        raise InputError(
            f"A profiling with a result is wanted, not a {profiling.step}.", object=profiling.step, hint="Run profiling first."
        )
    return profiling.result


def _paths(objects: Sequence[DiscoveredObject]) -> dict[str, str]:
    """Return the folder of each table; none lies in, or is, the folder of another one."""
    return {name: path.strip("_") for name, path in plain_names(one.name.name for one in objects).items()}


def _table(found: DiscoveredObject, read: _Read, path: str, target: str) -> TableMapping:
    profile = read.profile(found.name)
    coercions = [_coercion(column, profile, read) for column in found.columns]
    unmapped = tuple(
        _unmapped(found, place, column, coercion, read)
        for place, (column, coercion) in enumerate(zip(found.columns, coercions, strict=True))
        if coercion.refused or not column.readable
    )
    kept = [
        (column, coercion) for column, coercion in zip(found.columns, coercions, strict=True) if not coercion.refused and column.readable
    ]
    names = {column.name for column, _ in kept}
    keys = next((key for key in proven_keys(found) if names.issuperset(key)), None)
    criticality = _criticalities(kept, keys or (), profile)
    columns = tuple(_column(found, column, coercion, criticality[column.name], profile, read) for column, coercion in kept)
    partition_by = _partition_by(found, columns, profile, read.discovery)
    return TableMapping(
        name=found.name,
        path=path,
        columns=columns,
        unmapped=unmapped,
        partition_by=partition_by,
        sort_by=_sort_by(columns, keys or ()),
        file_bytes=_FILE_BYTES,
        ranges=_ranges(found, read.discovery),
        ddl=spark_ddl(
            path,
            [(column.target, column.coercion.spark or "") for column in columns],
            partition_by,
            f"{target.rstrip('/')}/{path}/{VERSION}",
        ),
        contract=_contract(columns, keys, profile),
        questions=tuple(dict.fromkeys(_questions(found, columns, unmapped, keys, profile, read.discovery))),
    )


def _coercion(column: DiscoveredColumn, profile: TableProfile | None, read: _Read) -> Coercion:
    return rule_for(column.native_type, profile.column(column.name) if profile else None, read.rules, column=column.name)


def _column(
    found: DiscoveredObject,
    column: DiscoveredColumn,
    coercion: Coercion,
    criticality: Criticality,
    profile: TableProfile | None,
    read: _Read,
) -> ColumnMapping:
    origin, citations = _origin(found, column, coercion, profile, read)
    return ColumnMapping(
        origin=origin,
        citations=citations,
        source=column.name,
        target=column.name,
        coercion=coercion,
        normalisers=("json",) if _is_json(coercion) else (),
        criticality=criticality,
        nullable=column.nullable,
    )


def _origin(
    found: DiscoveredObject, column: DiscoveredColumn, coercion: Coercion, profile: TableProfile | None, read: _Read
) -> tuple[Origin, tuple[Citation, ...]]:
    """Return how the choice of the rule is known: by the catalog alone, unless the values decided."""
    values = profile.column(column.name) if profile else None
    if values is None or coercion == rule_for(column.native_type, None, read.rules, column=column.name):
        return "metadata", ()
    return values.origin, read.profile_citation(found.name, column.name)


def _is_json(coercion: Coercion) -> bool:
    while coercion.parts and coercion.parts[0].name == "base":
        coercion = coercion.part("base")
    return coercion.rule_id in _JSON_RULES


def _unmapped(found: DiscoveredObject, place: int, column: DiscoveredColumn, coercion: Coercion, read: _Read) -> UnmappedColumn:
    cited = (read.column_citation(found, place),)
    if not column.readable:
        grant = f"GRANT SELECT ON {shown(found.name.schema_name, found.name.name)} TO {shown(read.discovery.identity.role)};"
        return UnmappedColumn(
            origin="refused",
            citations=cited,
            column=column.name,
            reason=f"The role {read.discovery.identity.role} may not read it.",
            remedy=grant,
            question=f"Column {column.name} may not be read: grant it, or write it to the contract's exclude?",
        )
    return UnmappedColumn(
        origin="refused",
        citations=cited,
        column=column.name,
        reason=coercion.reason,
        remedy=coercion.remedy,
        question=f"Column {column.name} is refused: {coercion.remedy or 'exclude it.'}",
    )


def _criticalities(
    kept: Sequence[tuple[DiscoveredColumn, Coercion]], keys: Sequence[str], profile: TableProfile | None
) -> dict[str, Criticality]:
    """Return what the profile said, else what name and type say."""
    facts = [
        ColumnFacts(name=column.name, canonical_type=coercion.canonical or "string", is_key=column.name in keys)
        for column, coercion in kept
    ]
    found: dict[str, Criticality] = {one.column: one.criticality for one in classify(facts)}
    for name in found:
        values = profile.column(name) if profile else None
        if values is not None and values.criticality is not None and name not in keys:
            found[name] = values.criticality
    return found


def _partition_by(
    found: DiscoveredObject, columns: Sequence[ColumnMapping], profile: TableProfile | None, discovery: DiscoveryResult
) -> tuple[str, ...]:
    """Return the date column whose days are few and large enough to be folders; the source's own partition key before others."""
    size = _stored_bytes(found, discovery)
    if profile is None or len(columns) < 2:
        return ()
    fitting = [
        column.source
        for column in columns
        if column.coercion.spark == "date" and _makes_folders(profile.column(column.source), profile.rows, size)
    ]
    fitting.sort(key=lambda name: not (found.partition_by and name in found.partition_by))
    return tuple(fitting[:1])


def _makes_folders(values: ColumnProfile | None, rows: int, size: int) -> bool:
    if values is None or not values.distinct_estimate or not values.complete:
        return False
    folders = values.distinct_estimate + bool(values.nulls)
    return rows > 0 and folders <= _MOST_PARTITIONS and size >= folders * _PARTITION_BYTES


def _stored_bytes(found: DiscoveredObject, discovery: DiscoveryResult) -> int:
    """Return the bytes of a table and of everything that is read with it."""
    own = found.bytes or 0
    children = {one.name: one for one in discovery.objects}
    below = [children[part.name] for part in found.partitions if part.name in children]
    unseen = sum(part.bytes or 0 for part in found.partitions if part.name not in children)
    return own + unseen + sum(_stored_bytes(child, discovery) for child in below)


def _sort_by(columns: Sequence[ColumnMapping], keys: Sequence[str]) -> tuple[str, ...]:
    types = {column.source: column.coercion.spark or "" for column in columns}
    if any(types[name].startswith(_NESTED) or types[name] == "binary" for name in keys):
        return ()
    return tuple(keys)


def _ranges(found: DiscoveredObject, discovery: DiscoveryResult) -> int:
    if found.pages is None and not found.partitions:
        return 1
    return max(1, min(_MOST_RANGES, -(-_stored_bytes(found, discovery) // _RANGE_BYTES)))


def _contract(columns: Sequence[ColumnMapping], keys: tuple[str, ...] | None, profile: TableProfile | None) -> Contract:
    told = {column.source: column.criticality for column in columns if column.criticality in ("critical", "informational")}
    return Contract(
        keys=keys or (),
        unique_keys=keys is not None,
        rules={column.source: column.normalisers for column in columns if column.normalisers},
        criticality=told,
        expect_empty=_is_empty(profile),
    )


def _is_empty(profile: TableProfile | None) -> bool:
    """Return whether all rows were looked at, and there were none."""
    return profile is not None and profile.origin == "full_scan" and profile.rows == 0


def _questions(
    found: DiscoveredObject,
    columns: Sequence[ColumnMapping],
    unmapped: Sequence[UnmappedColumn],
    keys: tuple[str, ...] | None,
    profile: TableProfile | None,
    discovery: DiscoveryResult,
) -> Iterator[str]:
    if _is_empty(profile):
        yield "It holds no row, so two empty sides count as proven (expect_empty). Should there be rows? Then take that out."
    if keys is None:
        yield _no_key(found, columns, profile)
    yield from (column.question for column in unmapped if column.question)
    yield from (f"Column {column.source}: {column.coercion.question}" for column in columns if column.coercion.question)
    for group in alike(column.target for column in columns):
        plain = plain_names(group)
        written = ", ".join(f"target: {plain[name]} for {name}" for name in group)
        yield f"Columns {' and '.join(group)} differ only in case, so Athena and DuckDB read one of them. Write {written}?"
    together = {name for group in alike(column.target for column in columns) for name in group}
    proposals = plain_names(column.target for column in columns)
    for column in columns:
        trouble = trouble_with(column.target)
        if trouble and column.target not in together:
            yield f"Column {column.target}: {trouble}. Keep the name, or write target: {proposals[column.target]}?"
    if found.row_security != "off":
        yield "Row security is on: a role whose policies hide rows ends the read. Does the reading role see every row (BYPASSRLS)?"
    children = [part.name for part in found.partitions if part.bound is None and found.kind == "table"]
    if children and {one.name for one in mapped_objects(discovery)} & set(children):
        named = ", ".join(shown(name.schema_name, name.name) for name in children)
        yield f"Its rows include those of the tables that inherit from it ({named}), which are tables of their own here too. Remove one?"


def _no_key(found: DiscoveredObject, columns: Sequence[ColumnMapping], profile: TableProfile | None) -> str:
    proven = [key for key in (profile.candidate_keys if profile else ()) if set(key) <= {column.source for column in columns}]
    said = "No primary key and no unique index without NULL was found"
    if found.kind == "table" and found.partitions:
        said = "Keys of the source do not speak of the rows of the tables that inherit from this one"
    elif any(key.kind == "primary" for key in found.keys):
        said = "A column of the primary key is not mapped, and no other unique index without NULL was found"
    if not columns:
        return f"{said}, so whole rows are compared. No column is mapped: only the number of rows can be proven. Is that wanted?"
    if proven:
        words = " or ".join(f"keys: [{', '.join(key)}]" for key in proven[:3])
        return f"{said}, so whole rows are compared. The profile proposes {words}. Write it to the contract?"
    return f"{said}, so whole rows are compared and a changed row counts as one missing and one extra. Which columns name a row?"


def _left_out(read: _Read) -> Iterator[StepFinding]:
    """Say which objects become no table."""
    mapped = {one.name for one in mapped_objects(read.discovery)}
    for place, one in enumerate(read.discovery.objects):
        if one.name in mapped or one.kind == "sequence":
            continue
        named = shown(one.name.schema_name, one.name.name)
        cited = (Citation(sha256=read.discovery_sha256, pointer=f"/result/objects/{place}"),)
        if one.origin == "refused":
            yield StepFinding(code="refused_object", severity="HIGH", object=named, text=one.refusal or "It is refused.", citations=cited)
        elif one.kind in ("view", "materialized_view"):
            text = "A view is not migrated as a table; the rewrite step translates its query."
            yield StepFinding(code="view_not_migrated", severity="INFO", object=named, text=text, citations=cited)
        elif one.kind in _PARTITIONS:
            text = "A partition is read through its parent."
            yield StepFinding(code="read_through_parent", severity="INFO", object=named, text=text, citations=cited)
        else:
            text = f"Objects of kind {one.kind.replace('_', ' ')} are not migrated."
            yield StepFinding(code="not_migrated", severity="MEDIUM", object=named, text=text, citations=cited)


def _findings(found: DiscoveredObject, table: TableMapping, read: _Read) -> Iterator[StepFinding]:
    named = shown(found.name.schema_name, found.name.name)
    if not found.columns:
        text = "It has no columns, and Parquet has no files without columns."
        yield StepFinding(code="no_columns", severity="MEDIUM", object=named, text=text)
        return
    for column in table.unmapped:
        text = f"{column.reason} {column.remedy or ''}".strip()
        where = shown(found.name.schema_name, found.name.name, column.column)
        yield StepFinding(code="refused_column", severity="HIGH", object=where, text=text, citations=column.citations)
    if not table.contract.keys:
        place = next(place for place, one in enumerate(read.discovery.objects) if one.name == found.name)
        cited = (Citation(sha256=read.discovery_sha256, pointer=f"/result/objects/{place}/keys"),)
        text = "No key was found: whole rows are compared."
        yield StepFinding(code="no_key", severity="MEDIUM", object=named, text=text, citations=cited)
    for group in alike(column.target for column in table.columns):
        text = f"{', '.join(group)} differ only in case: readers that ignore case see one of them."
        yield StepFinding(code="names_alike", severity="MEDIUM", object=named, text=text)
    for lossy in _declared_losses(table.columns):
        where = shown(found.name.schema_name, found.name.name, lossy.source)
        yield StepFinding(code="declared_loss", severity="LOW", object=where, text=lossy.coercion.reason)


def _declared_losses(columns: Iterable[ColumnMapping]) -> Iterator[ColumnMapping]:
    return (column for column in columns if column.coercion.loss == "declared")
