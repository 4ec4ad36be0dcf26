"""What certificates cost, what is shown, and whether it is true: the sections of docs/certificate.md.

    python benchmarks/certificate.py cost --seeds 20                       # measure, a line a run, under out/
    python benchmarks/certificate.py --docs                                # write the tables of what was measured

A section is a module `certificate_<section>` with `main(arguments)`, which measures what is not in its file yet,
`OUT`, that file, and `tables()`, the text between its markers in docs/certificate.md.
"""

from __future__ import annotations

import argparse
import importlib
import re
from pathlib import Path

SECTIONS = ("cost", "weighted", "limits", "display", "coverage")
DOCS = Path("docs/certificate.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("section", nargs="?", choices=SECTIONS, help="to measure; further options are its own")
    parser.add_argument("--docs", action="store_true", help="write the tables of all sections that were measured")
    options, others = parser.parse_known_args()
    if options.section:
        importlib.import_module(f"certificate_{options.section}").main(others)
    if options.docs:
        text = DOCS.read_text(encoding="utf-8")
        for name in SECTIONS:
            section = importlib.import_module(f"certificate_{name}")
            if section.OUT.exists():
                text = put(text, name, section.tables())
        DOCS.write_text(text, encoding="utf-8")


def put(text: str, name: str, tables: str) -> str:
    """The text with these tables between the markers of a section, which stay."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if begin not in text or end not in text:
        raise SystemExit(f"{DOCS} has no place for the section {name!r}: add the lines {begin!r} and {end!r}.")
    return re.sub(
        f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}\n{tables}\n{end}", text, flags=re.DOTALL
    )


if __name__ == "__main__":
    main()
