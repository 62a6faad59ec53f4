"""Two published states of a real table, each pair compared by one call of the command line."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

pytestmark = pytest.mark.shared_data

_COLUMNS = "airport_id,name,city,country,iata,icao,latitude,longitude,altitude,timezone,dst,tz,type,source"
_DIALECT = f"header=false,escape=\\,null_value=\\N,columns={_COLUMNS}"
_OLD, _NEW = "airports_2018-12-27.dat.gz", "airports_2019-05-10.dat.gz"


def _as_parquet(packed: Path, folder: Path) -> str:
    with gzip.open(packed, "rt", encoding="utf-8", newline="") as text:
        columns = list(zip(*csv.reader(text), strict=True))
    table = pa.table({name: pa.array(values) for name, values in zip(_COLUMNS.split(","), columns, strict=True)})
    pq.write_table(table, folder / f"{packed.stem}.parquet")
    return f"parquet:{folder}/{packed.stem}.parquet"


def _counts(result: Result) -> dict[str, int]:
    found = json.loads(result.stdout)["counts"]
    return {name: number for name, number in found.items() if number}


def test_the_known_differences_are_found_both_ways(parity: Callable[..., Result], shared_data: Path) -> None:
    old, new = (f"csv:{shared_data}/openflights/{name}" for name in (_OLD, _NEW))
    options = ("--key", "airport_id", "--source-options", _DIALECT, "--target-options", _DIALECT, "--json", "-")
    result = parity("compare", old, new, *options)
    assert result.exit_code == 1
    assert _counts(result) == {"source_rows": 7543, "target_rows": 7698, "matched": 7394, "changed": 149, "extra": 155}
    result = parity("compare", new, old, *options)
    assert result.exit_code == 1
    assert _counts(result) == {"source_rows": 7698, "target_rows": 7543, "matched": 7394, "changed": 149, "missing": 155}


def test_the_same_rows_as_parquet_give_the_same_figures(parity: Callable[..., Result], shared_data: Path, tmp_path: Path) -> None:
    old, new = (_as_parquet(shared_data / "openflights" / name, tmp_path) for name in (_OLD, _NEW))
    result = parity("compare", old, new, "--key", "airport_id", "--json", "-")
    assert _counts(result) == {"source_rows": 7543, "target_rows": 7698, "matched": 7394, "changed": 149, "extra": 155}


def test_a_file_compared_with_itself_in_another_format_is_equal(parity: Callable[..., Result], shared_data: Path, tmp_path: Path) -> None:
    packed = shared_data / "openflights" / _OLD
    words = ("compare", f"csv:{packed}", _as_parquet(packed, tmp_path), "--key", "airport_id", "--quiet")
    result = parity(*words, "--source-options", f"header=false,columns={_COLUMNS}")
    assert (result.exit_code, result.stdout[:5]) == (0, "PASS:")
