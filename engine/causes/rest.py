"""What is left: rows that only several causes together explain, rows without a pattern, and causes tested in vain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from engine.causes.hypothesis import Hypothesis, rank
from engine.causes.model import NUMBER_FAMILIES, TIMESTAMP_FAMILIES, joined, quoted
from engine.causes.sample import CITED, Sample
from schemas.verdict import Fix

__all__ = ["combined", "leftovers", "refuted"]

_KEPT = 3
_NOT_MORE = 0.95  # share of the rows of several causes that each explains alone: then to tell them together adds nothing
_A_FEW = 0.02  # share of all differing rows below which it is not worth telling that causes meet
_NOTHING = Fix(kind="investigate", text="Nothing to do for this cause: it was tested and does not fit.")


def combined(found: Sequence[Hypothesis], sample: Sample) -> list[Hypothesis]:
    """Return sets of causes that explain rows only together, each cell by the best cause that fits it.

    At most three, those with the most rows; of these only what explains clearly more rows than its parts do alone.
    """
    ordered = [h for h in rank(found, sample) if h.cells]
    ordered.sort(key=lambda h: (-len(h.cells), h.contradicted, h.simplicity, h.cause, h.columns))
    alone = frozenset[int]().union(*(h.rows for h in found)) if found else frozenset[int]()
    best: dict[tuple[str, int], int] = {}
    for position, hypothesis in enumerate(ordered):
        for cell in hypothesis.cells:
            best.setdefault(cell, position)
    groups: dict[frozenset[int], set[int]] = defaultdict(set)
    for row in sample.of_class("changed"):
        columns = sample.differing[row]
        if row not in alone and columns and all((column, row) in best for column in columns):
            groups[frozenset(best[(column, row)] for column in columns)].add(row)
    largest = sorted(groups.items(), key=lambda item: (-sample.weight(item[1]), sorted(item[0])))[:_KEPT]
    met = [([ordered[position] for position in sorted(parts)], frozenset(rows)) for parts, rows in largest]
    return [_combination(parts, rows, sample) for parts, rows in met if _adds(parts, rows, sample)]


def _adds(parts: Sequence[Hypothesis], rows: frozenset[int], sample: Sample) -> bool:
    """Return whether these rows make clearly more of what the parts explain alone, and are more than a few of all."""
    if sample.weight(rows) < _A_FEW * sample.weight(range(len(sample.rows))):
        return False
    alone = sample.weight(frozenset[int]().union(*(part.rows for part in parts)))
    return alone < _NOT_MORE * (alone + sample.weight(rows))


def _combination(parts: Sequence[Hypothesis], rows: frozenset[int], sample: Sample) -> Hypothesis:
    cells = frozenset((column, row) for row in rows for column in sample.differing[row])
    columns = tuple(sorted({column for column, _ in cells}))
    names: dict[str, list[str]] = {}
    for part in parts:
        names.setdefault(part.cause, []).extend(sorted({column for column, _ in part.cells & cells}))
    each = [f"{cause} in {joined(tuple(dict.fromkeys(where)))}" for cause, where in names.items()]
    told = joined(each) if len(each) > 1 else f"each is {parts[0].cause}"
    return Hypothesis(
        "combined",
        f"In {joined(columns)} several causes meet in the same rows: {told}",
        rows,
        50,
        _together(parts),
        cells=cells,
        columns=columns,
        contradicted=any(part.contradicted for part in parts),
        combines=True,
    )


def _together(parts: Sequence[Hypothesis]) -> Fix:
    kinds = {part.fix.kind for part in parts}
    texts = [part.fix.text for part in parts]
    if kinds == {"contract_rule"}:
        return Fix(kind="contract_rule", text=" ".join(texts))
    if kinds == {"spark"}:
        return Fix(kind="spark", text="\n".join(texts))
    if kinds == {"spark", "contract_rule"}:
        lines = [f"# and compare with: {part.fix.text}" if part.fix.kind == "contract_rule" else part.fix.text for part in parts]
        return Fix(kind="spark", text="\n".join(lines))
    kind = "reload" if "reload" in kinds else "investigate"
    return Fix(kind="reload" if kind == "reload" else "investigate", text="; then ".join(texts))


def leftovers(found: Sequence[Hypothesis], sample: Sample) -> list[Hypothesis]:
    """Return what no cause and no place explains: changes, missing and extra rows without a pattern."""
    explained = frozenset[int]().union(*(h.rows for h in found)) if found else frozenset[int]()
    return [*_changes(found, sample), *_lonely(explained, sample, "missing"), *_lonely(explained, sample, "extra")]


def _changes(found: Sequence[Hypothesis], sample: Sample) -> Iterator[Hypothesis]:
    mechanisms = [h for h in found if h.role == "mechanism"]
    left = set(sample.of_class("changed")).difference(*(h.rows for h in mechanisms))
    told = set[tuple[str, int]]().union(*(h.cells for h in mechanisms))
    cells = frozenset((column, row) for row in left for column in sample.differing[row] if (column, row) not in told)
    rows = frozenset(row for row in left if all((column, row) in cells for column in sample.differing[row]))
    if not rows and not cells:
        return
    columns = tuple(sorted({column for column, _ in cells}))
    yield Hypothesis(
        "isolated_change",
        f"In {joined(columns) if columns else 'the rows'} values changed without a pattern, as real changes of the data do",
        rows,
        90,
        Fix(
            kind="investigate",
            text="Ask the owner of the data whether one side was changed after the load; result.diffs() lists the cells.",
        ),
        cells=cells,
        columns=columns,
        opposing=tuple(row for row in sample.of_class("changed") if row not in left and sample.differing[row] & set(columns))[:CITED],
        role="rest",
    )


def _lonely(explained: frozenset[int], sample: Sample, row_class: str) -> Iterator[Hypothesis]:
    rows = [row for row in sample.of_class(row_class) if row not in explained]
    if not rows:
        return
    missing = row_class == "missing"
    keys = [meta for meta in sample.evidence.columns if meta.is_key]
    same_names = all(meta.name == meta.target for meta in keys)
    if keys and same_names and missing:
        fix = Fix(
            kind="reload",
            text=f"target = target.unionByName(source.join(target, {[k.name for k in keys]!r}, 'left_anti'), allowMissingColumns=True)",
        )
    elif keys and same_names:
        picked = ", ".join(f"F.col({quoted(key.name)!r})" for key in keys)
        fix = Fix(kind="spark", text=f"target = target.join(source.select({picked}), {[k.name for k in keys]!r}, 'left_semi')")
    else:
        fix = Fix(kind="reload", text=f"Load again the rows that result.{row_class}() lists.")
    words = "Rows of the source are missing from the target" if missing else "The target has rows that the source does not have"
    yield Hypothesis(
        "lost_rows" if missing else "surplus_rows",
        f"{words}, without a pattern",
        frozenset(rows),
        91,
        fix,
        opposing=tuple(row for row in sample.of_class(row_class) if row in explained)[:CITED],
        role="rest",
    )


_TESTED: tuple[tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...], str], ...]], ...] = (
    (
        ("text",),
        (
            ("trim", ("trim_trailing", "trim_leading", "trim_both", "char_padding"), "no pair becomes equal without blanks at its ends"),
            ("case", ("case",), "no pair becomes equal without regard to case"),
            ("truncation", ("truncation",), "no value is the start of the other one, cut at one common length"),
        ),
    ),
    (
        NUMBER_FAMILIES,
        (
            ("rounding", ("rounding", "decimal_truncation"), "no value is the other one rounded or cut off"),
            ("scale", ("scale", "constant_factor"), "no power of ten and no common factor turns one value into the other"),
            ("constant_delta", ("constant_delta", "sign_flip"), "no difference comes often enough to be a rule, and no sign is turned"),
        ),
    ),
    (
        (*TIMESTAMP_FAMILIES, "date"),
        (
            ("constant_time_offset", ("constant_time_offset", "constant_day_offset"), "the distance between the two sides is not constant"),
            ("zone_shift", ("zone_shift",), "no zone's clock gives these distances"),
            ("precision_cut", ("precision_cut", "precision_rounded"), "no value is the other one at a coarser precision"),
        ),
    ),
    (("boolean",), (("boolean_inversion", ("boolean_inversion",), "only some of the values are inverted, most are equal"),)),
    (("array",), (("array_order", ("array_order",), "no pair holds the same elements in another order"),)),
)


def refuted(found: Sequence[Hypothesis], hinted: Collection[str], sample: Sample, wanted: int) -> list[Hypothesis]:
    """Return up to `wanted` causes that were tested on these rows and explain none, with the rows that refute them.

    Args:
        hinted: causes that fit some cell, though too few to be told; they are not refuted.
    """
    causes = {h.cause for h in found} | set(hinted)
    result: list[Hypothesis] = []
    for column in sorted(sample.cells, key=lambda name: (-len(sample.cells[name]), name)):
        family = sample.meta(column).family
        for name, covered, words in (test for families, tests in _TESTED if family in families for test in tests):
            if not causes & set(covered):
                causes.add(name)
                rows = tuple(cell.row for cell in sample.cells[column])
                result.append(_refutation(name, f"{name} in {column}: {words}", rows, (column,)))
    result += _refuted_rows(causes, sample)
    return result[: max(wanted, 0)]


def _refuted_rows(causes: set[str], sample: Sample) -> Iterator[Hypothesis]:
    missing, extra = sample.of_class("missing"), sample.of_class("extra")
    every = tuple(range(len(sample.rows)))
    keyed = any(meta.is_key for meta in sample.evidence.columns)
    if keyed and (missing or extra) and not any(cause.startswith("key_") or cause == "shifted_keys" for cause in causes):
        words = (
            "no missing and extra row become a pair in another writing of the key"
            if missing and extra
            else "all are on one side, so that none could pair"
        )
        yield _refutation("key_form", f"key_form: {words}", (*missing, *extra), ())
    if not causes & {"duplicated_rows", "doubled_load", "lost_copies"}:
        yield _refutation("duplicated_rows", "duplicated_rows: no differing row stands on both sides in another number", every, ())
    if not causes & {"bad_partition", "value_cluster", "time_window", "key_range", "late_load"}:
        few = (
            "too few rows differ to tell a place from chance"
            if len(every) < 4
            else "no value, range or time window holds most differing and few equal rows"
        )
        yield _refutation("bad_partition", f"bad_partition: {few}", every, ())
    if not causes & {"value_to_null", "null_to_value", "null_and_empty"}:
        yield _refutation("null_handling", "null_handling: not enough cells are NULL on one side only to make a rule", every, ())


def _refutation(cause: str, words: str, rows: Sequence[int], columns: tuple[str, ...]) -> Hypothesis:
    return Hypothesis(
        cause, f"Tested and refuted: {words}.", frozenset(), 99, _NOTHING, columns=columns, opposing=tuple(rows[:CITED]), role="refuted"
    )
