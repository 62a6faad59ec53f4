"""The demonstration: TPC-H orders and line items, a migration that went well and one that did not. `scripts/demo` starts it.

Each run compares anew; the tables are made once and kept in the work folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import click
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.cli import quieten
from jobs.compare import compare
from jobs.comparison import Comparison
from jobs.failures import PlainEnd
from jobs.options import Once
from jobs.output import write_whole
from jobs.progress import Phases, shown_progress
from jobs.session import build_session
from reports.causes import entries
from reports.summary import headline
from schemas.errors import ConfigError, EngineError, MissingExtraError

__all__ = ["faulty", "main", "make_tables"]

_KEY = ["l_orderkey", "l_linenumber"]
_RECIPE = 1  # of the tables; another number makes them anew
_MAKER = "tpchgen-cli"


def _bucket(modulus: int) -> Column:
    """Return a number that spreads line items evenly, the same in every run."""
    return F.pmod(F.xxhash64("l_orderkey", "l_linenumber"), F.lit(modulus))


def line_items(generated: DataFrame) -> DataFrame:
    """Return the generated line items with the time they were shipped (UTC) and the year of that, `l_shipyear: int`, last."""
    second = F.pmod(F.col("l_orderkey") * 7919 + F.col("l_linenumber") * 104729, F.lit(86_400)).cast("int")
    shipped = F.timestamp_seconds(F.unix_seconds(F.col("l_shipdate").cast("timestamp")) + second)
    return generated.select(*generated.columns, shipped.alias("l_shipped_at"), F.year("l_shipdate").alias("l_shipyear"))


def faulty(items: DataFrame) -> DataFrame:
    """Return line items as a careless migration leaves them.

    In the partition 1995 the time of shipping is read in Berlin's zone; comments lose blanks at their end (those of air freight);
    the price of some is rounded to whole units; one row in 5,000 is lost, one in 20,000 is there twice, and one quantity is off by one.
    """
    local = F.to_utc_timestamp("l_shipped_at", "Europe/Berlin")
    first = (F.col("l_orderkey") == 1) & (F.col("l_linenumber") == 1)
    changes = {
        "l_shipped_at": F.when(F.col("l_shipyear") == 1995, local).otherwise(F.col("l_shipped_at")),
        "l_comment": F.when(F.col("l_shipmode") == "AIR", F.rtrim("l_comment")).otherwise(F.col("l_comment")),
        "l_extendedprice": F.when(_bucket(200) == 7, F.round("l_extendedprice", 0).cast("decimal(15,2)")).otherwise(
            F.col("l_extendedprice")
        ),
        "l_quantity": F.when(first, (F.col("l_quantity") + 1).cast("decimal(15,2)")).otherwise(F.col("l_quantity")),
    }
    kept = items.where((_bucket(5_000) != 11) | first)
    twice = kept.where(_bucket(20_000) == 13)
    return kept.unionByName(twice).withColumns(changes).select(*items.columns)


def make_tables(spark: SparkSession, folder: Path, scale: float) -> None:
    """Write the three tables of the demonstration, unless they are there.

    Args:
        folder: receives `source/lineitem` (Parquet), `migrated/lineitem` and `careless/lineitem` (ORC by year of shipping), and
            `source/orders`, `migrated/orders`.
        scale: of TPC-H; 0.1 = 600,572 line items.

    Raises:
        MissingExtraError: the generator is not installed.
        EngineError: it failed.
    """
    stamp = folder / "made.json"
    recipe = {"recipe": _RECIPE, "scale": scale}
    if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == recipe:
        return
    for name in ("generated", "source", "migrated", "careless"):
        shutil.rmtree(folder / name, ignore_errors=True)
    _generate(folder / "generated", scale)
    items = line_items(spark.read.parquet(str(folder / "generated" / "lineitem.parquet")))
    items.write.parquet(str(folder / "source" / "lineitem"))
    items = spark.read.parquet(str(folder / "source" / "lineitem"))
    by_year = F.col("l_shipyear")
    items.repartition(4, by_year).write.partitionBy("l_shipyear").orc(str(folder / "migrated" / "lineitem"))
    faulty(items).repartition(4, by_year).write.partitionBy("l_shipyear").orc(str(folder / "careless" / "lineitem"))
    orders = spark.read.parquet(str(folder / "generated" / "orders.parquet"))
    orders.write.parquet(str(folder / "source" / "orders"))
    orders.repartition(2).write.orc(str(folder / "migrated" / "orders"))
    shutil.rmtree(folder / "generated")
    write_whole(stamp, json.dumps(recipe))


def _generate(folder: Path, scale: float) -> None:
    folder.mkdir(parents=True)
    beside = Path(sysconfig.get_path("scripts"), _MAKER)
    program = str(beside) if beside.is_file() else shutil.which(_MAKER)
    if program is None:
        raise MissingExtraError("demo", _MAKER, "The demonstration")
    command = [program, "parquet", "--scale-factor", str(scale), "--tables", "orders,lineitem", "--output-dir", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise EngineError(
            f"{_MAKER} failed: {' '.join(run.stderr.split())[-300:]}", object=_MAKER, hint="Is there space in the work folder?"
        )


@click.command("scripts/demo", cls=PlainEnd, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", cls=Once, metavar="DIR", help="Work folder. [default: .demo in the checkout]")
@click.option("--scale", type=click.FloatRange(min=0.001, max=10), default=0.1, show_default=True, help="TPC-H scale factor.")
@click.option("--master", default="local[*]", show_default=True, help="Spark master.")
def main(folder: str | None, scale: float, master: str) -> int:
    """Make TPC-H tables, migrate them once well and once carelessly, and let Parity tell which is which."""
    quieten()
    place = _work_folder(folder)
    started = time.monotonic()
    with shown_progress(None) as phases:
        phases("starting Spark")
        spark = build_session("parity demo", master=master)
        phases.watch(spark)
        phases("making the tables")
        make_tables(spark, place, scale)
        orders = _compared(spark, place, "migrated", "orders", ["o_orderkey"], phases)
        good = _compared(spark, place, "migrated", "lineitem", _KEY, phases)
        bad = _compared(spark, place, "careless", "lineitem", _KEY, phases)
    report = bad.to_html(place / "careless.html")
    write_whole(place / "careless.md", bad.to_markdown())
    bad.to_json(place / "careless.json")
    _tell(place, report, orders, good, bad, time.monotonic() - started)
    return 0


def _work_folder(folder: str | None) -> Path:
    place = Path(folder) if folder else Path(__file__).resolve().parent.parent / ".demo"
    place = Path(os.path.relpath(place)) if place.resolve().is_relative_to(Path.cwd()) else place.resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--folder {place}: {error.strerror}.", object=str(place), hint="Choose another with --folder DIR.") from None
    return place


def _compared(spark: SparkSession, place: Path, state: str, table: str, key: list[str], phases: Phases) -> Comparison:
    return compare(f"parquet:{place}/source/{table}", f"orc:{place}/{state}/{table}", key, spark=spark, progress=phases)


def _tell(place: Path, report: Path, orders: Comparison, good: Comparison, bad: Comparison, seconds: float) -> None:
    def say(text: str = "") -> None:
        click.echo(text)

    rows = good.counts.source_rows
    say(f"TPC-H, {rows:,} line items and {orders.counts.source_rows:,} orders, Parquet to ORC by year of shipping ({seconds:.0f} s)")
    say()
    say("1. The orders, migrated well")
    say(f"   {headline(orders.data)}")
    say()
    say("2. The line items, migrated well")
    say(f"   {headline(good.data)}")
    say()
    say("3. The line items, migrated carelessly")
    say(f"   {headline(bad.data).partition(';')[0].rstrip('.')}.")
    say()
    say("   Why, probably (share of the differing rows):")
    for entry in entries(bad.result):
        if entry.explanation.share:
            said = entry.explanation.statement.partition(" Explains ")[0]
            say(f"   {entry.explanation.share:>7.2%}  {said} {entry.where}".rstrip())
    say()
    say(f"The report, one HTML file for any browser:  {report}")
    say()
    say("What to try next:")
    command = f"{_program()} compare parquet:{place}/source/lineitem orc:{place}/careless/lineitem --key l_orderkey,l_linenumber"
    for words, why in (
        ("", "the same in the terminal"),
        (" --where 'l_shipyear = 1996'", "one year only"),
        (" --sample 1% --exclude l_comment", "a hundredth of the keys, without a column"),
        (f" --rule l_comment=rtrim --diffs {place}/differences", "with a rule; every difference as Parquet"),
    ):
        say(f"  # {why}")
        say(f"  {command}{words}")


def _program() -> str:
    """Return how the command `parity` is called from here."""
    beside = Path(sysconfig.get_path("scripts"), "parity")
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else "parity"


if __name__ == "__main__":
    main()
