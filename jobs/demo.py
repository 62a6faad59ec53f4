"""The demonstration: TPC-H in a PostgreSQL of its own, migrated and proven; then a file is damaged, found and explained.

`scripts/demo` starts it. What it runs are the commands that it prints. The tables are generated once and kept in the work folder;
server, plan, target and run are made anew each time. When it ends, no server is left.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.objects import open_store
from connectors.publishing import current_version
from jobs.cli import main as parity
from jobs.cli import quieten
from jobs.demo_tables import DATABASE, ROLE, SCHEMA, load_tables, make_tables
from jobs.failures import PlainEnd
from jobs.jars import missing_jars
from jobs.local_postgres import LocalPostgres, find_binaries, free_port, running_postgres
from jobs.options import Once
from jobs.output import write_whole
from jobs.progress import Phases, shown_progress
from jobs.stopping import INTERRUPTED, Stopped
from schemas.errors import ConfigError, EngineError

__all__ = ["Planted", "main", "plant_faults"]

_RECIPE = 2  # of the tables; another number makes them anew
_PORT = 54329  # the same each time where it is free, so that a plan goes on to fit
_TABLE, _KEY = "lineitem", "l_orderkey,l_linenumber"
_TWO_HOURS_US = 2 * 3600 * 1_000_000


@click.command("scripts/demo", cls=PlainEnd, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--folder", cls=Once, metavar="DIR", help="Work folder. [default: .demo in the checkout]")
@click.option("--scale", type=click.FloatRange(min=0.001, max=10), default=0.1, show_default=True, help="TPC-H scale factor.")
@click.option("--master", cls=Once, metavar="URL", help="Spark master. [default: all cores of this machine]")
@click.option("--serve", is_flag=True, help="Only start the database, for calls of your own, until Ctrl-C.")
def main(folder: str | None, scale: float, master: str | None, serve: bool) -> int:
    """Migrate a PostgreSQL database to Parquet and prove it; then damage a file, and let Parity find and explain that."""
    quieten()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the server is not to be left
    started = time.monotonic()
    _require_parts()
    place = _work_folder(folder)
    with shown_progress(None) as phases, _database(place, scale, phases) as server:
        phases.stop()
        demo = _Demo(place, server, master)
        click.echo(f"TPC-H at scale {scale:g} in a PostgreSQL of its own, {demo.source} ({_seconds(started)})")
        click.echo(f"{ROLE} may read the schema {SCHEMA} and do nothing else; its password is in {demo.secret}")
        if serve:
            demo.serve()
            return 0
        return demo.show(started)


@dataclass(frozen=True)
class Planted:
    """What a careless job did to a file: rows whose time it shifted, whose price it rounded, that it lost; one quantity is off by one."""

    shifted: int
    rounded: int
    lost: int


def plant_faults(file: Path) -> Planted:
    """Rewrite a Parquet file of line items as a careless job does.

    It reads the time of shipping in Berlin's summer time, for July 1995; it rounds the prices of one kind of lines to whole units;
    it loses the lines of the order in the middle; and it changes the first quantity by one.
    """
    rows = pq.read_table(file)
    month = pc.strftime(rows["l_shipdate"], format="%Y-%m")
    shifted = pc.equal(month, "1995-07")
    price = rows["l_extendedprice"]
    rounded = pc.and_(pc.equal(pc.cast(rows["l_quantity"], pa.int64()), 50), pc.equal(rows["l_shipmode"], "AIR       "))
    rounded = pc.and_(rounded, pc.not_equal(price, pc.round(price)))
    zone = rows["l_shipped_at"].type
    earlier = pc.cast(pc.subtract(pc.cast(rows["l_shipped_at"], pa.int64()), _TWO_HOURS_US), zone)
    lost = pc.equal(rows["l_orderkey"], rows["l_orderkey"][rows.num_rows // 2])
    more = pc.cast(pc.add(rows["l_quantity"], pa.scalar(1)), rows["l_quantity"].type)
    first = pa.array([number == 0 for number in range(rows.num_rows)])
    for name, changed, values in (
        ("l_shipped_at", shifted, earlier),
        ("l_extendedprice", rounded, pc.round(price)),
        ("l_quantity", first, more),
    ):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), pc.if_else(changed, values, rows[name]))
    kept = pc.invert(lost)
    pq.write_table(rows.filter(kept), file, compression="snappy")
    return Planted(_count(pc.and_(shifted, kept)), _count(pc.and_(rounded, kept)), _count(lost))


def _count(chosen: pa.ChunkedArray) -> int:
    return int(pc.sum(chosen).as_py() or 0)


@dataclass(frozen=True)
class _Demo:
    """The calls of the demonstration.

    Attributes:
        master: of Spark; None: what `parity` takes by itself.
    """

    folder: Path
    server: LocalPostgres
    master: str | None

    @property
    def source(self) -> str:
        return f"postgres://{ROLE}@127.0.0.1:{self.server.port}/{DATABASE}"

    @property
    def secret(self) -> Path:
        return _secret(self.folder)

    @property
    def target(self) -> str:
        return f"file:{self.folder.resolve() / 'lake'}"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def plan_words(self, out: Path) -> list[str]:
        source = ["--source", self.source, "--source-secret", f"file://{self.secret.resolve()}", "--schema", SCHEMA]
        return ["plan", "postgres-to-s3", *source, "--target", self.target, "--out", str(out)]

    def run_words(self, plan: Path, workdir: Path, *more: str) -> list[str]:
        return ["run", str(plan), "--workdir", str(workdir), *more, *(["--master", self.master] if self.master else [])]

    def serve(self) -> None:
        """Keep the server until Ctrl-C."""
        click.echo("Until Ctrl-C, in another terminal:")
        plan = self.folder / "plan.yaml"
        for words in (self.plan_words(plan), self.run_words(plan, self.folder / "mine")):
            click.echo(f"  {_shown(words)}")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)

    def show(self, started: float) -> int:
        """Plan, run, damage, run again, and tell; return the exit code."""
        plan = self.folder / "plan.yaml"
        for name in ("lake", "run"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        click.echo("\n1. A plan, for a person to read and change")
        _call(self.plan_words(plan), 0)
        click.echo("\n2. The migration, and its proof")
        _call(self.run_words(plan, self.run), 0)
        file = self._published_file()
        before = self.folder / "before.parquet"
        shutil.copyfile(file, before)
        planted = plant_faults(file)
        click.echo("\n3. A careless job rewrites a file of the target")
        click.echo(f"   {file}")
        told = (
            f"{planted.shifted:,} times of shipping are off by two hours, {planted.rounded:,} prices rounded, {planted.lost:,} rows lost,"
        )
        click.echo(f"   {told}\n   one quantity is one more. The migration is asked again:")
        _call(self.run_words(plan, self.run, "--resume", "--only", "reconciliation,explanation"), 1)
        click.echo(f"\nAll of it took {_seconds(started)}. One page with all tables, for any browser:  {self.run / 'report.html'}")
        self._tell_next(plan, before, file)
        return 0

    def _published_file(self) -> Path:
        store = open_store(self.target)
        published = current_version(store, _TABLE)
        if published is None:
            raise EngineError(f"{self.target}: {_TABLE} is not there.", object=_TABLE, hint="Report this.")
        folder = Path(published.spark_path.removeprefix("file:"))
        return Path(os.path.relpath(folder / max(file.path for file in published.manifest.files)))

    def _tell_next(self, plan: Path, before: Path, file: Path) -> None:
        mine = self.folder / "mine"
        click.echo("\nWhat to try next:")
        for words, why in (
            (["status", str(self.run)], "what a run has done so far"),
            (["compare", f"parquet:{before}", f"parquet:{file}", "--key", _KEY], "the file, before and after"),
            (None, "the database again, in another terminal, for the two calls after it"),
            (self.plan_words(self.folder / "mine.yaml"), "read and change mine.yaml"),
            (self.run_words(self.folder / "mine.yaml", mine), "the migration; its exit code is the verdict"),
            (self.run_words(plan, self.run, "--resume"), "or this: what is damaged is loaded again"),
        ):
            click.echo(f"  # {why}")
            click.echo(f"  {_shown(words) if words else 'scripts/demo --serve'}")


def _call(words: list[str], expected: int) -> None:
    """Print a call of `parity` and make it; how it ends is known."""
    click.echo(f"   $ {_shown(words)}")
    started = time.monotonic()
    try:
        parity(words)
    except SystemExit as ended:
        code = ended.code
    click.echo(f"   exit code {code}, {_seconds(started)}")
    if code == INTERRUPTED:
        raise Stopped(told=True)
    if code != expected:
        raise EngineError(f"That ended with {code}, where {expected} was to be expected.", object=words[0], hint="What is above says why.")


def _shown(words: list[str]) -> str:
    """Return a call as a shell takes it, from here."""
    beside = Path(sysconfig.get_path("scripts"), "parity")
    program = os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else "parity"
    return shlex.join([program, *words])


def _seconds(started: float) -> str:
    return f"{time.monotonic() - started:.0f} s"


def _require_parts() -> None:
    """Make sure that all parts are here, before anything takes time."""
    find_binaries()
    lacking = [jar.coordinate for jar in missing_jars() if jar.coordinate.startswith("org.postgresql:")]
    if lacking:
        raise ConfigError(
            f"Spark has no driver for PostgreSQL ({lacking[0]}).", object=lacking[0], hint="Fetch it with: python -m jobs.jars"
        )


def _work_folder(folder: str | None) -> Path:
    place = Path(folder) if folder else Path(__file__).resolve().parent.parent / ".demo"
    place = Path(os.path.relpath(place)) if place.resolve().is_relative_to(Path.cwd()) else place.resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--folder {place}: {error.strerror}.", object=str(place), hint="Choose another with --folder DIR.") from None
    return place


def _secret(folder: Path) -> Path:
    return folder / "reader.password"


@contextmanager
def _database(folder: Path, scale: float, phases: Phases) -> Iterator[LocalPostgres]:
    """Give a server with the tables in it, and end it."""
    phases("making the tables")
    tables, stamp = folder / "tables", folder / "made.json"
    recipe = json.dumps({"recipe": _RECIPE, "scale": scale})
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != recipe:
        stamp.unlink(missing_ok=True)
        shutil.rmtree(tables, ignore_errors=True)
        make_tables(tables, scale)
        write_whole(stamp, recipe)
    password = secrets.token_hex(16)
    secret = _secret(folder)
    secret.unlink(missing_ok=True)
    with open(secret, "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags | os.O_EXCL, 0o600)) as file:
        file.write(password)
    phases("starting PostgreSQL")
    with running_postgres(free_port(_PORT)) as server:
        phases("loading the tables")
        load_tables(server, tables, password)
        yield server


if __name__ == "__main__":
    main()
