"""The result of a step to the one document that is stored, hashed and read by the next step."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from policy.coercion import rulebook_sha256
from policy.severity import SEVERITIES, load_policy
from schemas.agent_output import (
    Archetype,
    Input,
    Result,
    RuleUse,
    Step,
    StepFinding,
    StepOutput,
    StepStatus,
    citations_of,
    confidence_of,
    items_of,
)
from schemas.canonical_json import canonical_bytes
from schemas.errors import ConnectorError, InputError

if TYPE_CHECKING:
    from importlib.abc import Traversable

__all__ = ["DECIDING_PACKAGES", "code_sha256", "digest_of", "finished", "load", "path_of", "policy_sha256", "stored"]

DECIDING_PACKAGES = ("archetypes", "connectors", "engine", "policy", "schemas")
"""Packages whose code makes results; `jobs` only starts it and `reports` only shows them."""

_COMPILED = ("__pycache__",)
_STEP_SUFFIX = ".json"


def finished(
    step: Step,
    *,
    dataset: str,
    inputs: Mapping[str, str],
    result: Result | None,
    findings: Collection[StepFinding] = (),
    rules: Mapping[str, int] = MappingProxyType({}),
    archetype: Archetype = "postgres_to_s3",
    migration: str | None = None,
    epoch: int = 0,
    status: StepStatus | None = None,
) -> StepOutput:
    """Return the document of a step; equal arguments give equal bytes.

    Args:
        dataset: what the step is about, such as the schema of the source.
        inputs: name to SHA-256 of everything that was read.
        result: None when the step is refused; why stands in `findings`.
        findings: any order; they are stored gravest first, as grave as the policy says where it names their code.
        rules: rule id to the number of items for which it fired.
        status: None: REFUSED without a result, PARTIAL where an item is refused, DONE else.

    Raises:
        pydantic.ValidationError: an item cites what is no input, or the status does not go with result and findings.
    """
    grades = load_policy().findings
    graded = [found.model_copy(update={"severity": grades.get(found.code, found.severity)}) for found in findings]
    ordered = tuple(sorted(graded, key=lambda found: (SEVERITIES.index(found.severity), found.object, found.code, found.text)))
    return StepOutput(
        step=step,
        archetype=archetype,
        dataset=dataset,
        migration=migration,
        epoch=epoch,
        inputs=tuple(Input(name=name, sha256=inputs[name]) for name in sorted(inputs)),
        code_sha256=code_sha256(),
        policy_sha256=policy_sha256(),
        rulebook_sha256=rulebook_sha256(),
        status=status or _status(result),
        result=result,
        findings=ordered,
        rules_applied=tuple(RuleUse(rule_id=rule_id, count=rules[rule_id]) for rule_id in sorted(rules) if rules[rule_id]),
        confidence_bp=confidence_of(result),
        citations=citations_of(result, ordered),
    )


def digest_of(output: StepOutput) -> str:
    """Return the SHA-256 hex digest of a document: by which the next step names it among its inputs."""
    return hashlib.sha256(output.canonical()).hexdigest()


def path_of(step: Step, folder: Path) -> Path:
    """Return where the document of a step is kept."""
    return folder / f"{step}{_STEP_SUFFIX}"


def stored(output: StepOutput, folder: Path) -> Path:
    """Write a document to `<folder>/<step>.json`, whole or not at all, and return its path.

    Raises:
        ConnectorError: the folder cannot be written.
    """
    path = path_of(output.step, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(path, output.canonical())
    except OSError as exc:
        raise ConnectorError(
            f"{path}: the document could not be written: {exc.strerror}.", object=str(path), hint="Make room, or the folder writable."
        ) from exc
    return path


def load(path: Path) -> StepOutput:
    """Return a stored document.

    Raises:
        InputError: there is none, it is no document of a step, or its bytes are not those that Parity wrote.
    """
    again = "Run the step again."
    try:
        written = path.read_bytes()
        output = StepOutput.model_validate_json(written)
    except OSError as exc:
        raise InputError(f"{path}: there is no document: {exc.strerror}.", object=str(path), hint=again) from exc
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise InputError(f"{path}: no document of a step: {place or 'it'}: {first['msg']}.", object=str(path), hint=again) from exc
    if written != canonical_bytes(output.document()):
        raise InputError(f"{path}: changed since it was written, or written by another version.", object=str(path), hint=again)
    return output


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """Return the digest of the sources that make results: path and content of every file of DECIDING_PACKAGES."""
    # importlib.resources and not paths: on a cluster these packages are read from inside a zip.
    files = sorted(found for package in DECIDING_PACKAGES for found in _files(resources.files(package), package))
    return hashlib.sha256(canonical_bytes(files)).hexdigest()


@lru_cache(maxsize=1)
def policy_sha256() -> str:
    """Return the digest of the policy shipped with Parity."""
    return hashlib.sha256(resources.files("policy").joinpath("policy.json").read_bytes()).hexdigest()


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.name in _COMPILED or entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{path}/{entry.name}")
        else:
            yield f"{path}/{entry.name}", hashlib.sha256(entry.read_bytes()).hexdigest()


def _status(result: Result | None) -> StepStatus:
    if result is None:
        return "REFUSED"
    return "PARTIAL" if any(item.origin == "refused" for item in items_of(result)) else "DONE"


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
