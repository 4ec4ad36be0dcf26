"""What uniformly random checks prove about a model: pure functions, arrays in, numbers out.

Six kinds of numbers live here and must not be confused:

* *Bounds* (`bounds`: `accuracy_on_rest`, `mean_error_bounds`; `classes`: `metrics_on_rest`) hold at every look, for any
  model, however questions are chosen.
* *Certificates* (`plan`: `audit_plan`, `Plan.judge`; `weighted`: `WeightedPlan`) hold for a frozen model on a frozen
  region, whose checks are drawn alike, or by `weights`.
* *Fixed labels* (`fixed`: `count_of`; `sweep`: `sweep_plan`, `swept`): of labels that somebody gave, how many are
  wrong, and which may stay unseen.
* *Stops* (`recall`: `recall_plan`, `most_missed`) say how many rare items can be missed.
* *Watches* (`drift`) say whether a limit holds of items that come later, and whether these look different.
* *Plans* (`region`: `choose_region`, `expected_cost`; `course`) are guesses of cost. They steer, they are never
  evidence.

`docs/guarantee.md` explains them; every proof is in the docstring of the function that needs it.
"""

from askwise.audit.bounds import (
    BETS,
    FEWEST,
    LOW_SHARE,
    RECENT,
    SURE_BETS,
    UNKNOWN,
    UNSURE,
    Change,
    Slack,
    Window,
    accuracy_on_rest,
    mean_error_bounds,
    slack,
    window_starts,
)
from askwise.audit.classes import Moves, count_on_rest, metrics_by_label, metrics_on_rest, moves, moves_by_label
from askwise.audit.fixed import Count, count_by_strata, count_in_file, count_of, known_elsewhere
from askwise.audit.plain import EDGES, counted, share_right
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
    share_of,
)
from askwise.audit.recall import (
    RankedStop,
    RecallPlan,
    dry_run,
    false_stop_risk,
    may_miss,
    most_missed,
    ranked_stop,
    recall_at_least,
    recall_plan,
)
from askwise.audit.region import REGIONS, SMALLEST, WORTH, Region, choose_region, doubts, expected_cost
from askwise.audit.sweep import SweepPlan, Swept, audit_rate, sweep_plan, sweep_risk, swept
from askwise.audit.weighted import WeightedPlan
from askwise.audit.weights import LEAST, RARE_BETS, WEIGHTS, Levels, levels_of, order_of

__all__ = [
    "BETS",
    "EDGES",
    "FEWEST",
    "GRID",
    "HORIZON",
    "KEEP",
    "LEAST",
    "LOW_SHARE",
    "PATIENCE",
    "RARE_BETS",
    "RECENT",
    "REGIONS",
    "SMALLEST",
    "SPEND",
    "SURE_BETS",
    "TILT",
    "UNKNOWN",
    "UNSURE",
    "WEIGHTS",
    "WORTH",
    "Certification",
    "Change",
    "Count",
    "Levels",
    "Moves",
    "Outcome",
    "Plan",
    "RankedStop",
    "RecallPlan",
    "Region",
    "Slack",
    "SweepPlan",
    "Swept",
    "Target",
    "WeightedPlan",
    "Window",
    "accuracy_on_rest",
    "audit_plan",
    "audit_rate",
    "choose_region",
    "count_by_strata",
    "count_in_file",
    "count_of",
    "count_on_rest",
    "counted",
    "doubts",
    "dry_run",
    "expected_cost",
    "false_certificate_risk",
    "false_stop_risk",
    "known_elsewhere",
    "levels_of",
    "may_miss",
    "mean_error_bounds",
    "metrics_by_label",
    "metrics_on_rest",
    "most_missed",
    "moves",
    "moves_by_label",
    "order_of",
    "ranked_stop",
    "recall_at_least",
    "recall_plan",
    "share_of",
    "share_right",
    "slack",
    "sweep_plan",
    "sweep_risk",
    "swept",
    "window_starts",
]
