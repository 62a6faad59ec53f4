"""Nothing is written to the source, a role that could is told of, and the password is nowhere but where the user put it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from archetypes.discovery import discover
from connectors.postgres_address import parse_address
from connectors.postgres_connection import connection_settings, log_in
from schemas.errors import ParityError
from tests.connectors.postgres_stage import PASSWORD, PostgresStage
from tests.e2e.conftest import command, schema_of
from tests.standins.process import free_port

_ROOT = Path(__file__).parent.parent.parent
_WRONG = "canary-of-the-wrong-door-93c1"  # secret-scan: allow
_LIMIT_S = 500

# statements

_ALLOWED = (
    "BEGIN", "CLOSE", "COMMIT", "DECLARE", "EXPLAIN", "FETCH", "LOCK", "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "WITH",
)  # fmt: skip
_OWN = r"(?:pg_catalog\.)?set_config\('\w+', (?:'[\w.]*'|\$\d+), true\)"  # SET LOCAL, as a query can say it
_CALLS = r"\b(?:set_config|nextval|setval|dblink\w*|lo_\w+|pg_(?:read|write|ls|terminate|cancel|reload|rotate|switch|create|drop)\w*)\s*\("


def _statements(log: str, application: str = "parity") -> Iterator[str]:
    """Return each statement that sessions of an application sent; a message of several is taken apart."""
    told = re.compile(rf"^{re.escape(application)}@LOG:  (?:statement|execute [^:]*): (.*?)(?=^\S*@\w+:  |\Z)", re.MULTILINE | re.DOTALL)
    for message in told.findall(log):
        yield from (part.strip() for part in re.findall(r"(?:[^;']|'(?:[^']|'')*')+", message) if part.strip())


def _fault(statement: str) -> str | None:
    """Return what a reader has no business to send."""
    first = statement.split()[0].upper()
    if first not in _ALLOWED:
        return f"{first} is no word of a reader"
    if first == "LOCK" and not statement.upper().endswith("IN ACCESS SHARE MODE"):
        return "a lock that keeps others from something"
    code = re.sub(r"'(?:[^']|'')*'", "''", re.sub(_OWN, "", statement))  # the driver looks for a text 'nextval(' in the catalog
    if found := re.search(_CALLS, code, re.IGNORECASE):
        return f"{found.group()} has effects"
    if first in ("SELECT", "WITH") and re.search(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO|TEMP|TEMPORARY)\b", statement, re.IGNORECASE):
        tree = sqlglot.parse_one(statement, dialect="postgres")  # the words may be names, or text
        if not isinstance(tree, exp.Query) or tree.find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into):
            return "a query that writes"
    return None


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "CREATE TEMP TABLE t (a int)",
        "WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a",
        "SELECT * INTO TEMP x FROM t",
        "SELECT nextval('s')",
        "SELECT set_config('search_path', 'x', false)",
        "LOCK TABLE t IN SHARE MODE",
        "COPY t TO '/tmp/x'",
    ],
)
def test_the_test_knows_what_writes(statement: str) -> None:
    assert _fault(statement) is not None
    assert list(_statements(f"parity@LOG:  statement: SELECT 1;\n\t{statement}\n@LOG:  statement: DROP TABLE t\n")) == [
        "SELECT 1",
        statement,
    ]


@dataclass
class _Careless:
    """A schema planned and run by a role that could write."""

    place: Path
    schema: str
    log: str = ""
    told: list[str] = field(default_factory=list)
    transactions: list[int] = field(default_factory=list)


@pytest.fixture(scope="module")
def careless(stage: PostgresStage, spark: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Careless]:
    for statement in ("CREATE ROLE careless LOGIN", "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()"):
        stage.run(statement)
    found = _Careless(tmp_path_factory.mktemp("careless"), schema_of(stage, "careless"))
    stage.run(f"GRANT INSERT, DELETE ON {found.schema}.lines TO careless")
    plan, start = found.place / "plan.yaml", len(stage.logged())

    def next_transaction() -> int:
        return int(stage.rows("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])

    found.transactions.append(next_transaction())
    words = ("--source", stage.uri(user="careless"), "--schema", found.schema, "--target", f"file:{found.place}/lake", "--out", plan)
    for ran in (command("plan", "postgres-to-s3", *words), command("run", plan, "--workdir", found.place / "work")):
        assert ran.exit_code == 0, ran.output
        found.told.append(ran.stderr)
    found.transactions.append(next_transaction())
    found.log = stage.logged()[start:]
    yield found
    for statement in ("ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()", "DROP OWNED BY careless", "DROP ROLE careless"):
        stage.run(statement)


def test_nothing_but_reading_is_asked_of_the_source(careless: _Careless) -> None:
    statements = list(_statements(careless.log))

    assert {statement.split()[0].upper() for statement in statements} >= {"BEGIN", "SELECT", "SET", "LOCK", "ROLLBACK"}
    assert sum('"lines"' in statement for statement in statements) > 3, "reading the tables is in the log too"
    others = {text.split("(")[0] for text in _statements(careless.log, "[unknown]")}  # before the driver has told its name, and this test
    assert others == {"SELECT pg_snapshot_xmax", "SET application_name = 'parity'"}
    assert [(fault, statement[:200]) for statement in statements if (fault := _fault(statement)) is not None] == []


def test_no_transaction_has_written_anything(careless: _Careless) -> None:
    """A transaction that writes takes a number, also for temporary tables; none was taken while plan and run were at work."""
    assert careless.transactions[0] == careless.transactions[1]


def test_a_role_that_could_write_is_told_of_everywhere(careless: _Careless) -> None:
    wanted = f"The role careless could write: {careless.schema}.lines (INSERT, DELETE)"

    assert all(f"MEDIUM: {wanted}" in told for told in careless.told)
    assert wanted in (careless.place / "work" / "report.html").read_text()
    findings = json.loads((careless.place / "work" / "outputs" / "discovery.json").read_text())["findings"]
    assert [found["severity"] for found in findings if found["code"] == "role_can_write"] == ["MEDIUM"]
    assert all("could write" not in told for told in (command("status", careless.place / "work").output,))


# the password


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    place = tmp_path / "elsewhere" / "secret"
    place.parent.mkdir()
    place.write_text(PASSWORD)
    return place


def _login(stage: PostgresStage, reference: str, port: int | None = None) -> object:
    address = parse_address(stage.uri(user="locked").replace(f":{stage.server.port}/", f":{port or stage.server.port}/"))
    return log_in(address, connection_settings({"password_secret": reference}, "test"))


def _told(error: BaseException | None) -> Iterator[str]:
    """Return all that an error and those behind it say of themselves."""
    while error is not None:
        yield f"{error!r} {error} {error.args} {vars(error)} {''.join(traceback.format_exception(error))}"
        for one in (error.__cause__, error.__context__):
            yield from _told(one)
        return


def test_errors_do_not_hold_the_password(stage: PostgresStage, secret: Path) -> None:
    wrong = secret.with_name("wrong")
    wrong.write_text(_WRONG)
    for login in (_login(stage, f"file://{wrong}"), _login(stage, f"file://{secret}", free_port())):
        with pytest.raises(ParityError) as failed:
            discover(login, "public")  # type: ignore[arg-type]
        for text in _told(failed.value):
            assert PASSWORD not in text and _WRONG not in text
        assert PASSWORD not in repr(login) and _WRONG not in repr(login)


class _Watch:
    """What can be seen of a run from outside: the pages of Spark, and what the system shows of its processes."""

    def __init__(self, port: int, group: int) -> None:
        self.port, self.group = port, group
        self.pages: dict[str, str] = {}
        self.commands: set[str] = set()
        self.environments: set[str] = set()

    def look(self) -> None:
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if process.name.isdigit() and os.getpgid(int(process.name)) == self.group:
                    self.commands.add((process / "cmdline").read_text(errors="replace"))
                    self.environments.add((process / "environ").read_text(errors="replace"))
        applications = self._get("/api/v1/applications")
        if applications is None:
            return
        for application in re.findall(r'"id" : "([^"]+)"', applications):
            for page in ("environment", "sql?details=true&planDescription=true&length=1000", "jobs", "stages?details=true", "allexecutors"):
                self._get(f"/api/v1/applications/{application}/{page}")
        for page in ("/environment/", "/SQL/", "/jobs/", "/stages/", "/storage/", "/executors/"):
            self._get(page)
        for number in range(3):
            self._get(f"/SQL/execution/?id={number}")

    def _get(self, page: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=20) as answer:
                text = str(answer.read().decode(errors="replace"))
        except (OSError, urllib.error.URLError):
            return None
        self.pages[page] = self.pages.get(page, "") + text
        return text


def _parity(place: Path, port: int, *words: str | Path) -> tuple[int, str, _Watch]:
    """Run `parity` in a process of its own, and look at it from outside until it ends."""
    line = [sys.executable, "-m", "jobs.cli", *map(str, words)]
    environment = {**{name: value for name, value in os.environ.items() if not name.startswith("PG")}, "PYTHONPATH": str(_ROOT)}
    with (place / "told.log").open("w+b") as told:
        process = subprocess.Popen(line, cwd=place, env=environment, stdout=told, stderr=told, start_new_session=True)
        watch, end = _Watch(port, process.pid), time.monotonic() + _LIMIT_S
        while process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            watch.look()
            time.sleep(0.1)
        told.seek(0)
        return process.returncode, told.read().decode(errors="replace"), watch


@pytest.mark.slow
def test_the_password_is_nowhere_while_a_run_is_at_work_and_after(stage: PostgresStage, tmp_path: Path, secret: Path) -> None:
    """Spark writes its log of events and a log of level INFO; its pages are read all the while.

    Not at DEBUG under a log configuration of one's own: there Spark itself writes the properties of a connection (docs/postgres.md).
    """
    place, port = tmp_path / "place", free_port()
    (place / "events").mkdir(parents=True)
    log = place / "spark.log"
    (place / "log4j2.properties").write_text(
        f"rootLogger.level = info\nrootLogger.appenderRef.file.ref = f\nappender.f.type = File\nappender.f.name = f\n"
        f"appender.f.fileName = {log}\nappender.f.layout.type = PatternLayout\nappender.f.layout.pattern = %p %c %m%n%ex\n"
    )
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": f"file:{place}/events",
        "spark.ui.enabled": "true",
        "spark.ui.port": str(port),
        "spark.log.level": "INFO",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{place}/log4j2.properties",
    }
    schema = schema_of(stage, "locked")
    source = ("--source", stage.uri(user="locked"), "--schema", schema, "--source-secret", f"file://{secret}")
    code, told, watch = _parity(place, port, "plan", "postgres-to-s3", *source, "--target", f"file:{place}/lake", "--out", "plan.yaml")
    assert code == 0, told
    conf = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    code, output, seen = _parity(place, port, "run", "plan.yaml", "--workdir", "work", "--master", "local[2]", *conf)
    assert code == 0, output

    assert "/environment/" in seen.pages and any("JDBC" in text for page, text in seen.pages.items() if "sql" in page.lower())
    assert any("spark.eventLog.enabled" in text for text in seen.pages.values()) and len(seen.commands) > 1
    (events,) = [path for path in (place / "events").rglob("*") if path.is_file() and path.stat().st_size > 10_000]
    assert "SparkListenerSQLExecutionStart" in events.read_text()
    assert "INFO" in log.read_text()

    (place / "wrong").write_text(_WRONG)
    plan = (place / "plan.yaml").read_text()
    (place / "other.yaml").write_text(plan.replace(f"file://{secret}", f"file://{place}/wrong"))
    (place / "gone.yaml").write_text(plan.replace(f":{stage.server.port}/", f":{free_port()}/"))
    for bad in ("other", "gone"):
        code, text, more = _parity(place, port, "run", f"{bad}.yaml", "--workdir", bad)
        assert code == 3 and "Traceback" not in text, text
        told += text
        seen.commands |= more.commands
        seen.environments |= more.environments
    (place / "wrong").unlink()

    for text in (told, output, *seen.pages.values(), *seen.commands, *seen.environments, *watch.commands, *watch.environments):
        assert PASSWORD not in text and _WRONG not in text
    for path in place.rglob("*"):
        if path.is_file():
            assert PASSWORD.encode() not in path.read_bytes(), path
            assert _WRONG.encode() not in path.read_bytes(), path
