"""Askwise asks about the few items that teach a model most, then says honestly how good it is on the rest.

    >>> import askwise
    >>> messages = ["win cash now", "see you at six", "free prize inside", "lunch tomorrow?"] * 3
    >>> session = askwise.Session(messages, classes=["ham", "spam"])
    >>> while not session.verdict().ready:
    ...     for query in session.ask(2):
    ...         session.tell(query, "spam" if "cash" in query.text or "prize" in query.text else "ham")
    ...     _ = session.refresh()
    >>> session.counts()["labeled"]
    4

The names below load what they need on first use: `import askwise` itself costs milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from askwise.checking import LabelCheck as LabelCheck
    from askwise.core import AskwiseError as AskwiseError
    from askwise.core import AutoLabels as AutoLabels
    from askwise.core import Certificate as Certificate
    from askwise.core import Estimate as Estimate
    from askwise.core import Query as Query
    from askwise.core import Selection as Selection
    from askwise.core import Verdict as Verdict
    from askwise.engine import select as select
    from askwise.pool import Pool as Pool
    from askwise.pool import load_pool as load_pool
    from askwise.session import Session as Session
    from askwise.simulation import simulate as simulate
    from askwise.strategies import Strategy as Strategy
    from askwise.verification import verify as verify

__version__ = "0.1.0"

_HOME = {
    "AskwiseError": "core",
    "AutoLabels": "core",
    "Certificate": "core",
    "Estimate": "core",
    "LabelCheck": "checking",
    "Pool": "pool",
    "Query": "core",
    "Selection": "core",
    "Session": "session",
    "Strategy": "strategies",
    "Verdict": "core",
    "load_pool": "pool",
    "select": "engine",
    "simulate": "simulation",
    "verify": "verification",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'askwise' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"askwise.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
