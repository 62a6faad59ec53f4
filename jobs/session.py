"""The one place where Spark sessions are built, and the proof of how a session is configured.

`build_session` starts one; `pinned` holds any session, also one that Parity did not build, in the configuration an answer depends on.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pyspark.errors.utils
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from connectors.objects import spark_settings
from jobs.jars import configuration, fetch_jars, java_launcher, missing_jars, present_jars
from jobs.settings import COMPILE_LONG_METHODS, FIXED_BY_THE_JVM, IS_READ_BY_LAZY_PLANS, JVM_ZONE, PINNED, SET_BY_DOORS, is_utc, same_value
from schemas.canonical_json import sha256_of
from schemas.errors import ConfigError, EngineError, SessionError

__all__ = ["SessionEvidence", "build_session", "pinned", "planned_for", "still_pinned"]

_LOG = logging.getLogger(__name__)
_JVM_OPTIONS = f"-Duser.timezone={JVM_ZONE} -Dfile.encoding=UTF-8 -Duser.language=en -Duser.country=US {COMPILE_LONG_METHODS}"
_S3 = re.compile(r"\bs3a?://[^/]+")
_CONNECT_PORT = 15002
_PATIENCE_S = 10
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_CALL_SITES = "_enable_debugging_cache"
_ZONE_PROBES = 16  # tasks: enough for every executor of a small cluster to be asked


@dataclass(frozen=True)
class SessionEvidence:
    """What a session was configured as while an answer was computed.

    Attributes:
        settings: every pinned setting as read back, the zone of the JVM (`jvm.zone`), and each `spark.sql.legacy.*` that someone has set.
        sha256: of `settings`; settings that only change speed are not in it.
    """

    settings: Mapping[str, str]
    sha256: str


def build_session(
    app_name: str,
    *,
    master: str | None = None,
    remote: str | None = None,
    conf: Mapping[str, str] | None = None,
    locations: Collection[str] = (),
) -> SparkSession:
    """Return a session configured as pinned; the running one, if there is one.

    Args:
        app_name: shown by Spark's own pages.
        master: `local[4]`, `yarn`, …; None: what spark-submit was told, else all cores of this machine.
        remote: `sc://host:port` of a Spark Connect server, instead of a master.
        conf: the user's `--conf`; may tune, and name catalogs, but not contradict a pinned setting.
        locations: URIs and paths that will be read or written. If one of them, or a value of `conf`, is in S3, a session on this machine
            is given the jars and settings for it.

    Returns:
        The session. Cost: starts a JVM (5 to 15 seconds) unless one is running; the first time with S3, fetches its jars.

    Raises:
        ConfigError: `conf` contradicts a pinned setting, both `master` and `remote` are given, or a session runs already
            that cannot be changed to what is asked for.
        EngineError: Spark did not start.
    """
    wanted = dict(conf or {})
    _refuse_contradictions(wanted)
    if master and remote:
        raise ConfigError(f"--master {master} and --remote {remote} exclude each other.", object="--remote", hint="Give one of the two.")
    running = SparkSession.getActiveSession()
    if running is not None:
        return _adapted(running, master, wanted)
    if remote:
        return _connected(app_name, remote, wanted)
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # spark-submit has started the JVM already
    chosen = master or (None if submitted else "local[*]")
    settings = _settings(chosen, wanted, locations)
    spark_conf = SparkConf(loadDefaults=False).setAppName(app_name).setAll(list(settings.items()))
    if chosen:
        spark_conf.setMaster(chosen)
        if chosen.startswith("local"):  # else the workers of rules such as nfc are the first python3 on the PATH, without pyarrow
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return _started(spark_conf, submitted)


@contextmanager
def pinned(spark: SparkSession, *, caller_frames: bool = True) -> Iterator[SessionEvidence]:
    """Hold a session in the pinned configuration, and give the user's own values back afterwards, also on error.

    Every DataFrame that belongs to the answer is to be evaluated inside.

    Args:
        spark: any session: built here, a notebook's, a managed cluster's, one of Spark Connect.
        caller_frames: DataFrames built by the caller are compared. Spark Connect gives them their meaning only when they run,
            so there a setting that would change it is refused instead of set.

    Raises:
        SessionError: a setting, or the zone of the JVM, is not as needed and cannot be changed from here. Nothing was read.
    """
    before = _values(spark, PINNED)
    different = [key for key, needed in PINNED.items() if not same_value(before[key], needed)]
    if caller_frames and _is_connect(spark):
        for key in IS_READ_BY_LAZY_PLANS.intersection(different):
            raise SessionError(
                f"{key} is {before[key]} and must be {PINNED[key]}: on Spark Connect, changing it now would change what the rows mean.",
                object=key,
                hint=f'Call spark.conf.set("{key}", "{PINNED[key]}") before building them.',
            )
    own = spark.conf.getAll
    touched: list[str] = []
    try:
        for key in different:
            _set(spark, key)
            touched.append(key)
        with _without_call_sites():
            yield _evidence(spark, own)
    except BaseException:
        try:
            _restore(spark, touched, before, own)
        except Exception as error:  # noqa: BLE001 -- the session may be what broke: the first error is the one to be told
            _LOG.warning("the session's own settings could not be restored: %s", error)
        raise
    _restore(spark, touched, before, own)


def still_pinned(spark: SparkSession) -> None:
    """Make sure that opening the inputs has changed no setting an answer depends on.

    Raises:
        SessionError: it has.
    """
    for key, found in _values(spark, PINNED).items():
        if not same_value(found, PINNED[key]) and found != SET_BY_DOORS.get(key):
            raise _wrong_setting(key, found)


@contextmanager
def _without_call_sites() -> Iterator[None]:
    """Keep PySpark from noting the caller's line for each expression: that is six messages to the JVM where one would do.

    A session started here has it off; in others the answer to spark.python.sql.dataFrameDebugging.enabled is kept by PySpark
    after its first use, and this is the only way to it.
    """
    noted = getattr(pyspark.errors.utils, _CALL_SITES, None)
    try:
        setattr(pyspark.errors.utils, _CALL_SITES, False)
        yield
    finally:
        setattr(pyspark.errors.utils, _CALL_SITES, noted)


@contextmanager
def planned_for(spark: SparkSession, *, rules: bool) -> Iterator[None]:
    """Let Spark plan as pairs of wide rows want it, and give the session's own settings back. No answer depends on it.

    Generated code for rows of more than 100 fields: a pair has the columns of both sides, and without it 60 columns took twice the
    time. With `rules`, no inference of what holds of every column: of columns that a dozen rules rewrite one after the other Spark
    infers combinations without end, until the heap is full. A session that refuses a setting is left as it is.
    """
    wanted = {"spark.sql.codegen.maxFields": "400"} | ({"spark.sql.constraintPropagation.enabled": "false"} if rules else {})
    own = spark.conf.getAll
    changed = []
    try:
        for key, value in wanted.items():
            with suppress(PySparkException):
                spark.conf.set(key, value)
                changed.append(key)
        yield
    finally:
        _restore(spark, changed, own, own)


def _evidence(spark: SparkSession, own: Mapping[str, str]) -> SessionEvidence:
    found = _values(spark, PINNED)
    for key, needed in PINNED.items():
        if not same_value(found[key], needed):
            raise _wrong_setting(key, found[key])
    others = {key: value for key, value in own.items() if key.startswith("spark.sql.legacy.") and key not in PINNED}
    settings = dict(sorted({**others, **PINNED, "jvm.zone": _proven_jvm_zone(spark)}.items()))
    return SessionEvidence(settings=settings, sha256=sha256_of(settings))


def _proven_jvm_zone(spark: SparkSession) -> str:
    """Return `UTC` when the JVMs that read the data say so themselves."""
    zone = F.expr("reflect('java.time.ZoneId', 'systemDefault')").alias("zone")
    try:
        answers = {str(row["zone"]) for row in spark.range(0, _ZONE_PROBES, 1, _ZONE_PROBES).select(zone).collect()}
    except PySparkException as error:
        raise _wrong_zone(f"could not be asked for ({error.getCondition() or type(error).__name__})") from error
    declared = {_declared_zone(_value(spark, key) or "") for key in FIXED_BY_THE_JVM} - {None}
    for found in sorted(answers | {str(zone) for zone in declared}):
        if not is_utc(found):
            raise _wrong_zone(f"is {found}")
    return JVM_ZONE


def _wrong_zone(found: str) -> SessionError:
    lines = " and ".join(f"{key}=-Duser.timezone={JVM_ZONE}" for key in FIXED_BY_THE_JVM)
    return SessionError(
        f"The time zone of Spark's JVM {found}; it must be {JVM_ZONE}, or timestamps are read shifted.",
        object="user.timezone",
        hint=f"Start Spark with {lines} (spark-submit --properties-file conf/spark-defaults-emr.conf has both), or let Parity start it.",
    )


def _wrong_setting(key: str, found: str | None) -> SessionError:
    return SessionError(
        f"The Spark setting {key} is {found or 'not known'} and must be {PINNED[key]}; this session does not let it be changed.",
        object=key,
        hint=f"Start Spark with --conf {key}={PINNED[key]}.",
    )


def _set(spark: SparkSession, key: str) -> None:
    try:
        spark.conf.set(key, PINNED[key])
    except PySparkException as error:
        raise _wrong_setting(key, _value(spark, key)) from error


def _restore(spark: SparkSession, touched: list[str], before: Mapping[str, str | None], own: Mapping[str, str]) -> None:
    for key in touched:
        value = before.get(key)
        if key in own and value is not None:
            spark.conf.set(key, value)
        else:
            spark.conf.unset(key)


def _values(spark: SparkSession, keys: Mapping[str, str]) -> dict[str, str | None]:
    return {key: _value(spark, key) for key in keys}


def _value(spark: SparkSession, key: str) -> str | None:
    try:
        return spark.conf.get(key)
    except PySparkException:  # not set and without a default, or hidden by the platform: not as needed, either way
        return None


def _is_connect(spark: SparkSession) -> bool:
    return type(spark).__module__.startswith("pyspark.sql.connect")


def _refuse_contradictions(conf: Mapping[str, str]) -> None:
    for key, value in conf.items():
        if key in PINNED and not same_value(value, PINNED[key]):
            raise ConfigError(
                f"--conf {key}={value} contradicts the setting that the answer depends on, {PINNED[key]}.",
                object=key,
                hint="Leave it out.",
            )
        if key.startswith("spark.sql.legacy.") and key not in PINNED:
            raise ConfigError(
                f"--conf {key}={value} asks Spark to compute as an old version did; no answer of Parity is proven under it.",
                object=key,
                hint="Leave it out.",
            )
        if key in FIXED_BY_THE_JVM:
            zone = _declared_zone(value)
            if zone is not None and not is_utc(zone):
                raise ConfigError(
                    f"--conf {key} sets the time zone {zone}; timestamps are read rightly in {JVM_ZONE} only.",
                    object=key,
                    hint="Leave -Duser.timezone out.",
                )


def _declared_zone(options: str) -> str | None:
    declared = re.findall(r"-Duser\.timezone=(\S*)", options)
    return declared[-1].strip("\"'") if declared else None


def _settings(master: str | None, conf: Mapping[str, str], locations: Collection[str]) -> dict[str, str]:
    """Return everything a new session is given; what the user asks for wins over what only tunes."""
    settings = {**PINNED, "spark.python.sql.dataFrameDebugging.enabled": "false"}  # as in _without_call_sites
    if master is not None and master.startswith("local"):
        settings |= _local_settings([match.group() for match in map(_S3.search, (*locations, *conf.values())) if match])
    settings |= conf
    for key in FIXED_BY_THE_JVM:
        settings[key] = f"{settings.get(key, '')} {_JVM_OPTIONS}".strip()
    return settings


def _local_settings(s3: Collection[str]) -> dict[str, str]:
    """What a session of this machine is given. `s3`: the buckets it must reach."""
    lines = (line.partition("#")[0].split(None, 1) for line in configuration("spark-defaults-local.conf").splitlines())
    settings = {words[0]: words[1].strip() for words in lines if words}
    settings["spark.sql.warehouse.dir"] = str(Path(tempfile.gettempdir(), f"parity-warehouse-{os.getpid()}"))
    kept = present_jars()
    for bucket in s3:
        settings |= spark_settings(bucket)
    if s3:
        fetch_jars(missing_jars("s3"), _LOG.info)
        kept += present_jars("s3")
    extensions = []
    if kept:
        settings["spark.jars"] = ",".join(str(jar.path) for jar in kept)
    if any(jar.coordinate.startswith("io.delta:delta-spark") for jar in kept):
        extensions.append("io.delta.sql.DeltaSparkSessionExtension")
        settings["spark.sql.catalog.spark_catalog"] = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    if any(jar.coordinate.startswith("org.apache.iceberg:") for jar in kept):
        extensions.append("org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
    if extensions:
        settings["spark.sql.extensions"] = ",".join(extensions)
    return settings


def _started(conf: SparkConf, submitted: bool) -> SparkSession:
    """Start Spark with its own chatter in a file, whose end is told when Spark does not come up."""
    if submitted:
        return SparkSession.builder.config(conf=conf).getOrCreate()
    if java_launcher() is None:
        raise ConfigError(
            "No Java was found; Spark needs Java 17 or 21.",
            object="java",
            hint="Run `parity doctor`: it names the command that installs it.",
        )
    with tempfile.TemporaryDirectory(prefix="parity-") as folder:
        chatter = Path(folder, "spark.log")
        log4j = Path(folder, "log4j2.properties")
        log4j.write_text(configuration("log4j2-local.properties"), encoding="utf-8")
        options = conf.get("spark.driver.extraJavaOptions", "")
        conf.set("spark.driver.extraJavaOptions", f"-Dlog4j2.configurationFile={log4j.as_uri()} {options}")
        try:
            with chatter.open("wb") as stderr:
                gateway = launch_gateway(conf, {"stderr": stderr})  # type: ignore[no-untyped-call]
            SparkContext(conf=conf, gateway=gateway)
            return SparkSession.builder.config(conf=conf).getOrCreate()
        except Exception as error:
            told = chatter.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-12:]
            raise EngineError(
                f"Spark did not start: {error}".rstrip(".") + ".",
                object="spark",
                hint="Run `parity doctor`. Spark said: " + " | ".join(told) if told else "Run `parity doctor`.",
            ) from error


def _connected(app_name: str, remote: str, conf: Mapping[str, str]) -> SparkSession:
    _refuse_silence(remote)
    try:
        session = SparkSession.builder.appName(app_name).remote(remote).getOrCreate()
        for key, value in {**conf, **PINNED}.items():
            session.conf.set(key, value)
    except PySparkException as error:
        raise EngineError(
            f"The Spark Connect server {remote} could not be used: {error}", object=remote, hint="Check its address, and --conf."
        ) from error
    return session


def _as_it_is(spark: SparkSession, key: str) -> str:
    value = _value(spark, key)
    return "without it" if value is None else f"with {value}"


def _refuse_silence(remote: str) -> None:
    """Fail at once where nobody listens: left alone, the client would go on trying for ten minutes."""
    address = re.match(r"sc://(\[[^\]]+\]|[^/:;]+)(?::(\d+))?(?:/|$)", remote)
    if address is None:
        raise ConfigError(
            f"--remote {remote.partition(';')[0]}: not of the form sc://host:port.", object="--remote", hint="Write sc://host:15002."
        )
    if any(os.environ.get(name) for name in _PROXIES):
        return  # gRPC asks the proxy, which may reach what we cannot
    host, port = address.group(1).strip("[]"), int(address.group(2) or _CONNECT_PORT)
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise EngineError(
            f"The Spark Connect server sc://{host}:{port} does not answer: {error.strerror or error}.",
            object=f"sc://{host}:{port}",
            hint="Check its address, and that it runs.",
        ) from None


def _adapted(spark: SparkSession, master: str | None, conf: Mapping[str, str]) -> SparkSession:
    """Return the running session, changed as far as it lets itself be changed."""
    wanted = {**conf, **({"spark.master": master} if master else {})}
    for key, value in wanted.items():
        if same_value(_value(spark, key), value):
            continue
        # Spark lets anything be set that it does not know, spark.master too, and then ignores it; of those only catalogs are read late.
        if not (spark.conf.isModifiable(key) or key.startswith("spark.sql.catalog.")):
            raise ConfigError(
                f"{key}={value} was asked for, but a session runs already, {_as_it_is(spark, key)}.",
                object=key,
                hint="Stop it first (spark.stop()), or leave the option out.",
            )
        spark.conf.set(key, value)
    return spark
