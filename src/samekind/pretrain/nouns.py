"""Names of things that can be seen, read from WordNet's noun file."""

from pathlib import Path

from samekind.errors import UsageError

# WordNet's lexicographer files (lexnames.5WN) whose nouns a picture can show.
VISIBLE = {
    5: "animal",
    6: "artifact",
    8: "body",
    13: "food",
    17: "object",
    18: "person",
    19: "phenomenon",
    20: "plant",
    25: "shape",
    27: "substance",
}


def read_nouns(path: Path) -> list[str]:
    """Common nouns (lower case, letters, at most three words) of visible things from `data.noun`, sorted.

    Raises:
        UsageError: the file is not there (Debian has it in the package wordnet-base).
    """
    if not path.is_file():
        raise UsageError(
            f"{path}: WordNet's noun file is not there; install Debian's wordnet-base or give --nouns FILE"
        )
    nouns: set[str] = set()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            parts = line.split(" ")
            if line.startswith(" ") or int(parts[1]) not in VISIBLE:
                continue
            words = parts[4 : 4 + 2 * int(parts[3], 16) : 2]  # a hexadecimal count of word and sense pairs
            nouns.update(word.replace("_", " ") for word in words if common(word))
    return sorted(nouns)


def common(word: str) -> bool:
    """Whether a WordNet lemma is a plain noun of at most three words."""
    return word.islower() and word.count("_") < 3 and word.replace("_", "").replace("-", "").isalpha() and len(word) > 2
