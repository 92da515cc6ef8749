"""`ablate export`: a study's numbers for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ablate.cli.app import app


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study's results.")],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write CSV to this file; - prints.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write Parquet to this file; needs pyarrow.")
    ] = None,
) -> None:
    """Write every number of a study, one row a value, with unit, interval, seed, status and origin.

    Example: `ablate export results/quickstart --csv quickstart.csv`
    """
    from ablate.errors import AblateError
    from ablate.report.export import to_parquet, to_tidy_csv
    from ablate.report.frame import load_results

    if csv is None and parquet is None:
        raise AblateError("say where to: --csv FILE, --csv - or --parquet FILE")
    frame = load_results(directory)
    if csv is not None:
        text = to_tidy_csv(frame)
        if str(csv) == "-":
            typer.echo(text, nl=False)
        else:
            _write(csv, text.encode())
    if parquet is not None:
        _write(parquet, to_parquet(frame))


def _write(path: Path, content: bytes) -> None:
    from ablate.errors import AblateError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise AblateError(f"cannot write {path}: {error.strerror or error}") from error
    typer.echo(f"wrote {path}", err=True)
