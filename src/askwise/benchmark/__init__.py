"""Benchmarks: data x learner x strategy x seeds from one file, beside random questions and a good practitioner."""

from askwise.benchmark.report import render, sections, to_rich, write
from askwise.benchmark.results import Benchmark, Record, open_results
from askwise.benchmark.run import benchmark, check
from askwise.benchmark.spec import Spec, parse, read

__all__ = [
    "Benchmark",
    "Record",
    "Spec",
    "benchmark",
    "check",
    "open_results",
    "parse",
    "read",
    "render",
    "sections",
    "to_rich",
    "write",
]
