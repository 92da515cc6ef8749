"""The command line. Commands are thin; heavy imports stand inside them, so that `--help` is instant."""

from __future__ import annotations

import atexit
import contextlib
import gc
import signal
import sys
from types import FrameType

__all__ = ["main"]

_LONGEST = 2000  # characters of one line of a message
INTERRUPTED = 130
_pressed: list[int] = []  # the signal, once Ctrl-C was pressed


def main() -> None:
    """Run the command line.

    A mistake in the input is printed without a traceback and exits with 2, and so does a file or a disk that
    cannot be used; Ctrl-C ends with 130, at any moment and however often it is pressed.
    """
    # Imported libraries never become garbage: to search them again and again costs half a second.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    with contextlib.suppress(ValueError):  # not in the main thread
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupt_once)
    try:
        _run()
    except (KeyboardInterrupt, Exception) as error:
        # A module that is being imported may answer the interruption with an error of its own.
        if isinstance(error, Exception) and not _pressed:
            raise
        print("\nstopped", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _interrupt_once(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C stops the command; further ones must not stop it from cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _pressed.append(number)
    raise KeyboardInterrupt


def _run() -> None:
    from ablate.cli import (  # noqa: F401  (they register their commands)
        claims,
        compare,
        costs,
        doctor,
        export,
        new,
        published,
        reference,
        results,
        show,
        spread,
        status,
        studies,
    )
    from ablate.cli.app import app
    from ablate.errors import AblateError

    try:
        app()
    except AblateError as error:
        print(cut(str(error)), file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # a disk that is full, a name that is too long, a folder that is a file
        name = f"{error.filename}: " if error.filename is not None else ""
        print(cut(f"{name}{error.strerror or error}"), file=sys.stderr)
        sys.exit(2)


def cut(message: str) -> str:
    """A message whose lines are not longer than a screen: what they quote may be of any length."""
    return "\n".join(
        line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 4 :]}"
        for line in message.split("\n")
    )
