"""Wrong calls: each ends with its documented exit code, and one line that says what, where, and what to do."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from schemas.verdict import ErrorDocument

_GOOD = "parquet:{w}/good.parquet parquet:{w}/same.parquet"
_KEYED = f"{_GOOD} --key id"
_SECRET = "hunter2"  # secret-scan: allow

# What the case is; the words after `parity compare` ({w}: the folder of tables); the exit code; what the line names.
_CASES: list[tuple[str, str, int, tuple[str, ...]]] = [
    # the command line itself
    ("nothing at all", "", 2, ("SOURCE",)),
    ("one side only", "parquet:{w}/good.parquet", 2, ("TARGET",)),
    ("a third side", f"{_GOOD} parquet:x", 2, ("parquet:x",)),
    ("misspelt option", f"{_GOOD} --kye id", 2, ("--kye", "--key")),
    ("unknown strength", f"{_KEYED} --strength 32", 2, ("--strength", "sha256")),
    ("negative limit", f"{_KEYED} --limit -1", 2, ("--limit",)),
    ("limit that is no number", f"{_KEYED} --limit many", 2, ("--limit", "many")),
    ("predicate twice", f"{_KEYED} --where id>1 --where id>2", 2, ("--where", "twice")),
    ("sample twice", f"{_KEYED} --sample 1% --sample 2%", 2, ("--sample", "twice")),
    ("contract twice", f"{_KEYED} --contract {{w}}/id.yaml --contract {{w}}/list.yaml", 2, ("--contract", "twice")),
    # keys
    ("key and no key", f"{_KEYED} --no-key", 2, ("--key", "--no-key")),
    ("misspelt key", f"{_GOOD} --key idd", 2, ("--key", "idd", "Did you mean id?")),
    ("key in other letters", f"{_GOOD} --key ID", 2, ("ID", "Did you mean id?")),
    ("empty key", f"{_GOOD} --key ''", 2, ("--key",)),
    ("key with an empty name", f"{_GOOD} --key id,,name", 2, ("--key",)),
    ("key with an open quote", f"{_GOOD} --key '\"id'", 2, ("--key", "never closed")),
    ("key named twice", f"{_GOOD} --key id,id", 2, ("id", "twice")),
    ("key on the source only", "parquet:{w}/good.parquet parquet:{w}/other_key.parquet --key id", 2, ("target", "id", "number")),
    ("key on the target only", "parquet:{w}/other_key.parquet parquet:{w}/good.parquet --key id", 2, ("source", "id", "number")),
    # mapping, columns
    ("map without equals", f"{_KEYED} --map name", 2, ("--map", "name")),
    ("map twice", f"{_KEYED} --map name=a --map name=b", 2, ("--map", "name", "twice")),
    ("map to nothing", f"{_KEYED} --map name=", 2, ("--map",)),
    ("map to a missing column", f"{_KEYED} --map name=nmae", 2, ("nmae", "Did you mean name?")),
    ("map from a missing column", f"{_KEYED} --map nmae=name", 2, ("nmae", "Did you mean name?")),
    ("two maps to one target", f"{_KEYED} --map name=price --map ratio=price", 2, ("price",)),
    ("missing column chosen", f"{_KEYED} --column prize", 2, ("--column", "prize", "Did you mean price?")),
    ("missing column excluded", f"{_KEYED} --exclude prize", 2, ("--exclude", "prize", "Did you mean price?")),
    ("column chosen and excluded", f"{_KEYED} --column price --exclude price", 2, ("price",)),
    ("key excluded", f"{_KEYED} --exclude id", 2, ("id",)),
    # rules and tolerances
    ("rule without equals", f"{_KEYED} --rule name", 2, ("--rule", "name")),
    ("rule twice", f"{_KEYED} --rule name=trim --rule name=lower", 2, ("--rule", "name", "twice")),
    ("unknown rule", f"{_KEYED} --rule name=rtirm", 2, ("rtirm", "rtrim")),
    ("rule of a missing column", f"{_KEYED} --rule nmae=rtrim", 2, ("nmae", "name")),
    ("rule that does not fit", f"{_KEYED} --rule price=rtrim", 2, ("price", "rtrim")),
    ("rounding to no number", f"{_KEYED} --rule price=round:x", 2, ("round",)),
    ("zone that does not exist", f"{_KEYED} --rule at=utc_from:Mars/Phobos", 2, ("Mars/Phobos",)),
    ("truncating to no unit", f"{_KEYED} --rule at=trunc:fortnight", 2, ("trunc",)),
    ("cast to no type", f"{_KEYED} --rule name=cast:nonsense", 2, ("nonsense",)),
    ("tolerance without a kind", f"{_KEYED} --tolerance price=0.01", 2, ("price",)),
    ("negative tolerance", f"{_KEYED} --tolerance price=abs:-1", 2, ("price",)),
    ("endless tolerance", f"{_KEYED} --tolerance price=abs:inf", 2, ("price",)),
    ("tolerance of no number", f"{_KEYED} --tolerance price=abs:nan", 2, ("price",)),
    ("tolerance of text", f"{_KEYED} --tolerance name=abs:1", 2, ("name",)),
    ("duration for a number", f"{_KEYED} --tolerance price=abs:2s", 2, ("price",)),
    ("number for a time", f"{_KEYED} --tolerance at=abs:2", 2, ("at",)),
    ("tolerance of a missing column", f"{_KEYED} --tolerance prize=abs:1", 2, ("prize", "price")),
    ("tolerance without a key", f"{_GOOD} --no-key --tolerance price=abs:1", 2, ("--tolerance", "--key")),
    # sample, predicate
    ("empty sample", f"{_KEYED} --sample 0", 2, ("0",)),
    ("more than all", f"{_KEYED} --sample 200%", 2, ("200%",)),
    ("negative sample", f"{_KEYED} --sample=-1%", 2, ("-1%",)),
    ("sample of words", f"{_KEYED} --sample some", 2, ("some",)),
    ("sample by zero", f"{_KEYED} --sample 1/0", 2, ("1/0",)),
    ("predicate with a subquery", f"{_KEYED} --where 'id in (select 1)'", 2, ("--where", "select")),
    ("predicate of chance", f"{_KEYED} --where 'rand() < 0.5'", 2, ("--where", "rand")),
    ("predicate with the clock", f"{_KEYED} --where 'at < now()'", 2, ("--where", "now")),
    ("predicate on a missing column", f"{_KEYED} --where 'prize > 1'", 2, ("--where", "prize")),
    ("predicate that is no SQL", f"{_KEYED} --where 'price >'", 2, ("--where", "price >")),
    ("empty predicate", f"{_KEYED} --where ''", 2, ("--where",)),
    ("two statements", f"{_KEYED} --where 'id > 1; drop table x'", 2, ("--where",)),
    ("predicate that is a number", f"{_KEYED} --where 'price + 1'", 2, ("--where",)),
    ("predicate over all rows", f"{_KEYED} --where 'count(*) > 1'", 2, ("--where",)),
    # contract
    ("no such contract", f"{_KEYED} --contract {{w}}/nowhere.yaml", 2, ("nowhere.yaml",)),
    ("contract that is a folder", f"{_KEYED} --contract {{w}}/empty", 2, ("--contract",)),
    ("contract that is no YAML", f"{_KEYED} --contract {{w}}/broken.yaml", 2, ("broken.yaml",)),
    ("contract with a fault somewhere", f"{_KEYED} --contract {{w}}/broken.yaml", 2, ("line 2, column 1",)),
    ("contract with an unquoted NULL", "csv:{w}/good.csv csv:{w}/good.csv --contract {w}/null.yaml", 2, ("null_value", "quotes")),
    ("another separator", "csv:{w}/good.csv csv:{w}/semicolons.csv --key id", 2, ("--target-options 'separator=;'",)),
    ("contract that is a list", f"{_KEYED} --contract {{w}}/list.yaml", 2, ("list.yaml",)),
    ("contract with an unknown field", f"{_KEYED} --contract {{w}}/field.yaml", 2, ("tolerances",)),
    ("contract with a wrong value", f"{_KEYED} --contract {{w}}/value.yaml", 2, ("strength",)),
    ("contract that says otherwise", f"{_GOOD} --key name --contract {{w}}/id.yaml", 2, ("keys", "contract")),
    ("unique keys without a key", f"{_GOOD} --contract {{w}}/unique.yaml", 2, ("unique_keys",)),
    # session
    ("pinned setting", f"{_KEYED} --conf spark.sql.ansi.enabled=false", 2, ("spark.sql.ansi.enabled",)),
    ("old behaviour", f"{_KEYED} --conf spark.sql.legacy.parquet.nanosAsLong=true", 2, ("spark.sql.legacy.parquet.nanosAsLong",)),
    ("another zone", f"{_KEYED} --conf spark.driver.extraJavaOptions=-Duser.timezone=Asia/Tokyo", 2, ("Asia/Tokyo",)),
    ("setting without equals", f"{_KEYED} --conf spark.sql.shuffle.partitions", 2, ("--conf", "spark.sql.shuffle.partitions")),
    ("setting twice", f"{_KEYED} --conf a.b=1 --conf a.b=2", 2, ("--conf", "a.b", "twice")),
    ("two sessions", f"{_KEYED} --master local[1] --remote sc://localhost:1", 2, ("--master", "--remote")),
    # places
    ("unknown scheme", "parqet:{w}/good.parquet parquet:{w}/same.parquet", 2, ("parqet", "parquet:")),
    ("no scheme", "{w}/good.parquet parquet:{w}/same.parquet", 2, ("good.parquet", "parquet:")),
    ("scheme only", "parquet: parquet:{w}/same.parquet", 2, ("parquet:",)),
    ("password in a URI", f"postgres://reader:{_SECRET}@db/shop parquet:{{w}}/same.parquet", 2, ("password",)),  # secret-scan: allow
    ("token in a URI", f"parquet:https://store/x?token={_SECRET} parquet:{{w}}/same.parquet", 2, ("token",)),
    ("password where a command is", f"{_KEYED} postgres://reader:{_SECRET}@db/shop", 2, ("***",)),  # secret-scan: allow
    ("password as an option", f"{_KEYED} --source-options password={_SECRET}", 2, ("password",)),
    ("password in a setting", f"{_KEYED} --conf spark.x.password={_SECRET} --conf spark.x.password=other", 2, ("spark.x.password",)),
    ("password for a session that runs", f"{_KEYED} --conf spark.x.password={_SECRET}", 2, ("spark.x.password", "***")),
    ("no such path", "parquet:{w}/nowhere parquet:{w}/same.parquet --key id", 2, ("nowhere",)),
    ("no such target", "parquet:{w}/good.parquet parquet:{w}/nowhere --key id", 2, ("nowhere",)),
    ("folder without files", "parquet:{w}/empty parquet:{w}/same.parquet --key id", 2, ("empty",)),
    ("version of a Parquet folder", "parquet:{w}/good.parquet@v1 parquet:{w}/same.parquet --key id", 2, ("good.parquet@v1",)),
    ("version that is none", "delta:{w}/delta@yesterday delta:{w}/delta --key id", 2, ("yesterday",)),
    ("version that does not exist", "delta:{w}/delta@v99 delta:{w}/delta --key id", 2, ("99",)),
    ("no Delta table", "delta:{w}/full@v0 delta:{w}/delta --key id", 2, ("full@v0", "_delta_log")),
    ("no such table", "hive:nowhere.orders parquet:{w}/same.parquet --key id", 2, ("nowhere",)),
    ("no such catalog", "iceberg:nowhere.db.orders parquet:{w}/same.parquet --key id", 2, ("nowhere",)),
    ("unknown option of a format", "csv:{w}/good.csv csv:{w}/good.csv --source-options haeder=false", 2, ("haeder", "header")),
    ("option of another format", f"{_KEYED} --source-options header=false", 2, ("header",)),
    ("option without equals", "csv:{w}/good.csv csv:{w}/good.csv --target-options header", 2, ("--target-options", "header")),
    ("option twice", f"{_KEYED} --source-options header=true --source-options header=false", 2, ("header", "twice")),
    ("option with a wrong value", "csv:{w}/good.csv csv:{w}/good.csv --source-options header=perhaps", 2, ("header", "perhaps")),
    # data that cannot be read
    ("truncated Parquet", "parquet:{w}/truncated.parquet parquet:{w}/same.parquet --key id", 3, ("truncated.parquet",)),
    ("zero bytes", "parquet:{w}/zero.parquet parquet:{w}/same.parquet --key id", 2, ("zero.parquet",)),
    ("garbage between the marks", "parquet:{w}/garbage.parquet parquet:{w}/same.parquet --key id", 3, ("garbage.parquet",)),
    ("torn pages", "parquet:{w}/torn.parquet parquet:{w}/same.parquet --key id", 3, ("torn.parquet",)),
    ("text that claims to be Parquet", "parquet:{w}/good.csv parquet:{w}/same.parquet --key id", 3, ("good.csv",)),
    ("text that claims to be ORC", "orc:{w}/good.csv parquet:{w}/same.parquet --key id", 3, ("good.csv",)),
    ("files that do not fit each other", "parquet:{w}/mixed parquet:{w}/same.parquet --key id", 3, ("a.parquet", "b.parquet", "name")),
    ("ragged CSV", "csv:{w}/ragged.csv csv:{w}/good.csv --key id", 3, ("ragged.csv",)),
    ("quote inside a CSV field", "csv:{w}/quote.csv csv:{w}/good.csv --key id", 3, ("quote.csv",)),
    ("CSV header that repeats", "csv:{w}/twice.csv csv:{w}/good.csv --key id", 3, ("twice.csv", "id")),
    ("CSV headers that disagree", "csv:{w}/headers csv:{w}/good.csv --key id", 3, ("a.csv", "b.csv", "title")),
    ("CSV that is not UTF-8", "csv:{w}/latin.csv csv:{w}/good.csv --key id", 3, ("latin.csv", "UTF-8")),
    ("CSV without a byte", "csv:{w}/empty.csv csv:{w}/good.csv --key id", 2, ("empty.csv",)),
    ("packed CSV cut short", "csv:{w}/cut.csv.gz csv:{w}/good.csv --key id", 3, ("cut.csv.gz",)),
    ("JSON that breaks off", "json:{w}/broken.json json:{w}/good.json --key id", 3, ("broken.json",)),
]


def _words(text: str, world: Path) -> list[str]:
    return [word.replace("{w}", str(world)) for word in shlex.split(text)]


def _is_one_plain_line(result: Result) -> None:
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for foreign in ("Traceback", "\tat ", "org.apache", "java.", "py4j", "Py4J", "JVM stacktrace", "None", _SECRET):
        assert foreign not in result.stderr, result.stderr
    assert _SECRET not in result.stdout


@pytest.mark.parametrize(("words", "exit_code", "names"), [case[1:] for case in _CASES], ids=[case[0] for case in _CASES])
def test_a_wrong_call_is_told_in_one_line(
    parity: Callable[..., Result], world: Path, tmp_path: Path, words: str, exit_code: int, names: tuple[str, ...]
) -> None:
    outputs = ["--json", str(tmp_path / "r.json"), "--report", str(tmp_path / "r.html"), "--diffs", str(tmp_path / "d")]
    result = parity("compare", *_words(words, world), *outputs)
    assert result.exit_code == exit_code, result.output
    _is_one_plain_line(result)
    for name in names:
        assert name in result.stderr
    assert result.stdout == ""
    assert os.listdir(tmp_path) == ["r.json"]
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    document = ErrorDocument.model_validate_json(text)
    assert (document.exit_code, document.message in result.stderr) == (exit_code, True)
    assert _SECRET not in text


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param("--report {o}/nowhere/r.html", ("--report", "nowhere"), id="report into no folder"),
        pytest.param("--json {o}/nowhere/r.json", ("--json", "nowhere"), id="document into no folder"),
        pytest.param("--markdown {o}", ("--markdown", "folder"), id="summary over a folder"),
        pytest.param("--report {o}/x --markdown {o}/x", ("--report", "--markdown"), id="two documents in one file"),
        pytest.param("--json - --markdown -", ("--json", "--markdown"), id="two documents on stdout"),
        pytest.param("--report -", ("--report",), id="report on stdout"),
        pytest.param("--report {o}/a.html --report {o}/b.html", ("--report", "twice"), id="two reports"),
        pytest.param("--diffs {w}/full", ("--diffs", "full"), id="differences over a full folder"),
        pytest.param("--diffs {w}/good.csv", ("--diffs", "good.csv"), id="differences over a file"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_anything_is_read(
    parity: Callable[..., Result], world: Path, tmp_path: Path, words: str, names: tuple[str, ...]
) -> None:
    unreadable = "parquet:{w}/truncated.parquet parquet:{w}/truncated.parquet"
    result = parity("compare", *(word.replace("{o}", str(tmp_path)) for word in _words(f"{unreadable} {words}", world)))
    assert result.exit_code == 2
    _is_one_plain_line(result)
    for name in names:
        assert name in result.stderr
    assert os.listdir(tmp_path) == []
    assert (world / "full" / "something").read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device to write to")
def test_a_disk_that_is_full_is_no_verdict(parity: Callable[..., Result], world: Path) -> None:
    result = parity("compare", *_words(f"{_KEYED} --json /dev/full", world))
    assert (result.exit_code, result.stdout) == (3, "")
    _is_one_plain_line(result)
    assert "/dev/full" in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_that_may_not_be_read_is_named(parity: Callable[..., Result], world: Path, tmp_path: Path) -> None:
    secret = tmp_path / "closed.parquet"
    secret.write_bytes((world / "good.parquet").read_bytes())
    secret.chmod(0)
    result = parity("compare", f"parquet:{secret}", f"parquet:{world}/same.parquet", "--key", "id")
    assert result.exit_code == 3
    _is_one_plain_line(result)
    assert "closed.parquet" in result.stderr


def test_an_error_goes_to_stdout_as_a_document_when_asked_for(parity: Callable[..., Result], world: Path) -> None:
    result = parity("compare", *_words(f"{_GOOD} --key idd --json -", world))
    assert result.exit_code == 2
    assert json.loads(result.stdout)["_type"] == "parity.error.v1"
    _is_one_plain_line(result)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        pytest.param(("compair", "a", "b"), ("compair", "compare"), id="misspelt command"),
        pytest.param(("parquet:a", "parquet:b"), ("parity compare parquet:a",), id="forgotten command"),
        pytest.param((f"postgres://reader:{_SECRET}@db/shop",), ("***",), id="password instead of a command"),
        pytest.param(("--verbose",), ("--verbose",), id="unknown option"),
        pytest.param(("completion", "tcsh"), ("tcsh", "bash"), id="unknown shell"),
        pytest.param(("doctor", "--conf", "x"), ("--conf",), id="doctor with half a setting"),
        pytest.param(("selftest", "now"), ("now",), id="selftest with an argument"),
    ],
)
def test_a_wrong_command_is_told_in_one_line(parity: Callable[..., Result], words: tuple[str, ...], names: tuple[str, ...]) -> None:
    result = parity(*words)
    assert result.exit_code == 2
    _is_one_plain_line(result)
    for name in names:
        assert name in result.stderr


def test_columns_of_other_families_are_a_verdict_and_not_an_error(parity: Callable[..., Result], world: Path) -> None:
    words = _words("parquet:{w}/good.parquet parquet:{w}/same.parquet --key id --map name=ratio --exclude ratio --quiet", world)
    result = parity("compare", *words)
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout.startswith("FAIL")


def test_names_that_differ_in_case_only_are_two_columns(parity: Callable[..., Result], world: Path) -> None:
    result = parity("compare", *_words("parquet:{w}/two_cases.parquet parquet:{w}/two_cases_again.parquet --key id --quiet", world))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("PASS")
