"""What uniformly random checks prove about a model: pure functions, arrays in, numbers out.

Three kinds of numbers live here and must not be confused:

* *Bounds* (`bounds`: `accuracy_on_rest`, `mean_error_bounds`) hold at every look, for any model, however questions are
  chosen.
* *Certificates* (`plan`: `audit_plan`, `Plan.judge`) hold for a frozen model on a frozen region.
* *Plans* (`region`: `choose_region`, `expected_cost`) are guesses of cost. They steer, they are never evidence.

`docs/guarantee.md` explains all three; every proof is in the docstring of the function that needs it.
"""

from askwise.audit.bounds import (
    BETS,
    FEWEST,
    LOW_SHARE,
    RECENT,
    UNKNOWN,
    UNSURE,
    Slack,
    Window,
    accuracy_on_rest,
    mean_error_bounds,
    slack,
    window_starts,
)
from askwise.audit.plan import (
    GRID,
    HORIZON,
    KEEP,
    PATIENCE,
    SPEND,
    TILT,
    Certification,
    Outcome,
    Plan,
    Target,
    audit_plan,
    false_certificate_risk,
)
from askwise.audit.region import MARGIN, PRIOR, REGIONS, SMALLEST, WORTH, Region, choose_region, expected_cost

__all__ = [
    "BETS",
    "FEWEST",
    "GRID",
    "HORIZON",
    "KEEP",
    "LOW_SHARE",
    "MARGIN",
    "PATIENCE",
    "PRIOR",
    "RECENT",
    "REGIONS",
    "SMALLEST",
    "SPEND",
    "TILT",
    "UNKNOWN",
    "UNSURE",
    "WORTH",
    "Certification",
    "Outcome",
    "Plan",
    "Region",
    "Slack",
    "Target",
    "Window",
    "accuracy_on_rest",
    "audit_plan",
    "choose_region",
    "expected_cost",
    "false_certificate_risk",
    "mean_error_bounds",
    "slack",
    "window_starts",
]
