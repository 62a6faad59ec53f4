"""The words of the explainer: a differing cell, a cause that may explain it, and what repairs it. Pure Python."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from schemas.evidence_rows import ColumnMeta

__all__ = [
    "Candidate",
    "Cell",
    "NUMBER_FAMILIES",
    "Remedy",
    "TIMESTAMP_FAMILIES",
    "as_sql",
    "cli_name",
    "cli_option",
    "column_sql",
    "joined",
    "quoted",
    "with_column",
]

NUMBER_FAMILIES = ("integer", "decimal", "float", "double")
TIMESTAMP_FAMILIES = ("timestamp", "timestamp_ntz")

Side = Literal["", "source", "target"]
FixKind = Literal["contract_rule", "sql", "spark", "reload", "investigate"]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Cell(NamedTuple):
    """One differing cell.

    Attributes:
        row: position of its row in the sorted sample.
        source, target: natives as in `DifferenceEvidence`; finite numbers as Decimal.
    """

    row: int
    source: Any
    target: Any


@dataclass(frozen=True)
class Remedy:
    """What to do about a cause, before it is known in which columns.

    Attributes:
        kind: of the fix.
        rule: a normaliser, on `side` only when that is given; first choice.
        tolerance: a tolerance; second choice.
        expression: Spark SQL for the repaired value, `{c}` standing for the column; third choice, and what is used
            when only part of the rows may be touched.
        text: words or an option, `{column}` standing for the name; last choice.
        side: "" = both sides; then equal values stay equal whatever is done to them.
        note: a caution that is added as a comment.
        reveals: its expression holds values of the data.
    """

    kind: FixKind
    rule: str = ""
    tolerance: str = ""
    expression: str = ""
    text: str = ""
    side: Side = ""
    note: str = ""
    reveals: bool = False

    @property
    def one_sided(self) -> bool:
        """Whether it changes one side only, so that rows which are equal today may break."""
        return bool(self.side) and bool(self.rule or self.expression)


@dataclass(frozen=True)
class Candidate:
    """A cause with its parameters, as a predicate over one cell.

    Attributes:
        cause: its name in the result document.
        parameters: equal causes with equal parameters are told as one, over all their columns.
        phrase: what is seen, to follow "In <columns> …".
        explains: whether a pair of values is what the cause predicts. Never raises on values of the column's family.
        remedy: what to do.
        simplicity: lower is simpler; decides between causes that explain equally many rows.
        affects: whether an equal pair of this value speaks against the cause, since it would have changed it; None = cannot tell.
        needs: how many cells it takes to believe it.
    """

    cause: str
    parameters: tuple[str, ...]
    phrase: str
    explains: Callable[[Any, Any], bool]
    remedy: Remedy
    simplicity: int
    affects: Callable[[Any], bool] | None = None
    needs: int = 1
    columns: tuple[str, ...] = field(default=())

    @property
    def identity(self) -> tuple[str, tuple[str, ...]]:
        """What makes two candidates of different columns the same cause."""
        return (self.cause, self.parameters)


def quoted(name: str) -> str:
    """Return a column name as Spark SQL takes it.

    >>> quoted("a b")
    '`a b`'
    """
    return name if _PLAIN.fullmatch(name) else "`" + name.replace("`", "``") + "`"


def cli_option(option: str, column: str, value: str, side: str = "") -> str:
    """Return one option of `parity compare`, ready for a shell.

    >>> cli_option("--rule", "name", "rtrim", "target")
    '--rule target.name=rtrim'
    """
    shown = cli_name(column)
    return shlex.join([option, f"{side}.{shown}={value}" if side else f"{shown}={value}"])


def cli_name(column: str) -> str:
    """Return a column name as options of `parity compare` take it: in double quotes when it is no plain word."""
    return column if re.fullmatch(r"\w+", column) else '"' + column.replace('"', '""') + '"'


def with_column(side: str, column: str, expression: str) -> str:
    """Return the Python statement that replaces one column of the DataFrame `source` or `target`."""
    return f"{side} = {side}.withColumn({json.dumps(column, ensure_ascii=False)}, F.expr({json.dumps(expression, ensure_ascii=False)}))"


def column_sql(meta: ColumnMeta, side: str) -> str:
    """Return the column of one side as SQL, cast to its type where that side carries text."""
    name = quoted(meta.name if side == "source" else meta.target)
    is_text = meta.source_is_text if side == "source" else meta.target_is_text
    return f"CAST({name} AS {meta.type})" if is_text and meta.family != "text" else name


def as_sql(value: Any, meta: ColumnMeta) -> str:
    """Return a native value as a Spark SQL literal of the column's family."""
    if value is None:
        return "NULL"
    if meta.family == "boolean":
        return "true" if value else "false"
    if meta.family == "date" and isinstance(value, int):
        return f"date_add(DATE'1970-01-01', {value})"
    if meta.family in TIMESTAMP_FAMILIES and isinstance(value, int):
        instant = f"timestamp_micros({value})"
        return instant if meta.family == "timestamp" else f"CAST({instant} AS timestamp_ntz)"
    if meta.family in NUMBER_FAMILIES:
        return str(value)
    text = value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
    if meta.family == "binary":
        return f"X'{text}'"
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def joined(names: Sequence[str]) -> str:
    """Return names as people list them.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    if len(names) > 6:
        return f"{', '.join(names[:5])} and {len(names) - 5} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
