"""Objects in a bucket of S3, or of a service that speaks its language.

Credentials come from the AWS chain of boto3 (environment, profile, web identity, container, instance) and are neither kept nor shown.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError
from botocore.exceptions import ConnectionError as NoConnectionError

from connectors.credentials import refuse_secrets
from connectors.objects import (
    CHUNK_BYTES,
    Content,
    MissingObjectError,
    ObjectChangedError,
    ObjectExistsError,
    StoredObject,
    checked,
    key_parts,
    rewound,
)
from connectors.objects_s3_errors import (
    ABSENT,
    ATTEMPTS,
    BUSY,
    NO_BUCKET,
    RACED,
    REFUSED_CONDITION,
    code_of,
    missing_bucket,
    of_client,
    of_code,
)
from connectors.options import truth
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

__all__ = ["S3ObjectStore", "open_s3", "s3a_settings"]

_PART_BYTES = 16 << 20
_COPY_BYTES = 512 << 20
_AT_ONCE = 8
_DELETED_AT_ONCE = 1000
_PAUSE_S = 0.2
_DIGEST, _WRITE = "sha256", "parity-write"  # user metadata: of the content, and of the one call that wrote it

_CUT = (HTTPClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError)

_Parts = list[dict[str, Any]]


def open_s3(bucket: str, prefix: str, options: Mapping[str, str]) -> S3ObjectStore:
    """Return the store below a prefix of a bucket; nothing is asked of it yet.

    Args:
        options: `endpoint` (of a service that is not AWS), `region`, `path_style` (true: the bucket stands in the path).

    Raises:
        ConfigError: an option, a profile or a name is no such thing.
    """
    uri = f"s3://{bucket}/{prefix}".rstrip("/")
    if prefix:
        key_parts(prefix)
    if not bucket:
        raise ConfigError(f"{uri}: no bucket is named.", object=uri, hint="Write s3://bucket/prefix.")
    refuse_secrets(options.get("endpoint", ""), "endpoint")
    style: Literal["auto", "path"] = "path" if truth(options, "path_style", "endpoint" in options) else "auto"
    config = Config(
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=4 * _AT_ONCE,
        s3={"addressing_style": style},
    )
    try:
        client: S3Client = boto3.session.Session().client(
            "s3", endpoint_url=options.get("endpoint"), region_name=options.get("region"), config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise of_client(error, uri, "reach") from None
    return S3ObjectStore(client, bucket, prefix)


def s3a_settings(bucket: str, options: Mapping[str, str]) -> dict[str, str]:
    """Return how Spark's S3A reaches the same bucket as `open_s3`; no credentials, which it takes from the AWS chain too."""
    client = open_s3(bucket, "", options).client
    own = {
        "aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider",
        "attempts.maximum": str(ATTEMPTS),
        "retry.limit": "3",  # Hadoop's own, on top of the SDK's: by default minutes for a host that is not there
        "connection.establish.timeout": "10s",
    }
    endpoint = client.meta.endpoint_url
    if not endpoint.removesuffix(".cn").endswith(".amazonaws.com"):
        own |= {"endpoint": endpoint, "connection.ssl.enabled": str(endpoint.startswith("https:")).lower()}
        own["path.style.access"] = str(truth(options, "path_style", True)).lower()
    elif truth(options, "path_style", False):
        own["path.style.access"] = "true"
    if client.meta.region_name and client.meta.region_name != "aws-global":
        own["endpoint.region"] = client.meta.region_name
    settings = {f"spark.hadoop.fs.s3a.bucket.{bucket}.{name}": value for name, value in own.items()}
    return {**settings, "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem"}


@dataclass(frozen=True)
class S3ObjectStore:
    """See connectors.objects.ObjectStore.

    Content above `part_bytes` is uploaded in parts. `replace` takes what fits in one request (5 GiB).
    """

    client: S3Client = field(repr=False)
    bucket: str
    prefix: str = ""
    part_bytes: int = _PART_BYTES

    def uri(self, key: str = "") -> str:
        return "/".join(part for part in (f"s3://{self.bucket}", self.prefix, key) if part)

    def spark_path(self, key: str = "") -> str:
        return "s3a" + self.uri(key).removeprefix("s3")

    def list(self, folder: str = "") -> Iterator[StoredObject]:
        below = len(self.prefix) + 1 if self.prefix else 0
        with self._failures(folder, "list"):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._folder(folder)):
                for one in page.get("Contents", ()):
                    if not (one["Key"].endswith("/") and one["Size"] == 0):  # what Hadoop puts in place of an empty folder
                        yield StoredObject(one["Key"][below:], one["Size"], _plain(one["ETag"]), one["LastModified"])

    def find(self, key: str) -> StoredObject | None:
        found = self._head(key)
        return found[0] if found else None

    def read(self, key: str, *, sha256: str | None = None) -> Iterator[bytes]:
        found = self._head(key)
        if found is None:
            raise self._missing(key)
        described, metadata = found
        expected = [digest for digest in (sha256, metadata.get(_DIGEST)) if digest]
        return checked(self._chunks(described), self.uri(key), expected)

    def read_range(self, key: str, start: int, length: int) -> bytes:
        with self._failures(key, "read"):
            try:
                wanted = f"bytes={start}-{start + length - 1}"
                return self.client.get_object(Bucket=self.bucket, Key=self._key(key), Range=wanted)["Body"].read()
            except ClientError as error:
                if code_of(error) in ("416", "InvalidRange"):
                    return b""
                if code_of(error) in ABSENT:
                    raise self._missing(key) from None
                raise

    def write_new(self, key: str, content: Content) -> StoredObject:
        stream, size, digest = rewound(content)
        put = self._put if size <= self.part_bytes else self._upload
        written = put(key, stream, size, digest, {"IfNoneMatch": "*"})
        if written is None:
            raise self._exists(key)
        return written

    def replace(self, key: str, content: Content, expected: str | None) -> StoredObject:
        stream, size, digest = rewound(content)
        condition = {"IfNoneMatch": "*"} if expected is None else {"IfMatch": f'"{expected}"'}
        written = self._put(key, stream, size, digest, condition)
        if written is None:
            raise self._changed(key)
        return written

    def copy(self, source: StoredObject, target: str) -> StoredObject:
        found = self._head(source.key)
        if found is None or found[0].version != source.version:
            raise self._changed(source.key)
        if source.bytes == 0:
            return self.write_new(target, b"")
        metadata = {_DIGEST: found[1][_DIGEST]} if _DIGEST in found[1] else {}
        origin: CopySourceTypeDef = {"Bucket": self.bucket, "Key": self._key(source.key)}

        def part(upload: dict[str, Any], number: int) -> dict[str, Any]:
            start = (number - 1) * _COPY_BYTES
            end = min(start + _COPY_BYTES, source.bytes) - 1
            try:
                answer = self.client.upload_part_copy(
                    **upload,
                    PartNumber=number,
                    CopySource=origin,
                    CopySourceIfMatch=f'"{source.version}"',
                    CopySourceRange=f"bytes={start}-{end}",
                )
            except ClientError as error:
                if code_of(error) in REFUSED_CONDITION | ABSENT:
                    raise self._changed(source.key) from None
                raise
            return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

        parts = -(-source.bytes // _COPY_BYTES)
        written = self._in_parts(target, metadata, {"IfNoneMatch": "*"}, lambda upload: [part(upload, n + 1) for n in range(parts)], None)
        if written is None:
            raise self._exists(target)
        return written

    def move(self, objects: Sequence[StoredObject], source: str, target: str) -> None:
        lying = {found.key: found.version for found in self.list(source)}
        if lying != {wanted.key: wanted.version for wanted in objects}:
            raise self._changed(source)
        places = {one.key: f"{target}{one.key[len(source) :]}" for one in objects}
        there = {found.key: found for found in self.list(target)}

        def put(one: StoredObject) -> None:
            found = there.get(places[one.key])
            if found is None:
                with suppress(ObjectExistsError):
                    self.copy(one, places[one.key])
                    return
                found = self.find(places[one.key])
            if found is None or found.bytes != one.bytes:
                raise self._exists(places[one.key])

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for _ in pool.map(put, objects):
                pass
        self.delete_folder(source)

    def delete(self, keys: Collection[str]) -> None:
        self._delete([self._key(key) for key in keys])

    def delete_folder(self, folder: str) -> None:
        key_parts(folder)
        with self._failures(folder, "list"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._folder(folder))
            found = [one["Key"] for page in pages for one in page.get("Contents", ())]
        self._delete(found)

    def discard_unfinished(self, idle_s: float) -> int:
        before = datetime.now(timezone.utc) - timedelta(seconds=idle_s)
        with self._failures("", "delete"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=self._folder(""))
            found = [one for page in pages for one in page.get("Uploads", ()) if one["Initiated"] <= before]
            for one in found:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=one["Key"], UploadId=one["UploadId"])
        return len(found)

    def _key(self, key: str) -> str:
        key_parts(key)
        return f"{self.prefix}/{key}" if self.prefix else key

    def _folder(self, folder: str) -> str:
        return "".join(f"{part}/" for part in (self.prefix, folder) if part)

    def _head(self, key: str) -> tuple[StoredObject, Mapping[str, str]] | None:
        with self._failures(key, "read"):
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=self._key(key))
            except ClientError as error:
                if code_of(error) in ABSENT and not self._bucket_is_missing():
                    return None
                raise
        return StoredObject(key, found["ContentLength"], _plain(found["ETag"]), found["LastModified"]), found.get("Metadata", {})

    def _bucket_is_missing(self) -> bool:
        """HEAD answers 404 for an object and for a bucket alike."""
        try:
            self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) in ABSENT | NO_BUCKET:
                raise missing_bucket(self.uri(), self.bucket) from None
        return False

    def _chunks(self, described: StoredObject) -> Iterator[bytes]:
        """The bytes of one version; where the connection breaks, the rest is asked for again."""
        at, failures = 0, 0
        while at < described.bytes:
            with self._failures(described.key, "read"):
                try:
                    answer = self.client.get_object(
                        Bucket=self.bucket, Key=self._key(described.key), IfMatch=f'"{described.version}"', Range=f"bytes={at}-"
                    )
                    for chunk in answer["Body"].iter_chunks(CHUNK_BYTES):
                        yield chunk
                        at += len(chunk)
                except ClientError as error:
                    if code_of(error) in REFUSED_CONDITION | ABSENT:
                        raise self._changed(described.key) from None
                    raise
                except _CUT:
                    failures += 1
                    if failures >= ATTEMPTS:
                        raise
                    time.sleep(_PAUSE_S * failures)

    def _put(self, key: str, stream: BinaryIO, size: int, digest: str, condition: Mapping[str, str]) -> StoredObject | None:
        """Write in one request; None when the condition does not hold."""
        mark = secrets.token_hex(16)
        check = base64.b64encode(bytes.fromhex(digest)).decode()

        def send() -> StoredObject:
            stream.seek(0)
            answer = self.client.put_object(
                Bucket=self.bucket,
                Key=self._key(key),
                Body=stream,
                ContentLength=size,
                ChecksumSHA256=check,
                Metadata={_DIGEST: digest, _WRITE: mark},
                **condition,  # type: ignore[arg-type]
            )
            return StoredObject(key, size, _plain(answer["ETag"]), datetime.now(timezone.utc))

        return self._conditionally(key, condition, mark, send)

    def _upload(self, key: str, stream: BinaryIO, size: int, digest: str, condition: Mapping[str, str]) -> StoredObject | None:
        """Write in parts; None when the condition does not hold."""

        def send(upload: dict[str, Any]) -> _Parts:
            stream.seek(0)
            done: _Parts = []
            while piece := stream.read(self.part_bytes):
                check = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                answer = self.client.upload_part(**upload, PartNumber=len(done) + 1, Body=piece, ChecksumSHA256=check)
                done.append({"PartNumber": len(done) + 1, "ETag": answer["ETag"], "ChecksumSHA256": check})
            return done

        return self._in_parts(key, {_DIGEST: digest}, condition, send, "SHA256")

    def _in_parts(
        self,
        key: str,
        metadata: Mapping[str, str],
        condition: Mapping[str, str],
        send: Callable[[dict[str, Any]], _Parts],
        algorithm: str | None,
    ) -> StoredObject | None:
        mark = secrets.token_hex(16)
        place = {"Bucket": self.bucket, "Key": self._key(key)}
        checksum: dict[str, Any] = {"ChecksumAlgorithm": algorithm} if algorithm else {}

        def whole() -> StoredObject:
            upload: dict[str, Any] = {**place, "UploadId": self._begun(place, {**metadata, _WRITE: mark}, checksum)}
            try:
                parts: Any = send(upload)
                answer = self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)  # type: ignore[arg-type]
            except BaseException:
                with suppress(ClientError, BotoCoreError):  # discard_unfinished finds what stays
                    self.client.abort_multipart_upload(**upload)
                raise
            written = self._head(key)
            return written[0] if written else StoredObject(key, 0, _plain(answer["ETag"]), datetime.now(timezone.utc))

        return self._conditionally(key, condition, mark, whole)

    def _begun(self, place: Mapping[str, str], metadata: Mapping[str, str], checksum: Mapping[str, Any]) -> str:
        return self.client.create_multipart_upload(Bucket=place["Bucket"], Key=place["Key"], Metadata=metadata, **checksum)["UploadId"]

    def _conditionally(self, key: str, condition: Mapping[str, str], mark: str, send: Callable[[], StoredObject]) -> StoredObject | None:
        """Write under a condition; None when it does not hold.

        The answer to a write that succeeded may be lost, and its repetition refused: the mark in the metadata tells whose object it is.
        """
        for attempt in range(ATTEMPTS):
            with self._failures(key, "write"):
                try:
                    return send()
                except ClientError as error:
                    code = code_of(error)
                    if code in RACED and attempt < ATTEMPTS - 1:
                        time.sleep(_PAUSE_S * (attempt + 1))
                        continue
                    if code in REFUSED_CONDITION | RACED or (code in ABSENT and "IfMatch" in condition):
                        return self._own(key, mark)
                    if code in BUSY and (written := self._own(key, mark)):
                        return written
                    raise
                except (NoConnectionError, HTTPClientError):
                    if written := self._own(key, mark):
                        return written
                    raise
        return None

    def _own(self, key: str, mark: str) -> StoredObject | None:
        """The object, if this very write has made it."""
        found = self._head(key)
        return found[0] if found and found[1].get(_WRITE) == mark else None

    def _delete(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            some = keys[start : start + _DELETED_AT_ONCE]
            with self._failures("", "delete"):
                answer = self.client.delete_objects(Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in some], "Quiet": True})
                for refused in answer.get("Errors", ()):
                    raise of_code(refused.get("Code", ""), f"s3://{self.bucket}/{refused.get('Key', '')}", self.bucket, "delete")

    @contextmanager
    def _failures(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise of_code(code_of(error), self.uri(key), self.bucket, doing) from None
        except BotoCoreError as error:
            raise of_client(error, self.uri(key), doing) from None

    def _missing(self, key: str) -> MissingObjectError:
        return MissingObjectError(f"There is no {self.uri(key)}.", object=self.uri(key))

    def _exists(self, key: str) -> ObjectExistsError:
        return ObjectExistsError(
            f"There is {self.uri(key)} already; it was left as it is.", object=self.uri(key), hint="Two writers use one place."
        )

    def _changed(self, key: str) -> ObjectChangedError:
        return ObjectChangedError(
            f"{self.uri(key)} is not what it was when it was last read: it was written, removed, or joined by others.",
            object=self.uri(key),
            hint="Somebody else writes to this place.",
        )


def _plain(etag: str) -> str:
    return etag.strip('"')
