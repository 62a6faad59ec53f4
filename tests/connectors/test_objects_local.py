"""Files as objects: no link followed, nothing half-written, what the system refuses told in plain words."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.objects import MissingObjectError, ObjectChangedError, ObjectExistsError
from connectors.objects_local import LocalObjectStore
from schemas.errors import ConfigError, ConnectorError, ParityError


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(str(tmp_path / "store"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the store that holds something worth stealing."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"mine")
    return folder


_ASKED: dict[str, Callable[[LocalObjectStore], Any]] = {
    "list": lambda store: list(store.list()),
    "list inside": lambda store: list(store.list("link")),
    "find": lambda store: store.find("link/secret"),
    "read": lambda store: b"".join(store.read("link/secret")),
    "read a range": lambda store: store.read_range("link/secret", 0, 4),
    "write": lambda store: store.write_new("link/new", b"x"),
    "replace": lambda store: store.replace("link/secret", b"x", None),
    "delete": lambda store: store.delete(["link/secret"]),
    "delete a folder": lambda store: store.delete_folder("link"),
    "read a linked file": lambda store: b"".join(store.read("file")),
    "replace a linked file": lambda store: store.replace("file", b"x", None),
}


@pytest.mark.parametrize("asked", _ASKED)
def test_no_link_leads_out_of_the_folder(store: LocalObjectStore, outside: Path, asked: str) -> None:
    Path(store.folder).mkdir()
    Path(store.folder, "link").symlink_to(outside)
    Path(store.folder, "file").symlink_to(outside / "secret")
    with pytest.raises(ConnectorError, match="symbolic link"):
        _ASKED[asked](store)
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"mine")]


@pytest.mark.parametrize("asked", [name for name in _ASKED if name not in ("list", "find")])
def test_a_link_that_is_made_after_the_look_is_not_followed_either(
    store: LocalObjectStore, outside: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    Path(store.folder).mkdir()
    Path(store.folder, "link").symlink_to(outside)
    Path(store.folder, "file").symlink_to(outside / "secret")
    monkeypatch.setattr(LocalObjectStore, "_refuse_link", lambda *_: None)
    with contextlib.suppress(ParityError):
        assert b"mine" not in [_ASKED[asked](store)]
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("secret", b"mine")]


def test_a_linked_folder_may_be_the_root(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    LocalObjectStore(str(tmp_path / "root")).write_new("k", b"x")
    assert (tmp_path / "real" / "k").read_bytes() == b"x"


def test_a_file_has_no_key_before_its_bytes_are_on_the_disk(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("write", "fsync", "link", "replace"):
        original = getattr(os, name)

        def told(*arguments: Any, name: str = name, original: Any = original, **named: Any) -> Any:
            calls.append(name)
            return original(*arguments, **named)

        monkeypatch.setattr(os, name, told)
    first = store.write_new("k", b"x")
    assert [name for name in calls if name != "fsync" or calls.count("write")][-4:] == ["write", "fsync", "link", "fsync"]
    calls.clear()
    store.replace("k", b"y", first.version)
    assert calls[-4:] == ["write", "fsync", "replace", "fsync"]


def test_files_of_others_are_on_the_disk_before_they_move(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b/c"):
        path = Path(store.folder, "from", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append(os.readlink(f"/proc/self/fd/{file}")), fsync(file)))
    monkeypatch.setattr(os, "rename", lambda *arguments, **named: (calls.append("rename"), rename(*arguments, **named)))
    store.move(list(store.list("from")), "from", "to")
    before = {os.path.relpath(path, store.folder) for path in calls[: calls.index("rename")]}
    assert before >= {"from/a", "from/b/c", "from", "from/b"}


def test_a_file_that_changes_while_it_is_read_is_told(store: LocalObjectStore) -> None:
    store.write_new("k", b"x" * (3 << 20))
    pieces = store.read("k")
    next(pieces)
    with Path(store.folder, "k").open("r+b") as file:
        file.truncate(2 << 20)
    with pytest.raises(ObjectChangedError):
        list(pieces)


def test_a_pipe_is_no_object_and_nobody_waits_for_it(store: LocalObjectStore) -> None:
    Path(store.folder).mkdir()
    os.mkfifo(Path(store.folder, "pipe"))
    assert list(store.list()) == []
    with pytest.raises(MissingObjectError):
        b"".join(store.read("pipe"))


def test_what_a_killed_writer_left_is_no_object_and_is_removed_when_old(store: LocalObjectStore) -> None:
    store.write_new("k", b"x")
    left = Path(store.folder, ".parity-tmp", "0" * 32 + ".part")
    left.write_bytes(b"half")
    assert [one.key for one in store.list()] == ["k"]
    assert store.discard_unfinished(idle_s=3600) == 0
    os.utime(left, (0, 0))
    assert store.discard_unfinished(idle_s=3600) == 1
    assert not left.exists()


def test_a_write_that_is_under_way_is_not_taken_for_one_that_never_ended(store: LocalObjectStore) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                (part,) = Path(store.folder, ".parity-tmp").glob("*.part")
                os.utime(part, (0, 0))
                removed.append(store.discard_unfinished(idle_s=0))
            return super().read(size)

    removed: list[int] = []
    store.write_new("k", Slow(b"x" * 10))
    assert removed == [0]
    assert b"".join(store.read("k")) == b"x" * 10
    assert not list(Path(store.folder, ".parity-tmp").glob("*.part"))


def test_a_name_is_a_file_or_a_folder(store: LocalObjectStore) -> None:
    store.write_new("a", b"x")
    with pytest.raises(ConnectorError, match="a file stands where a folder is needed"):
        store.write_new("a/b", b"x")
    store.write_new("c/d", b"x")
    with pytest.raises(ObjectExistsError):
        store.write_new("c", b"x")
    assert store.find("c") is None


def test_a_name_too_long_for_the_file_system_is_told(store: LocalObjectStore) -> None:
    with pytest.raises(ConfigError, match="no such name"):
        store.write_new("a" * 256, b"x")


def test_empty_folders_go_with_their_last_file(store: LocalObjectStore) -> None:
    store.write_new("a/b/c", b"x")
    store.write_new("a/d", b"x")
    store.delete(["a/b/c"])
    assert sorted(path.name for path in Path(store.folder, "a").iterdir()) == ["d"]


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "no space is left"),
        (errno.EDQUOT, "no space is left"),
        (errno.EFBIG, "no space is left"),
        (errno.EACCES, "permission was refused"),
        (errno.EROFS, "permission was refused"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_what_the_system_refuses_names_the_place_and_leaves_nothing(
    store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def refused(*_: Any, **__: Any) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refused)
        with pytest.raises(ConnectorError, match=says) as raised:
            store.write_new("k", b"x")
    assert raised.value.object == store.uri("k")
    assert raised.value.hint
    assert list(Path(store.folder, ".parity-tmp").iterdir()) == []


def test_a_file_system_without_hard_links_is_told(store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(ConnectorError, match="hard links"):
        store.write_new("k", b"x")
