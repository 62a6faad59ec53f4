"""S3 as it is: parts, lost answers, broken connections, refusals; and no secret in any word."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from connectors import objects_s3
from connectors.objects import CorruptObjectError, MissingObjectError, ObjectChangedError, ObjectExistsError, open_store, spark_settings
from connectors.objects_s3 import S3ObjectStore
from connectors.publishing import begin
from schemas.errors import ConfigError, ConnectorError, MissingExtraError, MissingTableError, ParityError, TransientConnectorError
from tests.standins.moto_s3 import S3Server, running_s3
from tests.standins.object_stores import BUCKET, Place, in_bucket

_MIB = 1 << 20
_CHECKOUT = Path(__file__).parent.parent.parent
_CANARY = "canary-9f3b"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3(buckets=[BUCKET]) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def place(s3: S3Server) -> Place:
    return in_bucket(s3)


@pytest.fixture
def store(place: Place, monkeypatch: pytest.MonkeyPatch) -> S3ObjectStore:
    """The store of `place`, with parts as small as S3 allows and no pauses between attempts."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert isinstance(place.store, S3ObjectStore)
    return replace(place.store, part_bytes=5 * _MIB)


def on_request(store: S3ObjectStore, operation: str, react: Callable[[int, Any], Any]) -> list[int]:
    """Have each request of an operation go through `react(number, request)`, which answers, raises, or returns None to let it pass."""
    seen: list[int] = []

    def before(request: Any, **_: Any) -> Any:
        seen.append(len(seen) + 1)
        return react(len(seen), request)

    store.client.meta.events.register(f"before-send.s3.{operation}", before)
    return seen


def refusal(status: int, code: str) -> AWSResponse:
    class Raw:
        def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
            yield f"<Error><Code>{code}</Code><Message>{_CANARY}</Message><AWSAccessKeyId>{_CANARY}</AWSAccessKeyId></Error>".encode()

    return AWSResponse("http://x", status, {}, Raw())


def after_it_was_done(store: S3ObjectStore, request: Any) -> None:
    """The request reaches the service, its answer does not reach us."""
    store.client._endpoint.http_session.send(request)  # type: ignore[attr-defined]
    raise ReadTimeoutError(endpoint_url="http://x")


def test_large_content_goes_up_and_is_copied_in_parts(store: S3ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects_s3, "_COPY_BYTES", 5 * _MIB)
    content = bytes(range(256)) * (11 * _MIB // 256)
    parts, copied = on_request(store, "UploadPart", lambda *_: None), on_request(store, "UploadPartCopy", lambda *_: None)
    written = store.write_new("big", content)
    assert (written.bytes, written.version, len(parts)) == (len(content), store.find("big").version, 3)  # type: ignore[union-attr]
    store.copy(written, "copy")
    assert len(copied) == 3
    digest = hashlib.sha256(content).hexdigest()
    for key in ("big", "copy"):
        assert hashlib.sha256(b"".join(store.read(key, sha256=digest))).hexdigest() == digest
    with pytest.raises(ObjectExistsError):
        store.write_new("big", content)
    assert not store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_the_digest_of_the_upload_is_checked_when_read(store: S3ObjectStore, place: Place) -> None:
    store.write_new("k", b"abc")
    full = f"{store.prefix}/k"
    metadata = store.client.head_object(Bucket=BUCKET, Key=full)["Metadata"]
    store.client.put_object(Bucket=BUCKET, Key=full, Body=b"abd", Metadata=metadata)
    with pytest.raises(CorruptObjectError, match="s3://"):
        list(store.read("k"))


@pytest.mark.parametrize("big", [False, True], ids=["one request", "parts"])
def test_a_write_whose_answer_is_lost_is_known_as_done(store: S3ObjectStore, big: bool) -> None:
    content = b"x" * (6 * _MIB if big else 3)
    operation = "CompleteMultipartUpload" if big else "PutObject"
    seen = on_request(store, operation, lambda number, request: after_it_was_done(store, request) if number == 1 else None)
    store.write_new("k", content)
    assert len(seen) > 1
    assert b"".join(store.read("k")) == content


def test_a_lost_answer_does_not_make_the_object_of_another_ours(store: S3ObjectStore, place: Place) -> None:
    def other_comes_first(number: int, request: Any) -> None:
        if number == 1:
            place.overwrite("k", b"other")
            raise ReadTimeoutError(endpoint_url="http://x")

    on_request(store, "PutObject", other_comes_first)
    with pytest.raises(ObjectExistsError):
        store.write_new("k", b"mine")
    assert b"".join(store.read("k")) == b"other"


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict")])
def test_what_passes_is_tried_again(store: S3ObjectStore, status: int, code: str) -> None:
    seen = on_request(store, "PutObject", lambda number, _: refusal(status, code) if number < 3 else None)
    store.write_new("k", b"abc")
    assert len(seen) == 3


def test_what_does_not_pass_is_given_up(store: S3ObjectStore) -> None:
    seen = on_request(store, "PutObject", lambda *_: refusal(503, "SlowDown"))
    with pytest.raises(TransientConnectorError, match="busy") as raised:
        store.write_new("k", b"abc")
    assert len(seen) == 5
    assert raised.value.object == store.uri("k")
    assert store.find("k") is None


def test_a_read_that_breaks_goes_on_where_it_was(store: S3ObjectStore) -> None:
    content = os.urandom(4 * _MIB)
    store.write_new("k", content)
    ranges: list[str] = []

    def cut(number: int, request: Any) -> Any:
        ranges.append(request.headers["Range"].decode() if isinstance(request.headers["Range"], bytes) else request.headers["Range"])
        if number > 2:
            return None
        answer = store.client._endpoint.http_session.send(request)  # type: ignore[attr-defined]
        whole = answer.content

        class Raw:
            def __init__(self) -> None:
                self.left = [whole[:_MIB]]

            def read(self, amount: int | None = None, **_: Any) -> bytes:
                if self.left:
                    return self.left.pop()
                raise ReadTimeoutError(endpoint_url="http://x")

            def stream(self, amount: int = 0, **_: Any) -> Iterator[bytes]:
                yield from self.left
                raise ReadTimeoutError(endpoint_url="http://x")

        return AWSResponse(answer.url, answer.status_code, answer.headers, Raw())

    on_request(store, "GetObject", cut)
    assert b"".join(store.read("k")) == content
    assert ranges == ["bytes=0-", f"bytes={_MIB}-", f"bytes={2 * _MIB}-"]


def test_a_read_never_joins_two_versions(store: S3ObjectStore, place: Place) -> None:
    store.write_new("k", b"x" * (3 * _MIB))
    on_request(store, "GetObject", lambda number, _: place.overwrite("k", b"y" * (3 * _MIB)) and None if number == 1 else None)
    with pytest.raises(ObjectChangedError):
        list(store.read("k"))


def test_the_service_is_asked_to_copy_the_version_that_was_seen(store: S3ObjectStore) -> None:
    written = store.write_new("k", b"abc")
    asked: list[str] = []
    on_request(store, "UploadPartCopy", lambda _, request: asked.append(str(request.headers["x-amz-copy-source-if-match"])))
    store.copy(written, "copy")
    assert [header for header in asked if written.version in header] == asked != []


@pytest.mark.parametrize("header", ["If-None-Match", "If-Match"])
def test_a_service_that_ignores_conditions_is_refused_before_anything_is_published(store: S3ObjectStore, header: str) -> None:
    def ignored(_: int, request: Any) -> None:
        request.headers.pop(header, None)

    on_request(store, "PutObject", ignored)
    with pytest.raises(ConnectorError, match="even when told not to"):
        begin(store, "orders", "run-1")


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (403, "AccessDenied", ConnectorError, "access is denied"),
        (403, "InvalidAccessKeyId", ConnectorError, "credentials are not accepted"),
        (403, "SignatureDoesNotMatch", ConnectorError, "credentials are not accepted"),
        (400, "ExpiredToken", ConnectorError, "credentials are not accepted"),
        (301, "PermanentRedirect", ConfigError, "another region"),
        (404, "NoSuchBucket", MissingTableError, "no bucket"),
        (507, "XMinioStorageFull", ConnectorError, "no space is left"),
        (418, "Teapot", ConnectorError, "Teapot"),
    ],
)
def test_what_s3_refuses_is_told_without_its_words(
    store: S3ObjectStore, status: int, code: str, kind: type[ParityError], says: str
) -> None:
    on_request(store, "PutObject", lambda *_: refusal(status, code))
    with pytest.raises(kind, match=says) as raised:
        store.write_new("k", b"abc")
    assert raised.value.object == store.uri("k")
    assert raised.value.hint
    assert _CANARY not in f"{raised.value} {raised.value.__cause__!r}"
    assert raised.value.__suppress_context__


def test_a_missing_bucket_is_told_by_every_door(s3: S3Server) -> None:
    store = open_store("s3://no-such-bucket/x")
    for ask in (
        lambda: list(store.list()),
        lambda: store.find("k"),
        lambda: list(store.read("k")),
        lambda: store.write_new("k", b"x"),
        lambda: store.write_new("k", b"x" * 17 * _MIB),
        lambda: store.replace("k", b"x", None),
        lambda: store.delete(["k"]),
        lambda: store.delete_folder("k"),
    ):
        with pytest.raises(MissingTableError, match="no bucket no-such-bucket") as raised:
            ask()
        assert not isinstance(raised.value, MissingObjectError)


def test_nobody_listening_is_transient(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(TransientConnectorError, match="connection failed"):
        open_store("s3://lake/x", {"endpoint": "http://127.0.0.1:9"}).find("k")


def test_without_credentials_it_says_how_to_give_some(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="no AWS credentials"):
        open_store("s3://lake/x").find("k")


def test_an_unknown_profile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this")
    with pytest.raises(ConfigError, match="profile"):
        open_store("s3://lake/x")


@pytest.mark.parametrize("options", [{"endpoints": "x"}, {"path_style": "maybe"}, {"endpoint": "no-url"}, {"endpoint": "http://a:b@host"}])
def test_options_are_checked(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        open_store("s3://lake/x", {"region": "us-east-1", **options})


def test_credentials_are_in_no_word_of_the_store(s3: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", _CANARY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", _CANARY)
    caplog.set_level(logging.INFO)
    store = open_store("s3://lake/canary")
    store.write_new("k", b"x")
    told = [repr(store), str(store), store.uri("k"), str(spark_settings("s3://lake/x")), caplog.text]
    with pytest.raises(ParityError) as raised:
        list(open_store("s3://no-such-bucket/x").list())
    assert not [text for text in (*told, repr(raised.value)) if _CANARY in text]


def test_what_an_interrupted_upload_left_is_removed_when_old(store: S3ObjectStore) -> None:
    store.client.create_multipart_upload(Bucket=BUCKET, Key=f"{store.prefix}/half")
    store.client.create_multipart_upload(Bucket=BUCKET, Key="of somebody else")
    assert store.discard_unfinished(idle_s=50 * 365 * 86_400) == 0  # the emulator says of every upload that it began in 2010
    assert store.discard_unfinished(idle_s=3600) == 1
    (left,) = store.client.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    store.client.abort_multipart_upload(Bucket=BUCKET, Key=left["Key"], UploadId=left["UploadId"])


def test_an_upload_that_fails_is_taken_back(store: S3ObjectStore) -> None:
    on_request(store, "UploadPart", lambda number, _: refusal(403, "AccessDenied") if number == 2 else None)
    with pytest.raises(ConnectorError, match="denied"):
        store.write_new("k", b"x" * (11 * _MIB))
    assert not store.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    assert store.find("k") is None


def test_what_stands_for_empty_folders_is_not_listed_and_goes_with_the_folder(store: S3ObjectStore, place: Place) -> None:
    place.overwrite("a/", b"")
    place.overwrite("a/b/", b"")
    store.write_new("a/k", b"x")
    assert [one.key for one in store.list("a")] == ["a/k"]
    store.delete_folder("a")
    assert place.held() == []


def test_a_move_that_was_cut_off_is_ended_by_the_next_one(store: S3ObjectStore, place: Place) -> None:
    for number in range(5):
        store.write_new(f"from/{number}", b"%d" % number)
    on_request(store, "CompleteMultipartUpload", lambda number, _: refusal(403, "AccessDenied") if number == 3 else None)
    with pytest.raises(ConnectorError):
        store.move(list(store.list("from")), "from", "to")
    assert len(list(store.list("from"))) == 5
    store.move(list(store.list("from")), "from", "to")
    assert place.held() == [f"to/{number}" for number in range(5)]


def test_spark_is_told_the_same_place_and_no_credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = spark_settings("s3a://lake/x", {"region": "eu-west-1"})
    assert settings["spark.hadoop.fs.s3a.bucket.lake.endpoint"] == s3.endpoint
    assert settings["spark.hadoop.fs.s3a.bucket.lake.endpoint.region"] == "eu-west-1"
    assert settings["spark.hadoop.fs.s3a.bucket.lake.path.style.access"] == "true"
    assert not [name for name in settings if "secret" in name or "access.key" in name]
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    assert "spark.hadoop.fs.s3a.bucket.lake.endpoint" not in spark_settings("s3://lake/x")
    assert spark_settings("file:/x") == {}


def test_without_boto3_the_extra_is_named() -> None:
    script = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('boto3', 'botocore'):\n"
        "            raise ModuleNotFoundError('No module named ' + name, name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from connectors.objects import open_store\n"
        "open_store('file:/tmp')\n"
        "try:\n"
        "    open_store('s3://lake/x')\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=_CHECKOUT, capture_output=True, text=True, check=False)
    assert run.stdout.startswith(MissingExtraError.__name__), run.stderr
    assert "parity[aws]" in run.stdout
