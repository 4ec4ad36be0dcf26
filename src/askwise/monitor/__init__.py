"""Whether a model that was certified is still right about items that come later: a certificate that can expire."""

from __future__ import annotations

from askwise.monitor.kept import Check, Kept, Lot, free, of_session
from askwise.monitor.watch import Holds, Monitor, Status, Taken

__all__ = ["Check", "Holds", "Kept", "Lot", "Monitor", "Status", "Taken", "free", "of_session"]
