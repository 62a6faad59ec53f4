"""The stores that every object test is asked of, a folder and a bucket of an emulator, each with a way to harm it behind its back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.objects import ObjectStore, open_store
from tests.standins.moto_s3 import S3Server

__all__ = ["BUCKET", "Place", "in_bucket", "in_folder"]

BUCKET = "lake"
_serial = itertools.count()


@dataclass(frozen=True)
class Place:
    """A store and its address; `overwrite(key, content)`, `remove(key)` and `held()` (all keys) go past the store."""

    store: ObjectStore
    uri: str
    overwrite: Callable[[str, bytes], Any]
    remove: Callable[[str], Any]
    held: Callable[[], list[str]]


def in_folder(root: Path) -> Place:
    """Return a store in a folder."""

    def overwrite(key: str, content: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)

    return Place(
        open_store(f"file:{root}"),
        f"file:{root}",
        overwrite,
        lambda key: (root / key).unlink(),
        lambda: sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"),
    )


def in_bucket(server: S3Server) -> Place:
    """Return a store under a prefix of its own in the bucket; the environment must point to the server."""
    client, prefix = server.client(), f"place {next(_serial)}=ü"
    uri = f"s3://{BUCKET}/{prefix}"

    def held() -> list[str]:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/")
        return sorted(one["Key"][len(prefix) + 1 :] for page in pages for one in page.get("Contents", ()))

    return Place(
        open_store(uri),
        uri,
        lambda key, content: client.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=content),
        lambda key: client.delete_object(Bucket=BUCKET, Key=f"{prefix}/{key}"),
        held,
    )
