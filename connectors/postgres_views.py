"""What in a view a snapshot does not hold still: the clock, chance, sequences, functions of users, tables of other servers."""

from __future__ import annotations

import re

from connectors.postgres_objects import CatalogTable
from connectors.postgres_snapshot import ExportedSnapshot

__all__ = ["moving_parts"]

_BEHIND = """
WITH RECURSIVE behind(oid) AS (
    SELECT %s::oid
    UNION
    SELECT next.oid FROM behind CROSS JOIN LATERAL (
        SELECT found.refobjid AS oid FROM pg_catalog.pg_rewrite AS rule
        JOIN pg_catalog.pg_class AS view ON view.oid = rule.ev_class AND view.relkind = 'v'
        JOIN pg_catalog.pg_depend AS found ON found.classid = 'pg_catalog.pg_rewrite'::regclass AND found.objid = rule.oid
          AND found.refclassid = 'pg_catalog.pg_class'::regclass
        WHERE rule.ev_class = behind.oid
        UNION ALL
        SELECT child.inhrelid FROM pg_catalog.pg_inherits AS child WHERE child.inhparent = behind.oid
    ) AS next
)
"""
_DEFINITIONS = (
    _BEHIND
    + """
SELECT class.relkind::text, space.nspname::text || '.' || class.relname::text,
       CASE WHEN class.relkind = 'v' THEN pg_catalog.pg_get_viewdef(class.oid) ELSE '' END
FROM behind JOIN pg_catalog.pg_class AS class ON class.oid = behind.oid
JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
WHERE class.relkind IN ('v', 'f') ORDER BY 2
"""
)
_VOLATILE = (
    _BEHIND
    + """
SELECT DISTINCT space.nspname::text || '.' || called.proname::text FROM behind
JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = behind.oid
JOIN pg_catalog.pg_depend AS found ON found.classid = 'pg_catalog.pg_rewrite'::regclass AND found.objid = rule.oid
  AND found.refclassid = 'pg_catalog.pg_proc'::regclass
JOIN pg_catalog.pg_proc AS called ON called.oid = found.refobjid AND called.provolatile = 'v'
JOIN pg_catalog.pg_namespace AS space ON space.oid = called.pronamespace
JOIN pg_catalog.pg_class AS view ON view.oid = behind.oid AND view.relkind = 'v'
ORDER BY 1
"""
)
_TEXTS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
# The server does not record on which of its own functions a view depends, so they are found by name.
_OF_THE_MOMENT = re.compile(
    r"\b(now|random|random_normal|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|nextval|currval|lastval|gen_random_uuid"
    r"|uuidv[47]|txid_current\w*|pg_current_\w+|pg_stat_\w+|pg_postmaster_start_time|inet_client_port)\s*\("
    r"|\b(CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|LOCALTIME|LOCALTIMESTAMP|TABLESAMPLE)\b"
    r"|\b(age)\((?:[^(),]|\([^()]*\))*\)"
)


def moving_parts(snapshot: ExportedSnapshot, table: CatalogTable) -> tuple[str, ...]:
    """Return what makes two queries of one snapshot differ, in words; empty for tables and for views of tables alone."""
    if table.kind not in ("view", "foreign table", "partitioned table") and not table.children:
        return ()
    found = []
    for kind, name, definition in snapshot.fetch(_DEFINITIONS, [table.oid]):
        if kind == "f":
            found.append(f"the foreign table {name}, whose server has no part in the snapshot")
        for match in _OF_THE_MOMENT.finditer(_TEXTS.sub("''", definition)):
            word = next(group for group in match.groups() if group)
            found.append(f"{word}{'()' if word.islower() else ''} in the view {name}")
    found += [f"the volatile function {name}" for (name,) in snapshot.fetch(_VOLATILE, [table.oid])]
    return tuple(dict.fromkeys(found))
