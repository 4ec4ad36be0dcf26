"""Whether a model that was certified is still right about items that come later: a certificate that can expire."""

from __future__ import annotations

from askwise.monitor.watch import Holds, Monitor, Status, Taken

__all__ = ["Holds", "Monitor", "Status", "Taken"]
