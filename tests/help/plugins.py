"""A package with entry points, as an installer would lay it out."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import askwise.strategies.registry as registry_module

PLUGIN = Path(__file__).parents[1] / "plugin"
MODULES = ("askwise_ratio", "askwise_ordinal")


def points_of(project: Path = PLUGIN) -> dict[str, dict[str, str]]:
    """Group → name → object, of a package's pyproject.toml."""
    return tomllib.loads((project / "pyproject.toml").read_text())["project"]["entry-points"]


def lay_out(folder: Path, points: Mapping[str, Mapping[str, str]], *sources: Path) -> None:
    """A package's modules and the metadata with its entry points, in a folder that is or will be on the path."""
    info = folder / "sample-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
    lines = "".join(
        f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in named.items()) for group, named in points.items()
    )
    (info / "entry_points.txt").write_text(lines)
    for source in sources:
        (folder / source.name).write_text(source.read_text())
    importlib.invalidate_caches()


@contextmanager
def clean_registry() -> Iterator[None]:
    """What is registered and imported meanwhile is forgotten again."""
    registry, aliases, modules, path = (
        dict(registry_module._registry),
        dict(registry_module._aliases),
        set(sys.modules),
        list(sys.path),
    )
    try:
        yield
    finally:
        for name in set(sys.modules) - modules:
            if name in MODULES or name.split(".")[0] in ("mine", "mypkg", "evil", "torn"):
                del sys.modules[name]
        sys.path[:] = path
        registry_module._registry.clear()
        registry_module._registry.update(registry)
        registry_module._aliases.clear()
        registry_module._aliases.update(aliases)
