"""A reader that knows docs/s3.md and nothing else of Parity: it follows the pointer of a table, and checks all that it names."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["in_bucket", "in_folder", "leftovers", "whole_table"]

Get = Callable[[str], bytes | None]
"""A key below the target to its bytes; None where there is nothing."""


def in_folder(root: Path) -> Get:
    """Return what reads below a folder of this machine."""

    def get(key: str) -> bytes | None:
        try:
            return (root / key).read_bytes()
        except FileNotFoundError:
            return None

    return get


def in_bucket(client: Any, bucket: str, prefix: str) -> Get:
    """Return what reads below a prefix of S3."""

    def get(key: str) -> bytes | None:
        try:
            return bytes(client.get_object(Bucket=bucket, Key=f"{prefix}/{key}")["Body"].read())
        except client.exceptions.NoSuchKey:
            return None

    return get


def whole_table(get: Get, folder: str) -> pa.Table | None:
    """Return the rows that a reader is given now, files in the order of the manifest; None: nothing is published.

    A file that the pointer names and that is not there, whole, fails the test.
    """
    pointer = get(f"{folder}/_parity/manifest.json")
    if pointer is None:
        return None
    manifest = json.loads(pointer)
    tables = []
    for file in manifest["files"]:
        key = f"{folder}/{manifest['location']}/{file['path']}"
        content = get(key)
        assert content is not None, f"{key} is named by the pointer and is not there"
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"]), f"{key} is not as the pointer says"
        tables.append(pq.ParquetFile(io.BytesIO(content)).read())
    whole = pa.concat_tables(tables)
    assert whole.num_rows == manifest["rows"]
    return whole


def leftovers(root: Path) -> Iterator[str]:
    """Return every file below a target that no reader is ever led to: staged ones, parts, versions without a manifest."""
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"):
        parts = path.relative_to(root).parts
        if parts[0] in ("_staging", ".parity-tmp"):
            yield path.relative_to(root).as_posix()
        elif "data" in parts:
            at = parts.index("data")
            if not root.joinpath(*parts[:at], "_parity", "versions", f"{parts[at + 1]}.json").is_file():
                yield path.relative_to(root).as_posix()
