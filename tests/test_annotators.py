"""Labels by language models, programs and functions: over the real protocol, with errors, slowness and nonsense."""

from __future__ import annotations

import csv
import json
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from askwise.annotators import (
    Annotation,
    Function,
    LanguageModel,
    Money,
    Program,
    Replies,
    annotate,
    label_in,
)
from askwise.annotators.run import UNASKED
from askwise.core import BadInput, BadStore, ContractError, Unreachable
from help.chat import Endpoint, item_in, serving
from help.command import SLOW, ran

pytest.importorskip("openai", reason="openai is not installed: pip install 'askwise[llm]'")

LABELS = ["ham", "spam", "Food, drink"]
ITEMS = [f"win a prize {i}" if i % 3 == 0 else f"see you at {i}" for i in range(30)]
TRUTH = ["spam" if item.startswith("win") else "ham" for item in ITEMS]


def right(body: dict[str, Any]) -> str:
    return json.dumps({"label": "spam" if item_in(body).startswith("win") else "ham"})


def model(endpoint: Endpoint, **more: Any) -> LanguageModel:
    return LanguageModel("small", base_url=endpoint.url, api_key="secret", **{"tries": 2, **more})


# ── what an answer is ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("spam", "spam"),
        (" Spam\n", "spam"),
        ('"ham"', "ham"),
        ('{"label": "ham"}', "ham"),
        ('```json\n{"label": "Food, drink"}\n```', "Food, drink"),
        ("spam or ham", None),
        ("The label is spam.", None),
        ('{"label": "spam", "why": "a prize"}', None),
        ('{"label": ["spam"]}', None),
        ('{"label": "eggs"}', None),
        ('{"label": "spam"', None),
        ("", None),
        ("[]", None),
    ],
)
def test_an_answer_is_a_label_alone(answer: str, label: str | None) -> None:
    assert label_in(answer, LABELS) == label


@given(some.text(max_size=40))
def test_no_answer_gives_a_label_that_there_is_not(answer: str) -> None:
    assert label_in(answer, LABELS) in {None, *LABELS}
    assert label_in(json.dumps({"label": answer}), LABELS) in {None, *LABELS}


# ── a language model ────────────────────────────────────────────────────────────────────────


def test_all_items_are_asked_once_several_at_a_time_and_kept(tmp_path: Path) -> None:
    kept = tmp_path / "replies.sqlite"
    with serving(right) as endpoint:
        found = annotate(ITEMS, LABELS, model(endpoint, replies=Replies(kept)), guidelines="Be strict.", parallel=6)
        assert [one.label for one in found] == TRUTH
        assert Counter(endpoint.items) == Counter(ITEMS)
        assert 1 < endpoint.most <= 6
        assert set(endpoint.keys) == {"Bearer secret"}
        first = endpoint.requests[0]["messages"][0]["content"]
        assert "Be strict." in first
        assert "- Food, drink" in first
        assert endpoint.requests[0]["temperature"] == 0
        again = annotate(ITEMS, LABELS, model(endpoint, replies=Replies(kept)), guidelines="Be strict.")
        assert again == found
        assert len(endpoint.requests) == len(ITEMS), "nothing is asked, or paid for, twice"
        annotate(ITEMS[:1], LABELS, model(endpoint, replies=Replies(kept)), guidelines="Be mild.")
        assert len(endpoint.requests) == len(ITEMS) + 1, "with other guidelines it is another question"
    with sqlite3.connect(kept) as file:
        asked = [json.loads(text) for (text,) in file.execute("SELECT asked FROM replies")]
    assert {one["messages"][-1]["content"] for one in asked} >= {json.dumps({"item": item}) for item in ITEMS}
    assert b"secret" not in kept.read_bytes()


def test_examples_stand_before_the_item_the_most_similar_last() -> None:
    with serving(right) as endpoint:
        shown = [("a", "ham"), ("b", "spam")]
        annotate(["c"], LABELS, model(endpoint), examples=lambda _: shown)
        roles = [(one["role"], one["content"]) for one in endpoint.requests[0]["messages"][1:]]
    assert roles == [
        ("user", '{"item": "a"}'), ("assistant", '{"label": "ham"}'), ("user", '{"item": "b"}'),
        ("assistant", '{"label": "spam"}'), ("user", '{"item": "c"}'),
    ]  # fmt: skip


def test_nonsense_is_asked_once_more_and_then_left_open() -> None:
    def answer(body: dict[str, Any]) -> str:
        item = item_in(body)
        if item == ITEMS[0]:
            return "I think this is spam, because of the prize."
        if item == ITEMS[1] and len(body["messages"]) == 2:
            return "hm"
        return right(body)

    with serving(answer) as endpoint:
        found = annotate(ITEMS[:3], LABELS, model(endpoint))
        assert [one.label for one in found] == [None, *TRUTH[1:3]]
        assert found[0].why.startswith("no label, but 'I think")
        assert Counter(endpoint.items) == {ITEMS[0]: 2, ITEMS[1]: 2, ITEMS[2]: 1}
        last = [body for body in endpoint.requests if item_in(body) == ITEMS[1]][-1]["messages"]
        assert [one["role"] for one in last[-2:]] == ["assistant", "user"]
        assert '"Food, drink"' in last[-1]["content"]


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_what_fails_for_a_moment_is_tried_again(status: int) -> None:
    failed: set[str] = set()

    def answer(body: dict[str, Any]) -> Any:
        item = item_in(body)
        if item not in failed:
            failed.add(item)
            return status, {"retry-after": "0.05"}, b'{"error": {"message": "busy"}}'
        return right(body)

    with serving(answer) as endpoint:
        found = annotate(ITEMS[:6], LABELS, model(endpoint))
    assert [one.label for one in found] == TRUTH[:6]


def test_what_fails_for_good_keeps_what_came_before(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> Any:
        return right(body) if len(endpoint.requests) <= 5 else (503, {"retry-after": "0.02"}, b"down")

    kept = Replies(tmp_path / "replies.sqlite")
    with serving(answer) as endpoint, pytest.raises(Unreachable, match=r"refuses 'small' \(503\)"):
        annotate(ITEMS, LABELS, model(endpoint, replies=kept), parallel=1)
    assert len(kept) == 5


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((401, {}, b'{"error": {"message": "bad key"}}'), r"refuses 'small' \(401\): .*bad key"),
        ((404, {}, b'{"error": {"message": "no such model"}}'), r"\(404\)"),
        ((400, {}, b"no logprobs"), r"\(400\)"),
    ],
)
def test_what_is_refused_is_a_mistake_of_the_caller(reply: Any, says: str) -> None:
    with serving(lambda _: reply) as endpoint, pytest.raises(BadInput, match=says):
        annotate(ITEMS[:2], LABELS, model(endpoint))
    assert len(endpoint.requests) <= 2, "not tried again"


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"hello"', b"<html>", b'{"choices": []}', b'{"choices": [{}]}', b""])
def test_what_is_no_reply_of_the_protocol_is_said(body: bytes) -> None:
    with (
        serving(lambda _: (200, {}, body)) as endpoint,
        pytest.raises(Unreachable, match=r"no reply of such|not answer"),
    ):
        annotate(ITEMS[:1], LABELS, model(endpoint))


def test_nobody_there_and_too_slow() -> None:
    with serving(right) as endpoint:
        url = endpoint.url
    gone = LanguageModel("small", base_url=url, tries=1)
    with pytest.raises(Unreachable, match="does not answer"):
        annotate(ITEMS[:1], LABELS, gone)
    with serving(lambda _: 3.0) as endpoint, pytest.raises(Unreachable, match="does not answer"):
        annotate(ITEMS[:1], LABELS, model(endpoint, tries=0, timeout=0.2))


def test_costs_are_counted_and_never_more_than_allowed() -> None:
    with serving(right) as endpoint:
        money = Money(price_in=1.0, price_out=2.0)
        annotate(ITEMS, LABELS, model(endpoint, money=money))
        sent = sum(sum(len(m["content"]) for m in body["messages"]) // 4 for body in endpoint.requests)
        assert money.spent == pytest.approx((sent + 2 * 7 * len(ITEMS)) / 1e6)
        all_of_it = money.spent
    for share in (0.0, 0.3, 0.7):
        for parallel in (1, 8):
            with serving(right) as endpoint:
                money = Money(1.0, 2.0, most=share * all_of_it + 2e-3 * share)
                found = annotate(ITEMS, LABELS, model(endpoint, money=money), parallel=parallel)
                assert money.spent <= money.most
                asked = [one for one in found if one.why != UNASKED]
                assert len(asked) == len(endpoint.requests)
                assert all(one.label for one in asked)
                assert (share == 0) == (not asked)


def test_the_limit_stops_before_it_is_passed_and_as_near_as_can_be() -> None:
    """What one request may cost at worst stays unspent, and not that of all that run at a time."""
    with serving(right) as endpoint:
        worst = Money(0.0, 1000.0)
        held = worst.hold(0)
        money = Money(0.0, 1000.0, most=10 * 7 * 1000 / 1e6 + held)
        annotate(ITEMS, LABELS, model(endpoint, money=money), parallel=8)
        assert len(endpoint.requests) in (10, 11)


def test_no_more_a_minute_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("askwise.annotators.endpoint.time.sleep", slept.append)
    with serving(right) as endpoint:
        annotate(ITEMS[:4], LABELS, model(endpoint, per_minute=30), parallel=1)
    assert slept[0] == 0
    assert slept[3] == pytest.approx(6, abs=0.5), "the fourth after three times two seconds"


def test_confidence_is_the_probability_of_the_answer() -> None:
    with serving(right) as endpoint:
        (one,) = annotate(ITEMS[:1], LABELS, model(endpoint, confidence=True))
        assert endpoint.requests[0]["logprobs"] is True
    assert one.confidence == pytest.approx(2.718281828 ** (-0.05 * 2))
    with serving(right) as endpoint:
        (one,) = annotate(ITEMS[:1], LABELS, model(endpoint))
        assert "logprobs" not in endpoint.requests[0]
        assert one.confidence is None


def test_where_it_is_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(BadInput, match="OPENAI_BASE_URL"):
        LanguageModel("small")
    with serving(right) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        assert annotate(ITEMS[:1], LABELS, LanguageModel("small"))[0].label == TRUTH[0]


def test_a_file_that_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"hello, this is no database at all" * 40)
    with pytest.raises(BadStore, match="Move it away"):
        Replies(tmp_path / "x.sqlite")


# ── programs and functions ──────────────────────────────────────────────────────────────────

PROGRAM = """
import json, sys
for line in sys.stdin:
    one = json.loads(line)
    label = one["labels"][1] if one["item"].startswith("win") else one["labels"][0]
    print(json.dumps({"label": label, "confidence": 0.7}))
"""


def program(tmp_path: Path, code: str) -> Program:
    (tmp_path / "p.py").write_text(code)
    return Program(f"{sys.executable} {tmp_path / 'p.py'}")


def test_a_program_labels_line_by_line(tmp_path: Path) -> None:
    found = annotate(ITEMS, LABELS, program(tmp_path, PROGRAM))
    assert [(one.label, one.confidence) for one in found] == [(label, 0.7) for label in TRUTH]


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        ("import sys; sys.exit('no')", Unreachable, "ended with 1: no"),
        ("print('{}')", ContractError, "1 lines for 30 items"),
        ("for _ in range(30): print('spam')", ContractError, "no JSON in line 1"),
    ],
)
def test_a_program_that_does_not_keep_to_it(tmp_path: Path, code: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        annotate(ITEMS, LABELS, program(tmp_path, code))


@pytest.mark.parametrize("command", ["", "no-such-program-here", "'"])
def test_no_such_program(command: str) -> None:
    with pytest.raises(BadInput, match=r"program|command"):
        annotate(ITEMS, LABELS, Program(command))


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("spam", Annotation("spam")),
        (("spam", 0.4), Annotation("spam", 0.4)),
        ({"label": "ham", "confidence": -3}, Annotation("ham", -3.0)),
        (None, Annotation(None, why="no label was given")),
        ("eggs", Annotation(None, why="no label, but 'eggs'")),
        (("spam", float("nan")), Annotation(None, why="a confidence that is no number: 'nan'")),
    ],
)
def test_a_function_gives_labels_pairs_or_nothing(said: Any, due: Annotation) -> None:
    assert annotate(["x", "y"], LABELS, Function(lambda texts: [said] * len(texts), "f")) == [due, due]


@pytest.mark.parametrize("given", ["spam", None, ["spam"]])
def test_a_function_that_gives_something_else(given: Any) -> None:
    with pytest.raises(ContractError, match="one answer for each of 2"):
        annotate(["x", "y"], LABELS, Function(lambda _: given, "f"))


# ── the command ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def askwise(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """`askwise("annotate", FILE, …)` → (exit code, output, error output)."""

    def run(*args: Any) -> tuple[int, str, str]:
        code, out, err = ran(capsys, monkeypatch, *args)
        return code, out, SLOW.sub("", err)

    return run


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.csv"
    with path.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["id", "text", "by_me"])
        for i, (item, label) in enumerate(zip(ITEMS, TRUTH, strict=True)):
            table.writerow([i, item, label if i < 8 else ""])
        table.writerow([30, "", ""])
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_file_goes_in_and_comes_back_with_guesses(
    mail: Path, tmp_path: Path, askwise: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    with serving(right) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        how = ["--by", "llm:small", "--text", "text", "--label", "by_me", "--confidence", "--out", out]
        code, said, err = askwise("annotate", mail, *how, "--price", "1,2", "--first", "5")
        assert (code, len(endpoint.requests)) == (0, 5)
        code, said, err = askwise("annotate", mail, *how, "--price", "1,2")
        assert code == 0, err
        assert Counter(endpoint.items) == Counter(ITEMS[8:]), "those of the first run are kept"
        nearest = [json.loads(m["content"])["item"] for m in endpoint.requests[0]["messages"][1:-1:2]]
    assert len(nearest) == 8
    assert nearest[-1].startswith(item_in(endpoint.requests[0])[:3]), "the most similar last"
    assert "22 items go to http" in err
    assert "Spent now:" in err
    assert f"askwise check {out} --guess guess --confidence guess_confidence" in said.replace("\n", "")
    rows = rows_of(out)
    assert [row["guess"] for row in rows] == [""] * 8 + TRUTH[8:] + [""]
    assert [row["by_me"] for row in rows[:8]] == TRUTH[:8]
    assert 0.5 < float(rows[9]["guess_confidence"]) < 1
    assert rows[30]["guess_problem"]
    assert mail.with_name("mail.csv.replies.sqlite").exists()


def test_a_function_and_a_program_by_name(
    mail: Path, tmp_path: Path, askwise: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_for_mail.py").write_text(
        "def told(texts):\n    return [('spam' if 'win' in t else 'ham') for t in texts]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "p.py").write_text(PROGRAM)
    for by in ("mine_for_mail:told", f"command:{sys.executable} p.py"):
        out = tmp_path / "out.csv"
        code, said, err = askwise("annotate", mail, "--by", by, "--labels", "ham,spam", "--text", "text", "--out", out)
        assert code == 0, err
        assert ("--confidence guess_confidence" in said.replace("\n", "")) == by.startswith("command:")
        assert [row["guess"] for row in rows_of(out)][:30] == TRUTH


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--by", "llm:small", "--labels", "ham,spam"], "where to"),
        (["--by", "gpt", "--labels", "ham,spam", "--out", "o.csv"], "No annotator 'gpt'"),
        (["--by", "llm:", "--labels", "ham,spam", "--out", "o.csv"], "has a name"),
        (["--by", "llm:x", "--out", "o.csv"], "At least two labels"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "o.txt"], "o.txt"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "no/o.csv"], "does not exist"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "o.csv", "--max-cost", "1"], "--price IN,OUT"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "o.csv", "--price", "1"], "two amounts"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "o.csv", "--price", "1,-1"], "two amounts"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "o.csv", "--per-minute", "0"], "more than 0"),
        (["--by", "command:x", "--labels", "a,b", "--out", "o.csv", "--price", "1,1"], "goes with a language model"),
        (["--by", "command:no-such-thing", "--labels", "a,b", "--out", "o.csv"], "cannot be run"),
        (["--by", "nomodule:f", "--labels", "a,b", "--out", "o.csv"], "nomodule"),
        (["--by", "llm:x", "--labels", "a,b", "--out", "mail.csv"], "stays as it is"),
    ],
)
def test_mistakes_are_sentences(
    mail: Path,
    askwise: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(mail.parent)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    before = mail.read_bytes()
    code, _, err = askwise("annotate", "mail.csv", "--text", "text", *options)
    flat = " ".join(err.split())
    assert (code, says in flat, "Traceback" in flat) == (2, True, False), flat
    assert mail.read_bytes() == before
