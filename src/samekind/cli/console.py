"""What all verbs share: results on standard output, messages on standard error, errors as exit statuses."""

import functools
import json
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, ParamSpec

import typer

from samekind.errors import SamekindError, UsageError

P = ParamSpec("P")

INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def verb(function: Callable[P, None]) -> Callable[P, None]:
    """Run a command so that what a user can act on becomes one line and an exit status; bugs keep their traceback."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except UsageError as error:
            fail(str(error), 2)
        except SamekindError as error:
            fail(str(error), 1)
        except KeyboardInterrupt:
            message("Interrupted. Everything reported so far is stored; the same command again goes on from there.")
            raise typer.Exit(INTERRUPTED) from None

    return run


def fail(text: str, status: int) -> NoReturn:
    """Say what is wrong on standard error and leave with a status."""
    message(f"error: {text}")
    raise typer.Exit(status)


def message(text: str) -> None:
    """One line for people, on standard error; a closed standard error is no reason to stop."""
    try:
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def result(text: str | bytes) -> None:
    """The result, on standard output, in UTF-8. Raises SamekindError when it cannot be written.

    A reader that has had enough (`| head`) ends the command quietly: its job is done.
    """
    data = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
        raise typer.Exit(0) from None
    except OSError as error:
        _silence(sys.stdout)
        raise SamekindError(f"the result cannot be written to standard output: {error.strerror}.") from error


def json_result(values: Any) -> None:
    """The result as one indented JSON document."""
    result(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def _silence(stream: Any) -> None:
    """Send what a dead stream still buffers nowhere, or the interpreter would complain about it at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, stream.fileno())
    finally:
        os.close(devnull)


def printable(text: str) -> str:
    """Text with control characters escaped, but for line breaks: names of files must not drive a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Aligned columns, numbers to the right; the last column is never cut, wrapped or padded."""
    cells = [tuple(printable(cell).replace("\n", "\\n") for cell in row) for row in (header, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header) - 1)]
    numeric = [all(_is_number(row[i]) for row in cells[1:]) for i in range(len(widths))]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=False)
        ]
        lines.append("  ".join([*padded, row[-1]]).rstrip())
    return "".join(f"{line}\n" for line in lines)


def _is_number(cell: str) -> bool:
    return cell.lstrip("-").replace(".", "", 1).isdigit()


def command() -> str:
    """What was typed, with the program by its name alone."""
    return shlex.join(["samekind", *sys.argv[1:]])


def duration(seconds: float) -> str:
    """A time span for people: 8 s, 2 min 5 s, 3 h 20 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
