"""Files with entities: CoNLL, doccano, Prodigy, tokens and tags, .spacy; in and out."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise import spans
from askwise.core import BadInput
from askwise.formats import conll, docbin, marked
from askwise.formats.table import Table
from askwise.spans import Span
from askwise.tables import file_format, read_file

SHARED = Path(__file__).parents[2] / "shared" / "data" / "spans"


def table_of(path: Path, data: str | bytes) -> Table:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_file(path, file_format(path, None))


def rows_of(path: Path, rows: list[dict]) -> Table:
    return marked.marked(table_of(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)))


# ── CoNLL ───────────────────────────────────────────────────────────────────────────────────

PARIS = ["Ada", "saw", "New", "York", "and", "Bob"]
ANSWER = '[[0,3,"PER"],[8,16,"LOC"],[21,24,"PER"]]'
SCHEMES = {
    "bio": ["B-PER", "O", "B-LOC", "I-LOC", "O", "B-PER"],
    "iob1": ["I-PER", "O", "I-LOC", "I-LOC", "O", "B-PER"],
    "bioes": ["S-PER", "O", "B-LOC", "E-LOC", "O", "S-PER"],
    "bilou": ["U-PER", "O", "B-LOC", "L-LOC", "O", "U-PER"],
    "io": ["I-PER", "O", "I-LOC", "I-LOC", "O", "I-PER"],
    "bare": ["PER", "O", "LOC", "LOC", "O", "PER"],
}


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("between", ["\t", " ", " NN I-NP "], ids=["tab", "blank", "four"])
def test_conll_in_each_scheme(tmp_path: Path, name: str, between: str) -> None:
    lines = [f"{word}{between}{tag}" for word, tag in zip(PARIS, SCHEMES[name], strict=True)]
    found = table_of(tmp_path / "x.conll", "\n".join(["-DOCSTART- -X- O", "", *lines, "", "", "Hm\tO"]))
    assert found.columns == {
        "text": [" ".join(PARIS), "Hm"], "spans": [ANSWER, "[]"], "tokens": [PARIS, ["Hm"]]
    }  # fmt: skip
    assert not found.bad
    wanted = {"iob1": "bio", "bilou": "bioes", "bare": "io"}.get(name, name)
    assert found.read_as["scheme"] == wanted


def test_spans_that_touch_stay_two_where_the_scheme_can_say_so() -> None:
    at = spans.join(["a", "b", "c"])[1]
    for scheme, tags in (("bio", ["B-x", "B-x", "I-x"]), ("bioes", ["S-x", "B-x", "E-x"])):
        assert spans.from_tags(conll.usual(tags, scheme), at) == (Span(0, 1, "x"), Span(2, 5, "x"))
    assert spans.from_tags(conll.usual(["S-x", "I-x", "E-x"], "bioes"), at) == (Span(0, 1, "x"), Span(2, 5, "x"))
    assert spans.from_tags(conll.usual(["I-x"] * 3, "io"), at) == (Span(0, 5, "x"),)


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "B-b", "I-b"]), max_size=10))
def test_schemes_go_back_to_what_they_were(tags: list[str]) -> None:
    _, at = spans.join(["w"] * len(tags))
    valid = spans.to_tags(spans.from_tags(tags, at), at)
    assert conll.usual(conll.from_bio(valid, "bioes"), "bioes") == valid
    assert conll.usual(conll.from_bio(valid, "bio"), "bio") == valid
    if not any(tag[0] == "B" and before[2:] == tag[2:] for before, tag in itertools.pairwise(valid)):
        again = conll.usual(conll.from_bio(valid, "io"), "io")
        assert spans.from_tags(again, at) == spans.from_tags(valid, at)


def test_bad_lines_of_conll_are_told_with_their_numbers(tmp_path: Path) -> None:
    data = "# a comment\na\tO\n\nb\tO\nlonely\nc\tB-x\n\n#\tO\n# B-x\n\n\tO\n\nd\tX-y\n\ne\t\n\nf\tO\n"
    found = table_of(tmp_path / "x.bio", data)
    assert {row: (found.lines[row], why) for row, why in found.bad.items()} == {
        1: (4, "in line 5 holds one column ('lonely'); a token and its tag are needed"),
        3: (11, "holds a tag without a token"),
        4: (13, "has tags that cannot be used: 'X-y' is no tag. Tags are O, B-label, I-label."),
        5: (15, "holds no tag for the token 'e'"),
    }
    assert found.columns["text"] == ["a", None, "# #", None, None, None, "f"]
    assert found.raw[1] == "b\tO lonely c\tB-x"


def test_files_that_hold_no_sentence_are_refused(tmp_path: Path) -> None:
    for data in ("\n\n", "# only\n", "word\nword\n", "-DOCSTART-\n"):
        with pytest.raises(BadInput, match="holds no sentence with tags"):
            table_of(tmp_path / "x.conll", data)
    with pytest.raises(BadInput, match="No scheme named 'bilou'"):
        conll.read_conll(None, "bilou")


def test_conll_packed_and_with_a_mark_of_bytes(tmp_path: Path) -> None:
    data = gzip.compress("\ufeffZoë B-PER\r\n\r\n".encode())
    assert table_of(tmp_path / "x.conll.gz", data).columns["spans"] == ['[[0,3,"PER"]]']


@pytest.mark.parametrize("scheme", conll.SCHEMES)
def test_conll_out_and_in(tmp_path: Path, scheme: str) -> None:
    rows = [
        (" ".join(PARIS), ANSWER, PARIS),
        ("U.S. troops", '[[0,4,"ORG"]]', ["U.S.", "troops"]),
        ("U.S. troops", '[[0,3,"ORG"]]', ["U.S.", "troops"]),  # divides a token of the file: ours are used
        ("", "[]", None),
        ("😀 Oslo", '[[2,6,"LOC"]]', None),
    ]
    file = io.StringIO()
    assert conll.write_conll(file, rows, scheme=scheme) == 4
    found = table_of(tmp_path / "x.conll", file.getvalue())
    assert found.columns["text"] == [rows[0][0], "U.S. troops", "U . S . troops", "😀 Oslo"]
    assert found.columns["spans"] == [ANSWER, '[[0,4,"ORG"]]', '[[0,5,"ORG"]]', '[[2,6,"LOC"]]']
    assert found.read_as["scheme"] == scheme
    with pytest.raises(BadInput, match="cannot be written as a line"):
        conll.write_conll(io.StringIO(), [("a", '[[0,1,"x\\ty"]]', None)])


# ── objects ─────────────────────────────────────────────────────────────────────────────────


def test_doccano_and_prodigy_and_tags(tmp_path: Path) -> None:
    text = "😀 Ada met Bob"
    wanted = '[[2,5,"PER"],[10,13,"PER"]]'
    doccano = [[2, 5, "PER"], [10, 13, "PER"]]
    for row in (
        {"id": 1, "text": text, "label": doccano},
        {"text": text, "labels": doccano},
        {"text": text, "label": [], "entities": doccano} | {"label": doccano},
        {"text": text, "entities": [{"label": "PER", "start_offset": s, "end_offset": e} for s, e, _ in doccano]},
        {"text": text, "spans": [{"start": s, "end": e, "label": n, "token_start": 1} for s, e, n in doccano]},
        {"text": text, "spans": wanted},
        {"tokens": text.split(), "tags": ["O", "B-PER", "O", "B-PER"]},
        {"tokens": text.split(), "tags": ["O", "S-PER", "O", "S-PER"]},
        {"tokens": text.split(), "ner_tags": ["O", "I-PER", "O", "I-PER"]},
        {"tokens": [{"text": word} for word in text.split()], "tags": ["O", "PER", "O", "PER"]},
    ):  # fmt: skip
        found = rows_of(tmp_path / "x.jsonl", [row])
        assert found.columns["text"] == [text]
        assert found.columns["spans"] == [wanted], row
        assert not found.flaws["spans"]


def test_rows_without_an_answer_are_open_and_bad_answers_said(tmp_path: Path) -> None:
    text = "Ada met 😀 Bob"
    found = rows_of(tmp_path / "x.jsonl", [
        {"text": text, "spans": [], "answer": "accept"},
        {"text": text, "spans": [[0, 3, "PER"]], "answer": "reject"},
        {"text": text, "spans": [[0, 3, "PER"]], "answer": "ignore"},
        {"text": text, "spans": None},
        {"text": text},
        {"text": text, "spans": [[11, 14, "PER"]]},  # as JavaScript counts
        {"text": text, "spans": [[0, 2, "PER"]]},
        {"text": text, "spans": "Ada"},
        {"spans": [[0, 2, "PER"]]},
    ])  # fmt: skip
    assert found.columns["spans"] == ["[]"] + [None] * 8
    assert set(found.flaws["spans"]) == {5, 6, 7, 8}
    assert "UTF-16" in found.flaws["spans"][5]
    assert "'Ad' in 'Ada'" in found.flaws["spans"][6]
    assert any("In 1 rows nothing is marked" in note for note in found.notes)
    assert any("2 rows were rejected or ignored" in note for note in found.notes)
    assert "an answer that cannot be used" in found.flaw(6, ["spans"])


def test_a_column_of_names_is_no_list_of_spans(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "x.jsonl", [{"text": "a b", "label": "spam"}])
    assert found.columns["spans"] == [None]
    found = rows_of(tmp_path / "x.jsonl", [{"text": "a b", "labels": ["spam", "ham"]}])
    assert not found.flaws["spans"]
    with pytest.raises(BadInput, match="neither a column 'text' nor one 'tokens'"):
        rows_of(tmp_path / "x.jsonl", [{"body": "a b"}])
    numbers = rows_of(tmp_path / "x.jsonl", [{"tokens": ["a"], "tags": [3]}])
    assert "tags are numbers" in numbers.flaws["spans"][0]


def test_what_is_written_for_other_tools_is_read_again(tmp_path: Path) -> None:
    text, wanted = "😀 Ada met Bob.", '[[2,5,"PER"],[10,13,"PER"]]'
    for row in (marked.as_doccano(text, wanted), marked.as_prodigy(text, wanted)):
        found = rows_of(tmp_path / "x.jsonl", [row])
        assert (found.columns["text"], found.columns["spans"]) == ([text], [wanted])
    prodigy = marked.as_prodigy(text, wanted)
    assert [token["text"] for token in prodigy["tokens"]] == ["😀", "Ada", "met", "Bob", "."]
    assert [token["ws"] for token in prodigy["tokens"]] == [True, True, True, False, False]
    assert prodigy["spans"][1] == {"start": 10, "end": 13, "label": "PER", "token_start": 3, "token_end": 3}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets are not beside this project")
@pytest.mark.parametrize("name", ["wikiann_en_dev", "wnut17_train"])
def test_the_shared_sets_load_without_loss(tmp_path: Path, name: str) -> None:
    source = SHARED / f"{name}.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(source.read_bytes()).decode().splitlines()]
    found = marked.marked(read_file(source, "jsonl"))
    assert len(found) == len(rows)
    assert not found.bad
    for row in random.Random(0).sample(range(len(rows)), 500):
        text, at = spans.join(rows[row]["tokens"])
        assert found.columns["text"][row] == text
        if row not in found.flaws["spans"]:
            assert spans.to_tags(spans.parse(found.columns["spans"][row]), at) == spans.to_tags(
                spans.from_tags(rows[row]["tags"], at), at
            )
    assert len(found.flaws["spans"]) <= 0.001 * len(rows), found.flaws["spans"]


# ── .spacy ──────────────────────────────────────────────────────────────────────────────────

SENTENCES = [
    ("Ada Lovelace  met \n Bob, in New York.", '[[0,12,"PER"],[20,23,"PER"],[28,36,"LOC"]]', None),
    (" 😀 U.S. troops ", '[[3,7,"ORG"]]', None),
    ("U.S. troops", '[[0,4,"ORG"]]', ["U.S.", "troops"]),
    ("nothing", "[]", None),
]


def test_spacy_out_and_in(tmp_path: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'askwise[spacy]'")
    with (tmp_path / "x.spacy").open("wb") as file:
        assert docbin.write_docbin(file, SENTENCES) == 4
    found = read_file(tmp_path / "x.spacy", "spacy")
    assert found.columns["text"] == [text for text, _, _ in SENTENCES]
    assert found.columns["spans"] == [answer for _, answer, _ in SENTENCES]
    assert found.columns["tokens"][2] == ["U.S.", "troops"]
    import spacy

    doc = next(spacy.tokens.DocBin().from_disk(tmp_path / "x.spacy").get_docs(spacy.blank("en").vocab))
    assert [(ent.text, ent.label_) for ent in doc.ents] == [
        ("Ada Lovelace", "PER"),
        ("Bob", "PER"),
        ("New York", "LOC"),
    ]


def test_spacy_files_of_others(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed: pip install 'askwise[spacy]'")
    nlp = spacy.blank("en")
    known, open_, cut = nlp("Ada sang"), nlp("Bob sang"), nlp("isn't")
    known.ents = [known.char_span(0, 3, "PER")]
    cut.ents = [cut.char_span(0, 2, "X")]  # "is" of "isn't", which are one word here
    known.user_data["x"] = "y"
    spacy.tokens.DocBin(docs=[known, open_, cut], store_user_data=True).to_disk(tmp_path / "x.spacy")
    found = read_file(tmp_path / "x.spacy", "spacy")
    assert found.columns["spans"] == ['[[0,3,"PER"]]', None, None]
    assert list(found.flaws["spans"]) == [2]
    for data in (b"", b"nothing", zlib.compress(b"\x81"), zlib.compress(bytes(200_000_000))):
        (tmp_path / "y.spacy").write_bytes(data)
        with pytest.raises(BadInput, match=r"y\.spacy"):
            read_file(tmp_path / "y.spacy", "spacy")
