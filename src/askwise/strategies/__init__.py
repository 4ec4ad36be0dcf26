"""Named query strategies."""

from askwise.strategies import catalog
from askwise.strategies.registry import GROUP, Mix, Strategy, Switch, available, get, mix, register, switch

__all__ = ["GROUP", "Mix", "Strategy", "Switch", "available", "catalog", "get", "mix", "register", "switch"]
