"""Tables on a snapshot to the document that says what their values look like, without showing them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from archetypes.step_output import digest_of, finished
from archetypes.value_forms import form_of, frequent_forms
from connectors.postgres_address import TableName
from connectors.postgres_catalog import describe_tables
from connectors.postgres_objects import CatalogColumn, CatalogTable
from connectors.postgres_profile import (
    ColumnFigures,
    distinct_estimates,
    has_places,
    key_counts,
    partition_rows,
    profiling,
    scan,
    value_samples,
)
from connectors.postgres_snapshot import ExportedSnapshot
from engine.sampling import SPACE, parse_rate
from policy.classify import Classification, ColumnFacts, classify
from policy.coercion import load_rules, rule_for
from policy.personal_data import family_of
from schemas.agent_output import (
    Citation,
    ColumnCount,
    ColumnProfile,
    DiscoveredObject,
    DiscoveryResult,
    Extreme,
    ProfilingResult,
    StepFinding,
    StepOutput,
    TableProfile,
)
from schemas.canonical_json import sha256_of
from schemas.coercion import SpecialValue
from schemas.errors import ConnectorError, EngineError, InputError, MissingTableError, TransientConnectorError, nearest
from schemas.verdict import Severity

__all__ = ["profile"]

_WITH_ROWS = ("table", "partitioned_table", "partition", "materialized_view")
_READABLE = (*_WITH_ROWS, "view")
_SAMPLE = "sample"
_NEARLY_UNIQUE = 0.9  # the estimate is that of a sample of ANALYZE
_TRIED = 3
_KEY_FAMILIES = ("integer", "decimal", "text", "date", "timestamp", "binary")
_SHOWN_WITH_CARE = ("confidential", "restricted")
_KEY_WORDS = ("id", "key", "code", "uuid", "guid", "number", "no", "nr")
_NO_EQUAL: tuple[SpecialValue, ...] = (
    "nan", "positive_infinity", "negative_infinity", "hour_24", "array_dimensions", "array_bounds",
)  # fmt: skip
_RARE_TIMES: tuple[SpecialValue, ...] = ("bc", "before_1582", "year_above_9999")

Progress = Callable[[int, int, str], None]


def profile(
    snapshot: ExportedSnapshot,
    discovery: StepOutput,
    *,
    tables: Sequence[str] | None = None,
    sample: str | None = None,
    progress: Progress | None = None,
) -> StepOutput:
    """Return what the values of tables look like: counts, extremes, digits, special values, keys, personal data.

    One scan per table and 200 columns, one more per key that is proven and for the rows of partitions. Extremes are shown only of
    columns whose sensitivity is public, else as their form, or as the kind of personal data.

    Args:
        snapshot: on which everything is read.
        discovery: of the same database.
        tables: names in the schema of the discovery, or `schema.name`; None: every table, partitioned table and materialized view
            that is not read as part of another.
        sample: `1%`, `1/64`: so many of the pages, the same ones each time; None: all rows. Views are always read whole.
        progress: called before each table with how many are done, how many there are, and its name.

    Returns:
        DONE; PARTIAL where a table or column was left out; REFUSED where nothing was profiled. Inputs: `discovery`, `pin`,
        `statistics` (of ANALYZE, where distinct estimates come from), and `sample`.

    Raises:
        MissingTableError: a table is not in the discovery.
        InputError: the discovery is of another database, or a table changed since.
        ConfigError: `sample` is no rate.
        TransientConnectorError: the connection was lost, and the snapshot with it.
    """
    found = discovery.result
    if not isinstance(found, DiscoveryResult):
        raise InputError("The discovery was refused: there is nothing to profile.", object=discovery.dataset)
    _same_database(snapshot, found)
    chosen = _chosen(found, discovery.dataset, tables)
    run = _Run(snapshot, None if sample is None else _percent(sample))
    described = _described(snapshot, [one for one in chosen if one.origin != "refused"])
    for place, one in enumerate(chosen):
        if progress is not None:
            progress(place, len(chosen), str(_table_name(one)))
        run.add(one, described)
    result = ProfilingResult(pin=snapshot.pin, sample=sample, tables=tuple(run.profiles))
    nothing = bool(chosen) and not run.profiles
    return finished(
        "profiling",
        dataset=discovery.dataset,
        inputs={
            "discovery": digest_of(discovery),
            "pin": sha256_of(snapshot.pin),
            "statistics": sha256_of(run.statistics),
            **({_SAMPLE: run.sample_sha256} if run.percent else {}),
        },
        result=result,
        findings=run.findings,
        archetype=discovery.archetype,
        migration=discovery.migration,
        epoch=discovery.epoch,
        status="REFUSED" if nothing else "PARTIAL" if run.left_out else "DONE",
    )


@dataclass
class _Run:
    """What is gathered, table by table.

    Attributes:
        percent: of the pages; None: all.
        statistics: distinct values by ANALYZE, by table and column.
        left_out: something has no profile.
    """

    snapshot: ExportedSnapshot
    percent: str | None
    profiles: list[TableProfile] = field(default_factory=list)
    findings: list[StepFinding] = field(default_factory=list)
    statistics: dict[str, dict[str, int]] = field(default_factory=dict)
    left_out: bool = False

    @property
    def sample_sha256(self) -> str:
        """Digest of how the sample is drawn."""
        return sha256_of({"method": "TABLESAMPLE SYSTEM", "percent": self.percent, "repeatable": 0})

    def say(self, code: str, severity: Severity, where: str, text: str) -> None:
        """Keep a finding."""
        self.findings.append(StepFinding(code=code, severity=severity, object=where, text=text))

    def leave_out(self, code: str, where: str, text: str, severity: Severity = "HIGH") -> None:
        """Keep a finding about something that has no profile."""
        self.say(code, severity, where, text)
        self.left_out = True

    def add(self, one: DiscoveredObject, described: Mapping[TableName, CatalogTable]) -> None:
        """Profile a table; what cannot be read is left out and told."""
        name = _table_name(one)
        if one.refusal is not None:
            self.leave_out("refused_object", str(name), f"Not profiled. {one.refusal}", "MEDIUM")
            return
        try:
            with profiling(self.snapshot):
                self.profiles.append(_Table(self, one, described[name], described).profile())
        except TransientConnectorError:
            raise
        except ConnectorError as exc:
            if exc.object == "statement_timeout":
                raise
            self.leave_out("unprofiled_table", str(name), f"Not profiled. {exc}")


@dataclass
class _Table:
    """One table, being profiled."""

    run: _Run
    found: DiscoveredObject
    table: CatalogTable
    described: Mapping[TableName, CatalogTable]

    @property
    def percent(self) -> str | None:
        return None if self.found.kind == "view" else self.run.percent

    @property
    def known(self) -> dict[str, Any]:
        """Origin and citations of what was counted."""
        if self.percent is None:
            return {"origin": "full_scan"}
        return {"origin": "sample", "citations": (Citation(sha256=self.run.sample_sha256, pointer=""),)}

    def profile(self) -> TableProfile:
        """Return the profile; columns that may not be read, or that fail, are left out and told."""
        snapshot, table, name = self.run.snapshot, self.table, str(self.table.name)
        readable = [column for column in table.columns if column.readable]
        for column in table.columns:
            if not column.readable:
                self.run.leave_out("unreadable_column", f"{name}.{column.name}", "Not profiled: the role may not read it.")
        kinds = self._classified(readable)
        figures = scan(snapshot, table, readable, self.percent)
        for failure in figures.failures:
            text = f"The server could not answer about it, so {'only its NULLs are counted' if failure.counted else 'it has no profile'}."
            self.run.leave_out("unprofiled_column", f"{name}.{failure.column}", f"{text} {failure.text}")
        rows = figures.rows if self.percent is None else self.found.rows_estimate
        estimates = {} if rows is None else distinct_estimates(snapshot, table, rows)
        self.run.statistics[name] = estimates
        if not estimates and figures.columns and figures.rows and self.found.kind != "view":
            self.run.say("no_statistics", "INFO", name, "Distinct values are not estimated: the table was never analysed. ANALYZE does it.")
        columns = tuple(self._column(one, kinds, estimates) for one in figures.columns)
        key, duplicates, missing = self._key(columns)
        profiled = TableProfile(
            **self.known,
            name=self.found.name,
            rows=figures.rows,
            key=key,
            duplicate_keys=duplicates,
            null_keys=missing,
            candidate_keys=self._candidates(figures.rows, columns, kinds, (duplicates, missing)),
            columns=columns,
            partition_rows=self._partitions(figures.rows),
        )
        self.run.findings += _table_findings(name, profiled)
        return profiled

    def _samples(self, columns: Sequence[CatalogColumn]) -> Mapping[str, tuple[str, ...]]:
        name = str(self.table.name)
        if not has_places(self.table):
            text = "No values are sampled, since its rows have no places for this role: personal data is recognised by names alone."
            self.run.say("no_value_sample", "INFO", name, text)
            return {}
        found = value_samples(self.run.snapshot, self.table, columns)
        if isinstance(found, ConnectorError):
            self.run.say(
                "no_value_sample", "LOW", name, f"Values could not be sampled: personal data is recognised by names alone. {found}"
            )
            return {}
        return found

    def _classified(self, columns: Sequence[CatalogColumn]) -> dict[str, _Kind]:
        samples = self._samples(columns)
        rules, key = load_rules(), set(self.table.primary_key)
        types = {column.name: rule_for(column.type, None, rules).canonical or column.type.declared for column in columns}
        facts = [
            ColumnFacts(
                name=column.name,
                canonical_type=types[column.name],
                is_key=column.name in key,
                samples=samples.get(column.name, ()),
            )
            for column in columns
        ]
        return {found.column: _Kind(found, family_of(types[found.column]), samples.get(found.column, ())) for found in classify(facts)}

    def _column(self, one: ColumnFigures, kinds: Mapping[str, _Kind], estimates: Mapping[str, int]) -> ColumnProfile:
        kind = kinds[one.name]
        found, public = kind.found, kind.found.sensitivity == "public"
        return ColumnProfile(
            **self.known,
            name=one.name,
            nulls=one.nulls,
            distinct_estimate=estimates.get(one.name),
            minimum=_extreme(one.minimum, found),
            maximum=_extreme(one.maximum, found),
            exact_sum=one.total if public else None,
            max_chars=one.max_chars,
            max_bytes=one.max_bytes,
            max_precision=one.max_precision,
            max_scale=one.max_scale,
            special=tuple(ColumnCount(kind=special, count=count) for special, count in one.special),
            patterns=frequent_forms(kind.samples) if kind.family == "text" and found.sensitivity not in _SHOWN_WITH_CARE else (),
            pii=found.pii_kind,
            pii_reason="; ".join(found.evidence[1:]) if found.pii_kind else None,
            criticality=found.criticality,
        )

    def _key(self, columns: Sequence[ColumnProfile]) -> tuple[tuple[str, ...], int | None, int | None]:
        key = self.table.primary_key
        if not key or not set(key) <= {column.name for column in columns}:
            return (), None, None
        counted = self._counted(key)
        return (key, *counted) if counted else (key, None, None)

    def _counted(self, key: Sequence[str]) -> tuple[int, int] | None:
        by_name = {column.name: column for column in self.table.columns}
        return key_counts(self.run.snapshot, self.table, [by_name[name] for name in key], self.percent)

    def _candidates(
        self, rows: int, columns: Sequence[ColumnProfile], kinds: Mapping[str, _Kind], proven: tuple[int | None, int | None]
    ) -> tuple[tuple[str, ...], ...]:
        """Return keys that name each row once; what the catalog declares is tried first, and only without that a guess."""
        if self.percent is not None or not rows:
            return ()
        primary = [self.table.primary_key] if proven == (0, 0) else []
        complete = [column for column in columns if not column.nulls]
        names = {column.name for column in complete}
        declared = [key for key in _declared_keys(self.table) if set(key) <= names and key not in primary]
        unique = [key for key in declared[:_TRIED] if self._counted(key) == (0, 0)]
        if not primary and not unique and rows > 1:  # one row is named by anything
            unique = [key for key in _guessed_keys(rows, complete, kinds) if self._counted(key) == (0, 0)]
        return (*primary, *unique)

    def _partitions(self, rows: int) -> tuple[int, ...]:
        names = [TableName(one.name.schema_name, one.name.name) for one in self.found.partitions]
        if not names:
            return ()
        families = [[table.oid for table in _family(name, self.described)] for name in names]
        counted = partition_rows(self.run.snapshot, self.table, families, self.percent)
        where = str(self.table.name)
        if isinstance(counted, ConnectorError):
            self.run.leave_out("unprofiled_partitions", where, f"The rows of its partitions are not counted. {counted}")
            return ()
        if self.found.kind == "partitioned_table" and sum(counted) != rows:
            raise EngineError(f"{where}: {rows} rows, but {sum(counted)} in its partitions, on one snapshot.", object=where)
        return counted


@dataclass(frozen=True)
class _Kind:
    """What the classifier says of a column, and what it looked at."""

    found: Classification
    family: str
    samples: tuple[str, ...]


def _extreme(text: str | None, found: Classification) -> Extreme | None:
    if text is None:
        return None
    if found.sensitivity == "public":
        return Extreme(text=text, masked=False)
    if found.pii_kind is not None or found.sensitivity in _SHOWN_WITH_CARE:
        return Extreme(text=f"‹{found.pii_kind or 'value'}›", masked=True)
    return Extreme(text=form_of(text), masked=True)


# keys


def _declared_keys(table: CatalogTable) -> Iterator[tuple[str, ...]]:
    """Yield the columns of unique constraints and of unique indexes over all rows, each set once, the shortest first."""
    columns = {column.name for column in table.columns}
    keys = [key.columns for key in table.keys if key.kind == "unique"]
    keys += [one.columns for one in table.indexes if one.unique and one.valid and one.predicate is None and set(one.columns) <= columns]
    yield from sorted(dict.fromkeys(keys), key=lambda key: (len(key), key))


def _guessed_keys(rows: int, columns: Sequence[ColumnProfile], kinds: Mapping[str, _Kind]) -> list[tuple[str, ...]]:
    """Return a few columns, and pairs of them, that may name each row: by the estimate of ANALYZE, else by their names."""
    fit = [column for column in columns if kinds[column.name].family in _KEY_FAMILIES]
    single = [
        column
        for column in fit
        if (column.distinct_estimate or 0) >= _NEARLY_UNIQUE * rows or (column.distinct_estimate is None and _says_key(column.name))
    ]
    most = sorted((column for column in fit if column not in single), key=lambda one: (-(one.distinct_estimate or 0), one.name))[:_TRIED]
    pairs = [
        (one.name, other.name)
        for one, other in combinations(most, 2)
        if (one.distinct_estimate or 0) * (other.distinct_estimate or 0) >= rows
    ]
    return [*((column.name,) for column in single[:_TRIED]), *pairs[:_TRIED]]


def _says_key(name: str) -> bool:
    return name.casefold().replace("_", " ").split(" ")[-1] in _KEY_WORDS


# what is chosen


def _chosen(found: DiscoveryResult, schema: str, tables: Sequence[str] | None) -> list[DiscoveredObject]:
    if tables is None:
        return [one for one in found.objects if one.kind in _WITH_ROWS and not _is_part(one, found)]
    readable = {_table_name(one): one for one in found.objects if one.kind in _READABLE}
    return [readable[name] for name in dict.fromkeys(_named(wanted, schema, list(readable)) for wanted in tables)]


def _named(wanted: str, schema: str, readable: Sequence[TableName]) -> TableName:
    """Return the table that is meant: of the schema that was discovered before those of others, which stand with their schema."""
    own = [name for name in readable if (name.schema, name.name) == (schema, wanted)]
    fitting = own or [name for name in readable if wanted in (str(name), f"{name.schema}.{name.name}")]
    if not fitting:
        close = nearest(wanted, [name.name for name in readable])
        hint = f"Did you mean {', '.join(close)}?" if close else "Take names from the discovery; letters are taken as written."
        raise MissingTableError(f"The discovery has no table {wanted}.", object=wanted, hint=hint)
    return fitting[0]


def _is_part(one: DiscoveredObject, found: DiscoveryResult) -> bool:
    """Return whether its rows are read with a table that it is a partition of."""
    bound = one.kind == "partition" or (one.kind == "partitioned_table" and bool(one.parents))
    return bound and any(other.name in one.parents and other.origin != "refused" for other in found.objects)


def _described(snapshot: ExportedSnapshot, chosen: Sequence[DiscoveredObject]) -> dict[TableName, CatalogTable]:
    """Return the tables as the catalog of the snapshot has them, which must be as they were discovered."""
    tables = {table.name: table for table in describe_tables(snapshot.connection, [_table_name(one) for one in chosen])}
    for one in chosen:
        name = _table_name(one)
        then = [(column.name, column.native_type) for column in one.columns]
        if then != [(column.name, column.type) for column in tables[name].columns]:
            raise InputError(f"{name}: its columns changed since the discovery.", object=str(name), hint="Run the discovery again.")
    return tables


def _same_database(snapshot: ExportedSnapshot, found: DiscoveryResult) -> None:
    server, identity = snapshot.server, found.identity
    if (server.database, server.system_identifier) != (identity.database, identity.cluster):
        raise InputError(
            f"The discovery is of the database {identity.database} of another server.",
            object=identity.database,
            hint="Run the discovery again.",
        )


def _family(name: TableName, described: Mapping[TableName, CatalogTable]) -> Iterator[CatalogTable]:
    if name in described:
        yield described[name]
        for child in described[name].children:
            yield from _family(child, described)


def _table_name(one: DiscoveredObject) -> TableName:
    return TableName(one.name.schema_name, one.name.name)


def _percent(sample: str) -> str:
    """Return a rate as TABLESAMPLE takes it."""
    return f"{100 * parse_rate(sample) / SPACE:.8f}"


# findings


def _table_findings(name: str, profiled: TableProfile) -> Iterator[StepFinding]:
    if profiled.duplicate_keys:
        text = f"Keys ({', '.join(profiled.key)}) that several rows have, child tables included: {profiled.duplicate_keys:,}."
        yield _finding("duplicate_keys", "MEDIUM", name, text)
    if profiled.null_keys:
        yield _finding("null_keys", "MEDIUM", name, f"Rows with NULL in the key ({', '.join(profiled.key)}): {profiled.null_keys:,}.")
    for column in profiled.columns:
        where = f"{name}.{column.name}"
        for kinds, severity, why in (
            (_NO_EQUAL, "MEDIUM", "not every type of a target holds them"),
            (_RARE_TIMES, "LOW", "drivers and calendars read them differently"),
        ):
            seen = [f"{count.count:,} {count.kind.replace('_', ' ')}" for count in column.special if count.kind in kinds and count.count]
            if seen:
                yield _finding("special_values", severity, where, f"It holds {', '.join(seen)}: {why}.")
        if column.pii is not None:
            yield _finding("personal_data", "INFO", where, f"Looks like {column.pii}: {column.pii_reason}.")


def _finding(code: str, severity: str, where: str, text: str) -> StepFinding:
    return StepFinding.model_validate({"code": code, "severity": severity, "object": where, "text": text})
