"""A result to what to do next: at most a handful of steps, with commands to copy."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from reports.figures import plural, share
from reports.model import ReportData
from reports.summary import column_name, deciding, differing_rows, first_sentence, ordered_columns
from schemas.verdict import CompareResult, Explanation, Fix, Reason

__all__ = ["Step", "command", "is_command", "steps"]

_MOST_FIXES = 3
_MOST_COLUMNS = 2  # grave ones that no fix is about
_GRAVE = ("CRITICAL", "HIGH")
_OF_ROWS = ("changed", "missing", "extra", "multiplicity")  # reasons that the fixes and the differences are about
_FIX_WORDS = {
    "contract_rule": "If that is acceptable, declare it and compare again:",
    "sql": "Fix it in SQL:",
    "spark": "Fix it in the Spark job:",
    "reload": "Load these rows again:",
}
_CAST = "Cast the column to a comparable type on both sides, or leave it out with --exclude; the coverage then shows it."
_PIN = "Compare something that cannot change meanwhile: a table version, a snapshot, or files that nobody writes to."
_QUIET = "Something wrote while it was read. Stop the writer, or compare a fixed version, and run again."
_KEY = "Check the key: it does not name one row. Add a column to --key, or do without unique_keys."
_READ = "Check path, filter and partition of that side: fewer files may have been read than you think."
_NARROWED = "Check that this may be left out: it was not compared."
# What to do about a reason, by words in its code; the first that fits.
_ADVICE: tuple[tuple[str, str], ...] = (
    ("empty_sample", "Take a larger sample, or compare every row without --sample."),
    ("empty_files", _READ),
    ("empty", "If two empty tables are right, say so with --expect-empty. Otherwise check path, filter and partition: nothing was read."),
    ("row_totals", "Compare every row without --sample to find the rows that are too many or too few."),
    ("sample", "Run again without --sample to compare every row."),
    ("self_comparison", "Both sides are the same table: name the two that shall be compared."),
    ("unpinned", _PIN),
    ("changed_source|source_changed|moved|concurrent|unfinished", _QUIET),
    ("calendar", "Say how early dates were written: option calendar=proleptic or calendar=hybrid of that side."),
    ("lossy", "Cast to a type that holds every value, or name the column under accept_loss in the contract; lossy rows are then counted."),
    ("missing_column", "Map it with --map source=target if it was renamed, or leave it out with --exclude; the coverage then shows it."),
    ("type_changed", "Declare how to compare it, such as --rule column=cast:<type>."),
    ("unhashable|columns_not_compared|nothing_compared", _CAST),
    ("hidden|partition|files", _READ),
    ("blank_lines|carriage", "Say with an option of that side how the text is to be read; the settings name it."),
    ("duplicate_keys|null_keys", _KEY),
    ("extra_column", "Leave it out with --exclude if it is new on purpose, or map it with --map source=target."),
    ("columns_excluded|columns_chosen|where", _NARROWED),
    ("declared_cast", "Check that the cast means the same as what your readers of both tables do."),
    ("accepted", "Check that the decision still holds."),
    ("budget|limit|timeout|memory", "Give the run more room, or split it with --where and compare the parts."),
)


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        title, detail: sentences without a full stop, with one.
        text: a rule, SQL or code to paste, or empty.
        words: a command line, each word quoted for a shell; empty when there is none.
    """

    title: str
    detail: str = ""
    text: str = ""
    words: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What can be pasted, in one piece, or empty."""
        return self.text or " ".join(self.words)


def is_command(fix: Fix) -> bool:
    """Return whether the text of a fix is something to paste rather than a sentence."""
    return fix.kind in {"contract_rule", "sql", "spark"} or (fix.kind == "reload" and fix.text.startswith(("target = ", "source = ")))


def steps(data: ReportData) -> tuple[Step, ...]:
    """Return what to do, most useful first."""
    result = data.result
    return {
        "PASS": _pass,
        "PASS_WITH_RULES": _pass_with_rules,
        "SAMPLED_PASS": _sampled_pass,
        "FAIL": _fail,
        "INCONCLUSIVE": _inconclusive,
    }[result.verdict](data)


def _pass(data: ReportData) -> tuple[Step, ...]:
    result = data.result
    if result.inputs.source.pinned and result.inputs.target.pinned:
        return (Step("Nothing to do", "Keep this report, or the document of --json, as evidence."),)
    return (Step("To open a gate, compare pinned inputs", "Give files, table versions or snapshots as URI instead of DataFrames."),)


def _pass_with_rules(data: ReportData) -> tuple[Step, ...]:
    result = data.result
    found = []
    if result.counts.matched_by_rule:
        rows = plural(result.counts.matched_by_rule, "row")
        found.append(Step("Check that the rules are still wanted", f"{rows} would differ without them. Each rule is listed with its rows."))
    return (*found, *_about(reason for reason in result.reasons if reason.code != "matched_by_rule"))


def _sampled_pass(data: ReportData) -> tuple[Step, ...]:
    whole = command(data.result, without=("sample",))
    return (
        Step("Compare every row when it matters", "A sample can miss differences that sit in few rows. No gate accepts it.", words=whole),
    )


def _inconclusive(data: ReportData) -> tuple[Step, ...]:
    return _about(deciding(data.result)) or (Step("Read the findings", "They name what could not be proven."),)


def _fail(data: ReportData) -> tuple[Step, ...]:
    result = data.result
    fixes = [item for item in result.explanations if item.share > 0 and item.alternative_to is None][:_MOST_FIXES]
    found = [_step(result, item) for item in fixes]
    found += [_look(data, item) if isinstance(item, str) else _step(result, item) for item in _left_out(data, fixes)]
    found += _about(reason for reason in deciding(result) if reason.code not in _OF_ROWS)
    if differing_rows(result):
        every = command(result, extra=("--diffs", "differences"))
        title = "Write every difference to Parquet" if fixes else "See every difference, then look for the cause"
        found.append(Step(title, "One row per differing cell; in Python: result.diffs(), result.missing(), result.extra().", words=every))
    return tuple(found) or (Step("Read the reasons", "They say what failed."),)


def _left_out(data: ReportData, fixes: Iterable[Explanation]) -> Iterator[Explanation | str]:
    """Yield what is still to be told beside the fixes: missing and extra rows, and grave columns; its explanation where there is one.

    Yields:
        An explanation, else `missing`, `extra` (row classes) or the name of a column after a colon.
    """
    result = data.result
    told = list(fixes)
    others = [item for item in result.explanations if item.alternative_to is None and item not in told]
    for row_class, rows in (("missing", result.counts.missing), ("extra", result.counts.extra)):
        if rows and not any(row_class in item.row_classes for item in told):
            item = next((item for item in others if item.share > 0 and row_class in item.row_classes), None)
            told += [item] if item else []
            yield item or row_class
    severity, lines = dict(data.severities), 0
    for name in (column_name(column) for column in ordered_columns(data)[0] if column.changed):
        if lines < _MOST_COLUMNS and severity.get(name) in _GRAVE and not any(name in item.columns for item in told):
            lines += 1
            item = next((item for item in others if item.role != "refuted" and name in item.columns), None)
            told += [item] if item else []
            yield item or f":{name}"


def _look(data: ReportData, left: str) -> Step:
    """Return the step for rows or a column that nothing explains."""
    result = data.result
    if left.startswith(":"):
        changed = next(column.changed for column in result.columns if column_name(column) == left[1:])
        what = f"{'the' if changed == 1 else f'the {changed:,}'} changed {'cell' if changed == 1 else 'cells'} of {left[1:]}"
        return Step(f"Look at {what}: no cause was found", "In Python: result.diffs() lists what both sides hold.")
    rows = result.counts.missing if left == "missing" else result.counts.extra
    what = f"the {left} row" if rows == 1 else f"the {rows:,} {left} rows"
    return Step(f"Look at {what}: no cause was found", f"In Python: result.{left}() lists {'it' if rows == 1 else 'them'}.")


def _about(reasons: Iterable[Reason]) -> tuple[Step, ...]:
    return tuple(Step(_sentence(reason.text), _advice(reason)) for reason in reasons)


def _step(result: CompareResult, explanation: Explanation) -> Step:
    fix = explanation.fix
    part = (
        f"{share(explanation.share)} of the differing rows" if explanation.share > 0 else "cells of rows that differ in other columns too"
    )
    explains = f"It explains {part}."
    if not is_command(fix):
        return Step(_seen(explanation), f"{explains} {_sentence(fix.text)}.")
    words = _with_options(result, fix.text) if fix.kind == "contract_rule" else ()
    return Step(_seen(explanation), f"{explains} {_FIX_WORDS[fix.kind]}", "" if words else fix.text, words)


def _seen(explanation: Explanation) -> str:
    """Return what is seen, without the numbers that follow it."""
    return first_sentence(explanation.statement.partition(" Explains ")[0])


def _with_options(result: CompareResult, options: str) -> tuple[str, ...]:
    """Return the command line of the run with these options; empty when they are lines for a contract, or there is none."""
    if not options.startswith("--"):
        return ()
    try:
        extra = tuple(shlex.split(options))
    except ValueError:  # an open quote: whatever it is, it is not for a shell
        return ()
    taken = {*(result.contract.get("rules") or ()), *(result.contract.get("tolerance") or ())}
    if any(word.partition("=")[0] in taken for word in extra):
        return ()  # an option given twice with different values is refused: the two must be merged by hand
    return command(result, extra=extra)


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")


def _advice(reason: Reason) -> str:
    fitting = (advice for pattern, advice in _ADVICE if re.search(pattern, reason.code, re.IGNORECASE))
    return next(fitting, "Remove this cause and compare again.")


def command(result: CompareResult, *, without: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the words of the command line that repeats the comparison, quoted for a shell; empty when there is none.

    Args:
        result: of a run on two URIs; DataFrames have no command line.
        without: fields of the contract to leave out.
        extra: further arguments.

    Source:
        CONTRACT.md 1, column CLI.
    """
    contract = {key: value for key, value in result.contract.items() if value and key not in without}
    if any(field in contract for field in ("unique_keys", "criticality", "accept_loss", "source_options", "target_options")):
        return ()  # these have no option of their own: the contract file of the run is needed
    uris = (result.inputs.source.uri, result.inputs.target.uri)
    if not all(re.match(r"(?!dataframe)[a-z][a-z0-9_+-]*:\S", uri) and "***" not in uri and uri.isprintable() for uri in uris):
        return ()
    words = ["parity", "compare", *uris, *_options(contract), *extra]
    return tuple(shlex.quote(word) for word in words) if all(word.isprintable() for word in words) else ()


def _options(contract: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name in contract.get("keys") or ():
        words += ["--key", _name(name)]
    if not contract.get("keys"):
        words.append("--no-key")
    for source, target in sorted((contract.get("mapping") or {}).items()):
        words += ["--map", f"{_name(source)}={_name(target)}"]
    for option, field in (("--column", "columns"), ("--exclude", "exclude")):
        for name in contract.get(field) or ():
            words += [option, _name(name)]
    for name, rules in sorted((contract.get("rules") or {}).items()):
        words += ["--rule", f"{_name(name)}={','.join(rules)}"]
    for name, tolerance in sorted((contract.get("tolerance") or {}).items()):
        words += ["--tolerance", f"{_name(name)}={tolerance}"]
    for option, field in (("--where", "where"), ("--sample", "sample")):
        if contract.get(field):
            words += [option, str(contract[field])]
    if contract.get("strength") not in (None, "64"):
        words += ["--strength", str(contract["strength"])]
    if contract.get("expect_empty"):
        words.append("--expect-empty")
    return words


def _name(name: str) -> str:
    """Return a column name as an option value takes it: quoted when it holds a comma, an equals sign or a blank."""
    return f'"{name}"' if re.search(r"[,=\s]", name) and '"' not in name else name
