"""Replays known labels through real sessions, to compare query strategies."""

from askwise.simulation.duplicates import kept
from askwise.simulation.loop import (
    Point,
    Split,
    contents_of,
    play_back,
    replay,
    schedule,
    score,
    split,
    work,
)
from askwise.simulation.results import Reach, Run, Saving, Simulation, median_interval
from askwise.simulation.run import TARGETS, labeled, parallel, run_of, simulate
from askwise.simulation.show import contradictions, to_dict, to_rich, write
from askwise.simulation.terms import METRICS, Target

__all__ = [
    "METRICS",
    "TARGETS",
    "Point",
    "Reach",
    "Run",
    "Saving",
    "Simulation",
    "Split",
    "Target",
    "contents_of",
    "contradictions",
    "kept",
    "labeled",
    "median_interval",
    "parallel",
    "play_back",
    "replay",
    "run_of",
    "schedule",
    "score",
    "simulate",
    "split",
    "to_dict",
    "to_rich",
    "work",
    "write",
]
