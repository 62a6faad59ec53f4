"""The command `parity`: `compare`, `plan`, `run`, `status`, `doctor`, `selftest`, `completion`."""

from __future__ import annotations

from jobs.stopping import held_interrupts, imports_over  # first: what follows takes a moment, and Ctrl-C may come in it

# isort: split
import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import get_completion_class
from rich.console import Console
from rich.text import Text

import parity
from jobs.failures import PlainEnd
from jobs.options import Once, keys, mapped, name_list, settings, side_options
from jobs.output import check_writable, write_whole
from schemas.errors import ConfigError, nearest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from jobs.comparison import Comparison
    from jobs.doctor import Check

__all__ = ["main", "quieten"]

imports_over()

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PLAIN_WIDTH = 100  # of a report that no terminal shows

_EXAMPLES = """
\b
Examples:
  parity compare parquet:/data/orders delta:/lake/orders --key order_id
  parity compare csv:old.csv csv:new.csv --key id --rule name=rtrim,nfc --rule price=cast:double --tolerance price=abs:0.01
  parity compare hive:shop.orders iceberg:lake.shop.orders --key order_id --map cust=customer_id --exclude loaded_at
  parity compare delta:/lake/orders@v12 delta:/lake/orders@v13 --key order_id --report orders.html --json orders.json
  parity compare 'postgres://reader@db:5432/shop?table=public.orders' parquet:s3a://lake/orders
"""
_ROUTE = """
\b
Examples:
  parity plan postgres-to-s3 --source postgres://reader@db:5432/shop --schema public --target s3://lake/shop --out plan.yaml
  parity run plan.yaml --workdir shop
  parity status shop
"""
_AGAIN = """
\b
Examples:
  parity run plan.yaml --workdir shop
  parity run plan.yaml --workdir shop --resume                                     after a crash, or to load again what was damaged
  parity run plan.yaml --workdir shop --resume --only reconciliation,explanation   is the target still what the source holds?
"""
_EXIT_CODES = """
\b
Exit codes:
  0  PASS, PASS_WITH_RULES or SAMPLED_PASS      3  it could not be carried out (unreadable file, Spark failed)
  1  FAIL: the data differ                      4  INCONCLUSIVE: something could not be proven
  2  the request is wrong or does not fit
"""


class _Parity(PlainEnd, click.Group):
    """Tells of an unknown command with the nearest one."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command; an unknown one is told with the nearest."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            close = nearest(name, self.commands)
            if ":" in name:
                advice = f"To compare two datasets: parity compare {name} …"
            elif close:
                advice = f"Did you mean {' or '.join(close)}?"
            else:
                advice = f"There are: {', '.join(self.commands)}."
            raise click.UsageError(f"There is no command {name}. {advice}", ctx)
        return super().resolve_command(ctx, args)


@click.group("parity", cls=_Parity, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(parity.__version__, prog_name="parity", message="%(prog)s %(version)s")
def main() -> None:
    """Prove that two datasets hold the same rows, or show which do not, where, and why.

    Or migrate a PostgreSQL schema to Parquet, and prove it: parity plan postgres-to-s3 writes a plan, parity run carries it out.
    """


def _session_options(command: _Command) -> _Command:
    """Add the options that say which Spark to use."""
    for option in (
        click.option("--conf", multiple=True, metavar="NAME=VALUE", help="A Spark setting; repeat it for more."),
        click.option("--remote", cls=Once, metavar="sc://HOST:PORT", help="A Spark Connect server to run on."),
        click.option("--master", cls=Once, metavar="URL", help="Spark master: local[4], yarn, … [default: all cores of this machine]"),
    ):
        command = option(command)
    return command


@main.command(epilog=_EXAMPLES + _EXIT_CODES, short_help="Compare two datasets.")
@click.argument("source")
@click.argument("target")
@click.option(
    "--key", multiple=True, metavar="NAMES", help="Columns that name a row, a,b or repeated. [default: the catalog's primary key]"
)
@click.option("--no-key", is_flag=True, help="Compare whole rows, as multisets.")
@click.option("--map", "mapping", multiple=True, metavar="SOURCE=TARGET", help="A column that has another name in the target; repeat it.")
@click.option("--column", multiple=True, metavar="NAMES", help="Compare only these columns, besides the key.")
@click.option("--exclude", multiple=True, metavar="NAMES", help="Leave these columns out.")
@click.option("--rule", multiple=True, metavar="COLUMN=RULES", help="Normalise both sides first: rtrim, nfc, null_as:N/A, round:2, …")
@click.option("--tolerance", multiple=True, metavar="COLUMN=LIMITS", help="How near is equal: abs:0.01, rel:1e-6, both, or abs:2s.")
@click.option("--where", cls=Once, metavar="PREDICATE", help="Compare only rows that satisfy this SQL expression over source names.")
@click.option("--sample", cls=Once, metavar="SHARE", help="Compare this share of the keys: 1%, 1/64 or 0.01. Never more than SAMPLED_PASS.")
@click.option("--strength", cls=Once, type=click.Choice(["64", "128", "sha256"]), help="Of the row hash. [default: 64]")
@click.option("--expect-empty", is_flag=True, default=None, help="Two empty sides are right.")
@click.option("--contract", cls=Once, metavar="FILE", help="YAML or JSON with all of the above, plus criticality and accepted losses.")
@click.option("--source-options", multiple=True, metavar="NAME=VALUE", help="How to read the source: header=false,null_value=NULL")
@click.option("--target-options", multiple=True, metavar="NAME=VALUE", help="How to read the target.")
@click.option("--report", cls=Once, metavar="FILE", help="Write the report as one HTML file.")
@click.option("--json", "json_file", cls=Once, metavar="FILE", help="Write the result document; - is stdout.")
@click.option("--markdown", cls=Once, metavar="FILE", help="Write a summary for a pull request; - is stdout.")
@click.option("--diffs", cls=Once, metavar="DIR", help="Write every difference there, as Parquet; the folder must not exist, or be empty.")
@click.option("--show-values", is_flag=True, help="Show personal data in reports; without this they are masked.")
@click.option("--limit", cls=Once, type=click.IntRange(min=0), metavar="N", help="Differing rows shown in the terminal. [default: 20]")
@click.option("--quiet", is_flag=True, help="Print the verdict line only.")
@click.option("--progress/--no-progress", default=None, help="Show what is going on, on stderr. [default: on a terminal]")
@_session_options
def compare(source: str, target: str, **options: Any) -> int:
    """Compare SOURCE, the side trusted, with TARGET, the side under test.

    Each is written scheme:location, with one of the schemes parquet, orc, avro, csv, json (paths), delta (path or table, @v12 for a
    version), iceberg (catalog.db.table, @ and a snapshot id), hive (a table of Spark's catalog) and postgres
    (postgres://user@host:port/database?table=schema.table). Names with commas, = or blanks are written in double quotes or backticks.
    """
    outputs = {name: options[field] for name, field in (("--report", "report"), ("--json", "json_file"), ("--markdown", "markdown"))}
    _check_outputs({name: value for name, value in outputs.items() if value is not None})
    request = _request(options)
    conf = settings(options["conf"])
    quieten()
    from connectors import parse_location, require_local
    from engine.sampling import parse_rate
    from jobs.compare import compare as run
    from jobs.progress import shown_progress
    from jobs.request import build_contract, check_predicate, reads_this_disk

    sides = parse_location(source, "source"), parse_location(target, "target")
    described = build_contract(request["contract"], **{name: value for name, value in request.items() if name != "contract"})
    if described.sample is not None:
        parse_rate(described.sample)
    if described.where is not None:
        check_predicate(described.where)
    if reads_this_disk(options["master"], options["remote"], conf):
        for side in sides:
            require_local(side)
    wanted = False if options["quiet"] and options["progress"] is None else options["progress"]
    with shown_progress(wanted) as phases:
        phases("starting Spark")
        spark = _session(options["master"], options["remote"], conf, (source, target))
        phases.watch(spark)
        outcome = run(source, target, **request, diffs=options["diffs"], spark=spark, show_values=options["show_values"], progress=phases)
    _write(outcome, outputs)
    _print(outcome, options, on_stdout="-" not in outputs.values())
    return outcome.exit_code


def _request(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compare` that describe the comparison."""
    from jobs.request import pairs

    return {
        "keys": keys(options["key"], options["no_key"]),
        "mapping": mapped(options["mapping"]),
        "columns": name_list(options["column"], "--column"),
        "exclude": name_list(options["exclude"], "--exclude"),
        "rules": pairs(options["rule"], "--rule") or None,
        "tolerance": pairs(options["tolerance"], "--tolerance") or None,
        "where": options["where"],
        "sample": options["sample"],
        "strength": options["strength"],
        "expect_empty": options["expect_empty"],
        "contract": options["contract"],
        "source_options": side_options(options["source_options"], "--source-options"),
        "target_options": side_options(options["target_options"], "--target-options"),
    }


def _check_outputs(outputs: dict[str, str]) -> None:
    """Check that what was asked for can be written, before anything is read."""
    by_place: dict[str, str] = {}
    for option, value in outputs.items():
        if value == "-" and option == "--report":
            raise ConfigError("--report -: a report needs a file.", object=option, hint="For stdout there are --markdown - and --json -.")
        place = value if value == "-" else os.path.realpath(value)
        if place in by_place:
            raise ConfigError(f"{by_place[place]} and {option} both write to {value}.", object=option, hint="Give each a file of its own.")
        by_place[place] = option
        if value != "-":
            check_writable(Path(value), option)


def _write(outcome: Comparison, outputs: dict[str, str | None]) -> None:
    """Write what was asked for; all of it is made before the first is written."""
    import reports.html

    makers: dict[str, Callable[[], str]] = {
        "--json": outcome.to_json,
        "--markdown": outcome.to_markdown,
        "--report": partial(reports.html.render, outcome.data),
    }
    texts = {option: makers[option]() for option, value in outputs.items() if value is not None}
    for option, text in texts.items():
        value = str(outputs[option])
        if value == "-":
            _echo(text)
        else:
            write_whole(Path(value), text)


def _print(outcome: Comparison, options: dict[str, Any], *, on_stdout: bool) -> None:
    """Print the report; on stderr the verdict alone when stdout carries a document."""
    from reports.escape import plain
    from reports.summary import headline
    from reports.terminal import render

    if options["quiet"] or not on_stdout:
        click.echo(plain(headline(outcome.data), lines=False), err=not on_stdout)
        return
    limit = 20 if options["limit"] is None else options["limit"]
    try:
        render(outcome.data, _console(), limit=limit)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()


def _console() -> Console:
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(file=sys.stdout, width=_PLAIN_WIDTH if plain else None)


def _echo(text: str) -> None:
    try:
        click.echo(text, nl=False)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()


def _forget_stdout() -> None:
    """Go on although the reader of stdout has left: the verdict is in the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def quieten() -> None:
    """Keep the chatter of libraries away from people: what matters comes as an error."""
    logging.getLogger("py4j").addHandler(logging.NullHandler())
    logging.getLogger("py4j").propagate = False
    if not logging.getLogger().handlers:  # py4j tells the root logger, with a traceback, when Ctrl-C comes while it waits for Java
        logging.getLogger().addHandler(logging.NullHandler())
    with contextlib.suppress(ImportError):  # without Spark, doctor has something to say
        from pyspark.logger import PySparkLogger

        for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):  # they print each failed query as JSON
            PySparkLogger.getLogger(name).disabled = True
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _session(master: str | None, remote: str | None, conf: dict[str, str], locations: tuple[str, ...] = ()) -> SparkSession:
    from jobs.session import build_session

    if remote:  # nothing is started here, and the server may let us wait
        return build_session("parity", master=master, remote=remote, conf=conf)
    with held_interrupts():
        return build_session("parity", master=master, remote=remote, conf=conf, locations=locations)


@main.group("plan", cls=_Parity, epilog=_ROUTE, context_settings={"max_content_width": 130})
def plan_group() -> None:
    """Write the plan of a migration, for a person to read and change; parity run carries it out."""


@plan_group.command(
    "postgres-to-s3", epilog=_ROUTE, context_settings={"max_content_width": 130}, short_help="PostgreSQL to Parquet in S3 or a folder."
)
@click.option("--source", cls=Once, required=True, metavar="URI", help="postgres://user@host:port/database, without a password.")
@click.option("--schema", cls=Once, required=True, metavar="NAME", help="Of the source, exactly as it is written there.")
@click.option("--tables", cls=Once, metavar="PATTERNS", help="Such as orders,line*. [default: all]")
@click.option("--target", cls=Once, required=True, metavar="URI", help="s3://bucket/prefix or file:/folder.")
@click.option("--out", cls=Once, metavar="FILE", help="The plan; - is stdout. [default: plan.yaml]")
@click.option(
    "--source-secret", cls=Once, metavar="PLACE", help="Of the password: env://NAME or file:///path. [default: PGPASSWORD, ~/.pgpass]"
)
@click.option("--profile-sample", cls=Once, metavar="SHARE", help="Profile this share of the rows only, such as 1%.")
@click.option("--progress/--no-progress", default=None, help="Show what is going on, on stderr. [default: on a terminal]")
def plan_postgres_to_s3(source: str, schema: str, target: str, **options: Any) -> int:
    """Look at a PostgreSQL schema and write a plan of its migration; nothing is migrated.

    The password comes from --source-secret, PGPASSWORD or ~/.pgpass, never from the URI.
    """
    from jobs.migration_commands import plan_command

    return plan_command(source, schema, target, **options)


@main.command(
    "run", epilog=_AGAIN + _EXIT_CODES, context_settings={"max_content_width": 130}, short_help="Carry out a plan, and prove the result."
)
@click.argument("plan", metavar="PLAN")
@click.option("--workdir", cls=Once, metavar="DIR", help="For documents, report and state. [default: the plan's name without its ending]")
@click.option(
    "--only", multiple=True, metavar="STEPS", help="discovery, profiling, mapping, rewrite, migrate, reconciliation, explanation."
)
@click.option("--resume", is_flag=True, help="Go on with what --workdir holds.")
@click.option("--report", cls=Once, metavar="FILE", help="The page of all tables. [default: report.html in --workdir]")
@click.option("--show-values", is_flag=True, help="Show personal data in reports; without this they are masked.")
@click.option("--progress/--no-progress", default=None, help="Show what is going on, on stderr. [default: on a terminal]")
@_session_options
def run(plan: str, **options: Any) -> int:
    """Carry out PLAN: move its tables on one snapshot of PostgreSQL, compare both sides live, and say whether they are the same.

    A plan that no longer fits the source is refused. After a crash, --resume goes on; what is proven already stays.
    """
    quieten()
    from jobs.migration_commands import run_command

    conf = settings(options["conf"])
    return run_command(plan, lambda target: _session(options["master"], options["remote"], conf, (target,)), **options)


@main.command(short_help="Say what a run has done so far.")
@click.argument("workdir", metavar="DIR")
def status(workdir: str) -> int:
    """Say what the run in DIR has done so far, and whether it is at work."""
    from jobs.migration_status import tell_status

    return tell_status(Path(workdir))


@main.command()
@_session_options
def selftest(master: str | None, remote: str | None, conf: tuple[str, ...]) -> int:
    """Prove that this machine, or cluster, computes the published answers."""
    quieten()
    from jobs.progress import shown_progress
    from jobs.selftest import selftest as run

    with shown_progress(None) as phases:
        phases("starting Spark")
        spark = _session(master, remote, settings(conf))
        phases.watch(spark)
        proven = run(spark, phases)
    click.echo(f"PASS: {proven.answers:,} published answers of {proven.vectors:,} rows, and a small comparison, came out right.")
    click.echo(f"Spark {proven.spark}, session {proven.session_sha256[:12]}, {proven.seconds:.0f} s")
    return 0


@main.command()
@_session_options
def doctor(master: str | None, remote: str | None, conf: tuple[str, ...]) -> int:
    """Say what this machine lacks, with the command that mends it. With --master or --remote, look at that session too."""
    quieten()
    from jobs.doctor import checks, session_checks

    found = checks()
    if (master or remote or conf) and all(check.ok for check in found if check.required):
        found += session_checks(_session(master, remote, settings(conf)))
    _print_checks(found)
    return 0 if all(check.ok for check in found if check.required) else 2


def _print_checks(found: Sequence[Check]) -> None:
    """Print what was looked at, one line each, and under it what mends it."""
    console = _console()
    words = {True: ("ok", "green"), False: ("wrong", "bold red"), None: ("note", "yellow")}
    width = max(len(check.name) for check in found)
    for check in found:
        word, style = words[True if check.ok else False if check.required else None]
        needed = "" if check.ok else f"; needed: {check.needed}"
        console.print(Text.assemble((f"{word:<5}", style), f"  {check.name:<{width}}  {check.found}{needed}"), soft_wrap=True)
        if check.fix:
            console.print(Text(f"{'':<{width + 9}}{check.fix}", style="cyan"), soft_wrap=True)
    wrong = sum(not check.ok for check in found if check.required)
    console.print(f"{wrong} to mend, the first one first." if wrong else "Ready.", highlight=False)


@main.command()
@click.argument("shell", required=False, type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str | None) -> int:
    """Print what makes SHELL complete the options of parity. [default: your shell]

    \b
      bash   parity completion bash >> ~/.bashrc
      zsh    parity completion zsh >> ~/.zshrc
      fish   parity completion fish > ~/.config/fish/completions/parity.fish
    """
    chosen = shell or Path(os.environ.get("SHELL", "")).name
    source = get_completion_class(chosen)
    if source is None:
        raise click.UsageError(f"Your shell{f', {chosen},' if chosen else ''} is not one of bash, zsh, fish: name one of them.")
    click.echo(source(main, {}, "parity", "_PARITY_COMPLETE").source())
    return 0


if __name__ == "__main__":
    main()
