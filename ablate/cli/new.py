"""`ablate new`: a commented study to begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import app


def _names(begun: str) -> list[str]:
    from ablate.questions import questions

    return [name for name in questions() if name.startswith(begun)]


@app.command()
def new(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION", help="One of those that `ablate new` lists.", autocompletion=_names
        ),
    ] = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="Where to write it (default: QUESTION.yaml).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a commented study for a question; without a question, list them.

    Example: `ablate new compare layouts.yaml`
    """
    from ablate.cli.terminal import print_table
    from ablate.errors import AblateError
    from ablate.questions import question, questions

    if name is None:
        rows = [[entry.name, entry.asks] for entry in questions().values()]
        print_table("studies to begin from", ["question", ""], rows, text_columns=2)
        return
    chosen = question(name)
    target = file if file is not None else Path(f"{name}.yaml")
    contents = {target: chosen.text}
    contents |= {target.parent / beside: text for beside, text in chosen.beside.items()}
    there = [str(path) for path in contents if path.exists()]
    if there and not force:
        raise AblateError(f"{' and '.join(there)} exist already; --force replaces")
    for path, text in contents.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise AblateError(f"cannot write {path}: {error.strerror or error}") from error
        typer.echo(f"wrote {path}")
    command = "search" if "\nsearch:" in chosen.text else "run"
    typer.echo(f"next: ablate check {target}, then: ablate {command} {target}")
