"""Whether a report that was written shows the ledger as it is. Loads no drawing library.

Beside `report.html` stands `.made-from`: a hash of the ledger and of the code that wrote the report.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import ablate
from ablate.run.facts import StudyFact
from ablate.run.ledger import Ledger

FILE = ".made-from"
_PACKAGE = Path(ablate.__file__).parent


def is_fresh(out: Path, made: str) -> bool:
    """Whether the report in `out` was made from `made`, which `made_from` gave."""
    try:
        return (out / "report.html").is_file() and (out / FILE).read_bytes() == made.encode()
    except OSError:
        return False


def keep_fresh(out: Path, made: str) -> None:
    """Remember what the report in `out` was made from; where that cannot be written, it is made again."""
    with contextlib.suppress(OSError):
        (out / FILE).unlink(missing_ok=True)  # a link in its place is not followed
        (out / FILE).write_text(made)


def made_from(ledger: Ledger) -> str:
    """A hash of the ledger, of the package's files and of the study's extensions."""
    study = ledger.read(StudyFact)
    own = [file for file in _PACKAGE.rglob("*") if file.suffix in (".py", ".j2")]
    files = [*sorted(own), *(map(Path, study.extensions) if study is not None else ())]
    contents = hashlib.sha256(ledger.fingerprint().encode())
    for file in files:
        with contextlib.suppress(OSError):  # an extension that is gone
            contents.update(hashlib.sha256(file.read_bytes()).digest())
    return contents.hexdigest()
