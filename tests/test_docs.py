"""The documents say what the code does: file map, commands and flags, links."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command

import samekind
from samekind.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
# A shell line of ours: the program, then a verb.
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?samekind ([a-z].*)$", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            joined = re.sub(r"\\\n\s*", " ", block)
            found += [(page.name, line) for line in COMMAND.findall(joined)]
    return found


def test_the_map_of_files_is_that_of_today():
    spec = importlib.util.spec_from_file_location("filemap", ROOT / "docs" / "filemap.py")
    filemap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(filemap)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert filemap.with_map(readme) == readme, "run `make docs`"


def test_the_documents_show_commands():
    assert len(commands()) >= 8


@pytest.mark.parametrize(("page", "line"), commands())
def test_every_command_in_the_documents_parses(page, line):
    group = get_command(app)
    verb, *arguments = shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)
    assert verb in group.commands, f"{page}: there is no verb {verb}"
    context = typer.Context(group)
    group.commands[verb].make_context(verb, arguments, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_version_is_the_same_everywhere():
    assert f"version: {samekind.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {samekind.__version__}" in (ROOT / "CHANGELOG.md").read_text()
