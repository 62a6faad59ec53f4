"""URIs as users write them to locations."""

from __future__ import annotations

import os
import re

from connectors.base import Location
from connectors.credentials import refuse_secrets
from schemas.errors import ConfigError, nearest

__all__ = ["SCHEMES", "local_path", "parse_location"]

SCHEMES = ("parquet", "orc", "avro", "csv", "json", "delta", "iceberg", "hive", "postgres")
_STORAGE = ("file", "hdfs", "viewfs", "s3", "s3a", "s3n", "gs", "abfs", "abfss", "wasb", "wasbs", "dbfs", "adl", "oss", "webhdfs")
_EXTENSIONS = {
    ".parquet": "parquet", ".pq": "parquet", ".parq": "parquet", ".orc": "orc", ".avro": "avro", ".csv": "csv", ".tsv": "csv",
    ".txt": "csv", ".dat": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json",
}  # fmt: skip
_PACKED = (".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate", ".xz")
_VERSION_FORMS = {
    "delta": (re.compile(r"v(\d+)"), "delta:/path@v12"),
    "iceberg": (re.compile(r"(\d+)"), "iceberg:catalog.db.table@<snapshot id>"),
}


def parse_location(uri: str, side: str = "table") -> Location:
    """Return the parts of `scheme:location[@version]`.

    Raises:
        ConfigError: a secret in the URI, an unknown or missing scheme, nothing after it, a version of the wrong form.

    >>> parse_location("delta:/data/orders@v12")
    Location(scheme='delta', path='/data/orders', version='12')
    >>> parse_location("parquet:/home/me@work/orders").path
    '/home/me@work/orders'
    """
    refuse_secrets(uri, side)
    scheme, separator, rest = uri.partition(":")
    if not separator or "/" in scheme or scheme.lower() in _STORAGE:
        raise _without_scheme(uri, side)
    if scheme not in SCHEMES:
        raise _unknown_scheme(scheme, side)
    rest = re.sub(r"^///+", "/", rest)
    if not rest.strip() or rest != rest.strip():
        raise ConfigError(
            f"{side}: {scheme}: is followed by {'nothing' if not rest.strip() else 'blanks'}.", object=uri, hint=_form(scheme)
        )
    path, version = _split_version(scheme, rest, side)
    if len(path) > 1 and scheme not in ("hive", "postgres"):
        path = path.rstrip("/") or "/"
    return Location(scheme, path, version)


def local_path(path: str) -> str | None:
    """Return the path of a `file:` URI or a bare path as the operating system writes it; None for any other store.

    >>> local_path("file:///data/a"), local_path("/data/a"), local_path("s3a://b/a")
    ('/data/a', '/data/a', None)
    """
    if path.startswith("file:"):
        return re.sub(r"^file:/*", "/", path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", path):
        return None
    return os.path.abspath(path)


def _split_version(scheme: str, rest: str, side: str) -> tuple[str, str | None]:
    if scheme not in _VERSION_FORMS or "@" not in rest:
        return rest, None
    path, _, text = rest.rpartition("@")
    if "/" in text or not path:
        return rest, None
    pattern, form = _VERSION_FORMS[scheme]
    match = pattern.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{side}: {text!r} is not a {scheme} version.", object=text, hint=f"Write {form}, or leave the version out for the newest."
        )
    return path, match.group(1)


def _form(scheme: str) -> str:
    forms = {"delta": "delta:/path@v12", "iceberg": "iceberg:catalog.db.table@<snapshot id>", "hive": "hive:db.table"}
    forms["postgres"] = "postgres://user@host:5432/database?table=schema.table"
    return f"Write {forms.get(scheme, f'{scheme}:/path/to/folder')}."


def _unknown_scheme(scheme: str, side: str) -> ConfigError:
    close = nearest(scheme, SCHEMES)
    shown = scheme if re.fullmatch(r"[\w+.-]{1,30}", scheme) else "(unprintable)"
    hint = (f"Did you mean {', '.join(name + ':' for name in close)}? " if close else "") + f"Known: {', '.join(SCHEMES)}."
    return ConfigError(f"{side}: unknown scheme {shown}.", object=shown, hint=hint)


def _without_scheme(uri: str, side: str) -> ConfigError:
    guess = _guess(uri)
    hint = f"Write {guess}:{uri}" if guess else f"Say what it is: {' '.join(name + ':…' for name in SCHEMES)}"
    return ConfigError(f"{side}: {uri} does not say what it is.", object=uri, hint=hint)


def _guess(uri: str) -> str | None:
    """The scheme a bare path most likely needs: by its extension, then by what the folder holds, then by its form."""
    name = uri.rstrip("/").lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    if found := _EXTENSIONS.get(os.path.splitext(name)[1]):
        return found
    folder = local_path(uri)
    if folder is not None and os.path.isdir(folder):
        inside = sorted(os.listdir(folder))
        if "_delta_log" in inside:
            return "delta"
        if "metadata" in inside and "data" in inside:
            return "iceberg"
        return next((guess for entry in inside if not entry.startswith(("_", ".")) and "." in entry and (guess := _guess(entry))), None)
    return "hive" if re.fullmatch(r"\w+(\.\w+){1,2}", uri) else None
