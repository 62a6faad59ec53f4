"""Options of `parity plan` and `parity run` to what they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.options import name_list
from jobs.output import check_writable, write_whole
from schemas.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.migration_run import Ended
    from schemas.agent_output import Step

__all__ = ["plan_command", "run_command"]

_PLAN = "plan.yaml"
_SHOWN = 3


def plan_command(
    source: str,
    schema: str,
    target: str,
    *,
    tables: str | None,
    out: str | None,
    source_secret: str | None,
    profile_sample: str | None,
    progress: bool | None,
) -> int:
    """Write a plan; return the exit code."""
    place = _PLAN if out is None else out
    if place != "-":
        check_writable(Path(place), "--out")
    from jobs.migration_plan import make_plan
    from jobs.progress import shown_progress
    from reports.escape import plain

    with shown_progress(progress) as phases:
        plan, text, warnings = make_plan(
            source, schema, target, tables=tables or "*", source_secret=source_secret, sample=profile_sample, tell=phases
        )
    for warning in warnings:
        click.echo(plain(warning, lines=False), err=True)
    if place == "-":
        click.echo(text, nl=False)
        return 0
    write_whole(Path(place), text)
    questions = sum(len(table.questions) for table in plan.tables)
    refused = [f"{table}.{column}" for table, column in plan.refused()]
    click.echo(f"{place}: {len(plan.tables)} tables, {questions} open questions.")
    if refused:
        shown = ", ".join(refused[:5]) + (" …" if len(refused) > 5 else "")
        click.echo(f"To be decided before it runs (a rule, or exclude in the contract): {shown}")
    click.echo(f"Read it, change it, then: parity run {place} --workdir {_folder_for(place)}")
    return 0


def run_command(plan: str, session: Callable[[str], SparkSession], **options: Any) -> int:
    """Carry out a plan; return the exit code."""
    from jobs.migration_plan import load_plan
    from jobs.migration_run import Order, run_plan
    from jobs.migration_status import Workdir
    from jobs.progress import shown_progress

    described = load_plan(Path(plan))
    report = options["report"]
    if report is not None:
        check_writable(Path(report), "--report")
    order = Order(
        plan=described,
        workdir=Workdir(Path(options["workdir"] or _folder_for(plan))),
        only=_steps(options["only"]),
        resume=options["resume"],
        report=None if report is None else Path(report),
        show_values=options["show_values"],
    )
    with shown_progress(options["progress"]) as phases:

        def start() -> SparkSession:
            phases("starting Spark")
            spark = session(described.target)
            phases.watch(spark)
            return spark

        ended = run_plan(order, start, phases)
    _tell(order.workdir, ended, order.report)
    return ended.exit_code


def _folder_for(plan: str) -> str:
    path = Path(plan)
    return str(path.with_suffix("")) if path.suffix else f"{path}.run"


def _steps(values: Sequence[str]) -> tuple[Step, ...]:
    """Return the steps of `--only`, in the order in which they run.

    Raises:
        ConfigError: one of them is no step.
    """
    from jobs.migration_status import STEPS

    wanted = name_list(values, "--only")
    if wanted is None:
        return STEPS
    for name in wanted:
        if name not in STEPS:
            close = nearest(name, STEPS)
            hint = f"Did you mean {' or '.join(close)}?" if close else f"Steps: {', '.join(STEPS)}."
            raise ConfigError(f"--only {name}: there is no such step.", object="--only", hint=hint)
    return tuple(step for step in STEPS if step in wanted)


def _tell(workdir: Any, ended: Ended, report: Path | None) -> None:
    from reports.escape import plain
    from reports.figures import count

    for warning in ended.warnings:
        click.echo(plain(warning, lines=False), err=True)
    if ended.page is None:
        click.echo(f"Done. Documents: {workdir.outputs}")
        return
    page = ended.page
    click.echo(f"{page.verdict}: {page.sentence}")
    width = max(len(plain(table.name, lines=False)) for table in page.tables)
    for table in page.tables:
        differing = f", {count(table.differing)} differ" if table.differing else ""
        click.echo(f"  {plain(table.name, lines=False):<{width}}  {table.verdict}, {count(table.source_rows)} rows{differing}")
        if not table.passed:
            told = [*table.why[:_SHOWN], *([f"{table.differs}."] if table.differs else [])]
            told += [f"{share}  {text}" for share, text in table.causes]
            for text in told:
                click.echo(f"  {'':<{width}}  {plain(text, lines=False)}")
    click.echo(f"Report: {report or workdir.report}  Result: {workdir.result}")
