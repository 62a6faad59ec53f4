"""A table is published whole, or not at all, whoever dies, whoever else publishes, and whatever the disk does."""

from __future__ import annotations

import errno
import io
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.objects import CorruptObjectError, ObjectStore, open_store
from connectors.publishing import (
    ExpectedFile,
    PublishConflictError,
    Staging,
    begin,
    current_version,
    discard,
    find_leftovers,
    folder_name,
    prune,
    publish,
    verify_published,
)
from schemas.errors import ConfigError, ConnectorError, MissingTableError, UnreadableDataError
from tests.standins.moto_s3 import S3Server, running_s3
from tests.standins.object_stores import BUCKET, Place, in_bucket, in_folder

_SCHEMA = "5" * 64
_CHECKOUT = Path(__file__).parent.parent.parent
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["connectors.publishing", "connectors.objects_local", "connectors.objects_s3", "pyarrow.parquet"])


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with running_s3(buckets=[BUCKET]) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return in_folder(tmp_path / "store") if request.param == "local" else in_bucket(request.getfixturevalue("s3"))


def parquet(*values: int) -> bytes:
    """The same bytes for the same values."""
    target = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(values, pa.int64())}), target)
    return target.getvalue()


def stage(staging: Staging, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        staging.store.write_new(f"{staging.data}/{path}", content)


def publish_files(store: ObjectStore, run: str, files: dict[str, bytes], table: str = "orders") -> Any:
    staging = begin(store, table, run)
    stage(staging, files)
    return publish(staging, schema_sha256=_SCHEMA)


def rows_of(store: ObjectStore, table: str = "orders") -> list[int] | None:
    """What a reader gets who asks the pointer."""
    published = current_version(store, table)
    if published is None:
        return None
    found: list[int] = []
    for file in published.manifest.files:
        key = f"{folder_name(table)}/{published.manifest.location}/{file.path}"
        found += pq.read_table(io.BytesIO(b"".join(store.read(key))))["id"].to_pylist()
    return sorted(found)


_FIRST = {"p=a/0.parquet": parquet(1, 2), "p=b/1.parquet": parquet(3)}
_SECOND = {"p=a/0.parquet": parquet(10), "p=c/ü 1%.parquet": parquet(20, 30), "p=c/2.parquet": parquet()}


def test_what_was_staged_is_published_under_the_folder_that_the_manifest_names(place: Place) -> None:
    published = publish_files(place.store, "run-1", _FIRST)
    manifest = published.manifest
    assert (manifest.rows, manifest.bytes, manifest.run, manifest.previous) == (3, sum(map(len, _FIRST.values())), "run-1", None)
    assert [file.path for file in manifest.files] == sorted(_FIRST)
    assert published.uri == f"{place.uri}/orders/data/{manifest.version}"
    stored = b"".join(place.store.read("orders/_parity/manifest.json"))
    assert json.loads(stored) == manifest.document()
    assert current_version(place.store, "orders") == published
    assert place.held() == sorted(
        [
            "orders/_parity/manifest.json",
            f"orders/_parity/versions/{manifest.version}.json",
            *(f"orders/data/{manifest.version}/{path}" for path in _FIRST),
        ]
    )
    assert verify_published(place.store, "orders", manifest_sha256=published.manifest_sha256) == ()


def test_a_second_version_names_the_first_and_leaves_its_files(place: Place) -> None:
    first = publish_files(place.store, "run-1", _FIRST)
    second = publish_files(place.store, "run-2", _SECOND)
    assert second.manifest.previous is not None
    assert (second.manifest.previous.version, second.manifest.previous.sha256) == (first.manifest.version, first.manifest_sha256)
    assert rows_of(place.store) == [10, 20, 30]
    assert b"".join(place.store.read(f"orders/{first.manifest.location}/p=b/1.parquet")) == _FIRST["p=b/1.parquet"]
    assert verify_published(place.store, "orders") == ()


def test_plain_readers_read_the_folder(tmp_path: Path) -> None:
    store = in_folder(tmp_path).store
    publish_files(store, "run-1", _FIRST)
    publish_files(store, "run-2", _SECOND)
    folder = current_version(store, "orders").uri.removeprefix("file:")  # type: ignore[union-attr]
    rows = duckdb.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True)
    assert sorted(rows.fetchall()) == [(10, "a"), (20, "c"), (30, "c")]


def test_the_same_run_writes_the_same_manifest_bytes_in_every_store(place: Place, tmp_path: Path) -> None:
    elsewhere = in_folder(tmp_path / "elsewhere")
    one, other = (publish_files(store, "run-1", _FIRST) for store in (place.store, elsewhere.store))
    assert one.manifest_sha256 == other.manifest_sha256


def test_markers_of_writers_are_not_data(place: Place) -> None:
    staging = begin(place.store, "orders", "run-1")
    stage(staging, {**_FIRST, "_SUCCESS": b"", "p=a/.0.parquet.crc": b"crc"})
    published = publish(staging, schema_sha256=_SCHEMA)
    assert [file.path for file in published.manifest.files] == sorted(_FIRST)
    assert verify_published(place.store, "orders") == ()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no data file"),
        ({"0.parquet": parquet(1)[:-9]}, "no readable Parquet"),
        ({"0.parquet": b""}, "no readable Parquet"),
        ({"0.parquet": parquet(1), "_temporary/0/1.parquet": parquet(2)}, "_temporary hides"),
        ({"0.parquet": parquet(1), ".hidden.parquet": parquet(2)}, "hides"),
    ],
    ids=["nothing", "truncated", "empty file", "unfinished", "hidden"],
)
def test_what_readers_would_not_see_whole_is_not_published(place: Place, files: dict[str, bytes], says: str) -> None:
    publish_files(place.store, "run-1", _FIRST)
    staging = begin(place.store, "orders", "run-2")
    stage(staging, files)
    with pytest.raises(UnreadableDataError, match=says) as raised:
        publish(staging, schema_sha256=_SCHEMA)
    assert place.uri in str(raised.value)
    assert rows_of(place.store) == [1, 2, 3]


@pytest.mark.parametrize(
    ("rows", "expected", "says"),
    [
        (4, None, "3 rows, not 4"),
        (None, [ExpectedFile("p=a/0.parquet")], "p=b/1.parquet was staged"),
        (None, [ExpectedFile(path) for path in (*_FIRST, "p=z/9.parquet")], "p=z/9.parquet is missing"),
        (None, [ExpectedFile("p=a/0.parquet", rows=3), ExpectedFile("p=b/1.parquet")], "rows 2, not 3"),
        (None, [ExpectedFile("p=a/0.parquet", bytes=1), ExpectedFile("p=b/1.parquet")], "bytes"),
        (None, [ExpectedFile("p=a/0.parquet", sha256="0" * 64), ExpectedFile("p=b/1.parquet")], "sha256"),
    ],
)
def test_what_is_not_as_the_writer_told_is_not_published(
    place: Place, rows: int | None, expected: list[ExpectedFile] | None, says: str
) -> None:
    staging = begin(place.store, "orders", "run-1")
    stage(staging, _FIRST)
    with pytest.raises(UnreadableDataError, match=says):
        publish(staging, schema_sha256=_SCHEMA, rows=rows, expected=expected)
    assert current_version(place.store, "orders") is None
    assert publish(staging, schema_sha256=_SCHEMA, rows=3, expected=[ExpectedFile(path) for path in _FIRST]).manifest.rows == 3


def test_every_change_behind_the_back_is_found(place: Place) -> None:
    published = publish_files(place.store, "run-1", _SECOND)
    data = f"orders/{published.manifest.location}"
    place.remove(f"{data}/p=c/2.parquet")
    place.overwrite(f"{data}/p=c/ü 1%.parquet", _SECOND["p=c/ü 1%.parquet"][:-1])
    place.overwrite(f"{data}/p=a/0.parquet", _SECOND["p=a/0.parquet"][:-1] + b"!")
    place.overwrite(f"{data}/p=a/_late.parquet", parquet(9))
    place.overwrite("orders/stray.parquet", parquet(9))
    found = {fault.path.removeprefix(f"{published.manifest.location}/"): fault.kind for fault in verify_published(place.store, "orders")}
    assert found == {
        "p=c/2.parquet": "removed",
        "p=c/ü 1%.parquet": "truncated",
        "p=a/0.parquet": "changed",
        "p=a/_late.parquet": "added",
        "stray.parquet": "added",
    }
    quick = {fault.kind for fault in verify_published(place.store, "orders", content=False)}
    assert quick == {"removed", "truncated", "added"}


def test_a_changed_or_removed_manifest_is_found(place: Place) -> None:
    published = publish_files(place.store, "run-1", _FIRST)
    key = "orders/_parity/manifest.json"
    document = published.manifest.document()
    assert [fault.path for fault in verify_published(place.store, "orders", manifest_sha256="0" * 64)] == ["_parity/manifest.json"]
    for damage in (b"", b"{}", published.manifest.stored() + b" ", json.dumps({**document, "rows": 4}).encode()):
        place.overwrite(key, damage)
        with pytest.raises(CorruptObjectError, match=r"manifest\.json"):
            verify_published(place.store, "orders")
    place.remove(key)
    with pytest.raises(MissingTableError, match="orders"):
        verify_published(place.store, "orders")


def test_who_began_before_another_published_is_refused(place: Place) -> None:
    slow, fast = begin(place.store, "orders", "slow"), begin(place.store, "orders", "fast")
    stage(slow, _FIRST)
    stage(fast, _SECOND)
    publish(fast, schema_sha256=_SCHEMA)
    with pytest.raises(PublishConflictError, match="run fast has published it since run slow began"):
        publish(slow, schema_sha256=_SCHEMA)
    assert rows_of(place.store) == [10, 20, 30]
    assert verify_published(place.store, "orders") == ()
    assert not [key for key in place.held() if "slow" in key]


def test_a_run_that_was_cut_off_and_overtaken_is_told_once_and_can_begin_again(place: Place) -> None:
    stage(begin(place.store, "orders", "run-1"), _FIRST)
    publish_files(place.store, "run-2", _SECOND)
    with pytest.raises(PublishConflictError, match="run run-2 has published it since run run-1 began"):
        begin(place.store, "orders", "run-1", resume=True)
    assert not [key for key in place.held() if "run-1" in key]
    again = begin(place.store, "orders", "run-1", resume=True)
    stage(again, _FIRST)
    assert publish(again, schema_sha256=_SCHEMA).manifest.previous is not None
    assert rows_of(place.store) == [1, 2, 3]


def test_a_published_run_is_not_published_again(place: Place) -> None:
    first = publish_files(place.store, "run-1", _FIRST)
    again = begin(place.store, "orders", "run-1", resume=True)
    assert again.state == "published"
    assert publish(again, schema_sha256=_SCHEMA) == first
    publish_files(place.store, "run-2", _SECOND)
    with pytest.raises(PublishConflictError, match="run-2"):
        begin(place.store, "orders", "run-1", resume=True)


def test_leftovers_of_dead_runs_are_found_and_removed(place: Place) -> None:
    published = publish_files(place.store, "run-1", _FIRST)
    stage(begin(place.store, "orders", "dead"), _SECOND)
    place.overwrite("orders/data/gone-0123456789ab/0.parquet", parquet(1))
    before = place.held()
    assert find_leftovers(place.store, tables=["orders"]) == ()
    later = datetime.now(timezone.utc) + timedelta(days=2)
    found = find_leftovers(place.store, tables=["orders"], now=later)
    assert {(one.kind, one.run, one.objects) for one in found} == {("staging", "dead", 4), ("version", "gone", 1)}
    assert {one.run for one in find_leftovers(place.store, runs=["dead"])} == {"dead"}
    assert place.held() == before
    discard(place.store, found)
    assert not [key for key in place.held() if "dead" in key or "gone" in key]
    assert current_version(place.store, "orders") == published
    assert verify_published(place.store, "orders") == ()


def test_old_versions_go_when_told_to(place: Place) -> None:
    versions = [publish_files(place.store, f"run-{n}", {"0.parquet": parquet(n)}).manifest.version for n in range(4)]
    assert prune(place.store, "orders", keep=1) == (versions[1], versions[0])
    assert rows_of(place.store) == [3]
    assert sorted({key.split("/")[2] for key in place.held() if "/data/" in key}) == versions[2:]
    assert prune(place.store, "orders", keep=1) == ()
    assert find_leftovers(place.store, tables=["orders"], idle_s=-60) == ()


def test_beginning_again_removes_what_was_staged_and_resuming_keeps_it(place: Place) -> None:
    stage(begin(place.store, "orders", "run-1"), {"old.parquet": parquet(1)})
    kept = begin(place.store, "orders", "run-1", resume=True)
    assert [one.key for one in place.store.list(kept.data)] == [f"{kept.data}/old.parquet"]
    again = begin(place.store, "orders", "run-1")
    assert list(place.store.list(again.data)) == []


@pytest.mark.parametrize("run", ["", "Run", "-a", "a/b", "a" * 64, "a_b"])
def test_a_run_has_a_plain_name(place: Place, run: str) -> None:
    with pytest.raises(ConfigError):
        begin(place.store, "orders", run)


def test_tables_of_any_name_have_folders_of_their_own(place: Place) -> None:
    tables = [
        "a.b",
        "a/b",
        "a%2Fb",
        "_x",
        "x",
        ".x",
        "A.b",
        "é",
        "e\u0301",
        "日本",
        "\U0001f9ea",
        'q"uo`te',
        " ",
        "x" * 300,
        "x" * 301,
        "a:b",
        "*",
    ]
    assert len({folder_name(table) for table in tables}) == len(tables)
    for table in tables:
        assert not folder_name(table).startswith(("_", "."))
    for number, table in enumerate(tables[:12]):
        publish_files(place.store, "run-1", {"0.parquet": parquet(number)}, table)
    assert [rows_of(place.store, table) for table in tables[:12]] == [[number] for number in range(12)]


@pytest.mark.slow
def test_a_thousand_files_are_one_version(place: Place) -> None:
    count = 1000 if place.uri.startswith("file:") else 200  # the emulator takes one request at a time
    content = parquet(7)
    staging = begin(place.store, "orders", "run-1")
    for number in range(count):
        place.overwrite(f"{staging.data}/part={number % 10}/{number:04d}.parquet", content)
    published = publish(staging, schema_sha256=_SCHEMA, rows=count)
    assert len(published.manifest.files) == count
    assert verify_published(place.store, "orders") == ()


def _contend(uri: str, environment: dict[str, str], number: int, start: Any, told: Any) -> None:
    os.environ.update(environment)
    staging = begin(open_store(uri), "orders", f"run-{number}")
    stage(staging, {"0.parquet": parquet(number), "1.parquet": parquet(number)})
    start.wait()
    try:
        publish(staging, schema_sha256=_SCHEMA)
        told.put((number, None))
    except PublishConflictError as error:
        told.put((number, str(error)))


def test_of_eight_publishers_at_once_one_wins_and_the_others_are_told(place: Place) -> None:
    start, told = _CONTEXT.Barrier(8), _CONTEXT.Queue()
    contenders = [_CONTEXT.Process(target=_contend, args=(place.uri, dict(os.environ), number, start, told)) for number in range(8)]
    for contender in contenders:
        contender.start()
    answers = dict(told.get(timeout=120) for _ in contenders)
    for contender in contenders:
        contender.join()
    (winner,) = [number for number, refused in answers.items() if refused is None]
    assert rows_of(place.store) == [winner, winner]
    assert all(f"run run-{winner} has published it" in refused for refused in answers.values() if refused)
    assert verify_published(place.store, "orders") == ()
    assert {key.split("/")[2] for key in place.held() if "/data/" in key} == {current_version(place.store, "orders").manifest.version}  # type: ignore[union-attr]
    assert not [key for key in place.held() if key.startswith("_staging/")]


# What changes a disk, and what changes a bucket: each call is one step, and the process dies before it.
_ON_DISK = ("write", "fsync", "mkdir", "link", "rename", "replace", "unlink", "rmdir")


def _die_before(step: int, told: Any) -> None:
    """Have this process kill itself before its n-th change of the world; with step 0, only count."""
    import botocore.httpsession

    count = 0

    def numbered(function: Callable[..., Any], changes: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            if changes(*arguments):
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                told.value = count
            return function(*arguments, **named)

        return call

    for name in _ON_DISK:
        setattr(os, name, numbered(getattr(os, name)))
    session: Any = botocore.httpsession.URLLib3Session
    session.send = numbered(session.send, lambda _, request: request.method not in ("GET", "HEAD"))


def _publish_and_die(uri: str, environment: dict[str, str], run: str, step: int, told: Any) -> None:
    os.environ.update(environment)
    _die_before(step, told)
    publish_files(open_store(uri), run, _SECOND)


def _dying(uri: str, run: str, step: int) -> int:
    """Publish in a process that dies before a step; return how many steps it took, 0 when it died."""
    told = _CONTEXT.Value("i", 0)
    process = _CONTEXT.Process(target=_publish_and_die, args=(uri, dict(os.environ), run, step, told))
    process.start()
    process.join(60)
    if process.exitcode == 0:
        return int(told.value)
    assert process.exitcode == -signal.SIGKILL
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "over a version"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new_and_resuming_ends_it(
    request: pytest.FixtureRequest, quick_disk: Path, fresh: bool, kind: str
) -> None:
    def new_place(name: str) -> Place:
        return in_folder(quick_disk / name) if kind == "local" else in_bucket(request.getfixturevalue("s3"))

    def prepared(name: str) -> Place:
        place = new_place(name)
        if not fresh:
            publish_files(place.store, "run-1", _FIRST)
        return place

    undisturbed = prepared("undisturbed")
    steps = _dying(undisturbed.uri, "run-2", 0)
    assert steps > 10
    before, after = (None if fresh else [1, 2, 3]), [10, 20, 30]
    seen = set()
    for step in [*range(1, steps, 3 if fresh else 1), steps]:
        place = prepared(f"step-{step}")
        assert _dying(place.uri, "run-2", step) == 0, f"step {step} of {steps}"
        rows = rows_of(place.store)
        assert rows in (before, after), f"a half table after step {step}"
        seen.add(str(rows))
        if rows is not None:
            assert verify_published(place.store, "orders") == (), f"step {step}"
        _resume(place)
        assert rows_of(place.store) == after, f"step {step}"
        place.store.discard_unfinished(idle_s=-1)
        assert place.held() == undisturbed.held(), f"step {step}"
        ours, theirs = (current_version(one.store, "orders") for one in (place, undisturbed))
        assert ours is not None and theirs is not None
        assert ours.manifest_sha256 == theirs.manifest_sha256
    assert seen == {str(before), str(after)}


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is one: hundreds of runs that each wait for a real disk take minutes."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="parity-", dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


def _resume(place: Place) -> None:
    staging = begin(place.store, "orders", "run-2", resume=True)
    if staging.state == "open":
        staging = begin(place.store, "orders", "run-2")
        stage(staging, _SECOND)
    publish(staging, schema_sha256=_SCHEMA)


def test_a_part_of_a_version_can_be_listed_in_s3_while_it_is_copied_and_is_never_what_the_pointer_names(s3: S3Server) -> None:
    place, over, seen = in_bucket(s3), threading.Event(), []
    publish_files(place.store, "run-1", _FIRST)
    files = {f"{number:02d}.parquet": parquet(number) for number in range(24)}

    def look() -> None:
        while not over.is_set():
            rows = rows_of(place.store)  # before the listing: what it shows was not named yet
            seen.append((sum("/data/run-2-" in key for key in place.held()), rows))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        publish_files(place.store, "run-2", files)
    finally:
        over.set()
        reader.join()

    assert any(0 < listed < len(files) for listed, _ in seen), "the listing shows a part: that is why no reader may go by it"
    assert {tuple(rows or ()) for listed, rows in seen if listed < len(files)} == {(1, 2, 3)}
    assert {tuple(rows or ()) for _, rows in seen} <= {(1, 2, 3), tuple(range(24))}


@pytest.fixture(params=["local", "s3"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("function", ["write", "fsync", "mkdir", "link", "rename", "replace"])
def test_a_full_disk_at_any_step_publishes_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    original, failures = getattr(os, function), 0
    for step in itertools.count(1):
        place, calls = in_folder(tmp_path / f"{function}-{step}"), 0
        publish_files(place.store, "run-1", _FIRST)

        def full(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == step:  # noqa: B023 - used within the round
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            try:
                publish_files(place.store, "run-2", _SECOND)
            except ConnectorError as error:
                failures += 1
                assert "no space is left" in str(error)
                assert place.uri in str(error)
        if calls < step:
            break
        assert rows_of(place.store) in ([1, 2, 3], [10, 20, 30])
        assert verify_published(place.store, "orders") == ()
        _resume(place)
        assert rows_of(place.store) == [10, 20, 30]
        assert not [key for key in place.held() if key.startswith((".parity-tmp/", "_staging/"))]
    assert step > failures > 0


_FILL = """
import sys
from connectors.objects import open_store
from tests.connectors.test_publishing import parquet, publish_files, rows_of
store = open_store("file:" + sys.argv[1])
publish_files(store, "run-1", {"0.parquet": parquet(1)})
try:
    publish_files(store, "run-2", {f"{n}.parquet": parquet(*range(n * 100_000, n * 100_000 + 30_000)) for n in range(20)})
except Exception as error:
    print(type(error).__name__, error)
print(rows_of(store))
publish_files(store, "run-2", {"0.parquet": parquet(2)})
print(rows_of(store))
"""


@pytest.mark.parametrize("limit", ["a disk of 1 MiB", "a file size limit"])
def test_a_disk_that_is_really_full(tmp_path: Path, limit: str) -> None:
    target = tmp_path / "disk"
    target.mkdir()
    run = f"exec {sys.executable} -c '{_FILL}' {target}/lake"
    if limit == "a file size limit":
        command = ["bash", "-c", f"ulimit -f 100; {run}"]
    else:
        command = ["unshare", "-rm", "bash", "-c", f"mount -t tmpfs -o size=1m tmpfs {target} && {run}"]
        probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(target)]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            pytest.skip("this machine lets no one mount a disk of one's own")
    done = subprocess.run(
        command, cwd=_CHECKOUT, env={**os.environ, "PYTHONPATH": str(_CHECKOUT)}, capture_output=True, text=True, timeout=120, check=False
    )
    told, kept, again = done.stdout.splitlines() or (done.stderr, "", "")
    assert told.startswith("ConnectorError Cannot write file:")
    assert "no space is left" in told
    assert (kept, again) == ("[1]", "[2]")
