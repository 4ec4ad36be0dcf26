"""References as literature databases export them: RIS and PubMed (NBIB) by rispy, EndNote XML by expat."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree
from xml.parsers import expat

from askwise.core import BadInput, MissingExtra
from askwise.formats.table import Table
from askwise.formats.text import Lines

FIRST = ("title", "abstract", "authors", "year", "journal", "doi", "keywords")
"""The columns that every such table has, in this order; what else the records hold follows."""
TEXTS = ("title", "abstract")
SEPARATOR = "; "
"""Between several authors, keywords …"""

PUBMED = {
    "PMID": "pmid", "TI": "title", "AB": "abstract", "FAU": "authors", "AU": "short_authors", "DP": "publication_date",
    "JT": "journal", "TA": "short_journal", "LID": "location_ids", "AID": "article_ids", "OT": "keywords",
    "MH": "mesh_terms", "PT": "types", "LA": "language", "VI": "volume", "IP": "number", "PG": "pages", "IS": "issn",
    "PMC": "pmc", "TT": "translated_title", "BTI": "book_title", "AD": "author_addresses", "CI": "copyright",
    "SO": "source", "PL": "place_published", "STAT": "status", "OWN": "owner", "END": "end", "UK": "unknown_tag",
}  # fmt: skip
PUBMED_LISTS = ["FAU", "AU", "LID", "AID", "OT", "MH", "PT", "LA", "IS", "AD"]
RIS_ALIASES = {
    "title": ("title", "primary_title"),
    "abstract": ("abstract", "notes_abstract"),
    "authors": ("authors", "first_authors"),
    "year": ("year", "publication_year", "date"),
    "journal": ("alternate_title3", "journal_name", "secondary_title", "alternate_title2"),
}
"""Where databases put one and the same; the first that holds something counts."""
ENDNOTE = {
    "title": ("titles/title",),
    "abstract": ("abstract",),
    "authors": ("contributors/authors/author",),
    "year": ("dates/year",),
    "journal": ("periodical/full-title", "titles/secondary-title"),
    "doi": ("electronic-resource-num",),
    "keywords": ("keywords/keyword",),
    "volume": ("volume",),
    "number": ("number",),
    "pages": ("pages",),
    "issn": ("isbn",),
    "publisher": ("publisher",),
    "language": ("language",),
    "accession_number": ("accession-num",),
    "urls": ("urls/related-urls/url",),
    "notes": ("notes",),
    "research_notes": ("research-notes",),
    "label": ("label",),
    "rec_number": ("rec-number",),
}

_RIS_TAG = re.compile(r"([A-Z][A-Z0-9])  -(?: (.*))?$", re.S)
_PUBMED_TAG = re.compile(r"([A-Z][A-Z0-9]{0,3}) {0,3}- (.*)$", re.S)

Numbered = list[tuple[int, str, str | None]]


# ── RIS and PubMed ──────────────────────────────────────────────────────────────────────────


def read_ris(lines: Lines) -> Table:
    """The records of a RIS file.

    Raises:
        BadInput: There are none.
        MissingExtra: rispy is not installed.
    """
    rispy = _rispy()
    parser = rispy.RisParser()

    def parsed(record: Numbered) -> dict[str, Any]:
        text = [line for _, line, _ in record if not line.startswith("ER  -")]
        (found,) = parser.parse_lines(iter([*text, "ER  - "]))
        return _renamed(found, RIS_ALIASES)

    records = _divided(lines, starts=lambda line: bool(re.match("TY  -", line)), ends=lambda line: line[:5] == "ER  -")
    return _table(records, parsed, lines.name, "RIS (its records begin with 'TY  - ')")


def read_nbib(lines: Lines) -> Table:
    """The records of a PubMed (MEDLINE, NBIB) file.

    Raises:
        BadInput: There are none.
        MissingExtra: rispy is not installed.
    """
    rispy = _rispy()

    class PubMed(rispy.RisParser):  # type: ignore[misc, name-defined]
        START_TAG = "PMID"
        END_TAG = "END"
        DEFAULT_MAPPING = PUBMED
        DEFAULT_LIST_TAGS = PUBMED_LISTS
        DEFAULT_DELIMITER_MAPPING: dict[str, str] = {}  # noqa: RUF012 - as the base class has it

        def parse_line(self, line: str) -> tuple[str | None, str]:
            match = _PUBMED_TAG.match(line)
            return (match[1], match[2].strip()) if match else (None, line.strip())

    parser = PubMed()

    def parsed(record: Numbered) -> dict[str, Any]:
        unfolded: list[str] = []
        for _, line, _ in record:
            if unfolded and line.startswith("      "):
                unfolded[-1] += " " + line.strip()
            elif line.strip():
                unfolded.append(line)
        (found,) = parser.parse_lines(iter([*unfolded, "END - "]))
        year = re.match(r"\d{4}", str(found.get("publication_date", "")))
        found["year"] = year.group() if year else None
        ids = [*found.get("location_ids", []), *found.get("article_ids", [])]
        found["doi"] = next((text.removesuffix("[doi]").strip() for text in ids if text.endswith("[doi]")), None)
        if not found.get("title"):
            found["title"] = found.get("book_title")
        if not found.get("authors"):
            found["authors"] = found.get("short_authors")
        return dict(found)

    records = _divided(lines, starts=lambda line: line.startswith("PMID-"), ends=lambda line: not line.strip())
    return _table(records, parsed, lines.name, "PubMed (its records begin with 'PMID- ')")


def _rispy() -> Any:
    try:
        import rispy
    except ImportError:
        raise MissingExtra(
            "RIS and PubMed files need rispy, which is not installed. Install it: pip install 'askwise[references]'"
        ) from None
    return rispy


def _divided(lines: Lines, *, starts: Callable[[str], bool], ends: Callable[[str], bool]) -> Iterator[Numbered]:
    """The lines of each record; one that never ends does so where the next begins."""
    record: Numbered = []
    for number, line, damage in lines:
        line = line.rstrip("\r\n").removeprefix("\ufeff")
        if starts(line):
            if record:
                yield record
            record = [(number, line, damage)]
        elif record:
            record.append((number, line, damage))
            if ends(line):
                yield record
                record = []
    if record:
        yield record


def _table(records: Iterator[Numbered], parsed: Callable[[Numbered], dict[str, Any]], name: str, what: str) -> Table:
    rows: list[dict[str, Any]] = []
    numbers = array("q")
    bad: dict[int, str] = {}
    for record in records:
        damage = next((damage for _, _, damage in record if damage), None)
        row: dict[str, Any] = {}
        if damage is None:
            try:
                row = parsed(record)
            except (KeyError, TypeError, AttributeError, ValueError) as error:  # rispy on lines that follow no rule
                damage = f"is no record that can be read ({type(error).__name__}: {error})"
        if damage is not None:
            bad[len(numbers)] = damage
        rows.append(row)
        numbers.append(record[0][0])
    return _filled_in(rows, bad, numbers, name, what)


def _renamed(found: dict[str, Any], aliases: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    row = dict(found)
    for name, places in aliases.items():
        place = next((place for place in places if row.get(place)), None)
        if place is not None and place != name:
            row[name] = row[place]
            if place not in ("secondary_title", "date"):  # these say more than that
                del row[place]
    return row


def _filled_in(
    rows: list[dict[str, Any]], bad: dict[int, str], lines: Sequence[int] | None, name: str, what: str
) -> Table:
    """The table of these records, each column as text."""
    if not rows:
        raise BadInput(f"{name!r} holds no record of the format {what}.")
    flat = [_flat(row) for row in rows]
    names = dict.fromkeys([*FIRST, *(key for row in flat for key in row)])
    columns = {key: [row.get(key) for row in flat] for key in names}
    kept = {key: cells for key, cells in columns.items() if key in TEXTS or any(cells)}
    return Table(kept, bad, lines, texts=tuple(key for key in TEXTS if any(columns[key])) or TEXTS[:1])


def _flat(row: Mapping[str, Any]) -> dict[str, str | None]:
    """Lists as one text; what the library does not know under its tag."""
    flat: dict[str, str | None] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            flat |= {
                str(tag).lower(): SEPARATOR.join(map(str, parts)) for tag, parts in value.items() if tag and any(parts)
            }
        elif isinstance(value, list):
            flat[key] = SEPARATOR.join(str(part) for part in value if part) or None
        else:
            flat[key] = None if value is None else str(value).strip() or None
    return flat


# ── EndNote XML ─────────────────────────────────────────────────────────────────────────────


def read_endnote(stream: BinaryIO, path: Path) -> Table:
    """The records of an EndNote XML export.

    Raises:
        BadInput: No XML, a document type (which may hold entities), or no records.
    """
    what = "EndNote XML (<records> with a <record> for each)"
    rows: list[dict[str, Any]] = []
    try:
        head = _prolog(stream, path.name)
        parser: Any = ElementTree.XMLPullParser(events=("end",))
        piece = head
        while piece:
            parser.feed(piece)
            for _, element in parser.read_events():
                if element.tag == "record":
                    rows.append(_endnote(element))
                    element.clear()
            piece = stream.read(1 << 16)
        parser.close()
    except (ElementTree.ParseError, expat.ExpatError, ValueError, LookupError) as error:
        raise BadInput(f"{path.name!r} is no XML that can be read ({error}). Export it again.") from None
    return _filled_in(rows, {}, None, path.name, what)


def _prolog(stream: BinaryIO, name: str) -> bytes:
    """The bytes up to and with the first element, which has no document type before it: so there are no entities."""
    met: list[str] = []
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = lambda *_: met.append("doctype")
    parser.StartElementHandler = lambda *_: met.append("element")
    read = bytearray()
    while not met and (piece := stream.read(1 << 12)):
        read += piece
        parser.Parse(piece, False)
    if met[:1] == ["doctype"]:
        raise BadInput(f"{name!r} is XML with a document type, which EndNote does not write; such files are not read.")
    if not met:
        raise BadInput(f"{name!r} is no XML with elements. Give an export of EndNote as XML.")
    return bytes(read)


def _endnote(record: ElementTree.Element) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, places in ENDNOTE.items():
        for place in places:
            texts = ["".join(found.itertext()).strip() for found in record.iterfind(place)]
            if any(texts):
                row[name] = [text for text in texts if text]
                break
    kind = record.find("ref-type")
    if kind is not None:
        row["type_of_reference"] = kind.get("name") or "".join(kind.itertext()).strip()
    for number in range(1, 8):
        custom = record.find(f"custom{number}")
        if custom is not None:
            row[f"custom{number}"] = "".join(custom.itertext())
    return row
