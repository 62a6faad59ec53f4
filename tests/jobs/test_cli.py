"""The command line: every option does what it says, and what it prints is meant for whom it reaches."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import parity as door
from engine.golden import golden_sets
from jobs import cli, failures
from jobs.compare import compare
from jobs.options import settings, side_options
from schemas.errors import ConfigError

_ROOT = Path(__file__).parent.parent.parent
_SECRET = "hunter2"  # secret-scan: allow

Run = Callable[..., Result]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Two tables: id 2 has another name (padded), id 3 another price, id 4 is gone."""
    source = pa.table({"id": [1, 2, 3, 4], "name": ["ada", "bob", "cy", "di"], "price": [1.0, 2.0, 3.0, 4.0], "city": ["x"] * 4})
    target = pa.table({"id": [1, 2, 3], "name": ["ada", "bob ", "cy"], "price": [1.0, 2.0, 3.001], "city": ["x"] * 3})
    pq.write_table(source, tmp_path / "source.parquet")
    pq.write_table(target, tmp_path / "target.parquet")
    return f"parquet:{tmp_path}/source.parquet", f"parquet:{tmp_path}/target.parquet"


def document(parity: Run, *words: str) -> dict[str, object]:
    result = parity("compare", *words, "--json", "-")
    found: dict[str, object] = json.loads(result.stdout)
    assert found["exit_code"] == result.exit_code
    return found


def counts(found: dict[str, object]) -> dict[str, int]:
    numbers = found["counts"]
    assert isinstance(numbers, dict)
    return {name: number for name, number in numbers.items() if number}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["--key", "id"], {"matched": 1, "changed": 2, "missing": 1}, id="key"),
        pytest.param(["--key", "id,name"], {"matched": 1, "changed": 1, "missing": 2, "extra": 1}, id="keys with a comma"),
        pytest.param(["--key", "id", "--key", "name"], {"matched": 1, "changed": 1, "missing": 2, "extra": 1}, id="keys repeated"),
        pytest.param(["--no-key"], {"matched": 1, "missing": 3, "extra": 2}, id="no key"),
        pytest.param(["--key", "id", "--column", "price"], {"matched": 2, "changed": 1, "missing": 1}, id="column"),
        pytest.param(["--key", "id", "--exclude", "name,price"], {"matched": 3, "missing": 1}, id="exclude"),
        pytest.param(["--key", "id", "--rule", "name=rtrim"], {"matched": 1, "matched_by_rule": 1, "changed": 1, "missing": 1}, id="rule"),
        pytest.param(
            ["--key", "id", "--rule", "target.name=rtrim"],
            {"matched": 1, "matched_by_rule": 1, "changed": 1, "missing": 1},
            id="rule of one side",
        ),
        pytest.param(
            ["--key", "id", "--tolerance", "price=abs:0.01"],
            {"matched": 1, "matched_by_rule": 1, "changed": 1, "missing": 1},
            id="tolerance",
        ),
        pytest.param(["--key", "id", "--where", "id <= 2"], {"source_rows": 2, "matched": 1, "changed": 1}, id="where"),
    ],
)
def test_each_option_changes_what_is_counted(parity: Run, pair: tuple[str, str], words: list[str], expected: dict[str, int]) -> None:
    found = counts(document(parity, *pair, *words))
    sides = {"source_rows": 4, "target_rows": 3} if "--where" not in words else {"source_rows": 2, "target_rows": 2}
    assert found == {**sides, **expected}


def test_a_sample_is_taken_and_said(parity: Run, pair: tuple[str, str]) -> None:
    found = document(parity, *pair, "--key", "id", "--sample", "1/1000000")
    assert found["verdict"] != "PASS"
    assert counts(found) == {"source_rows_total": 4, "target_rows_total": 3}


@pytest.mark.parametrize("strength", ["128", "sha256"])
def test_the_strength_is_the_one_asked_for(parity: Run, pair: tuple[str, str], strength: str) -> None:
    found = document(parity, *pair, "--key", "id", "--strength", strength)
    assert found["strength"] == strength
    assert counts(found)["changed"] == 2


def test_two_empty_sides_pass_only_when_that_is_expected(parity: Run, tmp_path: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / f"{name}.parquet")
    sides = (f"parquet:{tmp_path}/a.parquet", f"parquet:{tmp_path}/b.parquet", "--key", "id")
    assert document(parity, *sides)["verdict"] == "INCONCLUSIVE"
    assert document(parity, *sides, "--expect-empty")["verdict"] == "PASS"


def test_a_contract_file_says_it_all_and_the_same_may_be_said_again(parity: Run, pair: tuple[str, str], tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text("keys: id\nrules: {name: rtrim}\ntolerance: {price: 'abs:0.01'}\n")
    found = document(parity, *pair, "--contract", str(contract), "--key", "id", "--rule", "name=rtrim")
    assert counts(found) == {"source_rows": 4, "target_rows": 3, "matched": 1, "matched_by_rule": 2, "missing": 1}


def test_names_with_commas_blanks_and_equals_are_quoted(parity: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a,b": [1, 2], "c = d": ["x", "y "], "e": [1, 1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a,b": [1, 2], "f=g": ["x", "y"], "e": [1, 2]}), tmp_path / "b.parquet")
    sides = (f"parquet:{tmp_path}/a.parquet", f"parquet:{tmp_path}/b.parquet")
    words = ("--key", '"a,b"', "--map", '"c = d"=`f=g`', "--rule", '"c = d"=rtrim', "--exclude", '"e"')
    assert counts(document(parity, *sides, *words)) == {"source_rows": 2, "target_rows": 2, "matched": 1, "matched_by_rule": 1}


def test_options_of_a_side_reach_its_reader(parity: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1;ada\n2;NULL\n")
    (tmp_path / "b.csv").write_text("id,name\n1,ada\n2,\n")
    sides = (f"csv:{tmp_path}/a.csv", f"csv:{tmp_path}/b.csv", "--key", "id")
    found = document(parity, *sides, "--source-options", "header=false,separator=;,columns=id,name", "--source-options", "null_value=NULL")
    assert found["verdict"] == "PASS"
    found = document(parity, *reversed(sides[:2]), *sides[2:], "--target-options", "header=false,separator=;,columns=id,name")
    assert counts(found)["changed"] == 1


def test_the_command_line_and_the_library_give_the_same_document(parity: Run, pair: tuple[str, str]) -> None:
    found = document(parity, *pair, "--key", "id", "--rule", "name=rtrim")
    called = compare(*pair, ["id"], rules={"name": "rtrim"}).to_dict()
    assert {**found, "timings": None} == {**called, "timings": None}


def test_every_output_is_written_and_the_report_still_printed(parity: Run, pair: tuple[str, str], tmp_path: Path) -> None:
    files = {option: tmp_path / f"out{option}" for option in ("--report", "--json", "--markdown", "--diffs")}
    result = parity("compare", *pair, "--key", "id", *(word for option, path in files.items() for word in (option, str(path))))
    assert (result.exit_code, result.stderr) == (1, "")
    assert "FAIL" in result.stdout
    assert files["--report"].read_text().lower().startswith("<!doctype html")
    assert json.loads(files["--json"].read_text())["verdict"] == "FAIL"
    assert files["--markdown"].read_text().startswith("### ")
    assert sorted(pq.read_table(files["--diffs"])["row_class"].to_pylist()) == ["changed", "changed", "missing"]
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_stdout_holds_one_document_and_stderr_the_verdict(parity: Run, pair: tuple[str, str]) -> None:
    result = parity("compare", *pair, "--key", "id", "--markdown", "-")
    assert result.stdout.startswith("### ")
    assert result.stderr.startswith("FAIL") and result.stderr.count("\n") == 1


def test_quiet_is_the_verdict_line_only(parity: Run, pair: tuple[str, str]) -> None:
    result = parity("compare", *pair, "--key", "id", "--quiet")
    assert (result.stdout.count("\n"), result.stdout[:5], result.stderr) == (1, "FAIL:", "")


def test_limit_is_how_many_rows_are_shown(parity: Run, pair: tuple[str, str]) -> None:
    shown = [len(re.findall(r"^  [~+-] ", parity("compare", *pair, "--key", "id", "--limit", n).stdout, re.MULTILINE)) for n in "0123"]
    assert shown == [0, 1, 2, 3]


def test_personal_data_are_shown_only_when_asked_for(parity: Run, tmp_path: Path) -> None:
    mails = [f"person{number}@example.org" for number in range(20)]
    pq.write_table(pa.table({"id": range(20), "email": mails}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"id": range(20), "email": ["somebody@example.org", *mails[1:]]}), tmp_path / "b.parquet")
    words = ("compare", f"parquet:{tmp_path}/a.parquet", f"parquet:{tmp_path}/b.parquet", "--key", "id")
    assert "@example.org" not in parity(*words).stdout
    assert "somebody@example.org" in parity(*words, "--show-values").stdout.replace("⟦", "").replace("⟧", "")


def test_progress_is_lines_where_no_terminal_is(parity: Run, pair: tuple[str, str]) -> None:
    result = parity("compare", *pair, "--key", "id", "--quiet", "--progress")
    assert all(line.startswith("parity: ") for line in result.stderr.splitlines())
    assert "fingerprints" in result.stderr


def test_a_setting_reaches_the_session(parity: Run, pair: tuple[str, str], spark: object) -> None:
    from pyspark.sql import SparkSession

    assert isinstance(spark, SparkSession)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    try:
        assert parity("compare", *pair, "--key", "id", "--quiet", "--conf", "spark.sql.shuffle.partitions=3").exit_code == 1
        assert spark.conf.get("spark.sql.shuffle.partitions") == "3"
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", str(before))


def test_a_pipe_is_written_to_and_stays_a_pipe(parity: Run, pair: tuple[str, str], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    assert parity("compare", *pair, "--key", "id", "--quiet", "--json", str(pipe)).exit_code == 1
    reader.join(timeout=30)
    assert json.loads(read[0])["verdict"] == "FAIL"
    assert pipe.is_fifo()


def test_what_nobody_foresaw_is_exit_3_with_a_file_of_details_and_no_secret(
    parity: Run, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"lost with {_SECRET}\nand more")

    monkeypatch.setattr("jobs.compare.compare", broken)
    result = parity("compare", *pair, "--conf", f"spark.sql.catalog.x.password={_SECRET}")
    assert result.exit_code == 3
    assert (result.stderr.count("\n"), "Traceback" in result.stderr, _SECRET in result.output) == (1, False, False)
    assert "report" in result.stderr
    log = Path(re.findall(r"the file (\S+\.log)", result.stderr)[0])
    details = log.read_text()
    log.unlink()
    assert "Traceback" in details and "RuntimeError" in details and _SECRET not in details


def test_ctrl_c_is_exit_130_and_one_word(parity: Run, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jobs.compare.compare", interrupted)
    result = parity("compare", *pair)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "", "stopped\n")


def test_what_py4j_says_of_ctrl_c_to_the_root_logger_is_not_shown() -> None:
    script = "import logging; from jobs.cli import quieten; quieten(); logging.error('KeyboardInterrupt while sending command.')"
    run = subprocess.run([sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("", "")


@pytest.mark.slow
@pytest.mark.parametrize("moment_s", [0.2, 2.0, 4.0])
def test_ctrl_c_at_any_moment_leaves_one_word_and_no_java(pair: tuple[str, str], moment_s: float) -> None:
    command = [sys.executable, "-m", "jobs.cli", "compare", *pair, "--key", "id", "--conf", "spark.sql.shuffle.partitions=999"]
    run = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(moment_s)
    os.killpg(run.pid, signal.SIGINT)
    told = run.communicate(timeout=60)  # ends when the last process that could write there has: also Java
    if run.returncode == 1:  # it was done before
        assert "FAIL" in told[0] and "Traceback" not in told[1]
    else:
        assert (run.returncode, *told) == (130, "", "stopped\n")


def test_no_words_at_all_is_the_help() -> None:
    result = CliRunner().invoke(cli.main, [])
    assert "Usage: parity" in result.output and result.output.count("\n") > 10
    assert result.exit_code in (0, 2)  # click 8.1, click 8.2


def test_a_contract_file_with_every_field_needs_nothing_on_the_command_line(parity: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;cust;price;note;loaded\n1;ada ;1.00;N/A;x\n2;bob;2.00;b;y\n")
    pq.write_table(
        pa.table({"id": [1, 2], "customer": ["ada", "bob"], "price": pa.array([Decimal("1.005"), Decimal("2.000")]), "note": [None, "b"]}),
        tmp_path / "b.parquet",
    )
    contract = tmp_path / "contract.yaml"
    contract.write_text(
        "keys: [id]\nmapping: {cust: customer}\ncolumns: [cust, price, note]\nexclude: []\nrules: {cust: rtrim}\n"
        "types: {price: 'decimal(12,3)'}\ntolerance: {price: abs:0.01}\nwhere: id > 0\nsample: 1\nstrength: 128\nexpect_empty: true\n"
        "unique_keys: true\ncriticality: {price: critical}\naccept_loss: [price]\n"
        "source_options: {separator: ';', header: true, null_value: 'N/A'}\ntarget_options: {calendar: proleptic}\n"
    )
    found = document(parity, f"csv:{tmp_path}/a.csv", f"parquet:{tmp_path}/b.parquet", "--contract", str(contract))
    assert "error" not in str(found["_type"]), found
    assert (found["strength"], counts(found)["matched_by_rule"]) == ("128", 1)


def test_columns_excluded_in_the_contract_need_not_be_excluded_again(parity: Run, pair: tuple[str, str], tmp_path: Path) -> None:
    contract = tmp_path / "contract.yaml"
    contract.write_text("keys: [id]\nexclude: [name, price]\n")
    assert counts(document(parity, *pair, "--contract", str(contract)))["matched"] == 3
    result = parity("compare", *pair, "--contract", str(contract), "--exclude", "city")
    assert "exclude is city in the call and name,price in the contract." in result.stderr


def test_a_mistake_that_needs_no_spark_is_told_without_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    script = (
        "import sys; from jobs.cli import main; import jobs.session\n"
        "def never(*_, **__): raise SystemExit('Spark was started')\n"
        "jobs.session.build_session = never\nmain(sys.argv[1:])"
    )
    for words, told in (("--sample 7", "--sample: 7 is not a sampling rate."), ("", "there is no")):
        target = "a.csv" if words else "b.csv"
        command = [sys.executable, "-c", script, "compare", f"csv:{tmp_path}/a.csv", f"csv:{tmp_path}/{target}", "--no-key", *words.split()]
        run = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert (run.returncode, told in run.stderr, "Spark was started" in run.stderr) == (2, True, False), run.stderr


def test_version_and_help_need_no_spark() -> None:
    script = "import sys; from jobs.cli import main\ntry: main(['compare', '--help'])\nexcept SystemExit: print('pyspark' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert run.stdout.splitlines()[-1] == "False"
    assert CliRunner().invoke(cli.main, ["--version"]).stdout == f"parity {door.__version__}\n"


def test_help_names_every_option_of_the_contract() -> None:
    text = CliRunner().invoke(cli.main, ["compare", "--help"]).stdout
    named = "key no-key map column exclude rule tolerance where sample strength expect-empty contract source-options target-options"
    for option in f"{named} report json markdown diffs show-values limit quiet progress no-progress master remote conf".split():
        assert f"--{option}" in text


@pytest.mark.slow
def test_selftest_proves_every_published_answer(parity: Run) -> None:
    result = parity("selftest")
    assert (result.exit_code, result.stderr) == (0, "")
    vectors = sum(len(found.rows) for found in golden_sets().values())
    assert f" of {vectors:,} rows" in result.stdout


@pytest.mark.slow
def test_selftest_notices_one_wrong_answer(parity: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = dict(golden_sets())
    name, last = list(sets.items())[-1]
    wrong = replace(last, rows=(*last.rows[:-1], replace(last.rows[-1], h1="0" * 16)))
    monkeypatch.setattr("jobs.selftest.golden_sets", lambda: {**sets, name: wrong})
    result = parity("selftest")
    assert result.exit_code == 3
    assert (name in result.stderr, result.stderr.count("\n")) == (True, 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = CliRunner().invoke(cli.main, ["completion", shell])
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    guessed = CliRunner().invoke(cli.main, ["completion"])
    assert (told.exit_code, told.stdout) == (0, guessed.stdout)
    assert "_PARITY_COMPLETE" in told.stdout


def test_completion_offers_options() -> None:
    environment = {"_PARITY_COMPLETE": "bash_complete", "COMP_WORDS": "parity compare --to", "COMP_CWORD": "2"}
    result = CliRunner().invoke(cli.main, [], env=environment)
    assert result.stdout.split() == ["plain,--tolerance"]


def test_doctor_is_exit_0_here_and_2_where_java_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert CliRunner().invoke(cli.main, ["doctor"]).exit_code == 0
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    result = CliRunner().invoke(cli.main, ["doctor"])
    assert result.exit_code == 2
    assert re.search(r"wrong +Java", result.stdout)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        pytest.param(["header=false,separator=,"], {"header": "false", "separator": ","}, id="a comma as value"),
        pytest.param(["columns=a,b,header=no"], {"columns": "a,b", "header": "no"}, id="a list as value"),
        pytest.param(['columns="a,b=c",d'], {"columns": '"a,b=c",d'}, id="an equals sign in quotes"),
        pytest.param(['quote=",escape=\\'], {"quote": '"', "escape": "\\"}, id="a quote as value"),
        pytest.param(["null_value="], {"null_value": ""}, id="nothing as value"),
        pytest.param(["a=1", "a=1"], {"a": "1"}, id="twice the same"),
        pytest.param([], None, id="not given"),
    ],
)
def test_options_of_a_side_may_hold_commas(texts: list[str], expected: dict[str, str] | None) -> None:
    assert side_options(texts, "--source-options") == expected


def test_a_setting_may_hold_anything() -> None:
    assert settings(["a.b=c=d,e=f", "g="]) == {"a.b": "c=d,e=f", "g": ""}
    with pytest.raises(ConfigError, match=r"a\.b is given twice") as error:
        settings([f"a.b={_SECRET}", "a.b=2"])
    assert _SECRET not in str(error.value)


@pytest.mark.parametrize(
    "argument",
    [
        f"postgres://reader:{_SECRET}@db/shop",  # secret-scan: allow
        f"--conf=spark.hadoop.fs.s3a.secret.key={_SECRET}",
        f"password={_SECRET}",
        f"parquet:https://store/x?sig_token={_SECRET}&y=1",
    ],
)
def test_no_secret_survives(argument: str) -> None:
    assert _SECRET not in failures.redacted(f"{argument} and {_SECRET} alone", [argument])


def test_what_points_to_a_secret_is_no_secret() -> None:
    text = "password_secret=env://NAME postgres://reader@db/shop key=id"
    assert failures.redacted(text, [text]) == text


@pytest.mark.slow
def test_a_real_process_prints_the_report_and_nothing_else(pair: tuple[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobs.cli", "compare", *pair, "--key", "id", "--master", "local[2]"]
    run = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (run.returncode, run.stderr) == (1, "")
    assert "FAIL" in run.stdout
    piped = " ".join(f"'{word}'" for word in command) + " | head -1; exit ${PIPESTATUS[0]}"
    run = subprocess.run(["bash", "-c", piped], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (run.returncode, run.stderr, run.stdout.count("\n")) == (1, "", 1)


@pytest.mark.slow
def test_spark_that_cannot_start_is_told_in_one_line(pair: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "jobs.cli", "compare", *pair, "--conf", "spark.driver.memory=lots"]
    run = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode in (2, 3)
    assert (run.stdout, run.stderr.count("\n"), "Traceback" in run.stderr, "\tat " in run.stderr) == ("", 1, False, False)
