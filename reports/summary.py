"""A result to the few sentences a tired engineer needs: what differs, where, why probably."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from reports.causes import about_cells
from reports.figures import count, grouped, percent, percent_at_most, plural, share, trimmed
from reports.model import ReportData
from reports.sidebyside import lone_side
from schemas.verdict import ColumnResult, CompareResult, Explanation, Finding, Reason

__all__ = [
    "SEVERITIES",
    "Equation",
    "bound",
    "changed_share",
    "column_name",
    "compared_rows",
    "coverage_parts",
    "deciding",
    "delta",
    "differing_rows",
    "equations",
    "findings",
    "first_sentence",
    "headline",
    "ordered_columns",
    "sampled_rows",
    "settings",
    "title",
    "union_rows",
    "without_columns",
    "phases",
    "seconds_taken",
]

SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO")
_TITLES = {"PASS_WITH_RULES": "PASS WITH RULES", "SAMPLED_PASS": "SAMPLED PASS"}
_NAMED_COLUMNS = 3
_QUALIFYING = (  # reasons of verdicts better than INCONCLUSIVE; a worse verdict lists them too
    "sample",
    "matched_by_rule",
    "columns_excluded",
    "columns_chosen",
    "where",
    "extra_column",
    "declared_cast",
    "accepted_differences",
)
_LONGEST_CLAUSE = 110  # of the headline, in characters
_LONGEST_REASON = 300
_LIKELY = 0.5  # share of the differing rows that a cause must explain to stand in the headline


@dataclass(frozen=True)
class Equation:
    """One conservation equation: `total` must be the sum of the parts."""

    side: str
    total: int
    parts: tuple[tuple[str, int], ...]

    @property
    def holds(self) -> bool:
        """Whether the numbers add up."""
        return self.total == sum(number for _, number in self.parts)


def title(verdict: str) -> str:
    """Return the verdict in words."""
    return _TITLES.get(verdict, verdict)


def deciding(result: CompareResult) -> tuple[Reason, ...]:
    """Return the reasons that decided the verdict; qualifications are left out of a FAIL and of an INCONCLUSIVE."""
    if result.verdict in {"FAIL", "INCONCLUSIVE"}:
        return tuple(reason for reason in result.reasons if reason.code not in _QUALIFYING)
    return result.reasons


def sampled_rows(result: CompareResult) -> int:
    """Return the independent draws behind the bound: sampled keys where keys repeat, else sampled rows.

    The verdict knows the number and states it in its reason; a result without that statement is bounded by its rows only
    when no key repeats, else by nothing.
    """
    for reason in result.reasons:
        if found := re.search(r"3/([0-9][0-9,]*)", reason.text) if reason.code == "sample" else None:
            return min(int(found[1].replace(",", "")), compared_rows(result))
    return 0 if result.counts.duplicate_keys else compared_rows(result)


def differing_rows(result: CompareResult) -> int:
    """Return changed, missing and extra rows together."""
    return result.counts.changed + result.counts.missing + result.counts.extra


def union_rows(result: CompareResult) -> int:
    """Return the rows of both sides, a pair counted once."""
    return result.counts.matched + result.counts.matched_by_rule + differing_rows(result)


def compared_rows(result: CompareResult) -> int:
    """Return the pairs of rows that were found to agree or to differ in some cell."""
    return result.counts.matched + result.counts.matched_by_rule + result.counts.changed


def equations(result: CompareResult) -> tuple[Equation, Equation]:
    """Return the conservation equations of CONTRACT.md 3."""
    counts = result.counts
    shared = (("matched", counts.matched), ("matched by rule", counts.matched_by_rule), ("changed", counts.changed))
    return (
        Equation("source", counts.source_rows, (*shared, ("missing", counts.missing))),
        Equation("target", counts.target_rows, (*shared, ("extra", counts.extra))),
    )


def ordered_columns(data: ReportData) -> tuple[tuple[ColumnResult, ...], tuple[ColumnResult, ...]]:
    """Return (columns to look at, columns that agree): worst severity first, then most changed cells, then not compared."""
    severity = dict(data.severities)

    def rank(column: ColumnResult) -> tuple[bool, int, int, str]:
        level = severity.get(column_name(column), "INFO")
        return column.changed == 0, SEVERITIES.index(level) if level in SEVERITIES else 0, -column.changed, column_name(column)

    notable = [column for column in data.result.columns if column.changed or not column.compared or column.classes]
    quiet = [column for column in data.result.columns if not (column.changed or not column.compared or column.classes)]
    return tuple(sorted(notable, key=rank)), tuple(quiet)


def column_name(column: ColumnResult) -> str:
    """Return the name by which a column is known: its source name, or its target name when the source lacks it."""
    return column.source if column.source is not None else column.target or ""


def headline(data: ReportData) -> str:
    """Return the one sentence at the top. It quotes names as they are: escape it where it is shown."""
    result = data.result
    sentence = {
        "PASS": _pass,
        "PASS_WITH_RULES": _pass_with_rules,
        "SAMPLED_PASS": _sampled_pass,
        "FAIL": _fail,
        "INCONCLUSIVE": _inconclusive,
    }[result.verdict](data)
    return f"{title(result.verdict)}: {sentence}"


def _columns_compared(result: CompareResult) -> str:
    compared = sum(column.compared for column in result.columns)
    return (
        f"in all {compared:,} columns"
        if compared == len(result.columns) > 1
        else f"in {plural(compared, 'column')} of {len(result.columns):,}"
    )


def _every(number: int) -> str:
    return "the 1 row is" if number == 1 else f"all {number:,} rows are"


def _pass(data: ReportData) -> str:
    result = data.result
    if not union_rows(result):
        return "both sides are empty, as the contract expects."
    pinned = result.inputs.source.pinned and result.inputs.target.pinned
    proof = "on pinned inputs" if pinned else "but the inputs are not pinned by Parity, so no gate accepts this run"
    return f"{_every(union_rows(result))} equal {_columns_compared(result)}, {proof}."


def _pass_with_rules(data: ReportData) -> str:
    result = data.result
    by_rule = result.counts.matched_by_rule
    if by_rule:
        rules = [f"{_short(rule.column, 60)} by {_short(rule.rule, 60)} ({count(rule.rows)})" for rule in result.rules if rule.rows]
        more = f" and {len(rules) - _NAMED_COLUMNS:,} more" if len(rules) > _NAMED_COLUMNS else ""
        named = f": {', '.join(rules[:_NAMED_COLUMNS])}{more}" if rules else ""
        verb = "agrees" if by_rule == 1 else "agree"
        return f"{plural(by_rule, 'row')} of {count(union_rows(result))} {verb} only because of declared rules{named}; {_rest(result)}."
    return f"{_every(union_rows(result))} equal in what was compared, but the comparison was narrowed: {_reasons(result)}"


def _rest(result: CompareResult) -> str:
    """Return what is said of the rows that no rule decided, and of what was not compared."""
    narrowed = [_clause(reason.text.strip().rstrip(".")) for reason in result.reasons if reason.code != "matched_by_rule"]
    return f"the rest is equal, but {'; '.join(_fitting(text) for text in narrowed[:2])}" if narrowed else "the rest is equal"


def _sampled_pass(data: ReportData) -> str:
    result = data.result
    sampled = compared_rows(result)
    draws = sampled_rows(result)
    whole = max(result.counts.source_rows_total or 0, result.counts.target_rows_total or 0)
    of = f" of {count(whole)}" if whole else ""
    return f"no difference in {plural(sampled, 'sampled row')}{of}: {bound(draws)}. The rest was not compared; no gate accepts this."


def bound(sampled: int) -> str:
    """Return what a clean sample of so many rows proves (CANONICAL_HASH.md 4)."""
    if sampled <= 3:
        return "so few rows bound nothing"
    return f"at most 3/{count(sampled)} = {percent_at_most(3, sampled)} of the rows differ, at 95 % confidence"


def _fail(data: ReportData) -> str:
    result = data.result
    number = differing_rows(result)
    if not number:
        return f"no row differs in what was compared, yet: {_reasons(result)}"
    whole, sampled = union_rows(result), " sampled" if result.counts.source_rows_total is not None else ""
    if whole == 1:
        amount = f"the only{sampled} row differs"
    elif number == whole:
        amount = f"all {count(whole)}{sampled} rows differ"
    else:
        amount = f"{count(number)} of {count(whole)}{sampled} rows {'differs' if number == 1 else 'differ'}"
    parts, cause_told = _changes(data)
    parts += _whole_rows(data)
    best = None if cause_told else _best(data)
    clause = _because(result, best, "") if best else ""
    cause = f"; {share(best.share)} of them probably because {clause}" if best and clause else ""
    return f"{amount}: {', '.join(parts)}{cause}."


def _changes(data: ReportData) -> tuple[list[str], bool]:
    """Return what is said of changed rows, and whether it tells the probable cause."""
    result = data.result
    if not result.counts.changed:
        return [], False
    columns = [column for column in ordered_columns(data)[0] if column.changed]
    columns.sort(key=lambda column: -column.changed)
    if len(columns) == 1:
        name = column_name(columns[0])
        best = _best(data)
        clause = _because(result, best, name) if best else ""
        cause = f" (probably {clause})" if clause else ""
        return [f"{count(result.counts.changed)} in column {_short(name, 60)}{cause}"], True
    named = ", ".join(f"{_short(column_name(column), 60)} {count(column.changed)}" for column in columns[:_NAMED_COLUMNS])
    if len(columns) > _NAMED_COLUMNS:
        return [f"{count(result.counts.changed)} changed in {len(columns):,} columns (most: {named})"], False
    return [f"{count(result.counts.changed)} changed ({named})" if columns else f"{count(result.counts.changed)} changed"], False


def _whole_rows(data: ReportData) -> list[str]:
    """Return what is said of rows that are on one side only, or there in another number."""
    counts = data.result.counts
    lost, doubled = _copies(data)
    parts = []
    if missing := counts.missing - lost:
        parts.append(f"{plural(missing, 'row')} missing")
    if lost:
        parts.append(f"{plural(lost, 'copy', 'copies')} of repeated rows missing")
    if extra := counts.extra - doubled:
        parts.append(f"{count(extra)} extra")
    if doubled:
        parts.append(f"{count(doubled)} doubled")
    if counts.multiplicity and not (lost or doubled):
        parts.append(f"{count(counts.multiplicity)} of these {'is' if counts.multiplicity == 1 else 'are'} on both sides in another number")
    return parts


def _copies(data: ReportData) -> tuple[int, int]:
    """Return how many missing and how many extra rows are only copies; (0, 0) when that is not known."""
    counts = data.result.counts
    if not counts.extra:
        return min(counts.multiplicity, counts.missing), 0
    if not counts.missing:
        return 0, min(counts.multiplicity, counts.extra)
    copies = [row for row in data.samples if row.row_class == "multiplicity"]
    if len(copies) != counts.multiplicity or not all(row.cells for row in copies):
        return 0, 0
    doubled = sum(lone_side(row) == "target" for row in copies)
    lost = len(copies) - doubled
    return (lost, doubled) if lost <= counts.missing and doubled <= counts.extra else (0, 0)


def _best(data: ReportData) -> Explanation | None:
    """Return the best explanation when it is likely and says how cells came to differ: only those make a clause.

    For a place, it is the best cause of which nearly all rows lie there.
    """
    listed = data.result.explanations
    best = next(iter(listed), None)
    if best is not None and best.role == "place":
        best = next((item for item in listed if item.place == 0 and item.alternative_to is None), None)
    return best if best is not None and best.share >= _LIKELY and about_cells(best) else None


def _because(result: CompareResult, explanation: Explanation, column: str) -> str:
    """Return the statement as a clause, with its place if that fits, or nothing when it is too long.

    The name of the column just told is not repeated.
    """
    text = first_sentence(explanation.statement).split("; ")[0]
    for name in (column, f"`{column}`", f'"{column}"', f"column {column}", f"in {column}") if column else ():
        if text.lower().startswith(name.lower() + " "):
            rest = text[len(name) + 1 :]
            text = re.sub(r"^(is|are|was|were|has been|have been|looks|seems)\s+", "", rest)
    where = _where(result, explanation)
    return _clause(text + where if len(text + where) <= _LONGEST_CLAUSE else text) if len(text) <= _LONGEST_CLAUSE else ""


def _where(result: CompareResult, explanation: Explanation) -> str:
    if explanation.place is None or explanation.place_share is None:
        return ""
    amount = "all" if explanation.place_share >= 1 else "nearly all"
    return f", {amount} where {result.explanations[explanation.place].condition}"


def seconds_taken(data: ReportData) -> float:
    """Return the wall time of the comparison."""
    return data.duration_s or data.result.timings.get("total", 0.0)


def phases(result: CompareResult) -> list[tuple[str, float]]:
    """Return phases with their seconds, longest first."""
    return sorted(((name, seconds) for name, seconds in result.timings.items() if name != "total"), key=lambda item: -item[1])


def first_sentence(text: str) -> str:
    """Return what stands before the first full stop that ends a sentence, without it.

    >>> first_sentence("Holds '' for 1.5 of 2. Explains the rest.")
    "Holds '' for 1.5 of 2"
    """
    return re.split(r"\.\s+(?=[A-Z0-9])|\n", text.strip(), maxsplit=1)[0].rstrip(". ")


def _clause(text: str) -> str:
    """Return a sentence as a part of another: without its capital, unless the word is written so."""
    word = re.match(r"[A-Z][a-z]*\b", text)
    return text[:1].lower() + text[1:] if word else text


def _inconclusive(data: ReportData) -> str:
    result = data.result
    agreed = union_rows(result)
    known = f" What could be compared agrees ({plural(agreed, 'row')})." if agreed and not differing_rows(result) else ""
    return f"equality was not proven: {_reasons(result)}{known}"


def _reasons(result: CompareResult) -> str:
    texts = [_clause(reason.text.strip().rstrip(".")) for reason in deciding(result)]
    if not texts:
        return "see the findings."
    more = f" (and {plural(len(texts) - 2, 'more reason')})" if len(texts) > 2 else ""
    return "; ".join(_fitting(text) for text in texts[:2]) + more + "."


def _fitting(text: str) -> str:
    """Return the text, or its first sentence when it is long, or as many whole words as fit."""
    if len(text) <= _LONGEST_REASON:
        return text
    return _short(first_sentence(text), _LONGEST_REASON)


def _short(text: str, limit: int) -> str:
    """Return the text, or its first whole words with an ellipsis."""
    if len(text) <= limit:
        return text
    kept = text[: limit - 1]
    return (kept.rsplit(" ", 1)[0] if " " in kept[limit // 2 :] else kept) + "…"


def without_columns(result: CompareResult) -> bool:
    """Return whether rows differ and nothing is known of their columns, as there is no key to pair rows by."""
    return bool(differing_rows(result)) and not result.counts.changed and not result.contract.get("keys")


def findings(data: ReportData) -> tuple[Finding, ...]:
    """Return the findings, worst first: settings stand with the inputs, what both sides have once, proposals of keys as one."""
    known = {text for _, text in data.settings}
    told = Counter((item.class_, item.column, item.severity, item.text) for item in data.result.findings if item.text not in known)
    keys = [entry for entry in told if entry[0] == "candidate_key"]
    found = []
    for (class_, column, severity, text), times in told.items():
        if class_ == "candidate_key":
            if keys[0] != (class_, column, severity, text):
                continue
            others = [entry[3].partition(" names each ")[0] for entry in keys[1:]]
            text = f"{text.rstrip('.')}. Also unique: {'; '.join(others)}." if others else text
        words = f"Both sides: {text}" if times > 1 else text
        found.append(Finding.model_validate({"class": class_, "column": column, "severity": severity, "text": words}))
    return tuple(sorted(found, key=lambda item: SEVERITIES.index(item.severity)))


def settings(data: ReportData) -> tuple[tuple[str, str], ...]:
    """Return the settings with the side they are of, where the URIs tell; what is the same on both sides once."""
    found: list[tuple[str, str]] = []
    for name, text in dict.fromkeys(data.settings):
        texts = [other for kind, other in data.settings if kind == name]
        if name.endswith("_settings"):
            found.append((name.replace("_", " ") + _side(data, name.removesuffix("_settings"), texts, text), text))
        else:
            found.append((name, text))
    return tuple(found)


def _side(data: ReportData, kind: str, texts: list[str], text: str) -> str:
    inputs = data.result.inputs
    sides = [side for side, item in (("source", inputs.source), ("target", inputs.target)) if item.uri.startswith(f"{kind}:")]
    if len(texts) == 2:
        return ", both sides" if texts[0] == texts[1] else f", {('source', 'target')[texts.index(text)]}"
    if not sides:
        return ""
    return ", both sides" if len(sides) == 2 else f", {sides[0]}"


def coverage_parts(result: CompareResult) -> tuple[tuple[str, float], ...]:
    """Return the three shares of coverage, named."""
    coverage = result.coverage
    return (("rows", coverage.rows), ("columns", coverage.columns), ("partitions", coverage.partitions))


def changed_share(result: CompareResult, column: ColumnResult) -> str:
    """Return the share of paired rows in which a column differs."""
    return percent(column.changed, compared_rows(result))


def delta(column: ColumnResult) -> str:
    """Return the largest delta with its unit, or nothing: `7,200 s` for temporal columns."""
    value = column.max_abs_delta
    if value is None:
        return ""
    temporal = column.canonical_type.startswith(("date", "time", "interval"))
    return grouped(trimmed(value)) + (" s" if temporal else "")
