"""Replays known labels through real sessions, to compare query strategies."""

from askwise.simulation.loop import Point, Split, contents_of, replay, schedule, score, split, work
from askwise.simulation.results import Reach, Run, Saving, Simulation, median_interval
from askwise.simulation.run import TARGETS, simulate
from askwise.simulation.show import to_dict, to_rich, write
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
    "median_interval",
    "replay",
    "schedule",
    "score",
    "simulate",
    "split",
    "to_dict",
    "to_rich",
    "work",
    "write",
]
