"""The evidence pack: which files each kind holds, and the document `pack.json` that says what is in it and what is missing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from schemas.model import Model
from schemas.verdict import Verdict

__all__ = ["PACK_FILES", "EvidencePack", "MissingFile", "NotApplicable", "PackFile", "PackKind", "PackedFile", "required_files"]

PackKind = Literal["run", "readiness", "cutover", "rollback"]
"""A single compare; the end of the parallel run; after the cutover; after a rollback."""

Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Path = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+([./-][a-z0-9_]+)*$", max_length=120)]
Text = Annotated[str, StringConstraints(min_length=1)]
Id = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
Time = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$")]
Ppm = Annotated[int, Field(ge=0, le=1_000_000)]


class PackFile(Model):
    """A file of packs, below `data/`; `condition`: it is only required where this holds."""

    path: Path
    made_by: Text
    kinds: tuple[PackKind, ...]
    condition: str | None = None


_ALL: tuple[PackKind, ...] = ("run", "readiness", "cutover", "rollback")
_FULL: tuple[PackKind, ...] = ("readiness", "cutover")
_GATED: tuple[PackKind, ...] = ("readiness", "cutover", "rollback")
_SWITCHED: tuple[PackKind, ...] = ("cutover", "rollback")


def _files(folder: str, names: str, made_by: str, kinds: tuple[PackKind, ...], condition: str | None = None) -> tuple[PackFile, ...]:
    prefix = f"{folder}/" if folder else ""
    return tuple(PackFile(path=f"{prefix}{name}", made_by=made_by, kinds=kinds, condition=condition) for name in names.split())


_RECONCILIATION = (
    "run.json session.json canary.json verdict.json coverage.json fingerprints.jsonl aggregates.json key_diff.json columns.json "
    "tolerances.json second_opinion.json diffs_index.json diffs_sample.jsonl report.html"
)

PACK_FILES: tuple[PackFile, ...] = (
    *_files("", "readme.txt pack.json", "evidence", _ALL),
    *_files("01_plan", "policy.json type_coercion_rulebook.json hashing_spec.json", "policy", _ALL),
    *_files("01_plan", "plan.json plan.dsse.json plan_history.json", "plan, signing", _GATED),
    *_files("02_source", "schema.json pin.json read_only_proof.json", "discovery, connectors", _ALL),
    *_files("02_source", "discovery.json profile.json", "archetypes", _FULL),
    *_files("02_source", "files_manifest.csv", "connectors", _ALL, "the source is files"),
    *_files("03_target", "schema.json pin.json", "discovery, connectors", _ALL),
    *_files("03_target", "discovery.json profile.json", "archetypes", _FULL),
    *_files("03_target", "catalog.json", "connectors", _ALL, "the target is in a catalogue"),
    *_files("03_target", "files_manifest.csv", "connectors", _ALL, "the target is files"),
    *_files("04_mapping", "contract.json lossy_casts.json schema_findings.json", "mapping, engine", _ALL),
    *_files("04_mapping", "mapping.json type_rules_applied.json", "mapping", _FULL),
    *_files("04_mapping", "partition_map.json", "mapping", _ALL, "a side is partitioned"),
    *_files("05_code", "build.json", "jobs", _ALL),
    *_files("05_code", "rewrite.json code_manifest.json", "rewrite", _FULL),
    *_files("05_code", "pull_request.json ci_checks.json", "pull_request", _FULL, "the plan asks for a pull request"),
    *_files("06_migration", "load_report.json step_journal.jsonl", "migrate, journal", _FULL),
    *_files("07_reconciliation", _RECONCILIATION, "engine, policy, reports", _ALL),
    *_files("08_explanation", "explanation.json accepted_differences.json accepted_differences_use.json", "engine, waivers", _ALL),
    *_files("09_parallel_run", "schedule.json days.json run_log.jsonl snapshots.jsonl trend.json readiness.json", "parallel_run", _FULL),
    *_files("10_gates", "decisions.jsonl invariants.json baseline.json", "gate, baseline", _GATED),
    *_files("11_approvals", "requests.json approvals.jsonl separation_of_duties.json trust.json", "approvals", _GATED),
    *_files("12_cutover", "cutover_plan.json rollback_plan.json rollback_rehearsal.json runbook.md", "cutover, runbook", _GATED),
    *_files(
        "12_cutover", "cutover_journal.jsonl cutover_checks.json configuration_fingerprint.json notifications.json", "cutover", _SWITCHED
    ),
    *_files("12_cutover", "rollback_report.json", "rollback", ("rollback",)),
    *_files("13_audit", "audit_extract.jsonl checkpoint.note audit_proof.json", "audit", _ALL),
    *_files("13_audit", "state_history.json secret_uses.json", "state_machine, audit", _GATED),
    *_files("14_compliance", "limits.json", "evidence", _ALL),
    *_files("14_compliance", "compliance_report.json compliance_report.html pii_register.json", "compliance, masking", _SWITCHED),
)
"""Every file that a pack may hold, in the order of its folders."""


def required_files(kind: PackKind) -> tuple[str, ...]:
    """Return the paths that a complete pack of this kind holds whatever the migration is."""
    return tuple(file.path for file in PACK_FILES if kind in file.kinds and file.condition is None)


class PackedFile(Model):
    """A file that is in the pack; `pack.json` itself is covered by the manifest instead."""

    path: Path
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class MissingFile(Model):
    """A required file that is not there, and why."""

    path: Path
    reason: Text


class NotApplicable(Model):
    """A conditional file that is not needed, and the condition that does not hold."""

    path: Path
    condition: Text


class EvidencePack(Model):
    """The document `pack.json`.

    Attributes:
        run, migration: what is proven; one of them at least.
        rows_ppm, columns_ppm, partitions_ppm: coverage, in millionths.
        checkpoint_size: entries of the audit log under the signed checkpoint.
    """

    type_: Literal["parity.evidence_pack.v1"] = Field(default="parity.evidence_pack.v1", alias="_type")
    id: Id
    kind: PackKind
    status: Literal["COMPLETE", "INCOMPLETE"]
    run: Id | None
    migration: Id | None
    version: Annotated[int, Field(ge=0)]
    epoch: Annotated[int, Field(ge=0)]
    plan_sha256: Sha256 | None
    contract_sha256: Sha256
    engine_sha256: Sha256
    session_sha256: Sha256
    verdict: Verdict
    rows_ppm: Ppm
    columns_ppm: Ppm
    partitions_ppm: Ppm
    source_pin: str | None
    target_pin: str | None
    checkpoint_size: Annotated[int, Field(ge=0)]
    files: tuple[PackedFile, ...]
    missing: tuple[MissingFile, ...]
    not_applicable: tuple[NotApplicable, ...]
    created_at: Time
    not_after: Time

    @model_validator(mode="after")
    def _accounts_for_every_file(self) -> EvidencePack:
        """Refuse a pack that does not say of each file of its kind whether it is there, missing, or not needed."""
        accounted = [file.path for group in (self.files, self.missing, self.not_applicable) for file in group]
        if twice := sorted({path for path in accounted if accounted.count(path) > 1}):
            raise ValueError(f"told twice: {', '.join(twice)}")
        mine = {file.path: file for file in PACK_FILES if self.kind in file.kinds and file.path != "pack.json"}
        if untold := sorted(set(mine) - set(accounted)):
            raise ValueError(f"neither there nor missing: {', '.join(untold)}")
        if foreign := sorted(set(accounted) - set(mine)):
            raise ValueError(f"no files of a {self.kind} pack: {', '.join(foreign)}")
        for left_out in self.not_applicable:
            if mine[left_out.path].condition != left_out.condition:
                raise ValueError(f"{left_out.path}: it is required, or under another condition")
        return self

    @model_validator(mode="after")
    def _is_what_it_says(self) -> EvidencePack:
        if (self.status == "COMPLETE") == bool(self.missing):
            raise ValueError(f"{self.status} with {len(self.missing)} missing files")
        if self.run is None and self.migration is None:
            raise ValueError("a pack proves a run or a migration")
        if self.kind != "run" and (self.migration is None or self.plan_sha256 is None):
            raise ValueError(f"a {self.kind} pack belongs to a migration with a signed plan")
        if [file.path for file in self.files] != sorted(file.path for file in self.files):
            raise ValueError("files: sorted by path")
        if self.not_after <= self.created_at:
            raise ValueError("not_after is not after created_at")
        return self
