"""What a route consists of: `archetypes/<name>.json`, checked."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from policy.coercion import load_rulebook
from schemas.agent_output import Archetype, Step
from schemas.errors import ConfigError, nearest
from schemas.model import Model

__all__ = ["ArchetypeTemplate", "Door", "StepOfRoute", "load_template", "parse_template"]

Name = Annotated[str, Field(min_length=1)]


class Door(Model):
    """One side: the connector, and the schemes of the URIs it opens."""

    connector: Name
    schemes: Annotated[tuple[Name, ...], Field(min_length=1)]


class StepOfRoute(Model):
    """One step, and the documents of earlier steps among its inputs."""

    step: Step
    reads: tuple[Step, ...] = ()


class ArchetypeTemplate(Model):
    """A route from one kind of store to another.

    Attributes:
        type_rules: pair of the rulebook.
        allowed_rights: permission bits of a role that only reads; more is a finding.
        steps: in the order in which they run.
        cutover_pointers: through which consumers find the data.
    """

    type_: Literal["parity.archetype.v1"] = Field(default="parity.archetype.v1", alias="_type")
    archetype: Archetype
    source: Door
    target: Door
    type_rules: Name
    allowed_rights: Annotated[int, Field(ge=0, le=0xFFFF)]
    steps: Annotated[tuple[StepOfRoute, ...], Field(min_length=1)]
    cutover_pointers: tuple[Literal["view", "catalog_location", "configuration"], ...] = ()

    @model_validator(mode="after")
    def _reads_what_was_written(self) -> ArchetypeTemplate:
        done: list[str] = []
        for one in self.steps:
            if one.step in done:
                raise ValueError(f"steps: {one.step} stands there twice")
            if late := [name for name in one.reads if name not in done]:
                raise ValueError(f"steps: {one.step} reads {', '.join(late)}, which no earlier step writes")
            done.append(one.step)
        return self

    @model_validator(mode="after")
    def _has_rules(self) -> ArchetypeTemplate:
        pairs = [file.pair for file in load_rulebook().files]
        if self.type_rules not in pairs:
            raise ValueError(f"type_rules: the rulebook has no {self.type_rules}; it has {', '.join(pairs)}")
        return self


def parse_template(written: bytes, where: str) -> ArchetypeTemplate:
    """Return a template from its text.

    Raises:
        ConfigError: it is no template.
    """
    try:
        return ArchetypeTemplate.model_validate_json(written)
    except ValidationError as exc:
        first = exc.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = f"{place}: {first['msg']}" if place else first["msg"]
        raise ConfigError(f"{where}: {said}.", object=where, hint="Compare it with archetypes/postgres_to_s3.json.") from exc


@lru_cache(maxsize=8)
def load_template(name: str) -> ArchetypeTemplate:
    """Return the template of a route that is shipped with Parity.

    Raises:
        ConfigError: there is none of this name, or it is not valid.
    """
    # importlib.resources and not a path: on a cluster this package is read from inside a zip.
    file = resources.files("archetypes").joinpath(f"{name}.json")
    if not file.is_file():
        known = sorted(
            entry.name.removesuffix(".json") for entry in resources.files("archetypes").iterdir() if entry.name.endswith(".json")
        )
        close = nearest(name, known)
        hint = f"Did you mean {', '.join(close)}?" if close else f"There are: {', '.join(known)}."
        raise ConfigError(f"There is no archetype {name}.", object=name, hint=hint)
    found = parse_template(file.read_bytes(), f"archetypes/{name}.json")
    if found.archetype != name:
        raise ConfigError(f"archetypes/{name}.json is of the archetype {found.archetype}.", object=name, hint="Rename the file.")
    return found
