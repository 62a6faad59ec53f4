"""What `parity plan`, `run` and `status` refuse, in one paragraph, before Spark is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jobs import postgres_to_s3
from jobs.cli import main
from jobs.migration_status import RunState, TableState, Workdir
from schemas.plan import MigrationPlan, read_plan

_PLAN = """
archetype: postgres_to_s3
source: postgres://reader@127.0.0.1:1/shop
schema: public
target: file:/tmp/nowhere
discovery_sha256: "{zeros}"
tables:
  - name: orders
    path: orders
    columns: [{{name: id, rule_id: PG-01a, target_type: int}}]
""".format(zeros="0" * 64)
_WITH_PASSWORD = "postgres://reader:hunter@h/d"  # secret-scan: allow
_SOURCE = ("--source", "postgres://reader@127.0.0.1:1/shop", "--schema", "public")


def _parity(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def _plan(place: Path) -> MigrationPlan:
    (place / "plan.yaml").write_text(_PLAN)
    return read_plan(_PLAN)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("plan", "oracle-to-s3"), "There is no command oracle-to-s3"),
        (("plan", "postgres-to-s3"), "--source"),
        (("plan", "postgres-to-s3", *_SOURCE), "--target"),
        (("plan", "postgres-to-s3", *_SOURCE, "--target", "gs://x/y"), "gs://x/y"),
        (("plan", "postgres-to-s3", *_SOURCE, "--target", "file:/tmp/x", "--out", "/nowhere/plan.yaml"), "there is no folder /nowhere"),
        (
            (
                "plan",
                "postgres-to-s3",
                "--source",
                _WITH_PASSWORD,
                "--schema",
                "s",
                "--target",
                "file:/x",
            ),
            "source",
        ),
        (
            ("plan", "postgres-to-s3", "--source", "mysql://r@h/d", "--schema", "s", "--target", "file:/x"),
            "not the address of a PostgreSQL",
        ),
        (("plan", "postgres-to-s3", "--source", "postgres://r@h/d?table=a.b", "--schema", "s", "--target", "file:/x"), "names a table"),
        (("plan", "postgres-to-s3", *_SOURCE, "--target", "file:/tmp/x", "--source-secret", "env://NOT_THERE_7"), "NOT_THERE_7"),
        (("run", "missing.yaml"), "No such file"),
        (("run", "plan.yaml", "--only", "discover"), "Did you mean discovery?"),
        (("run", "broken.yaml"), "broken.yaml"),
        (("status", "."), "no run was started here"),
    ],
)
def test_a_wrong_request_is_exit_2_and_one_paragraph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _plan(tmp_path)
    (tmp_path / "broken.yaml").write_text("tables: [")
    ran = _parity(*words)
    assert ran.exit_code == 2, ran.output
    assert told in ran.stderr
    assert "hunter" not in ran.output
    assert ran.stderr.strip().count("\n\n") == 0
    assert "Traceback" not in ran.output


def test_a_server_that_does_not_answer_is_exit_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _plan(tmp_path)
    ran = _parity("run", "plan.yaml", "--workdir", "work")
    assert (ran.exit_code, "Traceback" in ran.output) == (3, False), ran.output


def test_a_folder_of_another_plan_is_refused(tmp_path: Path) -> None:
    _plan(tmp_path)
    workdir = Workdir(tmp_path / "work")
    workdir.prepare()
    workdir.store(RunState(plan_sha256="f" * 64))
    ran = _parity("run", tmp_path / "plan.yaml", "--workdir", workdir.folder, "--resume")
    assert (ran.exit_code, "another plan" in ran.stderr) == (2, True)


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    workdir = Workdir(tmp_path / "work")
    workdir.prepare()
    workdir.store(RunState(plan_sha256=plan.digest()))
    workdir.plan.write_text(plan.model_dump_json(by_alias=True))
    with workdir.alone():
        ran = _parity("run", tmp_path / "plan.yaml", "--workdir", workdir.folder, "--resume")
        told = _parity("status", workdir.folder).stdout
    assert (ran.exit_code, "another run is at work" in ran.stderr) == (3, True)
    assert "running, first attempt" in told
    assert "cut off" in _parity("status", workdir.folder).stdout


def test_status_shows_how_far_a_table_is(tmp_path: Path) -> None:
    plan = _plan(tmp_path)
    workdir = Workdir(tmp_path / "work")
    workdir.prepare()
    workdir.plan.write_text(plan.model_dump_json(by_alias=True))
    table = TableState(state="writing", rows=1000, rows_done=250)
    workdir.store(RunState(plan_sha256=plan.digest(), tables={"orders": table, "lines": TableState(state="refused", reason="why not")}))
    told = _parity("status", workdir.folder).stdout
    assert "orders  being written, 250 of 1,000 rows" in told
    assert "lines   not loaded (why not)" in told
    assert "migrate         1 of 2 tables" in told


def test_a_damaged_state_is_told(tmp_path: Path) -> None:
    workdir = Workdir(tmp_path / "work")
    workdir.prepare()
    (workdir.folder / "state.json").write_text("{")
    ran = _parity("status", workdir.folder)
    assert (ran.exit_code, "is damaged" in ran.stderr) == (3, True)


@pytest.mark.parametrize("words", [["--plan", "missing.yaml"], ["--plan=missing.yaml"], ["missing.yaml", "--resume"]])
def test_what_spark_submit_starts_is_parity_run(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["postgres_to_s3.py", *words])
    with pytest.raises(SystemExit) as ended:
        postgres_to_s3.main()
    assert ended.value.code == 2
    assert "missing.yaml: No such file" in capsys.readouterr().err
