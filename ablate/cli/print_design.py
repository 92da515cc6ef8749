"""Prints the designs of a study's ablations: which change is made in which layout."""

from __future__ import annotations

import typer

from ablate.cli.terminal import print_table
from ablate.study.study import Study


def print_designs(study: Study) -> None:
    """One table an ablation, and what a half design cannot tell apart."""
    for ablation in study.ablations:
        head, rows = ablation.table()
        title = f"{ablation.name}: " if ablation.name else ""
        print_table(f"{title}{ablation.base}: {ablation.design}", head, rows)
        for text in ablation.aliases:
            typer.echo(f"cannot tell apart: {text}")
