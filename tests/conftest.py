"""One Spark session for the whole run; everything else is local to its test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession

from jobs.session import build_session

# How long an example takes says more about the machine than about the code.
settings.register_profile("parity", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("parity")

_SHARED_DATA = Path(__file__).parent.parent.parent / "shared" / "data"

# Why each: tests have tables of ten rows, two cores, and hundreds of queries that run once.
_SMALL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.sql.adaptive.enabled": "false",  # a job per stage, for tables of ten rows
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # queries that run once: 60 small ones took 22 s instead of 34
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A two-core session with the jars of the lock file, configured as pinned."""
    warehouse = {"spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse"))}
    session = build_session("parity-tests", master="local[2]", conf={**_SMALL, **warehouse})
    yield session
    session.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tables beside the checkout; for tests marked `shared_data`."""
    return _SHARED_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real tables where they are not."""
    if _SHARED_DATA.is_dir():
        return
    for item in items:
        if "shared_data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="../shared/data is not beside this checkout"))
