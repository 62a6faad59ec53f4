"""The facts of one comparison to its verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Literal

from pydantic import Field

from policy.severity import finding_severity, rated
from schemas.errors import EngineError
from schemas.model import Model
from schemas.policy import Policy
from schemas.verdict import EXIT_CODES, Counts, Finding, Reason, RuleCount, Verdict

__all__ = ["VERDICTS", "Judgement", "SampleFact", "VerdictFacts", "judge"]

VERDICTS: tuple[Verdict, ...] = ("FAIL", "INCONCLUSIVE", "SAMPLED_PASS", "PASS_WITH_RULES", "PASS")
"""Worst first: of all verdicts that have a reason, the worst is given."""

Count = Annotated[int, Field(ge=0)]
_FAILING = ("CRITICAL", "HIGH")
_NAMES_SHOWN = 10


class SampleFact(Model):
    """A sample in place of all rows.

    Attributes:
        rate: as the user wrote it, such as `1%`.
        rows: independent draws behind the bound: sampled rows, or sampled keys where keys repeat.
    """

    rate: str
    rows: Count


class VerdictFacts(Model):
    """All that a verdict may depend on. What is not known is not left out: it goes to `unproven`.

    Attributes:
        counts: of the comparison; of the sample when there is one.
        columns_required: source columns, key included, that the contract asks to compare; those the target lacks count too.
        columns_compared: how many of them were compared to the end.
        cells_changed: differing cells of rows that are not equal by a rule, over all columns.
        unproven: why something is not proven, from doors and engine: unhashable column, lossy cast, source changed, ambiguous
            calendar, hidden files, unpinned source, self-comparison.
        missing_columns: source columns that the target lacks and that are not excluded.
        type_changed: columns of two families without a declared cast.
        extra_columns: target columns that the source lacks and that are not excluded.
        excluded: columns left out on purpose.
        chosen: columns chosen on purpose; None = all.
        where: the predicate; None = all rows.
        cross_family_casts: declared casts that made two families comparable, each in words.
        accepted_differences: differences that somebody accepted, each in words.
        rules: rows that are equal only because of a rule, to name them.
        expect_empty, unique_keys: as in the contract.
        findings: of doors and engine; graded by the policy, whatever severity they carry.
    """

    counts: Counts
    columns_required: Count
    columns_compared: Count
    cells_changed: Count = 0
    unproven: tuple[Reason, ...] = ()
    missing_columns: tuple[str, ...] = ()
    type_changed: tuple[str, ...] = ()
    extra_columns: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    chosen: tuple[str, ...] | None = None
    where: str | None = None
    sample: SampleFact | None = None
    cross_family_casts: tuple[str, ...] = ()
    accepted_differences: tuple[str, ...] = ()
    rules: tuple[RuleCount, ...] = ()
    expect_empty: bool = False
    unique_keys: bool = False
    findings: tuple[Finding, ...] = ()


class Judgement(Model):
    """A verdict with its exit code and at least one reason, the deciding ones first."""

    verdict: Verdict
    exit_code: Literal[0, 1, 4]
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1)]


def judge(facts: VerdictFacts, policy: Policy | None = None) -> Judgement:
    """Decide what a comparison proved: FAIL before INCONCLUSIVE before SAMPLED_PASS before PASS_WITH_RULES before PASS.

    All reasons are listed, also those of better verdicts: a FAIL still says what was sampled and excluded.

    Args:
        policy: grades the findings; None = the one shipped with Parity.

    Raises:
        EngineError: the facts contradict each other (a conservation equation does not hold); never a verdict.

    Source:
        CONTRACT.md 4 and VERDICT.md 1; tests/policy/test_verdict.py walks the table row by row.
    """
    _assert_conservation(facts)
    # A dictionary in the order of VERDICTS: PASS is what is left when nothing speaks against it.
    reasons: dict[Verdict, tuple[Reason, ...]] = {
        "FAIL": (*_differing_rows(facts), *_differing_schema(facts), *_broken_keys(facts), *_grave_findings(facts, policy)),
        "INCONCLUSIVE": _unproven(facts),
        "SAMPLED_PASS": _sampled(facts),
        "PASS_WITH_RULES": _qualifiers(facts),
    }
    verdict: Verdict = next((verdict for verdict in VERDICTS if reasons.get(verdict)), "PASS")
    given = tuple(dict.fromkeys(reason for group in reasons.values() for reason in group))
    return Judgement.model_validate({"verdict": verdict, "exit_code": EXIT_CODES[verdict], "reasons": given or (_all_proven(facts),)})


def _assert_conservation(facts: VerdictFacts) -> None:
    """Raise unless every row of both sides is accounted for exactly once."""
    counts = facts.counts
    if negative := [name for name, value in counts if value is not None and value < 0]:
        raise EngineError(f"The counts contradict each other: {', '.join(negative)} below zero.", object=negative[0])
    both = counts.matched + counts.matched_by_rule + counts.changed
    equations = (
        ("source_rows", counts.source_rows, "matched + matched_by_rule + changed + missing", both + counts.missing),
        ("target_rows", counts.target_rows, "matched + matched_by_rule + changed + extra", both + counts.extra),
    )
    for left, rows, right, total in equations:
        if rows != total:
            raise EngineError(f"The counts contradict each other: {left} is {rows:,}, but {right} is {total:,}.", object=left)
    bounds = [
        ("multiplicity", counts.multiplicity, "missing + extra", counts.missing + counts.extra),
        ("null_keys", counts.null_keys, "source_rows + target_rows", counts.source_rows + counts.target_rows),
        ("duplicate_keys", 2 * counts.duplicate_keys, "source_rows + target_rows", counts.source_rows + counts.target_rows),
        ("columns_compared", facts.columns_compared, "columns_required", facts.columns_required),
    ]
    if counts.source_rows_total is not None:
        bounds.append(("source_rows", counts.source_rows, "source_rows_total", counts.source_rows_total))
    if counts.target_rows_total is not None:
        bounds.append(("target_rows", counts.target_rows, "target_rows_total", counts.target_rows_total))
    if facts.sample is not None:
        bounds.append(("the size of the sample", facts.sample.rows, "the larger side", max(counts.source_rows, counts.target_rows)))
    for left, value, right, limit in bounds:
        if value > limit:
            raise EngineError(f"The counts contradict each other: {left} ({value:,}) exceeds {right} ({limit:,}).", object=left)
    if facts.cells_changed and not counts.changed:
        raise EngineError(
            f"The counts contradict each other: {facts.cells_changed:,} cells differ, but no row is changed.", object="changed"
        )


def _differing_rows(facts: VerdictFacts) -> Iterable[Reason]:
    counts = facts.counts
    among = " of the sample" if facts.sample else ""
    if counts.changed:
        cells = f", in {_number(facts.cells_changed, 'cell')}" if facts.cells_changed else ""
        yield Reason(
            code="changed", text=f"{_number(counts.changed, 'row')}{among} {_has(counts.changed)} other values in the target{cells}."
        )
    if counts.missing:
        yield Reason(code="missing", text=f"{_number(counts.missing, 'source row')}{among} {_is(counts.missing)} missing in the target.")
    if counts.extra:
        yield Reason(code="extra", text=f"{_number(counts.extra, 'target row')}{among} {_is(counts.extra)} not in the source.")
    if counts.multiplicity:
        text = f"Of the rows missing or extra, {counts.multiplicity:,} also exist on the other side, in another number."
        yield Reason(code="multiplicity", text=text)
    if counts.source_rows_total != counts.target_rows_total and None not in (counts.source_rows_total, counts.target_rows_total):
        # The sample may agree: tables of unequal length cannot.
        yield Reason(
            code="row_totals_differ",
            text=f"The source holds {counts.source_rows_total:,} rows in all and the target {counts.target_rows_total:,}.",
        )


def _differing_schema(facts: VerdictFacts) -> Iterable[Reason]:
    if facts.missing_columns:
        yield Reason(code="missing_column", text=f"The target lacks {_listed('column', facts.missing_columns)}, which nobody excluded.")
    if facts.type_changed:
        text = f"The two sides give different types, which only a declared cast can compare, to {_listed('column', facts.type_changed)}."
        yield Reason(code="type_changed", text=text)


def _broken_keys(facts: VerdictFacts) -> Iterable[Reason]:
    if not facts.unique_keys:
        return
    counts, rule = facts.counts, "and the contract asks for unique keys."
    if counts.duplicate_keys:
        text = f"{_number(counts.duplicate_keys, 'key')} {_has(counts.duplicate_keys)} more than one row, {rule}"
        yield Reason(code="duplicate_keys", text=text)
    if counts.null_keys:
        text = f"{_number(counts.null_keys, 'row')} {_has(counts.null_keys)} NULL in the key, {rule}"
        yield Reason(code="null_keys", text=text)


def _grave_findings(facts: VerdictFacts, policy: Policy | None) -> Iterable[Reason]:
    """Findings that the policy grades HIGH or CRITICAL, unless the facts already give that reason."""
    counts, unique = facts.counts, facts.unique_keys
    reasons = (
        ("missing_column", bool(facts.missing_columns)),
        ("type_changed", bool(facts.type_changed)),
        ("duplicate_keys", unique and counts.duplicate_keys > 0),
        ("null_keys", unique and counts.null_keys > 0),
    )
    told = {code for code, given in reasons if given}
    for finding in rated((*facts.findings, *_implied_findings(facts, policy)), policy):
        if finding.severity in _FAILING and finding.class_ not in told:
            yield Reason(code=finding.class_, text=f"{finding.text} The policy grades this {finding.severity}.")


def _implied_findings(facts: VerdictFacts, policy: Policy | None) -> Iterable[Finding]:
    """Findings that follow from the facts, for the case that nobody wrote them down."""
    counts, written = facts.counts, {finding.class_ for finding in facts.findings}
    implied = (
        ("extra_column", len(facts.extra_columns), f"The target has {_listed('column', facts.extra_columns)} more."),
        (
            "duplicate_keys",
            counts.duplicate_keys,
            f"{_number(counts.duplicate_keys, 'key')} {_has(counts.duplicate_keys)} more than one row.",
        ),
        ("null_keys", counts.null_keys, f"{_number(counts.null_keys, 'row')} {_has(counts.null_keys)} NULL in the key."),
    )
    for class_, count, text in implied:
        if count and class_ not in written:
            yield Finding.model_validate({"class": class_, "severity": finding_severity(class_, policy), "text": text})


def _unproven(facts: VerdictFacts) -> tuple[Reason, ...]:
    counts = facts.counts
    found = list(facts.unproven)
    not_compared = facts.columns_required - facts.columns_compared - len(facts.missing_columns) - len(facts.type_changed)
    if facts.columns_compared == 0:
        found.append(Reason(code="nothing_compared", text="No column was compared, so nothing is proven."))
    elif not_compared > 0:
        text = f"{not_compared:,} of {_number(facts.columns_required, 'column')} could not be compared, so nothing is known about them."
        found.append(Reason(code="columns_not_compared", text=text))
    if facts.sample is not None and 0 in (facts.sample.rows, counts.source_rows + counts.target_rows):
        text = f"The sample of {facts.sample.rate} holds 0 rows, so it proves nothing; take a larger one."
        found.append(Reason(code="empty_sample", text=text))
    elif counts.source_rows + counts.target_rows == 0 and not facts.expect_empty:
        text = "Both sides hold 0 rows, which proves nothing; say expect_empty when that is right."
        found.append(Reason(code="empty", text=text))
    return tuple(found)


def _sampled(facts: VerdictFacts) -> tuple[Reason, ...]:
    if facts.sample is None:
        return ()
    counts = facts.counts
    whole = "" if counts.source_rows_total is None else f" of {counts.source_rows_total:,} source rows"
    text = f"Only a sample of {facts.sample.rate} was compared: {_number(counts.source_rows, 'row')}{whole}."
    if facts.sample.rows and not counts.changed + counts.missing + counts.extra:
        text += (
            f" It shows no difference: with 95 % confidence, at most 3/{facts.sample.rows:,} = {_bound(facts.sample.rows)} "
            "of all rows differ. That is no proof of equality and opens no gate."
        )
    return (Reason(code="sample", text=text),)


def _qualifiers(facts: VerdictFacts) -> tuple[Reason, ...]:
    extra = dict.fromkeys((*facts.extra_columns, *(f.column or "?" for f in facts.findings if f.class_ == "extra_column")))
    decided = facts.counts.matched_by_rule
    told = {
        "matched_by_rule": decided and f"{_number(decided, 'row')} {_is(decided)} equal only by {_rules(facts.rules)}.",
        "columns_excluded": facts.excluded and f"The contract leaves out {_listed('column', facts.excluded)}.",
        "columns_chosen": facts.chosen is not None
        and f"Besides the key, only the chosen {_listed('column', facts.chosen)} {_is(len(facts.chosen) or 2)} compared.",
        "where": facts.where is not None and f"Only rows that satisfy the predicate were compared: {facts.where}",
        "extra_column": extra and f"The target has {_listed('column', tuple(extra))}, which the source lacks; not compared.",
        "declared_cast": facts.cross_family_casts and f"A declared cast alone makes these comparable: {_shown(facts.cross_family_casts)}.",
        "accepted_differences": facts.accepted_differences
        and f"Some differences were accepted by decision: {_shown(facts.accepted_differences)}.",
    }
    return tuple(Reason(code=code, text=text) for code, text in told.items() if isinstance(text, str))


def _all_proven(facts: VerdictFacts) -> Reason:
    if facts.counts.source_rows == 0:
        return Reason(code="proven_empty", text="Both sides hold 0 rows, as the contract expects.")
    rows, columns = _number(facts.counts.source_rows, "row"), _number(facts.columns_compared, "column")
    return Reason(code="proven", text=f"All {rows} of source and target are equal in all {columns}; nothing was left out.")


def _rules(rules: Sequence[RuleCount]) -> str:
    deciding = [f"{rule.rule} on {rule.column} ({rule.rows:,})" for rule in rules if rule.rows]
    return _shown(deciding) if deciding else "a declared rule or tolerance"


def _bound(rows: int) -> str:
    """Return 3/rows as a percentage, never below the true figure."""
    percent = min(Decimal(300) / Decimal(rows), Decimal(100))
    exponent = percent.adjusted() - 2
    return f"{percent.quantize(Decimal(1).scaleb(exponent), rounding=ROUND_CEILING).normalize():f} %"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _has(count: int) -> str:
    return "has" if count == 1 else "have"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _listed(noun: str, names: Sequence[str]) -> str:
    """Return the noun in its number and the names, the first ten of them.

    >>> _listed("column", ("a", "b"))
    'columns a, b'
    """
    return f"{noun if len(names) == 1 else noun + 's'} {_shown(names)}"


def _shown(names: Sequence[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest:,} more" if rest > 0 else "") or "none"
