"""What every step of a migration returns: one document, of which the next step, a gate and the evidence pack read the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema, model_validator

from schemas.canonical_json import canonical_bytes
from schemas.coercion import Coercion, NativeType, RuleId, SpecialValue
from schemas.contract import Contract, Criticality
from schemas.model import Model
from schemas.verdict import Reason, Role, Severity, Verdict

__all__ = [
    "RESULT_OF_STEP",
    "Archetype",
    "Citation",
    "ColumnCount",
    "ColumnMapping",
    "ColumnProfile",
    "CutoverInputs",
    "CutoverPointer",
    "Dependency",
    "DiscoveredColumn",
    "DiscoveredIndex",
    "DiscoveredKey",
    "DiscoveredObject",
    "DiscoveryResult",
    "Extreme",
    "ExplanationResult",
    "GeneratedFile",
    "Hypothesis",
    "HypothesisFix",
    "Identity",
    "Input",
    "Item",
    "LoadReport",
    "MappingResult",
    "ObjectName",
    "Origin",
    "Partition",
    "ProfilingResult",
    "Publication",
    "ReconciliationResult",
    "RewriteResult",
    "RuleUse",
    "SourceSql",
    "Step",
    "StepFinding",
    "StepOutput",
    "StepStatus",
    "TableExplanation",
    "TableLoad",
    "TableMapping",
    "TableProfile",
    "TableVerdict",
    "TranslatedView",
    "UnmappedColumn",
    "Unseen",
    "ValuePattern",
    "WrittenFile",
    "citations_of",
    "confidence_of",
    "items_of",
]

Step = Literal["discovery", "profiling", "mapping", "rewrite", "migrate", "reconciliation", "explanation", "cutover"]
Archetype = Literal["postgres_to_s3", "hdfs_to_s3", "snowflake_to_redshift", "lake_to_delta_iceberg"]
StepStatus = Literal["DONE", "PARTIAL", "REFUSED"]
Origin = Literal["metadata", "full_scan", "declared", "sample", "estimate", "name", "refused"]
"""How an item is known. The first three are proven (declared: a person said so in the plan); the others need a citation."""

_PROVEN = ("metadata", "full_scan", "declared")
_ALL_BP = 10_000
_EXACT = 2**53 - 1

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(min_length=1)]
Ppm = Annotated[int, Field(ge=0, le=1_000_000)]
Code = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]*$")]


def _number(value: int | None) -> int | str | None:
    return str(value) if value is not None and value > _EXACT else value


_COUNT_FORMS: list[dict[str, Any]] = [
    {"type": "integer", "minimum": 0, "maximum": _EXACT},
    {"type": "string", "pattern": "^[1-9][0-9]{15,}$"},
]
Count = Annotated[
    int, Field(ge=0), PlainSerializer(_number, return_type=int | str, when_used="json"), WithJsonSchema({"anyOf": _COUNT_FORMS})
]
"""Of anything; written as text beyond 2**53 - 1, since JSON readers may hold numbers as doubles."""
Bits = Annotated[int, Field(ge=0, le=0xFFFF)]


class Citation(Model):
    """The place in an artefact that speaks for something: the digest of its bytes and a JSON pointer (RFC 6901; empty = all of it)."""

    sha256: Sha256
    pointer: Annotated[str, StringConstraints(pattern=r"^(/([^~/]|~[01])*)*$")]


_CITED_UNLESS_PROVEN: dict[str, Any] = {
    "if": {"properties": {"origin": {"not": {"enum": list(_PROVEN)}}}},
    "then": {"properties": {"citations": {"minItems": 1}}},
}


class Item(Model):
    """One thing that a result says, and how it is known.

    Attributes:
        origin: see Origin.
        citations: artefacts behind it; always given when it is not proven.
    """

    model_config = ConfigDict(json_schema_extra=_CITED_UNLESS_PROVEN)

    origin: Origin
    citations: tuple[Citation, ...] = ()

    @model_validator(mode="after")
    def _cites_what_is_not_proven(self) -> Item:
        if self.origin not in _PROVEN and not self.citations:
            raise ValueError(f"an item that is known by {self.origin} needs a citation")
        return self


class ObjectName(Model):
    """Schema and name, exactly as the catalog holds them."""

    schema_name: Text
    name: Text


# discovery


class Identity(Model):
    """Which database this is.

    Attributes:
        system: product and version as the server tells them, such as `PostgreSQL 16.14`.
        cluster: number that no other cluster has (`system_identifier`), or None where it may not be read.
        host, port, database, role: as connected.
        encoding, collation, lc_monetary: of the database.
        standby: read from a replica.
    """

    system: Text
    cluster: Text | None
    host: Text
    port: Annotated[int, Field(ge=1, le=65_535)]
    database: Text
    role: Text
    encoding: Text
    collation: Text
    lc_monetary: Text | None = None
    standby: bool = False


class DiscoveredColumn(Model):
    """One column, in the order of the table.

    Attributes:
        position: as the catalog counts, from 1; dropped columns leave gaps.
        default, generated: SQL, or None.
        identity: GENERATED ALWAYS or BY DEFAULT AS IDENTITY.
        readable: the role may read it.
    """

    name: Text
    position: Annotated[int, Field(ge=1)]
    native_type: NativeType
    nullable: bool
    default: str | None = None
    generated: str | None = None
    identity: Literal["always", "by_default"] | None = None
    collation: str | None = None
    comment: str | None = None
    readable: bool = True


class DiscoveredKey(Model):
    """A constraint; `references` and `referenced_columns` of foreign keys only, `definition` of checks and exclusions."""

    name: Text
    kind: Literal["primary", "unique", "foreign", "check", "exclusion"]
    columns: tuple[Text, ...] = ()
    references: ObjectName | None = None
    referenced_columns: tuple[Text, ...] = ()
    definition: str | None = None
    validated: bool = True


class DiscoveredIndex(Model):
    """An index; `columns` are names or expressions, in order; `predicate` of partial ones."""

    name: Text
    method: Text
    columns: tuple[Text, ...]
    unique: bool
    predicate: str | None = None
    valid: bool = True
    bytes: Count = 0


class Partition(Model):
    """A partition, or a table that inherits; `bound` as the server prints it."""

    name: ObjectName
    bound: str | None = None
    rows_estimate: Count | None = None
    bytes: Count | None = None


class DiscoveredObject(Item):
    """A table, view or other object that a pattern of the plan matched.

    Attributes:
        name: exact.
        kind: what it is.
        columns: empty for refused objects and for tables without columns.
        partition_by: partitioning as the server prints it, such as `RANGE (placed_at)`.
        partitions: direct children.
        parents: of partitions and of tables that inherit.
        sql: of views.
        rows_estimate: of the planner; None: never analysed.
        bytes: on disk with TOAST, without indexes; None where there is no storage.
        pages: of the main fork, for ranges of ctid.
        permission_bits: effective rights of the role, CONTROL 10.
        row_security: policies hide rows from this role, or would from others.
        change_marker: value that differs after a change, such as the position of the log; None where there is none.
        refusal: why it is not read; with origin `refused` only.
    """

    name: ObjectName
    kind: Literal["table", "partitioned_table", "partition", "view", "materialized_view", "foreign_table", "sequence", "other"]
    columns: tuple[DiscoveredColumn, ...] = ()
    keys: tuple[DiscoveredKey, ...] = ()
    indexes: tuple[DiscoveredIndex, ...] = ()
    partition_by: str | None = None
    partitions: tuple[Partition, ...] = ()
    parents: tuple[ObjectName, ...] = ()
    sql: str | None = None
    rows_estimate: Count | None = None
    bytes: Count | None = None
    pages: Count | None = None
    owner: Text
    comment: str | None = None
    grants: tuple[Text, ...] = ()
    permission_bits: Bits
    row_security: Literal["off", "enabled", "forced"] = "off"
    persistence: Literal["permanent", "unlogged", "temporary"] = "permanent"
    change_marker: str | None = None
    refusal: str | None = None

    @model_validator(mode="after")
    def _says_why_it_is_refused(self) -> DiscoveredObject:
        if (self.origin == "refused") != (self.refusal is not None):
            raise ValueError("refusal goes with origin refused, and only with it")
        return self


class Dependency(Model):
    """`source` needs `target`: a foreign key, a view's table, a parent, a sequence, a function or a type."""

    source: ObjectName
    target: ObjectName
    kind: Literal["foreign_key", "view", "partition", "inherits", "sequence", "function", "type", "trigger"]


class Publication(Model):
    """A logical publication, which a parallel run could follow; `tables` empty: all."""

    name: Text
    tables: tuple[ObjectName, ...] = ()
    operations: tuple[Literal["insert", "update", "delete", "truncate"], ...] = ()


class Unseen(Model):
    """What could not be looked at, why, and the grant or setting that would show it."""

    what: Text
    reason: Text
    remedy: Text


class DiscoveryResult(Model):
    """What is there; every object that a pattern matches is described or refused."""

    type_: Literal["parity.discovery.v1"] = Field(default="parity.discovery.v1", alias="_type")
    identity: Identity
    objects: tuple[DiscoveredObject, ...]
    excluded: tuple[ObjectName, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    publications: tuple[Publication, ...] = ()
    permission_bits: Bits
    unseen: tuple[Unseen, ...] = ()


# profiling


class Extreme(Model):
    """A smallest or greatest value as text, masked unless the column is public."""

    text: str
    masked: bool


class ValuePattern(Model):
    """A form of values, such as `A9999-99` (A letter, 9 digit), and how many have it."""

    form: Text
    count: Count


class ColumnCount(Model):
    """How many values of a special kind there are."""

    kind: SpecialValue
    count: Count


class ColumnProfile(Item):
    """The values of one column; `origin` is `full_scan`, or `sample` where not all rows were read.

    Of arrays and ranges, digits and special values are those of the elements and bounds.

    Attributes:
        distinct_estimate: never exact.
        minimum, maximum: None where the type has no order or there is no value.
        max_chars, max_bytes: of texts and binaries; None for others.
        max_precision: digits that a decimal needs to hold every finite value: the most before the point and `max_scale` together.
        max_scale: the most digits after the point, trailing zeros not counted.
        special: only kinds that were looked for; a count of 0 says that there is none.
        pii: kind of personal data, as in `policy.json`; None: nothing recognised.
        pii_reason: the evidence in words, without values.
    """

    name: Text
    nulls: Count
    distinct_estimate: Count | None = None
    minimum: Extreme | None = None
    maximum: Extreme | None = None
    exact_sum: str | None = None
    max_chars: Count | None = None
    max_bytes: Count | None = None
    max_precision: Count | None = None
    max_scale: Count | None = None
    special: tuple[ColumnCount, ...] = ()
    patterns: tuple[ValuePattern, ...] = ()
    pii: Code | None = None
    pii_reason: str | None = None
    criticality: Criticality | None = None

    @property
    def complete(self) -> bool:
        """Whether every row was read."""
        return self.origin == "full_scan"

    def count(self, kind: SpecialValue) -> int:
        """Return how many values of this kind were seen; 0 also where nobody looked."""
        return sum(found.count for found in self.special if found.kind == kind)


class TableProfile(Item):
    """One table, on one pin.

    Attributes:
        rows: of the whole table where all were read, of the sample else.
        duplicate_keys: distinct primary or declared keys with several rows; None without a key.
        null_keys: rows with NULL in that key; None without a key.
        candidate_keys: proven by count when all rows were read.
        partition_rows: rows of each partition, in the order of discovery.
    """

    name: ObjectName
    rows: Count
    key: tuple[Text, ...] = ()
    duplicate_keys: Count | None = None
    null_keys: Count | None = None
    candidate_keys: tuple[tuple[Text, ...], ...] = ()
    columns: tuple[ColumnProfile, ...] = ()
    partition_rows: tuple[Count, ...] = ()

    def column(self, name: str) -> ColumnProfile | None:
        """Return the profile of a column, or None when it has none."""
        return next((column for column in self.columns if column.name == name), None)


class ProfilingResult(Model):
    """What the values look like; `pin` is the snapshot that was read."""

    type_: Literal["parity.profiling.v1"] = Field(default="parity.profiling.v1", alias="_type")
    pin: Text
    sample: str | None = None
    tables: tuple[TableProfile, ...]


# mapping


class ColumnMapping(Item):
    """One column of the source and what it becomes.

    Attributes:
        target: name in the target.
        coercion: rule, types and loss; refused columns stand in `unmapped` instead.
        normalisers: rules of the contract.
        matched_by: how the two names were found to belong together.
    """

    source: Text
    target: Text
    coercion: Coercion
    normalisers: tuple[Text, ...] = ()
    tolerance: str | None = None
    criticality: Criticality
    matched_by: Literal["exact name", "declared", "normalised name"] = "exact name"
    nullable: bool = True

    @model_validator(mode="after")
    def _is_readable(self) -> ColumnMapping:
        if self.coercion.refused:
            raise ValueError(f"{self.source}: a refused column is unmapped")
        return self


class UnmappedColumn(Item):
    """A column that is not migrated; `question` when a person has to decide."""

    column: Text
    reason: Text
    remedy: Text | None = None
    question: Text | None = None


class TableMapping(Model):
    """One table and what it becomes.

    Attributes:
        path: below the target.
        ddl: in the target's dialect.
        questions: open ones, for a person.
    """

    name: ObjectName
    path: Text
    columns: tuple[ColumnMapping, ...]
    unmapped: tuple[UnmappedColumn, ...] = ()
    partition_by: tuple[Text, ...] = ()
    sort_by: tuple[Text, ...] = ()
    file_bytes: Annotated[int, Field(ge=1)]
    ranges: Annotated[int, Field(ge=1)] = 1
    ddl: Text
    contract: Contract
    questions: tuple[Text, ...] = ()


class MappingResult(Model):
    """What everything becomes."""

    type_: Literal["parity.mapping.v1"] = Field(default="parity.mapping.v1", alias="_type")
    tables: tuple[TableMapping, ...]


# rewrite


class GeneratedFile(Item):
    """A file that was written; `path` below the folder of the step."""

    path: Text
    sha256: Sha256
    bytes: Count
    kind: Literal["dbt_project", "dbt_sources", "dbt_model", "dbt_schema", "dbt_test", "spark_job", "ddl", "view", "check", "other"]


class SourceSql(Model):
    """Which rules made the SQL of an object."""

    object: Text
    rule_ids: tuple[RuleId, ...]


class TranslatedView(Item):
    """A view of the source; `path` of its translation, or why there is none (origin `refused`)."""

    name: ObjectName
    path: Text | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _is_translated_or_says_why(self) -> TranslatedView:
        if (self.path is None) == (self.reason is None):
            raise ValueError("either path or reason")
        return self


class RewriteResult(Model):
    """Code that was generated."""

    type_: Literal["parity.rewrite.v1"] = Field(default="parity.rewrite.v1", alias="_type")
    files: tuple[GeneratedFile, ...]
    source_sql_map: tuple[SourceSql, ...] = ()
    views: tuple[TranslatedView, ...] = ()


# migrate


class WrittenFile(Model):
    """One file of the target; `range_index` counts the read ranges of its table from 0."""

    path: Text
    sha256: Sha256
    bytes: Count
    rows: Count
    range_index: Annotated[int, Field(ge=0)]


class TableLoad(Item):
    """One table as it was published: read = written + rejected.

    Attributes:
        manifest_sha256: of the manifest that makes its files visible.
        pinned_rows: counted by the transaction that exported the snapshot.
    """

    name: ObjectName
    path: Text
    read: Count
    written: Count
    rejected: Count = 0
    pinned_rows: Count
    bytes: Count
    files: tuple[WrittenFile, ...] = ()
    manifest_sha256: Sha256

    @model_validator(mode="after")
    def _conserves_rows(self) -> TableLoad:
        if self.read != self.written + self.rejected:
            raise ValueError(f"{self.name.name}: read {self.read} is not written {self.written} + rejected {self.rejected}")
        if self.read != self.pinned_rows:
            raise ValueError(f"{self.name.name}: read {self.read} is not what the snapshot holds, {self.pinned_rows}")
        if self.files and self.written != (held := sum(file.rows for file in self.files)):
            raise ValueError(f"{self.name.name}: written {self.written} is not what the files hold, {held}")
        return self


class LoadReport(Model):
    """What was moved. Seconds and speeds are of the run, not of its outcome: they stand in its own record."""

    type_: Literal["parity.load.v1"] = Field(default="parity.load.v1", alias="_type")
    pin: Text
    tables: tuple[TableLoad, ...]


# reconciliation


class TableVerdict(Item):
    """One table compared; the whole document is the artefact `result_sha256` (its `timings` left out).

    Attributes:
        source_pin, target_pin: what was read; None: not pinned.
        rows_ppm, columns_ppm, partitions_ppm: proven, in millionths.
    """

    name: ObjectName
    verdict: Verdict
    reasons: tuple[Reason, ...]
    source_rows: Count
    target_rows: Count
    matched: Count
    matched_by_rule: Count = 0
    changed: Count = 0
    missing: Count = 0
    extra: Count = 0
    rows_ppm: Ppm
    columns_ppm: Ppm
    partitions_ppm: Ppm
    source_pin: str | None
    target_pin: str | None
    contract_sha256: Sha256
    result_sha256: Sha256
    diffs_uri: str | None = None

    @model_validator(mode="after")
    def _conserves_rows(self) -> TableVerdict:
        both = self.matched + self.matched_by_rule + self.changed
        if self.source_rows != both + self.missing or self.target_rows != both + self.extra:
            raise ValueError(f"{self.name.name}: the counts do not add up to the rows of both sides")
        if self.verdict in ("PASS", "PASS_WITH_RULES", "SAMPLED_PASS") and self.changed + self.missing + self.extra:
            raise ValueError(f"{self.name.name}: {self.verdict} with differences")
        return self


class ReconciliationResult(Model):
    """Which tables are the same; `verdict` is the worst of them."""

    type_: Literal["parity.reconciliation.v1"] = Field(default="parity.reconciliation.v1", alias="_type")
    verdict: Verdict
    tables: tuple[TableVerdict, ...]

    @model_validator(mode="after")
    def _is_as_bad_as_the_worst(self) -> ReconciliationResult:
        worst = max((table.verdict for table in self.tables), key=_WORST_LAST.index, default="INCONCLUSIVE")
        if self.verdict != worst:
            raise ValueError(f"the verdict is {self.verdict}, the worst table is {worst}")
        return self


_WORST_LAST: tuple[Verdict, ...] = ("PASS", "PASS_WITH_RULES", "SAMPLED_PASS", "INCONCLUSIVE", "FAIL")


# explanation


class HypothesisFix(Model):
    """What to do about a cause."""

    kind: Literal["sql", "spark", "contract_rule", "reload", "investigate"]
    text: Text


class Hypothesis(Item):
    """A cause that was tested on the differing cells; what speaks for and against it, in words without values."""

    rank: Annotated[int, Field(ge=1)]
    cause: Code
    statement: Text
    role: Role
    columns: tuple[Text, ...] = ()
    share_ppm: Ppm
    for_: tuple[Text, ...] = Field(alias="for", default=())
    against: tuple[Text, ...] = ()
    fix: HypothesisFix


class TableExplanation(Model):
    """One table with differences."""

    name: ObjectName
    hypotheses: Annotated[tuple[Hypothesis, ...], Field(min_length=1)]
    unexplained_ppm: Ppm

    @model_validator(mode="after")
    def _ranks_count_up(self) -> TableExplanation:
        if [hypothesis.rank for hypothesis in self.hypotheses] != list(range(1, len(self.hypotheses) + 1)):
            raise ValueError("ranks count from 1, best first")
        return self


class ExplanationResult(Model):
    """Why tables differ; empty when none does."""

    type_: Literal["parity.explanation.v1"] = Field(default="parity.explanation.v1", alias="_type")
    tables: tuple[TableExplanation, ...] = ()


# cutover


class CutoverPointer(Item):
    """Something through which consumers find the data: a view, a catalogue location, an entry of a configuration."""

    name: Text
    kind: Literal["view", "catalog_location", "configuration"]
    observed: str | None
    planned: Text


class CutoverInputs(Model):
    """What the plan of a cutover will be made from; the plan itself comes later.

    Attributes:
        order: tables in the order of their dependencies; those of one cycle stand together in `cycles`.
        consumers: who reads the source, as far as it is known.
        risks: open points, in words.
    """

    type_: Literal["parity.cutover_inputs.v1"] = Field(default="parity.cutover_inputs.v1", alias="_type")
    order: tuple[ObjectName, ...]
    cycles: tuple[tuple[ObjectName, ...], ...] = ()
    pointers: tuple[CutoverPointer, ...] = ()
    consumers: tuple[Text, ...] = ()
    risks: tuple[Text, ...] = ()


# every step

Result = Annotated[
    DiscoveryResult
    | ProfilingResult
    | MappingResult
    | RewriteResult
    | LoadReport
    | ReconciliationResult
    | ExplanationResult
    | CutoverInputs,
    Field(discriminator="type_"),
]

RESULT_OF_STEP: dict[Step, type[Model]] = {
    "discovery": DiscoveryResult,
    "profiling": ProfilingResult,
    "mapping": MappingResult,
    "rewrite": RewriteResult,
    "migrate": LoadReport,
    "reconciliation": ReconciliationResult,
    "explanation": ExplanationResult,
    "cutover": CutoverInputs,
}


class Input(Model):
    """A document, schema, pin or sample that a step read."""

    name: Text
    sha256: Sha256


class StepFinding(Model):
    """What a person should know; `object` as people write it, such as `public.orders.price`."""

    code: Code
    severity: Severity
    object: Text
    text: Text
    citations: tuple[Citation, ...] = ()


class RuleUse(Model):
    """A rule that fired, and for how many items."""

    rule_id: RuleId
    count: Annotated[int, Field(ge=1)]


class StepOutput(Model):
    """What a step returns. Equal inputs give equal bytes: no time, chance or host is in it.

    Attributes:
        dataset: what the step is about, such as the schema of the source.
        migration, epoch: None and 0 for a run that belongs to no migration.
        inputs: everything that was read, by name; nothing else may influence the output.
        code_sha256, policy_sha256, rulebook_sha256, canon: what decided.
        status: PARTIAL: items left open, named in `findings`; REFUSED: it cannot be done safely, why in `findings`.
        result: of the step; None only when refused.
        confidence_bp: share of items that are proven, in hundredths of a percent, rounded down; 10000 without items.
        citations: everything that items and findings cite.
    """

    type_: Literal["parity.agent_output.v1"] = Field(default="parity.agent_output.v1", alias="_type")
    step: Step
    archetype: Archetype
    dataset: Text
    migration: Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9-]{0,62}$")] | None
    epoch: Annotated[int, Field(ge=0)]
    inputs: tuple[Input, ...]
    code_sha256: Sha256
    policy_sha256: Sha256
    rulebook_sha256: Sha256
    canon: Literal[1] = 1
    status: StepStatus
    result: Result | None
    findings: tuple[StepFinding, ...] = ()
    rules_applied: tuple[RuleUse, ...] = ()
    confidence_bp: Annotated[int, Field(ge=0, le=_ALL_BP)]
    citations: tuple[Citation, ...] = ()

    @model_validator(mode="after")
    def _result_belongs_to_the_step(self) -> StepOutput:
        if self.result is None:
            if self.status != "REFUSED":
                raise ValueError(f"{self.step}: {self.status} without a result")
        elif not isinstance(self.result, RESULT_OF_STEP[self.step]):
            raise ValueError(f"{self.step}: a {RESULT_OF_STEP[self.step].__name__} is wanted, not a {type(self.result).__name__}")
        if self.status != "DONE" and not self.findings:
            raise ValueError(f"{self.step}: {self.status} says in findings what is left open, or why it is refused")
        if (self.migration is None) != (self.epoch == 0):
            raise ValueError("epoch counts from 1 in a migration, and is 0 without one")
        return self

    @model_validator(mode="after")
    def _everything_has_one_name(self) -> StepOutput:
        for field, names in (
            ("inputs", [read.name for read in self.inputs]),
            ("rules_applied", [use.rule_id for use in self.rules_applied]),
        ):
            if names != sorted(set(names)):
                raise ValueError(f"{field}: each once, sorted by name")
        return self

    @model_validator(mode="after")
    def _cites_only_what_it_read(self) -> StepOutput:
        if uncited := set(citations_of(self.result, self.findings)) - set(self.citations):
            raise ValueError(f"citations: {len(uncited)} citations of items or findings are missing, such as {_shown(uncited)}")
        read = {document.sha256 for document in self.inputs}
        if foreign := {citation for citation in self.citations if citation.sha256 not in read}:
            raise ValueError(f"citations: {_shown(foreign)} is no input of the step")
        return self

    @model_validator(mode="after")
    def _confidence_is_counted(self) -> StepOutput:
        if self.confidence_bp != (counted := confidence_of(self.result)):
            raise ValueError(f"confidence_bp is {self.confidence_bp}; the items of the result say {counted}")
        return self

    def canonical(self) -> bytes:
        """Return the bytes that are stored and hashed."""
        return canonical_bytes(self.document())


def _shown(citations: set[Citation]) -> str:
    first = min(citations, key=lambda citation: (citation.sha256, citation.pointer))
    return f"{first.sha256[:12]}…#{first.pointer}"


def items_of(value: object) -> Iterator[Item]:
    """Return every item in a result, depth first, an item before those inside it."""
    if isinstance(value, Item):
        yield value
    if isinstance(value, Model):
        for name in type(value).model_fields:
            yield from items_of(getattr(value, name))
    elif isinstance(value, tuple):
        for part in value:
            yield from items_of(part)


def confidence_of(result: Model | None) -> int:
    """Return the share of items that are proven, in hundredths of a percent, rounded down; 10000 without items, 0 without a result."""
    if result is None:
        return 0
    items = list(items_of(result))
    return _ALL_BP * sum(item.origin in _PROVEN for item in items) // len(items) if items else _ALL_BP


def citations_of(result: Model | None, findings: tuple[StepFinding, ...] = ()) -> tuple[Citation, ...]:
    """Return what items and findings cite, each once, sorted: the `citations` of an output."""
    items = () if result is None else items_of(result)
    cited = {citation for item in items for citation in item.citations}
    cited |= {citation for finding in findings for citation in finding.citations}
    return tuple(sorted(cited, key=lambda citation: (citation.sha256, citation.pointer)))
