"""The package's description: README.md with links that lead somewhere from a package index.

There only absolute addresses work. Where `[project.urls]` names `Source`, links and pictures of the repository become
such; where it does not, links are plain words and pictures are left out, so that nothing is shown broken.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

try:
    from hatchling.metadata.plugin.interface import MetadataHookInterface
except ModuleNotFoundError:  # the tests use `described` without the builder
    MetadataHookInterface = object

_PICTURE = re.compile(r"!\[(?P<said>[^\]]*)\]\((?P<to>[^)\s]+)\)\n*")
_LINK = re.compile(r"(?<!!)\[(?P<said>[^\]]+)\]\((?P<to>[^)\s]+)\)")
_WHERE = "\nThe pages named here lie in `docs/` of the source distribution.\n"
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def described(readme: str, source: str | None, version: str) -> str:
    """README for a package index.

    Args:
        readme: As it is in the repository, with links relative to its root.
        source: Address of the repository, without a slash at its end; None = it has none.
        version: Of the package; the tag `v` + this holds the files linked to.
    """

    def link(found: re.Match[str]) -> str:
        if _outside(found["to"]):
            return found[0]
        return f"[{found['said']}]({source}/blob/v{version}/{found['to']})" if source else found["said"]

    def picture(found: re.Match[str]) -> str:
        if _outside(found["to"]):
            return found[0]
        return found[0].replace(found["to"], f"{source}/raw/v{version}/{found['to']}") if source else ""

    parts = _FENCE.split(readme)  # code is left as it is
    parts[::2] = [_LINK.sub(link, _PICTURE.sub(picture, part)) for part in parts[::2]]
    return "".join(parts) + ("" if source else _WHERE)


def _outside(address: str) -> bool:
    return address.startswith(("https://", "http://", "mailto:", "#"))


class CustomMetadataHook(MetadataHookInterface):
    """Hatchling asks it for what `pyproject.toml` calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the description."""
        source = metadata.get("urls", {}).get("Source")
        readme = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
        text = described(readme, source.rstrip("/") if source else None, metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
