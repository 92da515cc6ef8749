"""The command line. Commands are thin; heavy imports stand inside them, so that `--help` is instant."""

from __future__ import annotations

import sys

from ablate.cli.app import app
from ablate.errors import AblateError

__all__ = ["main"]


def main() -> None:
    """Run the command line; a mistake in the input is printed without a traceback and exits with 2."""
    from ablate.cli import compare, costs, studies  # noqa: F401  (their commands register themselves)

    try:
        from ablate.cli import export, new, reference  # noqa: F401

        app()
    except AblateError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
