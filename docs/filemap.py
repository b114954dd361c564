"""Writes the README's map of files: the first sentence of each file, between two marks (`make docs`)."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- files: written by docs/filemap.py -->", "<!-- /files -->"


def first_sentence(file: Path) -> str:
    """The first line of a file's docstring, without its full stop."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0].rstrip(".")


def file_map() -> str:
    """One line per file of the package, folders as headings."""
    source = ROOT / "src" / "samekind"
    lines = []
    for folder in sorted(file.parent for file in source.rglob("__init__.py")):
        name = str(folder.relative_to(source.parent)).removeprefix("samekind/") + "/"
        lines.append(f"{name:<18} {first_sentence(folder / '__init__.py')}")
        files = [file for file in sorted(folder.glob("*.py")) if file.name != "__init__.py"]
        lines += [f"  {file.name:<16} {first_sentence(file)}" for file in files]
    return "\n".join(lines)


def with_map(readme: str) -> str:
    """The README with the map of today between the marks. Raises ValueError where the marks are missing."""
    before, _, rest = readme.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"README.md lacks the marks {BEGIN} and {END}")
    return f"{before}{BEGIN}\n```\n{file_map()}\n```\n{END}{after}"


if __name__ == "__main__":
    target = ROOT / "README.md"
    old = target.read_text(encoding="utf-8")
    new = with_map(old)
    target.write_text(new, encoding="utf-8")
    sys.exit(0)
