"""The command line, called as a function."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any

from askwise import cli

if TYPE_CHECKING:
    import pytest

SLOW = re.compile(r"^askwise: .* (so far|left)\n", re.MULTILINE)
"""What is said only where work takes over two seconds: on a busy machine anything may."""


def ran(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: object, keys: str = ""
) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of a command, with keys on its standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(keys))
    code: Any = 0
    try:
        cli.main([str(a) for a in args])
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    return code, out, err
