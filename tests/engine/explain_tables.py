"""Two small tables to the evidence that a comparison would give: the join and the cell texts, written out in plain Python."""

import random
from collections import Counter
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from engine.causes.sample import plain_text
from schemas.evidence_rows import ColumnMeta, DifferenceEvidence, DifferingCell, DifferingRow

TYPES = {
    "integer": "bigint",
    "decimal": "decimal(18,6)",
    "double": "double",
    "float": "float",
    "text": "string",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_ntz": "timestamp_ntz",
    "array": "array<int>",
    "struct": "struct<a:int>",
    "binary": "binary",
}
EPOCH = datetime(1970, 1, 1)


def column(name, family, key=False, **others):
    kind = TYPES.get(family, family)
    return ColumnMeta(name, others.pop("target", name), family, kind, kind, kind, is_key=key, **others)


def micros(year, month, day, hour=0, minute=0, second=0, microsecond=0):
    distance = datetime(year, month, day, hour, minute, second, microsecond) - EPOCH
    return (distance.days * 86_400 + distance.seconds) * 1_000_000 + distance.microseconds


def days(year, month, day):
    return (datetime(year, month, day) - EPOCH).days


def local_of(zone):
    def local(value):
        moment = (EPOCH + timedelta(microseconds=value)).replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        distance = moment - EPOCH
        return (distance.days * 86_400 + distance.seconds) * 1_000_000 + distance.microseconds

    return local


def text_of(value, meta):
    return None if value is None else plain_text(value, meta)


def same(one, other):
    return type(one) is type(other) and (one == other or (one != one and other != other))


def compared(columns, source, target, context_rows=500, **others):
    """Return the evidence of two lists of dicts; the columns marked as key pair the rows, without one whole rows are compared."""
    keys = [meta.name for meta in columns if meta.is_key]
    rows, context = [], []
    metas = {meta.name: meta for meta in columns}

    def key_of(row):
        return tuple(repr(row[name]) for name in keys or metas)

    def shown(row):
        return {name: text_of(row[name], metas[name]) for name in keys}

    ours, theirs = {}, {}
    for side, found in ((source, ours), (target, theirs)):
        for row in side:
            found.setdefault(key_of(row), []).append(row)
    counts = Counter(source_rows=len(source), target_rows=len(target))
    for key in sorted({*ours, *theirs}):
        left, right = list(ours.get(key, [])), list(theirs.get(key, []))
        both = False
        for row in list(left):
            twin = next((other for other in right if all(same(row[name], other[name]) for name in metas)), None)
            if twin is not None:
                left.remove(row)
                right.remove(twin)
                context.append(row)
                counts["matched"] += 1
                both = True
        while left and right:
            one, other = left.pop(0), right.pop(0)
            cells = tuple(
                DifferingCell(name, "value", text_of(one[name], meta), text_of(other[name], meta))
                for name, meta in metas.items()
                if not same(one[name], other[name])
            )
            rows.append(DifferingRow("changed", shown(one), one, other, cells))
            counts["changed"] += 1
        for row in left:
            rows.append(DifferingRow("multiplicity" if both else "missing", shown(row), row, None))
            counts.update(["missing", *(["multiplicity"] if both else [])])
        for row in right:
            rows.append(DifferingRow("multiplicity" if both else "extra", shown(row), None, row))
            counts.update(["extra", *(["multiplicity"] if both else [])])
    changed = Counter(cell.column for row in rows for cell in row.cells)
    context = random.Random(7).sample(context, min(context_rows, len(context)))
    return DifferenceEvidence(tuple(columns), tuple(rows), tuple(context), dict(counts), dict(changed), keys=tuple(keys), **others)


def faulty(family, values, fault, noise=None, part=1.0, wrong=1.0, rows=60, seed=1):
    """Return the evidence of a table `id, v`: `part` of the rows differ; of those, `wrong` by the fault, the others by noise."""
    chance = random.Random(seed)
    source = [{"id": number, "v": values(chance, number)} for number in range(1, rows + 1)]
    target = []
    for row in source:
        value = row["v"]
        if chance.random() < part:
            value = fault(value) if chance.random() < wrong else noise(chance, value)
        target.append({"id": row["id"], "v": value})
    return compared([column("id", "integer", key=True), column("v", family)], source, target)
