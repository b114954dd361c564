"""`samekind serve`: searches over HTTP, and the page to draw, type and look on."""

import ipaddress
import os
import shlex
import socket
import webbrowser
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samekind.cli.console import message, printable, result, verb
from samekind.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from samekind.gallery.searching import Searchable
    from samekind.gallery.store import Gallery
    from samekind.service.served import Served
    from samekind.service.settings import Settings

_REQUESTS = 10  # for each search that a client may make: a page of thumbnails goes with it


@verb
def serve(
    gallery: Annotated[
        list[str],
        typer.Option("--gallery", "-g", metavar="DIR", help="A gallery; two of them are compared side by side."),
    ],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 for any that is free.")] = 8765,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Whoever asks must send the token in this file.")
    ] = None,
    retriever: Annotated[
        str | None, typer.Option(metavar="mini|DIR|HUB_ID", help="Where the galleries' retriever is, if it has moved.")
    ] = None,
    root: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Show pictures from here beside the folders that were indexed (repeatable)."),
    ] = None,
    allow_urls: Annotated[bool, typer.Option("--allow-urls", help="Fetch pictures from http(s) addresses.")] = False,
    rate: Annotated[float, typer.Option(metavar="N", min=0, help="Searches a second of one client, 0: any.")] = 20.0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Have a Ray cluster search: HOST:PORT, local for one of this machine alone, nothing for RAY_ADDRESS, "
            "else what runs here, else local. Its machines must see the gallery at the same path.",
        ),
    ] = None,
    shards: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="With --ray: parts of a gallery; by default one for each machine."),
    ] = None,
    replicas: Annotated[int, typer.Option(metavar="R", min=1, help="With --ray: processes for each part.")] = 1,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Search galleries in a browser or over HTTP: draw, drop a picture, type words."""
    from samekind.service.settings import Settings

    if ray is None and (shards is not None or replicas > 1):
        raise UsageError("--shards and --replicas are of a Ray cluster: add --ray [ADDRESS].")
    local = _is_local(host)
    if not local and token_file is None:
        raise UsageError(
            f"{host} can be reached from other machines, so whoever searches must know a token. Make one with "
            "`(umask 077; openssl rand -hex 32 > token)`, then add --token-file token."
        )
    settings = Settings(
        token=None if token_file is None else _token(token_file),
        roots=tuple(_root(folder) for folder in root or ()),
        hosts=_names(host) if local else (),
        allow_urls=allow_urls,
        searches_per_second=rate,
        requests_per_second=rate * _REQUESTS,
    )
    # While galleries are loaded; later it is the server's way to end.
    with suppress(KeyboardInterrupt), _loader(ray, shards, replicas) as load:
        _run(gallery, retriever, settings, load, host, port, open_page=open_page)


@contextmanager
def _loader(ray: str | None, shards: int | None, replicas: int) -> "Iterator[Callable[[Gallery], Searchable]]":
    """What gets galleries ready to be searched, here or in shards that end with the block."""
    if ray is None:
        from samekind.service.served import loaded

        yield loaded
        return
    from samekind.gallery.shards.replicas import spreading

    with spreading(ray, shards, replicas) as load:
        yield load


def _run(
    folders: list[str],
    retriever: str | None,
    settings: "Settings",
    load: "Callable[[Gallery], Searchable]",
    host: str,
    port: int,
    *,
    open_page: bool,
) -> None:
    """Bind, load, and serve until a signal; the address is told once requests are answered."""
    from samekind.service.app import create_app
    from samekind.service.served import open_served
    from samekind.service.server import listen, serve

    with listen(host, port) as bound:
        served = open_served(folders, retriever, settings, load)
        address = f"http://{_in_address(host)}:{bound.getsockname()[1]}/"

        for name, one in served.items():
            _tell_hidden(name, one, settings)

        def ready() -> None:
            result(f"{address} serves {_told(served)}. Ctrl-C ends it.\n")
            if open_page:
                webbrowser.open(address)

        serve(create_app(served, settings), bound, ready)


def _told(served: "Mapping[str, Served]") -> str:
    return ", ".join(f"{printable(name)} ({one.gallery.rows:,} pictures)" for name, one in served.items())


def _tell_hidden(name: str, one: "Served", settings: "Settings") -> None:
    """Say how many pictures are found but not shown, as they are at no place that may be shown, and what to do."""
    roots = (*one.gallery.roots, *map(str, settings.roots))
    hidden = one.gallery.outside(roots, urls=settings.allow_urls)
    if not hidden.count:
        return
    remedy = f"--root {shlex.quote(hidden.folder)}" if hidden.folder is not None else "--allow-urls"
    count = f"{hidden.count:,} of the {one.gallery.rows:,} pictures of {name}"
    message(f"{count} lie outside of what was indexed as a folder: found, but not shown. To show them: {remedy}.")


def _is_local(host: str) -> bool:
    """Whether only this machine can reach an address; raises UsageError for none at all."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"There is no address {host}; give --host one of this machine, such as 127.0.0.1.") from error
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _names(host: str) -> tuple[str, ...]:
    """What the Host header may say of a service that only this machine can reach."""
    return tuple(dict.fromkeys(("localhost", "127.0.0.1", "[::1]", _in_address(host).lower())))


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _root(folder: Path) -> Path:
    if not folder.expanduser().is_dir():
        raise UsageError(f"--root {folder} is no folder.")
    return Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100 (resolve() would follow links)


def _token(file: Path) -> str:
    """The token in a file; one that others can read is told of. Raises UsageError."""
    try:
        text = file.expanduser().read_text(encoding="ascii").strip()
        others = file.expanduser().stat().st_mode & 0o077
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} holds no token: it has more than printable ASCII. Use openssl rand -hex 32."
        ) from error
    except OSError as error:
        raise UsageError(f"The token cannot be read from {file}: {error.strerror}.") from error
    if not text:
        raise UsageError(f"{file} is empty; put a token into it: openssl rand -hex 32 > {file}.")
    if others:
        message(f"Others can read {file}, and with it the token: chmod 600 {file}.")
    return text
