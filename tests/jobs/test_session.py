"""Sessions are configured as pinned, proven so, and given back as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import session
from jobs.jars import configuration, missing_jars
from jobs.session import build_session, pinned
from jobs.settings import COMPILE_LONG_METHODS, FIXED_BY_THE_JVM, PINNED, is_utc, same_value
from schemas.canonical_json import sha256_of
from schemas.errors import ConfigError, SessionError

_ROOT = Path(__file__).parent.parent.parent
_ZONE = "spark.sql.session.timeZone"
_REPORT = """
import json, sys
from jobs.session import build_session, pinned
from schemas.errors import ParityError
master, conf = json.loads(sys.argv[1])
try:
    spark = build_session("parity-test", master=master, conf=conf)
    with pinned(spark) as evidence:
        told = {key: spark.conf.get(f"spark.driver.{key}") for key in ("host", "memory")}
        print(json.dumps({"sha256": evidence.sha256, **told}))
except ParityError as error:
    told = {key: getattr(error, key) for key in ("message", "object", "exit_code")}
    print(json.dumps({"error": type(error).__name__, **told}))
"""


def in_a_process_of_its_own(master: str, conf: dict[str, str], script: str = _REPORT, **variables: str) -> dict[str, object]:
    """A JVM is configured once: what needs another one needs another process."""
    run = subprocess.run(
        [sys.executable, "-c", script, json.dumps([master, conf])],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == "", "Spark's chatter belongs into its own file"
    answer: dict[str, object] = json.loads(run.stdout)
    return answer


def test_a_session_built_here_is_as_pinned_without_any_change(spark: SparkSession) -> None:
    fresh = spark.newSession()  # reading a Delta table sets spark.sql.parquet.fieldId.read.enabled in the session that reads it
    assert {key: fresh.conf.get(key) for key in PINNED} == PINNED


def test_the_evidence_holds_every_pinned_value_and_the_zone_of_the_jvm(spark: SparkSession) -> None:
    with pinned(spark) as evidence:
        assert evidence.settings == {**PINNED, "jvm.zone": "UTC"}
        assert evidence.sha256 == sha256_of(dict(evidence.settings))


@pytest.mark.parametrize("key", sorted(PINNED))
def test_a_pinned_setting_is_held_during_the_run_and_given_back_after_it(spark: SparkSession, key: str) -> None:
    theirs = _another_value(key)
    spark.conf.set(key, theirs)
    try:
        with pinned(spark) as evidence:
            assert spark.conf.get(key) == PINNED[key]
            assert evidence.settings[key] == PINNED[key]
        assert spark.conf.get(key) == theirs
    finally:
        spark.conf.set(key, PINNED[key])


def test_values_are_given_back_when_the_run_fails(spark: SparkSession) -> None:
    spark.conf.set(_ZONE, "Europe/Berlin")
    try:
        with pytest.raises(ZeroDivisionError), pinned(spark):
            raise ZeroDivisionError
        assert spark.conf.get(_ZONE) == "Europe/Berlin"
    finally:
        spark.conf.set(_ZONE, "UTC")


def test_a_value_nobody_had_set_is_unset_again(spark: SparkSession) -> None:
    own = spark.newSession()
    key = "spark.sql.legacy.sizeOfNull"
    own.conf.set(key, "true")
    with pinned(own):
        pass
    assert own.conf.get(key) == "true"
    own.conf.unset(key)
    before = own.conf.get(key)
    with pinned(own):
        pass
    assert own.conf.get(key) == before


def test_the_digest_ignores_what_only_changes_speed_and_notices_what_does_not(spark: SparkSession) -> None:
    other = spark.newSession()
    with pinned(spark) as evidence:
        here = evidence.sha256
    other.conf.set("spark.sql.shuffle.partitions", "7")
    with pinned(other) as evidence:
        assert evidence.sha256 == here
    other.conf.set("spark.sql.legacy.percentileDiscCalculation", "true")
    with pinned(other) as evidence:
        assert evidence.sha256 != here


def test_a_setting_that_a_platform_refuses_to_change_is_named_with_its_value_and_the_remedy(spark: SparkSession) -> None:
    from pyspark.errors import PySparkException

    class Refusing:
        """A platform's own configuration object: it reads, and lets nothing be set."""

        getAll: dict[str, str] = {}  # noqa: N815 -- Spark's own name

        def get(self, key: str) -> str:
            return "Asia/Tokyo" if key == _ZONE else spark.conf.get(key)

        def set(self, key: str, value: str) -> None:
            raise PySparkException(f"CANNOT_MODIFY_CONFIG {key}")

    class Managed:
        conf = Refusing()

    with pytest.raises(SessionError) as raised, pinned(Managed()):  # type: ignore[arg-type]
        raise AssertionError("nothing may run")
    assert raised.value.object == _ZONE
    assert "Asia/Tokyo" in raised.value.message
    assert f"--conf {_ZONE}=UTC" in (raised.value.hint or "")


@pytest.mark.parametrize("key", ["spark.sql.ansi.enabled", "spark.sql.parquet.int96RebaseModeInRead", _ZONE])
def test_a_conf_that_contradicts_a_pinned_setting_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        build_session("parity-test", conf={key: _another_value(key)})


def test_a_conf_that_asks_for_the_ways_of_an_old_version_is_refused() -> None:
    with pytest.raises(ConfigError, match="datetimeRebaseModeInRead"):
        build_session("parity-test", conf={"spark.sql.legacy.parquet.datetimeRebaseModeInRead": "LEGACY"})


@pytest.mark.parametrize("key", FIXED_BY_THE_JVM)
def test_a_conf_with_another_jvm_zone_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="America/New_York"):
        build_session("parity-test", conf={key: "-Xss4m -Duser.timezone=America/New_York"})


def test_master_and_remote_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="exclude"):
        build_session("parity-test", master="local[1]", remote="sc://localhost")


def test_a_running_session_is_kept_and_what_it_cannot_become_is_refused(spark: SparkSession) -> None:
    assert build_session("another", master="local[2]", conf={"spark.sql.shuffle.partitions": "2"}) is spark
    with pytest.raises(ConfigError, match=r"local\[7\]"):
        build_session("another", master="local[7]")
    with pytest.raises(ConfigError, match=r"spark\.driver\.memory"):
        build_session("another", conf={"spark.driver.memory": "9g"})


@pytest.mark.slow
def test_performance_settings_leave_the_digest_alone(spark: SparkSession) -> None:
    with pinned(spark) as evidence:
        here = evidence.sha256
    other = in_a_process_of_its_own("local[1]", {"spark.sql.shuffle.partitions": "3", "spark.driver.memory": "1g"})
    assert other == {"sha256": here, "host": "127.0.0.1", "memory": "1g"}


@pytest.mark.slow
def test_another_zone_of_the_jvm_is_refused_before_anything_is_read() -> None:
    answer = in_a_process_of_its_own("local[1]", {}, _JAVA_OPTIONS="-Duser.timezone=America/New_York")
    assert answer["error"] == "SessionError"
    assert answer["exit_code"] == 2
    assert "America/New_York" in str(answer["message"])


@pytest.mark.slow
def test_a_spark_that_cannot_start_says_why() -> None:
    answer = in_a_process_of_its_own("local[1]", {"spark.driver.memory": "lots"})
    assert answer["error"] == "EngineError"
    assert answer["exit_code"] == 3


@pytest.mark.slow
def test_spark_connect_is_pinned_and_proven_too() -> None:
    script = """
import json
from pyspark.sql import SparkSession
from jobs.session import pinned
from schemas.errors import SessionError
spark = SparkSession.builder.remote("local[1]").config("spark.driver.host", "127.0.0.1").getOrCreate()
try:
    with pinned(spark):
        refused = ""
except SessionError as error:
    refused = error.object
with pinned(spark, caller_frames=False) as evidence:
    inside = spark.conf.get("spark.sql.caseSensitive")
print(json.dumps({"refused": refused, "sha256": evidence.sha256, "inside": inside, "after": spark.conf.get("spark.sql.caseSensitive")}))
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT), "TZ": "UTC"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["refused"] in PINNED
    assert answer["inside"] == "true"
    assert answer["after"] == "false"
    assert answer["sha256"] == sha256_of({**PINNED, "jvm.zone": "UTC"})


@pytest.mark.skipif(bool(missing_jars()), reason="the jars of conf/spark_jars.txt are not here: python -m jobs.jars")
def test_delta_and_iceberg_are_known_to_a_local_session(spark: SparkSession) -> None:
    assert "DeltaCatalog" in spark.conf.get("spark.sql.catalog.spark_catalog")
    assert "IcebergSparkSessionExtensions" in spark.conf.get("spark.sql.extensions")


@pytest.mark.parametrize(
    ("master", "locations", "conf", "fetched"),
    [
        ("local[1]", ["parquet:/data/orders", "delta:s3"], {}, False),
        ("local[1]", ["parquet:/data/orders", "parquet:s3a://lake/orders"], {}, True),
        ("local[1]", ["delta:s3://lake/orders@v3"], {}, True),
        ("local[1]", ["iceberg:cat.db.t"], {"spark.sql.catalog.cat.warehouse": "s3a://lake/warehouse"}, True),
        ("yarn", ["parquet:s3://lake/orders"], {}, False),
    ],
)
def test_jars_and_settings_of_s3_come_only_where_a_session_of_this_machine_reads_s3(
    monkeypatch: pytest.MonkeyPatch, master: str, locations: list[str], conf: dict[str, str], fetched: bool
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(session, "fetch_jars", lambda jars, say: asked.append(jars))
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    settings = session._settings(master, conf, locations)
    assert bool(asked) is fetched
    assert settings.get("spark.hadoop.fs.s3a.bucket.lake.endpoint") == ("http://127.0.0.1:9" if fetched else None)


@pytest.mark.parametrize("name", ["spark-defaults-emr.conf", "spark-defaults-databricks.conf"])
def test_the_files_for_managed_clusters_say_what_is_pinned(name: str) -> None:
    lines = [line.split(None, 1) for line in configuration(name).splitlines() if line and not line.startswith("#")]
    assert {key: value.strip() for key, value in lines} == {
        **dict.fromkeys(FIXED_BY_THE_JVM, f"-Duser.timezone=UTC {COMPILE_LONG_METHODS}"),
        **PINNED,
    }


def test_nothing_that_tunes_is_pinned() -> None:
    lines = [line.partition("#")[0].split() for line in configuration("spark-defaults-local.conf").splitlines()]
    assert not {words[0] for words in lines if words} & set(PINNED)


def test_letter_case_and_the_many_names_of_utc() -> None:
    assert same_value("TRUE", "true")
    assert not same_value(None, "true")
    assert is_utc("Etc/UTC")
    assert is_utc("GMT")
    assert not is_utc("Europe/London")
    assert not is_utc("Etc/GMT+5")


def _another_value(key: str) -> str:
    special = {
        _ZONE: "Europe/Berlin",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.storeAssignmentPolicy": "LEGACY",
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
        "spark.sql.orc.impl": "hive",
        "spark.sql.parquet.outputTimestampType": "INT96",
        "spark.sql.hive.caseSensitiveInferenceMode": "NEVER_INFER",
    }
    flips = {"true": "false", "false": "true", "EXCEPTION": "LEGACY", "CORRECTED": "LEGACY"}
    return special.get(key) or flips[PINNED[key]]
