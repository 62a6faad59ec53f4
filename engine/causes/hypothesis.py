"""A cause with the rows it explains; how hypotheses are ranked, told and repaired."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from engine.causes.model import Remedy, cli_name, cli_option, column_sql, joined, quoted, with_column
from engine.causes.sample import CITED, Sample
from schemas.evidence_rows import ColumnMeta
from schemas.verdict import Explanation, Fix, Role

__all__ = ["Hypothesis", "cell_fix", "explanation_of", "rank"]

_COLUMNS_COUNTED = 4


@dataclass(frozen=True)
class Hypothesis:
    """One cause.

    Attributes:
        cause, sentence: its name, and what is seen, without numbers.
        rows: positions of the rows it explains entirely.
        cells: (column, position) of the cells it explains.
        columns: those it speaks of.
        fix: or None for a refuted cause.
        supporting: positions to cite; the first ones of `rows` or `cells` when empty.
        opposing: positions to cite against it.
        counter: sentences against it.
        contradicted: equal rows speak against it.
        role: mechanisms say how, places say where, the rest is what has no pattern.
        condition: of a place, what its rows have in common, in words.
        combines: it is several mechanisms in the same rows.
    """

    cause: str
    sentence: str
    rows: frozenset[int]
    simplicity: int
    fix: Fix
    cells: frozenset[tuple[str, int]] = frozenset()
    columns: tuple[str, ...] = ()
    supporting: tuple[int, ...] = ()
    opposing: tuple[int, ...] = ()
    counter: tuple[str, ...] = ()
    contradicted: bool = False
    role: Role = "mechanism"
    detail: str = ""
    remedies: tuple[tuple[str, Remedy], ...] = ()
    condition: str = ""
    combines: bool = False

    @property
    def touched(self) -> frozenset[int]:
        """Positions of the rows it explains, entirely or in some cells."""
        return self.rows | {row for _, row in self.cells}


def rank(found: Sequence[Hypothesis], sample: Sample) -> list[Hypothesis]:
    """Return hypotheses, best first: rows explained, then cells, then no contradiction, then simplicity, then name."""
    return sorted(
        found,
        key=lambda h: (
            -sample.weight(h.rows),
            -len(h.cells) if not h.rows else 0,
            h.contradicted,
            h.simplicity,
            h.cause,
            h.columns,
            h.sentence,
        ),
    )


def explanation_of(
    hypothesis: Hypothesis, sample: Sample, alternative_to: int | None = None, inside: tuple[int, float] | None = None
) -> Explanation:
    """Return the hypothesis as it stands in the result document.

    Args:
        alternative_to: position of a better one.
        inside: position of the place where its rows lie, and the share of them that does.
    """
    total = sample.weight(range(len(sample.rows)))
    rows = sample.weight(hypothesis.rows)
    place, place_share = inside or (None, None)
    share = rows / total if total else 0.0
    return Explanation(
        cause=hypothesis.cause,
        statement=_statement(hypothesis, sample, rows, total),
        role=hypothesis.role,
        columns=hypothesis.columns,
        row_classes=sample.classes(hypothesis.touched or _supporting(hypothesis)),
        share=min(1.0, share),
        alternative_to=alternative_to,
        place=place,
        place_share=place_share,
        condition=hypothesis.condition or None,
        for_=tuple(_cite(hypothesis, sample, row) for row in _supporting(hypothesis)),
        against=(*(_cite(hypothesis, sample, row) for row in hypothesis.opposing[:CITED]), *hypothesis.counter)[: CITED + 1],
        fix=hypothesis.fix,
    )


def _supporting(hypothesis: Hypothesis) -> Sequence[int]:
    if hypothesis.role == "refuted":
        return ()
    found = hypothesis.supporting or sorted(hypothesis.rows) or sorted(hypothesis.touched)
    return list(found)[:CITED]


def _cite(hypothesis: Hypothesis, sample: Sample, row: int) -> str:
    columns = [name for name in hypothesis.columns if name in sample.differing[row]]
    if not columns:
        columns = sorted(sample.differing[row])[:CITED]
    return sample.cite(row, columns)


def _statement(hypothesis: Hypothesis, sample: Sample, rows: int, total: int) -> str:
    if hypothesis.role == "refuted":
        return hypothesis.sentence
    own = Counter(column for column, _ in hypothesis.cells)
    named = [name for name in hypothesis.columns if own[name]][:_COLUMNS_COUNTED]
    cells = ", ".join(f"{own[name]:,} of {len(sample.cells.get(name, ())):,} differing cells of {name}" for name in named)
    alone = f"{rows:,} of {total:,} differing rows ({_percent(rows, total)})"
    numbers = f"Explains {cells}, and all that differs in {alone}" if cells else f"Explains {alone}"
    words = [f"{hypothesis.sentence}.", f"{numbers}."]
    if hypothesis.detail:
        words.append(hypothesis.detail)
    if sample.evidence.sampled:
        words.append(_estimate(rows / total if total else 0.0, total, sample))
    return " ".join(words)


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if whole else 0.0
    if part and part < whole and (share < 0.1 or share > 99.9):
        return "under 0.1 %" if share < 0.1 else "over 99.9 %"
    return f"{share:.2f} %".replace(".00 %", " %")


def _estimate(share: float, seen: int, sample: Sample) -> str:
    counts = sample.evidence.counts
    everything = sum(counts.get(name, 0) for name in ("changed", "missing", "extra"))
    half = 1.96 * math.sqrt(share * (1 - share) / seen) if 0 < share < 1 else 3 / seen
    return f"Estimated on {seen:,} sampled of {max(everything, seen):,} differing rows: ±{100 * min(half, 1):.1f} points at 95 %."


def cell_fix(remedy: Remedy, metas: Sequence[ColumnMeta], sample: Sample, *, breaks_equal_rows: bool) -> Fix:
    """Return the fix for these columns; one that would break equal rows touches only the rows the cause explains."""
    if remedy.reveals and sample.mask is not None:
        return Fix(
            kind="investigate",
            text=f"Run without masking to get the statement: it holds values of {joined([meta.name for meta in metas])}.",
        )
    if remedy.one_sided and breaks_equal_rows:
        return _partial_repair(remedy, metas, sample)
    if remedy.rule:
        return Fix(kind="contract_rule", text=" ".join(_rule(remedy, meta, sample) for meta in metas))
    if remedy.tolerance:
        return Fix(kind="contract_rule", text=" ".join(cli_option("--tolerance", meta.name, remedy.tolerance) for meta in metas))
    if remedy.expression:
        sides = (remedy.side,) if remedy.side else ("source", "target")
        lines = [f"# {remedy.note.format(column=joined([m.name for m in metas]))}"] if remedy.note else []
        lines += [_repair(remedy, meta, side) for meta in metas for side in sides]
        return Fix(kind="spark", text="\n".join(lines))
    if remedy.text.startswith("--exclude"):
        return Fix(kind=remedy.kind, text=" ".join(shlex.join(["--exclude", cli_name(meta.name)]) for meta in metas))
    return Fix(kind=remedy.kind, text=remedy.text.format(column=joined([meta.name for meta in metas])))


def _rule(remedy: Remedy, meta: ColumnMeta, sample: Sample) -> str:
    before = () if remedy.side else sample.evidence.rules_in_force.get(meta.name, ())
    return cli_option("--rule", meta.name, ",".join((*before, *(r for r in remedy.rule.split(",") if r not in before))), remedy.side)


def _repair(remedy: Remedy, meta: ColumnMeta, side: str) -> str:
    name = meta.name if side == "source" else meta.target
    return with_column(side, name, remedy.expression.replace("{c}", column_sql(meta, side)))


def _partial_repair(remedy: Remedy, metas: Sequence[ColumnMeta], sample: Sample) -> Fix:
    """Return the statements that give the target the source's value, only where the cause predicts exactly that value."""
    keys = [meta for meta in sample.evidence.columns if meta.is_key]
    names = joined([meta.name for meta in metas])
    if not keys or not remedy.expression:
        return Fix(
            kind="investigate",
            text=f"Find what tells the rows with this cause in {names} from the equal rows: correcting all rows would break those.",
        )
    lines = ["# only rows where the cause predicts the source's value exactly; equal rows stay as they are"]
    for meta in metas:
        picked = ", ".join(f"F.col({quoted(key.name)!r}).alias({key.target!r})" for key in keys)
        ours, theirs = column_sql(meta, "source"), column_sql(meta, "target")
        held = "parity_source" if ours == quoted(meta.name) else ours.replace(quoted(meta.name), "parity_source", 1)
        pair = (
            (remedy.expression.replace("{c}", theirs), held)
            if remedy.side == "target"
            else (remedy.expression.replace("{c}", held), theirs)
        )
        same = f"({pair[0]}) <=> {pair[1]}"
        if meta.family in ("float", "double"):  # arithmetic leaves a rest in the last bit
            same = f"{same} OR abs(({pair[0]}) - {pair[1]}) <= 1e-12 * abs({pair[1]})"
        value = f"CASE WHEN {same} THEN parity_source ELSE {quoted(meta.target)} END"
        lines.append(
            f"target = target.join(source.select({picked}, F.col({quoted(meta.name)!r}).alias('parity_source')), "
            f"{[key.target for key in keys]!r}, 'left').withColumn({meta.target!r}, F.expr({value!r})).drop('parity_source')"
        )
    return Fix(kind="spark", text="\n".join(lines))
