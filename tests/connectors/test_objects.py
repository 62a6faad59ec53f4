"""What every object store must do, asked of each."""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connectors.objects import (
    CorruptObjectError,
    MissingObjectError,
    ObjectChangedError,
    ObjectExistsError,
    ObjectStore,
    open_store,
)
from schemas.errors import ConfigError
from tests.standins.moto_s3 import S3Server, running_s3
from tests.standins.object_stores import BUCKET, Place, in_bucket, in_folder

_SHA_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
_KEYS = [
    "a b/c  d.parquet",
    "dt=2026-01-01/part=1.parquet",
    "100%/50%25.parquet",
    "plus+and&hash#question?.parquet",
    "emoji/\U0001f9ea\u200d\U0001f52c.parquet",
    unicodedata.normalize("NFC", "forms/é.parquet"),
    unicodedata.normalize("NFD", "forms/é.parquet"),
    "quotes/'\"`$(id);.parquet",
    "stars/*[a]{b}.parquet",
    "back\\slash.parquet",
]


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3(buckets=[BUCKET]) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return in_folder(tmp_path / "store") if request.param == "local" else in_bucket(request.getfixturevalue("s3"))


def _all(store: ObjectStore, folder: str = "") -> dict[str, bytes]:
    return {found.key: b"".join(store.read(found.key)) for found in store.list(folder)}


def test_what_is_written_is_listed_found_and_read(place: Place) -> None:
    written = place.store.write_new("a/b.txt", b"abc")
    (listed,) = place.store.list()
    assert (listed.key, listed.bytes, listed.version) == ("a/b.txt", 3, written.version)
    found = place.store.find("a/b.txt")
    assert found is not None
    assert replace(found, modified=listed.modified) == listed
    assert listed.modified.tzinfo is not None
    assert b"".join(place.store.read("a/b.txt", sha256=_SHA_OF_ABC)) == b"abc"
    assert place.store.read_range("a/b.txt", 1, 1) == b"b"
    assert place.store.read_range("a/b.txt", 1, 9) == b"bc"
    assert place.store.read_range("a/b.txt", 3, 9) == b""
    assert place.held() == ["a/b.txt"], "nothing else is left in the store"


def test_an_empty_object_is_an_object(place: Place) -> None:
    first = place.store.write_new("empty", b"")
    assert b"".join(place.store.read("empty")) == b""
    assert place.store.copy(first, "copy").bytes == 0


@pytest.mark.parametrize("key", _KEYS)
def test_keys_are_taken_literally(place: Place, key: str) -> None:
    written = place.store.write_new(key, key.encode())
    place.store.copy(written, f"copy/{key}")
    assert _all(place.store) == {key: key.encode(), f"copy/{key}": key.encode()}
    assert sorted(place.held()) == sorted([key, f"copy/{key}"])
    place.store.delete([key, f"copy/{key}"])
    assert place.held() == []


def test_two_unicode_forms_of_a_name_are_two_keys(place: Place) -> None:
    for form in ("NFC", "NFD"):
        place.store.write_new(unicodedata.normalize(form, "é"), form.encode())
    assert sorted(_all(place.store).values()) == [b"NFC", b"NFD"]


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "..", ".", "./a", "a\0b", "a\nb", "a" * 1025, "\ud800"])
def test_what_is_no_key_is_refused(place: Place, key: str) -> None:
    with pytest.raises(ConfigError):
        place.store.write_new(key, b"x")
    with pytest.raises(ConfigError):
        place.store.find(key)
    assert place.held() == []


def test_a_new_object_never_takes_the_place_of_another(place: Place) -> None:
    place.store.write_new("k", b"first")
    with pytest.raises(ObjectExistsError, match="already"):
        place.store.write_new("k", b"second")
    assert _all(place.store) == {"k": b"first"}


def test_an_object_is_replaced_only_by_who_has_read_it(place: Place) -> None:
    with pytest.raises(ObjectChangedError):
        place.store.replace("k", b"0", expected="never-seen")
    first = place.store.replace("k", b"1", expected=None)
    with pytest.raises(ObjectChangedError):
        place.store.replace("k", b"2", expected=None)
    second = place.store.replace("k", b"2", expected=first.version)
    assert second.version != first.version
    with pytest.raises(ObjectChangedError, match="k"):
        place.store.replace("k", b"3", expected=first.version)
    assert _all(place.store) == {"k": b"2"}
    place.store.delete(["k"])
    with pytest.raises(ObjectChangedError):
        place.store.replace("k", b"3", expected=second.version)


def test_versions_of_a_fast_sequence_are_all_different(place: Place) -> None:
    versions = [place.store.replace("k", b"0", expected=None).version]
    for number in range(1, 40):
        versions.append(place.store.replace("k", str(number % 10).encode(), versions[-1]).version)
    assert all(one != other for one, other in itertools.pairwise(versions))


def test_content_that_was_changed_in_the_store_is_not_handed_out_whole(place: Place) -> None:
    place.store.write_new("k", b"abc")
    place.overwrite("k", b"abd")
    got = []
    with pytest.raises(CorruptObjectError, match="k") as raised:
        got += place.store.read("k", sha256=_SHA_OF_ABC)
    assert b"".join(got) != b"abd"
    assert place.uri in str(raised.value)


def test_a_missing_object_is_named(place: Place) -> None:
    assert place.store.find("no/such") is None
    assert list(place.store.list("no")) == []
    for ask in (lambda: b"".join(place.store.read("no/such")), lambda: place.store.read_range("no/such", 0, 1)):
        with pytest.raises(MissingObjectError) as raised:
            ask()
        assert raised.value.object == f"{place.uri}/no/such"


def test_a_folder_is_not_a_prefix_of_names(place: Place) -> None:
    for key in ("orders/1", "orders2/1", "orders/x/2"):
        place.store.write_new(key, b"x")
    assert sorted(found.key for found in place.store.list("orders")) == ["orders/1", "orders/x/2"]
    place.store.delete_folder("orders")
    assert list(_all(place.store)) == ["orders2/1"]
    place.store.delete_folder("orders")


def test_a_copy_is_of_the_version_that_was_seen_and_overwrites_nothing(place: Place) -> None:
    first = place.store.write_new("k", b"1")
    place.store.copy(first, "copy")
    with pytest.raises(ObjectExistsError):
        place.store.copy(first, "copy")
    place.store.replace("k", b"22", expected=first.version)
    with pytest.raises(ObjectChangedError):
        place.store.copy(first, "other")
    place.store.delete(["k"])
    with pytest.raises(ObjectChangedError):
        place.store.copy(first, "other")
    assert _all(place.store) == {"copy": b"1"}


def test_a_folder_moves_whole_and_only_as_it_was_seen(place: Place) -> None:
    for name in ("a=1/x", "a=2/y"):
        place.store.write_new(f"from/{name}", name.encode())
    seen = list(place.store.list("from"))
    place.store.write_new("from/late", b"late")
    with pytest.raises(ObjectChangedError):
        place.store.move(seen, "from", "to")
    assert list(place.store.list("to")) == []
    place.store.delete(["from/late"])
    place.store.move(seen, "from", "to/here")
    assert _all(place.store) == {"to/here/a=1/x": b"a=1/x", "to/here/a=2/y": b"a=2/y"}


def test_a_folder_is_not_moved_over_another(place: Place) -> None:
    place.store.write_new("from/x", b"mine")
    place.store.write_new("to/x", b"of another size")
    with pytest.raises(ObjectExistsError):
        place.store.move(list(place.store.list("from")), "from", "to")
    assert _all(place.store, "to") == {"to/x": b"of another size"}


def test_streams_are_written_from_where_they_stand(place: Place) -> None:
    stream = io.BytesIO(b"skipped-taken")
    stream.seek(8)
    place.store.write_new("k", stream)
    place.store.write_new("pipe", _pipe(b"through a pipe"))
    assert _all(place.store) == {"k": b"taken", "pipe": b"through a pipe"}


def _pipe(content: bytes) -> Any:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(content)
    return os.fdopen(reader, "rb")


def test_a_write_that_fails_leaves_nothing(place: Place) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "the disk of the source broke")

    with pytest.raises((OSError, Exception), match=r"broke|Cannot"):
        place.store.write_new("k", Broken(b"x"))
    assert place.held() == []


def _race(uri: str, environment: dict[str, str], number: int, start: Any, told: Any, replacing: bool) -> None:
    os.environ.update(environment)  # that of the fork server is older
    store = open_store(uri)
    start.wait()
    try:
        if replacing:
            store.replace("k", str(number).encode(), expected=None)
        else:
            store.write_new("k", str(number).encode())
        told.put(number)
    except (ObjectExistsError, ObjectChangedError):
        told.put(None)


@pytest.mark.parametrize("replacing", [False, True], ids=["write_new", "replace"])
def test_of_eight_writers_at_once_one_wins(place: Place, replacing: bool) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["connectors.objects_local", "connectors.objects_s3"])
    start, told = context.Barrier(8), context.Queue()
    writers = [context.Process(target=_race, args=(place.uri, dict(os.environ), number, start, told, replacing)) for number in range(8)]
    for writer in writers:
        writer.start()
    answers = [told.get(timeout=60) for _ in writers]
    for writer in writers:
        writer.join()
    (winner,) = [answer for answer in answers if answer is not None]
    assert _all(place.store) == {"k": str(winner).encode()}
    assert place.held() == ["k"]


@pytest.mark.slow
def test_a_thousand_objects_are_listed_and_deleted(place: Place) -> None:
    for number in range(1005):
        place.overwrite(f"many/{number:04d}", b"x")
    assert sorted(found.key for found in place.store.list("many")) == [f"many/{number:04d}" for number in range(1005)]
    place.store.delete([f"many/{number:04d}" for number in range(1005)])
    assert place.held() == []


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("gs://bucket/x", "gs:"),
        ("hdfs://host/x", "hdfs:"),
        ("s3:///x", "no bucket"),
        ("s3n://bucket/x", "s3n:"),
        ("s3://bucket/a/../b", "no key"),
    ],
)
def test_what_is_no_store_is_refused(uri: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_store(uri)


def test_a_secret_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        open_store("s3://key:{}@bucket/x".format("hunter"))
    assert "hunter" not in str(raised.value)


def test_both_spellings_of_s3_are_one_store(s3: S3Server) -> None:
    one, other = open_store("s3://lake/p/"), open_store("s3a://lake/p")
    assert one.uri("k") == other.uri("k") == "s3://lake/p/k"
    assert one.spark_path("k") == "s3a://lake/p/k"
