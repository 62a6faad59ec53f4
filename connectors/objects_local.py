"""Objects as files below a folder of this machine.

A file is written under another name, made durable, and only then given its own: a crash leaves no part of one behind a key.
No symbolic link below the root is ever followed. Files not yet whole, and locks, lie in `.parity-tmp` below the root.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone

from connectors.objects import (
    CHUNK_BYTES,
    Content,
    MissingObjectError,
    ObjectChangedError,
    ObjectExistsError,
    StoredObject,
    as_stream,
    checked,
    key_parts,
)
from schemas.errors import ConfigError, ConnectorError, ParityError

__all__ = ["LocalObjectStore"]

_TEMPORARY = ".parity-tmp"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK)
_RACES = 20  # a parent folder may be removed as empty just when it is about to be used


@dataclass(frozen=True)
class LocalObjectStore:
    """See connectors.objects.ObjectStore.

    `replace` is atomic among all processes that use this class on a file system whose locks (flock) reach all of them.

    Attributes:
        folder: the root, an absolute path; made by the first write.
    """

    folder: str

    def uri(self, key: str = "") -> str:
        return f"file:{os.path.join(self.folder, key) if key else self.folder}"

    def spark_path(self, key: str = "") -> str:
        return self.uri(key)

    def list(self, folder: str = "") -> Iterator[StoredObject]:
        parts = key_parts(folder) if folder else ()
        with self._failures(folder, "list"):
            try:
                with self._opened(parts) as top:
                    found = list(self._files(top, "/".join(parts)))
            except FileNotFoundError:
                found = []
        return iter(found)

    def find(self, key: str) -> StoredObject | None:
        *folders, name = key_parts(key)
        with self._failures(key, "read"):
            try:
                with self._opened(folders) as parent:
                    return self._status(key, name, parent)
            except FileNotFoundError:
                return None

    def read(self, key: str, *, sha256: str | None = None) -> Iterator[bytes]:
        return checked(self._chunks(key), self.uri(key), (sha256,) if sha256 else ())

    def read_range(self, key: str, start: int, length: int) -> bytes:
        with self._failures(key, "read"), self._file(key) as file:
            found = b""
            while len(found) < length and (piece := os.pread(file, length - len(found), start + len(found))):
                found += piece
            return found

    def write_new(self, key: str, content: Content) -> StoredObject:
        parts = key_parts(key)
        with self._failures(key, "write"), self._unfinished(content) as (scratch, name):
            self._link(scratch, name, key, parts)
            return self._described(key)

    def replace(self, key: str, content: Content, expected: str | None) -> StoredObject:
        parts = key_parts(key)
        with self._failures(key, "write"), self._unfinished(content) as (scratch, name), self._locked(scratch, key):
            for attempt in range(_RACES):
                try:
                    self._put(scratch, name, key, parts, expected)
                    break
                except FileNotFoundError:
                    if attempt == _RACES - 1:
                        raise
            return self._described(key)

    def copy(self, source: StoredObject, target: str) -> StoredObject:
        with self._failures(source.key, "read"):
            try:
                with self._file(source.key) as file, os.fdopen(os.dup(file), "rb") as stream:
                    if _version(os.fstat(file)) != source.version:
                        raise _changed(self.uri(source.key), self.find(source.key))
                    return self.write_new(target, stream)
            except MissingObjectError:
                raise _changed(self.uri(source.key), None) from None

    def move(self, objects: Sequence[StoredObject], source: str, target: str) -> None:
        *above, old = key_parts(source)
        *below, new = key_parts(target)
        if not objects:
            return
        self._make_durable(objects)
        lying = {found.key: found.version for found in self.list(source)}
        if lying != {wanted.key: wanted.version for wanted in objects}:
            raise _changed(self.uri(source), None)
        with self._failures(target, "write"), self._opened(above) as before, self._opened(below, create=True) as after:
            try:
                os.rename(old, new, src_dir_fd=before, dst_dir_fd=after)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise _exists(self.uri(target)) from None
                raise
            os.fsync(after)
            os.fsync(before)
        self._prune(above)

    def delete(self, keys: Collection[str]) -> None:
        for key in keys:
            *folders, name = key_parts(key)
            with self._failures(key, "delete"), suppress(FileNotFoundError), self._opened(folders) as parent:
                os.unlink(name, dir_fd=parent)
            self._prune(folders)

    def delete_folder(self, folder: str) -> None:
        *above, name = key_parts(folder)
        with self._failures(folder, "delete"), suppress(FileNotFoundError), self._opened(above) as parent:
            self._refuse_link(name, parent)
            _remove_tree(name, parent)
        self._prune(above)

    def discard_unfinished(self, idle_s: float) -> int:
        removed = 0
        with self._failures("", "delete"), suppress(FileNotFoundError), self._opened([_TEMPORARY]) as scratch:
            for name in os.listdir(scratch):
                if name.endswith(".part"):
                    with suppress(FileNotFoundError, BlockingIOError):  # gone meanwhile, or still being written
                        removed += _removed_if_dead(name, scratch, time.time() - idle_s)
        return removed

    @contextmanager
    def _failures(self, key: str, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _translated(error, self.uri(key), doing) from None

    @contextmanager
    def _opened(self, folders: Sequence[str], *, create: bool = False) -> Iterator[int]:
        """The folder as a descriptor, reached name by name so that no link is followed, whoever puts one there meanwhile."""
        if create:
            os.makedirs(self.folder, exist_ok=True)
        current = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in folders:
                current = self._step(current, name, create)
            yield current
        finally:
            os.close(current)

    def _step(self, parent: int, name: str, create: bool) -> int:
        """Open a folder inside an opened one, which is closed only when that succeeds."""
        for attempt in range(_RACES):
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=parent)
                    os.fsync(parent)
            try:
                self._refuse_link(name, parent)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
            except FileNotFoundError:
                if not create or attempt == _RACES - 1:
                    raise
                continue
            os.close(parent)
            return inner
        raise AssertionError("unreachable")

    def _refuse_link(self, name: str, parent: int) -> None:
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise ConnectorError(
                f"{self.uri()}: {name} is a symbolic link; below this folder none is followed.",
                object=name,
                hint="Put the folder or file itself there, or name the place it points to.",
            )

    @contextmanager
    def _file(self, key: str) -> Iterator[int]:
        *folders, name = key_parts(key)
        try:
            with self._opened(folders) as parent:
                self._refuse_link(name, parent)
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except FileNotFoundError:
            raise MissingObjectError(f"There is no {self.uri(key)}.", object=self.uri(key)) from None
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise MissingObjectError(f"{self.uri(key)} is not a file.", object=self.uri(key))
            yield file
        finally:
            os.close(file)

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._failures(key, "read"), self._file(key) as file:
            before = os.fstat(file)
            while chunk := os.read(file, CHUNK_BYTES):
                yield chunk
            if _version(os.fstat(file)) != _version(before):
                raise _changed(self.uri(key), self.find(key))

    def _status(self, key: str, name: str, parent: int) -> StoredObject | None:
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if stat.S_ISLNK(found.st_mode):
            self._refuse_link(name, parent)
        return _object(key, found) if stat.S_ISREG(found.st_mode) else None

    def _described(self, key: str) -> StoredObject:
        found = self.find(key)
        if found is None:
            raise ObjectChangedError(f"{self.uri(key)} was written and is gone.", object=self.uri(key), hint="Find out who removes it.")
        return found

    def _files(self, folder: int, prefix: str) -> Iterator[StoredObject]:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            if not prefix and name == _TEMPORARY:
                continue
            key = f"{prefix}/{name}" if prefix else name
            with suppress(FileNotFoundError):  # removed since
                self._refuse_link(name, folder)
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                    try:
                        yield from self._files(inner, key)
                    finally:
                        os.close(inner)
                elif stat.S_ISREG(found.st_mode):
                    yield _object(key, found)

    @contextmanager
    def _unfinished(self, content: Content) -> Iterator[tuple[int, str]]:
        """The content as a durable file without a key: the folder it lies in, and its name there."""
        stream = as_stream(content)
        with self._opened([_TEMPORARY], create=True) as scratch:
            file, name = _draft(scratch)
            try:
                while chunk := stream.read(CHUNK_BYTES):
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(file, view) :]
                os.fsync(file)
                yield scratch, name
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=scratch)
                os.close(file)

    def _link(self, scratch: int, name: str, key: str, parts: Sequence[str]) -> None:
        """Give a finished file its key, unless there is one."""
        *folders, own = parts
        for attempt in range(_RACES):
            try:
                with self._opened(folders, create=True) as parent:
                    os.link(name, own, src_dir_fd=scratch, dst_dir_fd=parent, follow_symlinks=False)
                    os.fsync(parent)
                    return
            except FileExistsError:
                raise _exists(self.uri(key)) from None
            except FileNotFoundError:
                if attempt == _RACES - 1:
                    raise
            except OSError as error:
                if error.errno not in _WITHOUT_LINKS:
                    raise
                raise ConnectorError(
                    f"{self.uri(key)}: this file system has no hard links, without which no file can be published in one step.",
                    object=self.uri(key),
                    hint="Name a folder on a disk of this machine, or an object store.",
                ) from None

    def _put(self, scratch: int, name: str, key: str, parts: Sequence[str], expected: str | None) -> None:
        """Put a finished file where the expected version is. Only under the lock of the key."""
        *folders, own = parts
        with self._opened(folders, create=True) as parent:
            found = self._status(key, own, parent)
            if (found.version if found else None) != expected:
                raise _changed(self.uri(key), found)
            if found:  # a later version never looks like an earlier one, whatever the grain of the clock
                was = os.stat(own, dir_fd=parent, follow_symlinks=False).st_mtime_ns
                now = os.stat(name, dir_fd=scratch).st_mtime_ns
                os.utime(name, ns=(now, max(now, was + 1)), dir_fd=scratch)
            os.replace(name, own, src_dir_fd=scratch, dst_dir_fd=parent)
            os.fsync(parent)

    @contextmanager
    def _locked(self, scratch: int, key: str) -> Iterator[None]:
        """Alone among all who replace this key; the system ends the lock of a process that dies."""
        name = f"{hashlib.sha256(key.encode()).hexdigest()}.lock"
        file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666, dir_fd=scratch)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)

    def _make_durable(self, objects: Sequence[StoredObject]) -> None:
        """Have the disk hold files that somebody else wrote, and the folders that name them."""
        folders = set()
        for one in objects:
            parts = key_parts(one.key)
            folders |= {parts[:depth] for depth in range(len(parts))}
            with self._failures(one.key, "write"), self._file(one.key) as file:
                os.fsync(file)
        for parts in sorted(folders, key=len, reverse=True):
            with self._failures("/".join(parts), "write"), self._opened(parts) as folder:
                os.fsync(folder)

    def _prune(self, folders: Sequence[str]) -> None:
        """Remove folders that hold nothing any more, from the innermost."""
        for depth in range(len(folders), 0, -1):
            try:
                with self._opened(folders[: depth - 1]) as parent:
                    os.rmdir(folders[depth - 1], dir_fd=parent)
            except OSError:
                return


def _draft(scratch: int) -> tuple[int, str]:
    """Make a file to write to, and its name; while its lock is held, and no longer, it is known to be under way."""
    while True:
        name = f"{secrets.token_hex(16)}.part"
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=scratch)
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_nlink:
                return file, name
        os.close(file)  # taken for that of a dead writer before it was locked, and removed


def _removed_if_dead(name: str, scratch: int, before: float) -> int:
    """Remove a file that no living process writes and that is older than `before`; return how many that are."""
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=scratch)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_mtime > before:
            return 0
        os.unlink(name, dir_fd=scratch)
        return 1
    finally:
        os.close(file)


def _object(key: str, found: os.stat_result) -> StoredObject:
    modified = datetime.fromtimestamp(found.st_mtime_ns / 1e9, timezone.utc)
    return StoredObject(key, found.st_size, _version(found), modified)


def _version(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}"


def _remove_tree(name: str, parent: int) -> None:
    """Remove a folder and all in it; links are removed, not followed."""
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        for inner in os.listdir(folder):
            with suppress(FileNotFoundError):
                if stat.S_ISDIR(os.stat(inner, dir_fd=folder, follow_symlinks=False).st_mode):
                    _remove_tree(inner, folder)
                else:
                    os.unlink(inner, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=parent)


def _exists(uri: str) -> ObjectExistsError:
    return ObjectExistsError(f"There is {uri} already; it was left as it is.", object=uri, hint="Two writers use one place.")


def _changed(uri: str, found: StoredObject | None) -> ObjectChangedError:
    return ObjectChangedError(
        f"{uri} is not what it was when it was last read{'' if found else ': it is gone, or files were added or removed'}.",
        object=uri,
        hint="Somebody else writes to this place.",
    )


def _translated(error: OSError, uri: str, doing: str) -> ParityError:
    if error.errno in _NO_SPACE:
        return ConnectorError(
            f"Cannot {doing} {uri}: no space is left for it.", object=uri, hint="Free space or a quota there, then resume."
        )
    if error.errno in _FORBIDDEN:
        return ConnectorError(
            f"Cannot {doing} {uri}: permission was refused.",
            object=uri,
            hint="Grant this user access, and see that the disk is not read-only.",
        )
    if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
        return ConfigError(f"Cannot {doing} {uri}: this file system has no such name.", object=uri, hint="Use a shorter or simpler name.")
    if error.errno in (errno.ENOTDIR, errno.EISDIR):
        return ConnectorError(
            f"Cannot {doing} {uri}: a file stands where a folder is needed, or a folder where a file is.",
            object=uri,
            hint="On this machine one name cannot be both.",
        )
    if error.errno == errno.EXDEV:
        return ConnectorError(
            f"Cannot {doing} {uri}: another disk is mounted below the root.", object=uri, hint="Name a folder on that disk as the target."
        )
    return ConnectorError(f"Cannot {doing} {uri}: {error.strerror or 'the system refused'}.", object=uri, hint="Look at the disk.")
