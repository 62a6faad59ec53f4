"""A path of Spark in S3 to what S3 itself says lies there."""

from __future__ import annotations

from dataclasses import replace

from connectors.objects import StoredObject, key_parts, open_store
from schemas.errors import ParityError

__all__ = ["list_s3"]


def list_s3(path: str) -> tuple[StoredObject, ...] | None:
    """Return the objects at a path of S3, keys from the top of the bucket; None when S3 does not answer this process.

    Spark may hold other rights than this process has, so a refusal is no error here.
    """
    scheme, _, place = path.partition("://")
    bucket, _, prefix = place.partition("/")
    prefix = prefix.strip("/")
    if not scheme.startswith("s3"):
        return None
    try:
        store = open_store(f"s3://{bucket}")
        if prefix:
            key_parts(prefix)
        below = tuple(store.list(prefix))
        alone = store.find(prefix) if prefix and not below else None
    except ParityError:
        return None
    return below or ((replace(alone, key=prefix),) if alone else ())
