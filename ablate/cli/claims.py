"""`ablate claims`: sentences that others have written, each with its verdict, from ledgers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import app


@app.command()
def claims(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of results (default: results/claims)."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The page that is written.")] = Path("results/claims.md"),
) -> None:
    """Judge the claims of studies by what their ledgers hold, and write them as a page.

    Example: `ablate claims results/claims`
    """
    from ablate.errors import AblateError
    from ablate.report.claims import claims_of, to_markdown

    folders = directories or [Path("results/claims")]
    for folder in folders:
        if folder.is_file():
            raise AblateError(f"{folder} is a file: name the folder of its results, such as results/NAME")
    known = claims_of(folders)
    if not known:
        raise AblateError(f"no study in {', '.join(map(str, folders))} has `claims`")
    command = " ".join(["ablate claims", *map(str, folders)])
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(to_markdown(known, command), encoding="utf-8")
    except OSError as error:
        raise AblateError(f"cannot write {out}: {error.strerror or error}") from error
    for claim in known:
        typer.echo(f"{claim.verdict}: {claim.sentence}")
    typer.echo(f"page: {out}")
