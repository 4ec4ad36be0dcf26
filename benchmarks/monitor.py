"""How seldom a monitor cries wolf, and how soon it sees one: the tables of docs/monitor.md.

    python benchmarks/monitor.py                # 200 runs of each, some 20 minutes on a core
    python benchmarks/monitor.py --bets         # the bets alone, over 100,000 items
    python benchmarks/monitor.py --docs         # write the tables of what was measured

Text messages: sessions on 2,500 of them label 500, certify at 2 %, and give their model away. The others, which neither
model nor encoder has seen, are an urn: reference and new messages are drawn from it with replacement, so that without
a planted shift both are alike exactly, for as long a stream as one likes. What a model says of a message is computed
once; the rest of a run is a real `Monitor`, each check answered with the true label. Writes out/monitor.jsonl, a line a
run; runs that are there are not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from askwise import Session, tasks
from askwise.audit import drift
from askwise.core import Array
from askwise.model.said import to_ask
from askwise.monitor import Monitor
from certificate import put
from certificate_pools import SHARED, _rows

OUT, BETS = Path("out/monitor.jsonl"), Path("out/monitor_bets.json")
DOCS = Path("docs/monitor.md")
LIMIT = 0.02
POOL = 2500
LABELS = 500
MODELS = 4
RUNS = 200
LONG, LONGEST = 20_000, 100_000
"""Items of a run without a shift, and where bets are looked at alone."""
BEFORE, AFTER = 2000, 4000
"""Items before and after a planted shift."""
BATCH = 200
REFERENCE, FIRST = 500, 300
"""Reference items held back, and of the new ones at the command line."""

WORDS = """
you:du he:er she:sie we:wir they:sie it:es me:mich my:mein your:dein our:unser his:sein her:ihr the:die a:eine
an:ein and:und or:oder but:aber not:nicht no:nein yes:ja to:zu for:für of:von in:in on:auf at:um by:bei with:mit
from:von is:ist are:sind was:war be:sein have:haben has:hat had:hatte do:tun did:tat will:werde would:würde
can:kann could:könnte should:sollte go:gehen going:gehe come:kommen coming:komme get:bekommen got:bekam
know:weiß think:denke want:will need:brauche like:mag love:liebe see:sehen say:sagen tell:erzähl call:ruf
text:sms send:sende reply:antworte stop:stopp free:gratis now:jetzt today:heute tomorrow:morgen tonight:heut
time:zeit day:tag week:woche night:nacht home:zuhause work:arbeit good:gut great:toll nice:schön new:neu old:alt
big:groß dear:liebe sorry:entschuldige please:bitte thanks:danke ok:gut hi:hallo hey:he what:was when:wann
where:wo who:wer why:warum how:wie this:dies that:das there:dort here:hier if:wenn so:so then:dann just:nur
still:noch already:schon again:wieder all:alle some:etwas any:irgendein more:mehr much:viel very:sehr too:auch
only:nur up:auf out:aus down:runter back:zurück about:über after:nach before:vor win:gewinne won:gewonnen
prize:preis cash:bargeld claim:fordere phone:telefon mobile:handy number:nummer message:nachricht service:dienst
customer:kunde week's:wochen guaranteed:garantiert urgent:dringend line:leitung babe:schatz am:bin im:bin
dont:nicht ur:dein u:du r:bist 4:für 2:zu n:und wat:was da:die lor:eben meet:treffen ask:frage wait:warte
take:nimm give:gib make:mach let:lass feel:fühle hope:hoffe happy:froh sleep:schlaf money:geld
"""
GERMAN = dict(pair.split(":") for pair in WORDS.split())
"""English word → German one: the commonest of the messages."""
TEMPLATES = (
    "Hi mum its me, i dropped my phone so this is my new number. Can you text me when you see this, need help with {}",
    "Hey are you home later? I cant pay {} until monday, could you do it for me and i will give it back on sunday x",
    "Sorry to bother you, the driver was at your door with {} but nobody was in. Tell us when you are home tomorrow",
    "Hello love, hope you are well. I saw {} and thought of you, lets talk, add me and we can meet at the weekend",
    "Its {} from work, i am in a meeting and cant talk. Can you get some gift cards for me? Will pay you tonight",
)  # fmt: skip
THINGS = (
    "the rent", "a bill", "the school", "your parcel", "the plumber", "the car", "dinner", "your sister", "the trip",
    "the tickets",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One life of a monitor."""

    kind: str
    model: int
    seed: int
    items: int
    checks: int
    false: str
    """Before any shift: "labels" = a false "no longer", "looks", "both", or ""."""
    looked: int | None
    """Items from the shift until new ones were said to look different; None = never."""
    ended: int | None
    """Items from the shift until "no longer", to the end of a batch; None = never."""
    spent: int | None
    """Checks from the shift until then."""
    withdrawn: int | None
    """Items from the shift until "still holds" was not said any more, to the end of a batch."""
    false_holds: bool
    """"Still holds" was said when it was not so of the items so far."""
    wrong: float
    """Share wrong of the labels by the model since the shift (without one, of all)."""
    covered: float
    """Share of the items since the shift that the model labels."""
    held: int | None
    """Items until "still holds" was said first, to the end of a batch."""
    held_checks: int | None
    last: str
    """The verdict at the end."""


class Cached:
    """What a model says of known items; an item is its number here."""

    kind, task, task_ = "text", "one", tasks.get("one")

    def __init__(self, model: Any, texts: list[str]) -> None:
        self.card, self.labels_ = model.card, model.labels_
        self.features, self.labels, self.sure = model.seen(texts)

    def seen(self, rows: Any) -> tuple[Array, list[str], Array]:
        """As `Model.seen`."""
        rows = np.asarray(rows, int)
        return self.features[rows], [self.labels[row] for row in rows.tolist()], self.sure[rows]


@dataclass(frozen=True)
class Setting:
    """A certified model, and numbers of items by what they are for."""

    model: Cached
    truth: list[str]
    planned: tuple[int, int]
    rows: dict[str, Array]
    covers: Array
    """(n,) bool: whether the model labels the message itself."""
    wrong: Array
    """(n,) bool: whether it does so wrongly."""


def translated(text: str) -> str:
    return re.sub(r"[\w']+", lambda word: GERMAN.get(word[0].lower(), word[0]), text)


def setting(number: int) -> Setting:
    """Label 500 of 2,500 messages, certify the rest, and have the model look at all others."""
    found = {r["text"]: r["label"] for r in _rows("spam_sms/sms_spam.csv.gz") if r["label"] in ("ham", "spam")}
    texts = [text for text in found if text.strip()]
    rng = np.random.default_rng(number)
    texts = [texts[i] for i in rng.permutation(len(texts)).tolist()]
    pool, urn = texts[:POOL], texts[POOL:]
    oracle = lambda queries: [found[query.text] for query in queries]  # noqa: E731
    with Session(pool, classes=["ham", "spam"], encoder="tfidf", max_error=LIMIT, seed=number) as session:
        while session.counts()["labeled"] < LABELS:
            for query in session.ask(20):
                session.tell(query, found[query.text])
            session.refresh()
        done = session.autolabel(oracle=oracle)
        if done.certificate is None:
            raise SystemExit(f"Model {number} got no certificate: {done.reason}")
        certificate, certified = done.certificate, [session.pool.contents[session._rows[i]] for i in done.labels]
        model = session.model()
    questions = [row["text"] for row in _rows("text_trec6/trec6.csv.gz")]
    things = rng.choice(THINGS, 300)
    parts: dict[str, list[tuple[str, str]]] = {
        "urn": [(text, found[text]) for text in urn],
        "certified": [(text, found[text]) for text in certified],
        "german": [(translated(text), found[text]) for text in urn],
        "questions": [(text, "ham") for text in questions],
        "template": [(TEMPLATES[i % len(TEMPLATES)].format(thing), "spam") for i, thing in enumerate(things.tolist())],
    }
    rows, start = {}, 0
    for name, part in parts.items():
        rows[name] = np.arange(start, start + len(part))
        start += len(part)
    everything = [pair for part in parts.values() for pair in part]
    cached = Cached(model, [text for text, _ in everything])
    truth = [label for _, label in everything]
    covers = ~to_ask(cached.labels, cached.sure, cached.card)
    wrong = covers & (np.array(cached.labels) != np.array(truth))
    return Setting(cached, truth, (certificate.audits, certificate.wrong), rows, covers, wrong)


KINDS: dict[str, tuple[str, float]] = {
    "none": ("urn", 0.0),
    "language": ("german", 1.0),
    "spam": ("template", 0.3),
    "spam, rare": ("template", 0.05),
    "harmless": ("questions", 1.0),
    "certified": ("urn", 0.0),
    "first": ("urn", 0.0),
    "first, language": ("german", 1.0),
    "first, spam": ("template", 0.3),
}
"""Kind → (what comes after the shift, share of the items that it is)."""


def stream(kind: str, rows: dict[str, Array], rng: np.random.Generator) -> Iterator[tuple[bool, Array]]:
    """(whether it is after the shift, a batch of items)."""
    source, part = KINDS[kind]
    usual = lambda: rng.choice(rows["urn"], BATCH)  # noqa: E731
    if not part:
        for _ in range((LONG if kind in ("none", "first") else BEFORE + AFTER) // BATCH):
            yield False, usual()
        return
    for _ in range(BEFORE // BATCH):
        yield False, usual()
    for _ in range(AFTER // BATCH):
        yield True, np.where(rng.random(BATCH) < part, rng.choice(rows[source], BATCH), usual())


def run(kind: str, number: int, seed: int, at: Setting) -> Run:
    rng = np.random.default_rng([number, seed, list(KINDS).index(kind)])
    source = "certified" if kind == "certified" else "urn"
    reference: Any = rng.choice(at.rows[source], REFERENCE, replace=kind != "certified")
    if kind.startswith("first"):  # as at the command line
        reference = FIRST
    monitor = Monitor(
        at.model, reference, max_error=LIMIT, planned=at.planned, seed=seed,
        compare="confident" if kind == "certified" else "all",
    )  # fmt: skip
    seen: dict[str, Any] = defaultdict(lambda: None)
    items = checks = wrong = covered = wrong_after = covered_after = after = checks_before = 0
    false_holds = False
    for shifted, rows in stream(kind, at.rows, rng):
        taken = monitor.take(rows)
        for check in taken.checks:
            monitor.tell(check, at.truth[rows[check - taken.numbers[0]]])
        errors, labeled = int(at.wrong[rows].sum()), int(at.covers[rows].sum())
        wrong, covered, items = wrong + errors, covered + labeled, items + len(rows)
        checks += len(taken.checks)
        verdict = monitor.verdict
        holds = verdict == "still holds"
        false_holds |= holds and wrong > LIMIT * covered
        if holds and seen["held"] is None:
            seen["held"], seen["held_checks"] = items, checks
        if not shifted:
            checks_before = checks
            if verdict == "no longer":
                seen["ended early"] = True
            continue
        after += len(rows)
        wrong_after, covered_after = wrong_after + errors, covered_after + labeled
        if not holds and seen["withdrawn"] is None:
            seen["withdrawn"] = after
        if verdict == "no longer" and seen["ended"] is None:
            seen["ended"], seen["spent"] = after, checks - checks_before
    status = monitor.status()
    looked = status.looks_different
    early = [name for name, bad in (
        ("labels", seen["ended early"]), ("looks", looked is not None and (looked < BEFORE or not after)),
    ) if bad]  # fmt: skip
    if looked is not None and after and looked >= BEFORE:
        seen["looked"] = looked - BEFORE + 1
    share = (wrong_after, covered_after, after) if after else (wrong, covered, status.items)
    false = "both" if len(early) == 2 else "".join(early)
    return Run(
        kind, number, seed, status.items, status.checks, false, seen["looked"], seen["ended"],
        seen["spent"], seen["withdrawn"], false_holds, share[0] / max(1, share[1]), share[1] / share[2],
        seen["held"], seen["held_checks"], status.verdict,
    )  # fmt: skip


def bets(runs: int) -> dict[str, int]:
    """Of long streams without a shift, those with a false alarm: the bets alone, with nothing to spare.

    Checks: a tenth of 100,000 labels, of which each is wrong with exactly the probability that is allowed. Ranks:
    100,000 items, one channel that spends all that looks may spend.
    """
    found = {"runs": runs, "labels": 0, "looks": 0}
    for seed in range(runs):
        rng = np.random.default_rng([99, seed])
        alarm = drift.strongest_alarm(rng.random(LONGEST // 10) < LIMIT, LIMIT)
        found["labels"] += alarm is not None and alarm.evidence >= math.log(40)
        ranks = drift.Ranks.of(rng.integers(0, 64, (REFERENCE // 2, 1)), 64)
        _, evidence = drift.look(ranks, rng.integers(0, 64, (LONGEST, 1)), rng.random((LONGEST, 1)))
        found["looks"] += bool((evidence >= drift.look_limit(0.025, 1)).any())
    return found


def measure(kinds: list[str], runs: int) -> None:
    OUT.parent.mkdir(exist_ok=True)
    done = {(r.kind, r.model, r.seed) for r in read()}
    for number in range(MODELS):
        todo = [(kind, s) for kind in kinds for s in range(runs // MODELS) if (kind, number, s) not in done]
        if not todo:
            continue
        at = setting(number)
        print(f"model {number}: certified after {at.planned[0]} checks, {at.planned[1]} wrong", flush=True)
        for kind, seed in todo:
            with OUT.open("a") as file:
                file.write(json.dumps(asdict(run(kind, number, seed, at))) + "\n")


def read() -> list[Run]:
    return [Run(**json.loads(line)) for line in OUT.read_text().splitlines()] if OUT.exists() else []


def spread(values: list[Any]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "–"
    low, middle, high = (int(np.percentile(known, at)) for at in (10, 50, 90))
    return f"{middle:,} ({low:,} to {high:,})"


def tables() -> str:
    by_kind: dict[str, list[Run]] = defaultdict(list)
    for one in read():
        by_kind[one.kind].append(one)
    percent: Callable[[int, int], str] = lambda k, n: f"{100 * k / n:.1f} % ({k} of {n})"  # noqa: E731
    names = {
        "none": "none, reference held back",
        "certified": "none, reference from the session",
        "language": "another language, all messages",
        "spam": "a new kind of spam, 30 % of messages",
        "spam, rare": "the same, 5 % of messages",
        "harmless": "questions instead of messages, all right",
        "first": f"none, the first {FIRST} new ones are the reference",
        "first, language": f"another language, the first {FIRST} new ones are the reference",
        "first, spam": f"a new kind of spam, 30 %, the first {FIRST} new ones are the reference",
    }
    lines = [
        "| without a shift | runs | items each | wrong | false “no longer” | falsely “look different” "
        "| false “still holds” | first “still holds” after items (checks) | checks |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("none", "first", "certified"):
        if not (runs := by_kind.get(kind)):
            continue
        n = len(runs)
        lines.append(
            f"| {names[kind]} | {n} | {runs[0].items:,} | {100 * np.mean([r.wrong for r in runs]):.2f} % | "
            f"{percent(sum(r.false in ('labels', 'both') for r in runs), n)} | "
            f"{percent(sum(r.false in ('looks', 'both') for r in runs), n)} | "
            f"{percent(sum(r.false_holds for r in runs), n)} | {spread([r.held for r in runs])} "
            f"({spread([r.held_checks for r in runs])}) | {spread([r.checks for r in runs])} |"
        )
    lines += [
        "",
        f"| shift after {BEFORE:,} items | runs | labeled by the model, wrong | alarms before it "
        "| look different: caught, after items | “still holds” withdrawn, after items "
        "| “no longer”: caught, after items | checks until then | at the end |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("language", "first, language", "spam", "first, spam", "spam, rare", "harmless"):
        if not (runs := by_kind.get(kind)):
            continue
        n = len(runs)
        looked, ended = [r.looked for r in runs], [r.ended for r in runs]
        ends = {
            verdict: sum(r.last == verdict for r in runs) for verdict in ("still holds", "cannot tell", "no longer")
        }
        last = ", ".join(f"{verdict} {100 * count / n:.0f} %" for verdict, count in ends.items() if count)
        lines.append(
            f"| {names[kind]} | {n} | {100 * np.mean([r.covered for r in runs]):.0f} %, "
            f"{100 * np.mean([r.wrong for r in runs]):.1f} % | {sum(r.false != '' for r in runs)} | "
            f"{100 * sum(x is not None for x in looked) / n:.0f} %, {spread(looked)} | "
            f"{spread([r.withdrawn for r in runs if r.held is not None and r.held <= BEFORE])} | "
            f"{100 * sum(x is not None for x in ended) / n:.0f} %, {spread(ended)} | "
            f"{spread([r.spent for r in runs])} | {last} |"
        )
    if BETS.exists():
        alone = json.loads(BETS.read_text())
        n = alone["runs"]
        lines += [
            "",
            f"The bets alone, {n} streams of {LONGEST:,} items with nothing to spare (labels wrong with a probability "
            f"of exactly {LIMIT:.0%}, a tenth of them checked; one channel that spends all that looks may): false "
            f"“no longer” in {percent(alone['labels'], n)}, falsely “look different” in {percent(alone['looks'], n)}; "
            "2.5 % each are allowed.",
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=[*list(KINDS)[1:], "none"])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--docs", action="store_true", help="write the tables of what was measured")
    parser.add_argument("--bets", action="store_true", help="measure the bets alone, over 100,000 items")
    options = parser.parse_args()
    if options.bets:
        OUT.parent.mkdir(exist_ok=True)
        BETS.write_text(json.dumps(bets(options.runs)))
    elif not options.docs:
        if not (SHARED / "spam_sms").exists() or not (SHARED / "text_trec6").exists():
            print("The messages and questions are not here (set ASKWISE_SHARED to the folder that holds data/).")
            return
        measure(options.kinds, options.runs)
    if options.docs:
        DOCS.write_text(put(DOCS.read_text(encoding="utf-8"), "monitor", tables()), encoding="utf-8")


if __name__ == "__main__":
    main()
