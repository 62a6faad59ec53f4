"""The notebook's door: `import parity; parity.compare(source, target, keys=["id"])`.

Importing it is quick: Spark and the rest come with the first use.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobs.compare import compare

__all__ = ["__version__", "compare"]

__version__ = "0.1.0"

_NEIGHBOURS = ("schemas", "engine", "policy", "connectors", "reports", "jobs")


def _home(name: str) -> Path | None:
    """Return the folder (or zip) that Python takes the package `name` from; None when it finds none."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded is not None else importlib.util.find_spec(name)
    if spec is None:
        return None
    places = [spec.origin] if spec.origin else [f"{folder}/__init__.py" for folder in spec.submodule_search_locations or ()]
    return Path(places[0]).resolve().parent.parent if places else None


def _refuse_strangers() -> None:
    """Make sure that the packages beside this file are the ones that Python takes: their names are common.

    Raises:
        ImportError: a package of the same name from elsewhere comes first, or one of ours is absent.
    """
    here = Path(__file__).resolve().parent
    for name in _NEIGHBOURS:
        home = _home(name)
        if home is None:
            raise ImportError(f"parity: its package {name!r} is not beside {__file__}. Install parity again, or put {here} on sys.path.")
        if home != here:
            raise ImportError(
                f"parity: Python takes the package {name!r} from {home}, which hides parity's own in {here}. "
                f"Use an environment (venv) without it, rename it, or put {here} first on sys.path; then start Python again."
            )


_refuse_strangers()


def __getattr__(name: str) -> Any:
    if name == "compare":
        return importlib.import_module("jobs.compare").compare
    raise AttributeError(f"module 'parity' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
