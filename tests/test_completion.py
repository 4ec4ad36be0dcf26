"""The Tab key: commands, options, sessions, names; at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from askwise import completion, encoders, pool, strategies, tasks
from askwise.simulation.terms import METRICS


def offered(folder, line):
    """What bash would be offered behind this line."""
    words = line.split(" ")
    code = (
        "import sys\n"
        "from askwise.cli import main\n"
        "try: main([])\n"
        "finally:\n"
        "    heavy = {'numpy', 'scipy', 'sklearn', 'pandas', 'fastapi', 'uvicorn'} & set(sys.modules)\n"
        "    print(f'heavy: {sorted(heavy)}', file=sys.stderr)\n"
    )
    env = os.environ | {"_ASKWISE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=folder, timeout=60)
    assert "heavy: []" in run.stderr, run.stderr
    return run.stdout.split()


@pytest.fixture
def folder(tmp_path):
    for name in ("mail.askwise", "mail.askwise-wal", "mail.csv", ".hidden.askwise"):
        (tmp_path / name).touch()
    (tmp_path / "compared.toml").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "deep.askwise").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("askwise auto", ["autolabel"]),
        ("askwise strat", ["strategies"]),
        ("askwise label --guid", ["--guidelines"]),
        ("askwise report ", ["mail.askwise", "more/"]),
        ("askwise export ./ma", ["./mail.askwise"]),
        ("askwise verify more/", ["more/deep.askwise"]),
        ("askwise label ma", ["mail.askwise", "mail.csv"]),
        ("askwise serve ma", ["mail.askwise"]),
        ("askwise label mail.csv --strategy typic", ["typical_direction", "typiclust"]),
        ("askwise simulate mail.csv --strategy rank_m", ["rank_margin"]),
        ("askwise label mail.csv --kind im", ["image"]),
        ("askwise label mail.csv --encoder ti", []),
        ("askwise label mail.csv --encoder tf", ["tfidf", "tfidf+minilm"]),
        ("askwise autolabel mail.askwise --target da", ["dataset"]),
        ("askwise bench", ["benchmark"]),
        ("askwise benchmark co", ["compared.toml"]),
        ("askwise simulate mail.csv --kind ta", ["table"]),
        ("askwise report nowhere/", []),
    ],
)
def test_tab_offers_what_fits_and_loads_nothing_heavy(folder, line, wanted):
    assert sorted(offered(folder, line)) == wanted


def test_the_names_are_those_that_are_known():
    assert set(completion.STRATEGIES) <= set(strategies.available())
    assert set(completion.strategies("")) == set(strategies.available())
    assert (*encoders.NAMES, encoders.BOTH) == completion.ENCODERS
    assert completion.KINDS == pool.KINDS
    assert set(completion.METRICS) == set(METRICS)
    assert tuple(tasks.OURS) == completion.TASKS


def test_the_shell_is_told_how(tmp_path):
    code = "from askwise.cli import main; main(['--show-completion', 'bash'])"
    env = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", "SHELL": "/bin/bash"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert "_ASKWISE_COMPLETE=complete_bash" in run.stdout
