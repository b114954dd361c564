"""Settings from a file and from pairs, and the refusal of what is none."""

from pathlib import Path

import pytest

from samekind.errors import UsageError
from samekind.training.settings import Settings


def test_pairs_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('profile = "clean"\n[synergy]\nepochs = 7\nrate = 1\n')
    made = Settings.read(file, ["synergy.epochs=9", "model.query=hard", "synergy.alpha=.5"])
    assert (made.profile, made.synergy.epochs, made.synergy.rate, made.model.query) == ("clean", 9, 1.0, "hard")
    assert made.synergy.alpha == 0.5
    assert made.prompts == Settings().prompts


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("synergy.epochs", "write key=value"),
        ("synergy.epoch=3", "no setting 'epoch'; known here are .*epochs"),
        ("synergy.epochs=many", "of type int"),
        ("synergy=3", "a table of settings"),
        ("profile=dirty", "one of all, clean"),
        ("model.query=loud", "one of soft, hard, all"),
        ("model.classes=3", "--classes-count"),
        ("model.domains=x", "--domains"),
        ("synergy.epochs=0", "at least 1"),
        ("synergy.momentum=1.5", "at most 1"),
        ("model.temperature=0", "temperature must be above 0"),
        ("groups.way=separate", "set synergy.match=prompts"),
    ],
)
def test_what_is_no_setting_is_refused(setting: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Settings.read(None, [setting])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as settings"):
        Settings.read(tmp_path / "no.toml")
