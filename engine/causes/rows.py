"""Differing rows to causes that only whole rows show: swapped columns, keys written or counted differently, copies."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations
from typing import Any

from engine.causes.hypothesis import Hypothesis
from engine.causes.model import as_sql, cli_name, cli_option, joined, quoted, with_column
from engine.causes.rules import apply_text_rules
from engine.causes.sample import CITED, Sample
from engine.causes.temporal import is_instant
from schemas.evidence_rows import ColumnMeta
from schemas.verdict import Fix

__all__ = ["key_pairs", "row_hypotheses"]

_TRIED_ROWS = 200
_PAIRS_KEPT = 3
_KEY_RULES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("key_padding", ("pad",), "blanks at the end"),
    ("key_blanks", ("trim",), "blanks"),
    ("key_case", ("casefold",), "upper and lower case"),
    ("key_unicode_form", ("nfc",), "Unicode form (NFC or NFD)"),
    ("key_case_and_blanks", ("trim", "casefold"), "case and blanks"),
)


def row_hypotheses(sample: Sample) -> list[Hypothesis]:
    """Return the causes that explain whole rows."""
    return [*_swapped(sample), *_copied(sample), *_key_forms(sample), *_shifted_keys(sample), *_copies(sample)]


# ---- columns


def _swapped(sample: Sample) -> Iterator[Hypothesis]:
    rows = [row for row in sample.of_class("changed") if len(sample.differing[row]) > 1]
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows[:: max(1, -(-len(rows) // _TRIED_ROWS))]:
        counts.update(pair for pair in combinations(sorted(sample.differing[row]), 2) if _is_swap(sample, row, *pair))
    for (one, other), number in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_PAIRS_KEPT]:
        hits = [row for row in rows if {one, other} <= sample.differing[row] and _is_swap(sample, row, one, other)]
        if len(hits) < 2 and number < len(rows):
            continue
        equal = sum(row.get(one) != row.get(other) for row in sample.context)
        first, second = sample.meta(one), sample.meta(other)
        unlike = [cell.row for cell in sample.cells[one] if cell.row not in set(hits)]
        maps = shlex.join(["--map", f"{cli_name(one)}={cli_name(second.target)}", "--map", f"{cli_name(other)}={cli_name(first.target)}"])
        yield Hypothesis(
            "swapped_columns",
            f"In {one} and {other} the target has the two values swapped",
            frozenset(row for row in hits if sample.differing[row] == {one, other}),
            7,
            Fix(kind="contract_rule", text=maps)
            if not equal
            else Fix(kind="reload", text=f"Load the affected rows again: {one} and {other} are swapped in part of the rows only."),
            cells=frozenset((name, row) for row in hits for name in (one, other)),
            columns=(one, other),
            opposing=tuple(unlike[:CITED]),
            counter=(f"{equal:,} equal rows of the sample hold two different values there, unswapped",) if equal else (),
            contradicted=equal * 20 > len(sample.context) > 0,
        )


def _is_swap(sample: Sample, row: int, one: str, other: str) -> bool:
    source, target = sample.source[row], sample.target[row]
    if source is None or target is None:
        return False
    here, there = source.get(one), source.get(other)
    return here != there and _same(here, target.get(other)) and _same(there, target.get(one))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _copied(sample: Sample) -> Iterator[Hypothesis]:
    """Yield target columns that hold what another source column holds."""
    for column, cells in sample.cells.items():
        tried = cells[:: max(1, -(-len(cells) // _TRIED_ROWS))]
        for other in sample.evidence.columns:
            if other.name == column or other.family == "boolean":
                continue
            values = {repr(c.target) for c in tried if _is_copy(sample, c.row, column, other.name)}
            if len(values) < 3:
                continue
            hits = [c.row for c in cells if _is_copy(sample, c.row, column, other.name)]
            if len(hits) * 2 < len(cells) or any(_is_swap(sample, row, column, other.name) for row in hits[:CITED]):
                continue
            yield Hypothesis(
                "wrong_column",
                f"In {column} the target holds the source's {other.name}",
                frozenset(row for row in hits if sample.differing[row] == {column}),
                16,
                Fix(kind="reload", text=f"Load {column} of the target again from the source's {column}: it was filled from {other.name}."),
                cells=frozenset((column, row) for row in hits),
                columns=(column,),
                opposing=tuple(c.row for c in cells if c.row not in set(hits))[:CITED],
            )


def _is_copy(sample: Sample, row: int, column: str, other: str) -> bool:
    source, target = sample.source[row], sample.target[row]
    if source is None or target is None:
        return False
    value = target.get(column)
    return value is not None and _same(source.get(other), value) and not _same(source.get(column), value)


# ---- keys


def key_pairs(sample: Sample, normal: Callable[[Any], Any]) -> list[tuple[int, int]]:
    """Return missing and extra rows whose keys become equal when every text of them is normalised, each row once."""
    extra: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for row in sample.of_class("extra"):
        extra[_key(sample, row, normal)].append(row)
    pairs = []
    for row in sample.of_class("missing"):
        found = extra.get(_key(sample, row, normal))
        if found:
            pairs.append((row, found.pop(0)))
    return pairs


def _key(sample: Sample, row: int, normal: Callable[[Any], Any]) -> tuple[Any, ...]:
    values = sample.values(row)
    return tuple(normal(values.get(name)) if isinstance(values.get(name), str) else repr(values.get(name)) for name in _keys(sample))


def _keys(sample: Sample) -> list[str]:
    return [meta.name for meta in sample.evidence.columns if meta.is_key]


def _without_zeros(value: Any) -> Any:
    return (value.lstrip("0") or "0") if isinstance(value, str) else value


def _key_forms(sample: Sample) -> Iterator[Hypothesis]:
    texts = [meta for meta in sample.evidence.columns if meta.is_key and meta.family == "text"]
    if not texts:
        return
    seen: set[frozenset[int]] = set()
    for position, (cause, rules, words) in enumerate(_KEY_RULES):
        pairs = key_pairs(sample, apply_text_rules(rules))
        rule = ",".join(rules)
        fix = Fix(kind="contract_rule", text=" ".join(cli_option("--rule", meta.name, _with_force(sample, meta, rule)) for meta in texts))
        yield from _key_form(sample, cause, pairs, words, fix, 7 + position, seen)
    names = [(side, meta.name if side == "source" else meta.target) for meta in texts for side in ("source", "target")]
    expression = [with_column(side, name, f"regexp_replace({quoted(name)}, '^0+(?=.)', '')") for side, name in names]
    yield from _key_form(
        sample,
        "key_leading_zeros",
        key_pairs(sample, _without_zeros),
        "leading zeros",
        Fix(kind="spark", text="\n".join(expression)),
        12,
        seen,
    )


def _with_force(sample: Sample, meta: ColumnMeta, rule: str) -> str:
    return ",".join((*sample.evidence.rules_in_force.get(meta.name, ()), rule))


def _key_form(
    sample: Sample, cause: str, pairs: Sequence[tuple[int, int]], words: str, fix: Fix, simplicity: int, seen: set[frozenset[int]]
) -> Iterator[Hypothesis]:
    rows = frozenset(row for pair in pairs for row in pair)
    if not rows or rows in seen:
        return
    seen.add(rows)
    equal = [pair for pair in pairs if _rest(sample, pair[0]) == _rest(sample, pair[1])]
    unlike = len(pairs) - len(equal)
    yield Hypothesis(
        cause,
        f"In {joined(_keys(sample))} {len(pairs):,} missing and extra rows have keys that differ only in {words}",
        frozenset(row for pair in equal for row in pair),
        simplicity,
        fix,
        columns=tuple(_keys(sample)),
        supporting=tuple(row for pair in (equal or pairs)[:CITED] for row in pair)[:CITED],
        opposing=tuple(row for row in sample.of_class("missing", "extra") if row not in rows)[:CITED],
        detail=f"{unlike:,} of the pairs would still differ in other columns." if unlike else "",
    )


def _rest(sample: Sample, row: int) -> tuple[str, ...]:
    values = sample.values(row)
    return tuple(repr(values.get(meta.name)) for meta in sample.evidence.columns if not meta.is_key)


def _shifted_keys(sample: Sample) -> Iterator[Hypothesis]:
    """Yield keys that moved by one constant: the rest of each row stands under another key."""
    rest = [meta for meta in sample.evidence.columns if not meta.is_key]
    for meta in sample.evidence.columns if rest else ():
        if not meta.is_key or meta.family not in ("integer", "date", "timestamp", "timestamp_ntz"):
            continue
        keys, others = [m.name for m in sample.evidence.columns if m.is_key], [m.name for m in rest]
        ours = _unique(sample, sample.source, meta.name, keys, others)
        theirs = _unique(sample, sample.target, meta.name, keys, others)
        matches = {content: (ours[content], theirs[content]) for content in ours if content in theirs}
        shifts = Counter(there[0] - here[0] for here, there in matches.values() if there[0] != here[0])
        if not shifts:
            continue
        shift, number = min(shifts.items(), key=lambda item: (-item[1], abs(item[0]), item[0]))
        if number < 3 or number * 2 < sum(shifts.values()):
            continue
        moved = [(here[1], there[1]) for here, there in matches.values() if there[0] - here[0] == shift]
        from_source, to_target = {one for one, _ in moved}, {other for _, other in moved}
        rows = frozenset(
            row
            for row in from_source | to_target
            if (sample.source[row] is None or row in from_source) and (sample.target[row] is None or row in to_target)
        )
        equal = len(sample.context)
        sign, amount = ("-", shift) if shift > 0 else ("+", -shift)
        column = quoted(meta.target)
        back = {"integer": f"{column} {sign} {amount}", "date": f"date_add({column}, {-shift})"}.get(
            meta.family, f"timestampadd(MICROSECOND, {-int(shift)}, {column})"
        )
        unit = {"integer": "", "date": " days"}.get(meta.family, " µs")
        yield Hypothesis(
            "shifted_keys",
            f"In {meta.name} the target's keys have moved by {shift:+}{unit}: the rest of each row is the source's under another key",
            rows,
            6,
            Fix(kind="spark", text=with_column("target", meta.target, back))
            if not equal
            else Fix(kind="reload", text=f"Load the rows with moved keys again: other keys of {meta.name} are in place."),
            columns=(meta.name,),
            opposing=tuple(row for row in range(len(sample.rows)) if row not in rows)[:CITED],
            counter=(f"{equal:,} equal rows of the sample have their keys in place",) if equal else (),
            contradicted=bool(equal),
        )


def _unique(
    sample: Sample, side: Sequence[dict[str, Any] | None], moving: str, keys: Sequence[str], others: Sequence[str]
) -> dict[tuple[str, ...], tuple[int, int]]:
    """Return contents that stand in one row only of the side: to the moving key and the row."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    several: set[tuple[str, ...]] = set()
    for row, values in enumerate(side):
        if values is None or sample.rows[row].row_class == "multiplicity":
            continue
        number = values.get(moving)
        if number is None or not (is_instant(number) or number == int(number)):
            continue
        content = tuple(repr(values.get(name)) for name in (*(key for key in keys if key != moving), *others))
        if content in found:
            several.add(content)
        found[content] = (int(number), row)
    return {content: place for content, place in found.items() if content not in several}


# ---- copies


def _copies(sample: Sample) -> Iterator[Hypothesis]:
    counts = sample.evidence.counts
    plain = not any(meta.family in ("map", "variant") for meta in sample.evidence.columns)
    for side, cause in (("target", "duplicated_rows"), ("source", "lost_copies")):
        rows = [row for row in sample.of_class("multiplicity") if (sample.source if side == "target" else sample.target)[row] is None]
        if not rows:
            continue
        whole = (
            side == "target"
            and counts.get("matched", 0) > 0
            and counts.get("extra", 0) == counts.get("multiplicity", 0) == counts["matched"]
        )
        other = "source" if side == "target" else "target"
        sentence = (
            "In the target every row stands twice: it was loaded twice"
            if whole
            else f"Equal rows stand more often in the {side} than in the {other}"
        )
        if side == "target" and plain:
            fix = Fix(
                kind="spark",
                text="# keeps one copy of each row; where the source holds several, load again instead\ntarget = target.dropDuplicates()",
            )
        else:
            fix = Fix(kind="reload", text=f"Load again the rows whose copies differ in number; the {side} has more of them.")
        yield Hypothesis(
            "doubled_load" if whole else cause,
            sentence,
            frozenset(rows),
            5,
            fix,
            opposing=tuple(row for row in range(len(sample.rows)) if row not in set(rows))[:CITED],
        )


def literal(value: Hashable, meta: ColumnMeta, sample: Sample) -> str:
    """Return a value of the data as SQL, masked when the report is."""
    return "'" + sample.show(value, meta).strip("'") + "'" if sample.hides(value, meta) else as_sql(value, meta)
