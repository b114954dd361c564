"""Labelled pictures in folders: root/domain/class/picture, the layout that `--data` takes."""

from dataclasses import dataclass
from pathlib import Path

from samekind.errors import UsageError


@dataclass(frozen=True, slots=True)
class Folder:
    """The domains below `root` (absolute), in order, and the classes of each."""

    root: Path
    classes: dict[str, tuple[str, ...]]

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the first level of folders."""
        return tuple(self.classes)

    @property
    def every_class(self) -> tuple[str, ...]:
        """One list of classes for all domains, sorted."""
        return tuple(sorted({name for names in self.classes.values() for name in names}))

    def place(self, uri: str) -> tuple[str, str] | None:
        """Domain and class of a picture by its path; None for one that is elsewhere, or beside the class folders."""
        try:
            parts = Path(uri).relative_to(self.root).parts
        except ValueError:
            return None
        return (parts[0], parts[1]) if len(parts) > 2 else None


def read_folder(root: str | Path) -> Folder:
    """Look at the first two levels of folders; hidden ones do not count, and no picture is opened.

    Raises UsageError where there are not two domains with a class in common.
    """
    path = Path(root).expanduser().absolute()
    path = path.resolve() if ".." in path.parts else path
    if not path.is_dir():
        raise UsageError(f"There is no folder {root}.")
    try:
        classes = {domain.name: tuple(each.name for each in _folders(domain)) for domain in _folders(path)}
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be listed: {error.strerror}.") from error
    classes = {domain: names for domain, names in classes.items() if names}
    shared = [name for names in classes.values() for name in names]
    if len(shared) == len(set(shared)):
        found = ", ".join(classes) or "no domain with class folders"
        raise UsageError(
            f"{root} must hold domain/class/picture, as in photo/dog/1.jpg and sketch/dog/2.png, with a class that two "
            f"domains have in common; it has: {found}."
        )
    return Folder(path, classes)


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
