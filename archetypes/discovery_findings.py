"""What a person should know of a source: rights that a reader does not need, refusals, and tables that need care."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archetypes.source_facts import SourceFacts, quoted
from archetypes.template import load_template
from connectors.postgres_objects import CatalogTable
from schemas.agent_output import DiscoveredObject, DiscoveryResult, StepFinding
from schemas.verdict import Severity

__all__ = ["object_findings", "role_findings"]

_ROUTE = "postgres_to_s3"
_RIGHTS = (
    "select",
    "usage",
    "insert",
    "update",
    "delete",
    "truncate",
    "create",
    "temporary tables",
    "ownership",
    "superuser",
    "bypass of row security",
    "administration of roles",
)


def role_findings(seen: SourceFacts, result: DiscoveryResult) -> Iterator[StepFinding]:
    """Return findings about the role, the connection and the server."""
    database = seen.server.database
    for known in seen.server.findings(seen.login.address.host):
        yield StepFinding(code=known.class_, severity=known.severity, object=database, text=known.text)
    rights, role = seen.around.rights, seen.server.role
    if rights.creates and not rights.superuser:
        text = f"The role {role} may create objects. Sessions of Parity are read-only; REVOKE CREATE from it, or from PUBLIC."
        yield _finding("role_can_create", "MEDIUM", database, text)
    if rights.administers_roles and not rights.superuser:
        yield _finding("role_can_administer", "MEDIUM", database, f"The role {role} may create roles or give some away.")
    if rights.temporary and not rights.superuser:
        text = f"The role {role} may create temporary tables, as everybody may by default. REVOKE TEMPORARY ON DATABASE … FROM PUBLIC;"
        yield _finding("role_can_create_temporary", "INFO", database, text)
    if more := result.permission_bits & ~load_template(_ROUTE).allowed_rights:
        names = [name for bit, name in enumerate(_RIGHTS) if more & 1 << bit]
        yield _finding("more_than_reading", "INFO", database, f"The role {role} has more rights than reading needs: {', '.join(names)}.")
    if result.identity.standby:
        yield _finding("standby", "INFO", database, "This is a standby: a conflict with its recovery may end the snapshot.")
    for unseen in result.unseen:
        if unseen.what.startswith("the identifier"):
            yield _finding("unknown_cluster", "LOW", database, f"Not seen: {unseen.what}: {unseen.reason}. {unseen.remedy}")


def object_findings(seen: SourceFacts, objects: Sequence[DiscoveredObject]) -> Iterator[StepFinding]:
    """Return findings about tables and views.

    Args:
        objects: of the tables of the catalog, in its order.
    """
    for table, found in zip(seen.catalog.tables, objects, strict=True):
        name = str(table.name)
        if found.refusal is not None:
            code, severity = _refused_as(seen, table)
            yield StepFinding(code=code, severity=severity, object=name, text=f"Refused. {found.refusal}", citations=found.citations)
            continue
        yield from _column_findings(seen, table)
        if found.row_security != "off":
            text = f"Row-level security is {found.row_security}; its policies do not apply to the role {seen.server.role}."
            yield _finding("row_security", "INFO", name, text)
        if table.kind in ("table", "partitioned table") and not table.is_partition and not table.primary_key:
            yield _finding("no_primary_key", "MEDIUM", name, "No primary key: rows are compared as a multiset unless keys are given.")
        if table.persistence == "unlogged":
            yield _finding("unlogged", "LOW", name, "The table is unlogged: a crash of the server empties it.")
        if table.kind == "table" and table.children:
            children = ", ".join(str(child) for child in table.children)
            yield _finding("inheritance", "MEDIUM", name, f"Rows of {children} belong to it too, and are read with it.")
        for key in table.keys:
            if not key.validated:
                yield _finding("not_validated", "LOW", name, f"The constraint {key.name} is NOT VALID: older rows may break it.")
        for index in table.indexes:
            if not index.valid:
                yield _finding("invalid_index", "LOW", name, f"The index {index.name} was never finished; REINDEX INDEX builds it.")


def _column_findings(seen: SourceFacts, table: CatalogTable) -> Iterator[StepFinding]:
    for column in table.columns:
        name = f"{table.name}.{column.name}"
        if not column.readable:
            grant = f"GRANT SELECT ({quoted(column.name)}) ON {table.name.sql} TO {quoted(seen.server.role)};"
            yield _finding("unreadable_column", "MEDIUM", name, f"The role {seen.server.role} may not read it. {grant}")
        if column.generated:
            yield _finding("generated_column", "INFO", name, "Computed by the source; its values are migrated, not its expression.")
        if not column.deterministic:
            text = f"The collation {column.collation} takes different texts for equal; Parity compares them as they are."
            yield _finding("nondeterministic_collation", "LOW", name, text)


def _refused_as(seen: SourceFacts, table: CatalogTable) -> tuple[str, Severity]:
    if table.kind == "foreign table":
        return "foreign_table", "HIGH"
    if not table.readable or table.name.schema not in seen.around.rights.uses_schemas:
        return "missing_right", "HIGH"
    rights = seen.rights.get(table.name)
    if rights is not None and rights.row_security_active:
        return "row_security", "HIGH"
    return ("never_filled", "MEDIUM") if not table.populated else ("refused_object", "HIGH")


def _finding(code: str, severity: Severity, where: str, text: str) -> StepFinding:
    return StepFinding(code=code, severity=severity, object=where, text=text)
