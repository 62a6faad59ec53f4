"""CONTRACT 3 in plain Python: what pairing two multisets of rows by key must give. Knows nothing of the engine but row hashes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = tuple[Any, ...]

__all__ = ["Expected", "expected"]


@dataclass
class Expected:
    """Counts, cells and listed differences; `listed` holds (key…, row class, column, source, target, cell class)."""

    counts: Counter[str] = field(default_factory=Counter)
    listed: Counter[Row] = field(default_factory=Counter)


def expected(
    source: Sequence[Row],
    target: Sequence[Row],
    columns: Sequence[str],
    keys: int,
    order: Mapping[Row, int],
    ruled: Callable[[Row], Row] | None = None,
) -> Expected:
    """Return what a comparison of two lists of rows must find.

    Args:
        source, target: rows; the first `keys` values are the key.
        order: row to row hash: the order in which what is left is paired.
        ruled: the row under the rules; None: no rules.
    """
    found = Expected()
    groups: dict[Row, list[Counter[Row]]] = defaultdict(lambda: [Counter(), Counter()])
    for side, rows in enumerate((source, target)):
        for row in rows:
            groups[row[:keys]][side][row] += 1
    for key, (ours, theirs) in groups.items():
        _group(found, key, ours, theirs, columns, order, ruled)
        found.counts["duplicate_keys"] += sum(ours.values()) > 1 or sum(theirs.values()) > 1
        if any(part is None for part in key):
            found.counts["null_keys"] += sum(ours.values()) + sum(theirs.values())
    found.counts["source_rows"], found.counts["target_rows"] = len(source), len(target)
    return found


def _group(
    found: Expected,
    key: Row,
    ours: Counter[Row],
    theirs: Counter[Row],
    columns: Sequence[str],
    order: Mapping[Row, int],
    ruled: Callable[[Row], Row] | None,
) -> None:
    both = ours & theirs
    found.counts["matched"] += sum(both.values())
    left = sorted((ours - theirs).elements(), key=order.__getitem__)
    right = sorted((theirs - ours).elements(), key=order.__getitem__)
    if ruled is not None:
        by_rule, left, right = _equal_under_rules(left, right, ruled)
        found.counts["matched_by_rule"] += by_rule
    for one, other in zip(left, right):  # noqa: B905 - what is longer is the surplus
        found.counts["changed"] += 1
        for position in range(len(key), len(columns)):
            class_ = _cell(one[position], other[position])
            if class_ and (ruled is None or ruled(one)[position] != ruled(other)[position]):
                found.listed[(*key, "changed", columns[position], one[position], other[position], class_)] += 1
            elif class_:
                found.listed[(*key, "changed", columns[position], one[position], other[position], "rule")] += 1
    paired = min(len(left), len(right))
    for name, surplus in (("missing", left[paired:]), ("extra", right[paired:])):
        for row in surplus:
            found.counts[name] += 1
            found.counts["multiplicity"] += both[row] > 0
            found.listed[(*key, "multiplicity" if both[row] else name, None, None, None, None)] += 1


def _equal_under_rules(left: list[Row], right: list[Row], ruled: Callable[[Row], Row]) -> tuple[int, list[Row], list[Row]]:
    """Take out as many rows as are equal under the rules, each side in its order."""
    shared = Counter(map(ruled, left)) & Counter(map(ruled, right))
    rests = []
    for rows in (left, right):
        quota, rest = Counter(shared), []
        for row in rows:
            if quota[ruled(row)]:
                quota[ruled(row)] -= 1
            else:
                rest.append(row)
        rests.append(rest)
    return sum(shared.values()), rests[0], rests[1]


def _cell(source: Any, target: Any) -> str | None:
    if source == target:
        return None
    return "null_to_value" if source is None else "value_to_null" if target is None else "value"
