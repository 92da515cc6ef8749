"""`ablate reference`: parts and keys of the language as Markdown, in a page that is kept true."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import app


@app.command()
def reference(
    page: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A page with the two markers; without one the text is printed."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 where it differs.")
    ] = False,
) -> None:
    """Write stems, FFNs, norms and the keys of `measure` from the register and the schema into a page.

    Example: `ablate reference docs/language.md`
    """
    from ablate.errors import AblateError
    from ablate.questions.reference import between, reference_text

    text = reference_text()
    if page is None:
        typer.echo(text)
        return
    try:
        old = page.read_text(encoding="utf-8")
    except OSError as error:
        raise AblateError(f"cannot read {page}: {error.strerror or error}") from error
    new = between(old, text, str(page))
    if check:
        typer.echo(f"{page}: {'as it should be' if new == old else 'differs'}")
        raise typer.Exit(0 if new == old else 1)
    page.write_text(new, encoding="utf-8")
    typer.echo(f"wrote {page}")
