"""Figures that papers report, as facts with their sources; shown beside a run's own where both are about the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

from samekind.evaluation.protocols_ucdir import DOMAINNET_PAIRS
from samekind.evaluation.reports.files import Result

Pairs = frozenset[tuple[str, str]]

HELD_OUT = frozenset({"sketch", "quickdraw", "painting", "infograph", "clipart"})
UCDR_PAIRS: Pairs = frozenset((name, "real") for name in HELD_OUT)
OFFICE_HOME: Pairs = frozenset(permutations(("art", "clipart", "product", "real_world"), 2))
DOMAINNET: Pairs = frozenset(pair for a, b in DOMAINNET_PAIRS for pair in ((a, b), (b, a)))


@dataclass(frozen=True, slots=True)
class Published:
    """One row of somebody else's table: by metric its mean over `pairs`, and what is known of single ones.

    `over` says in words what the mean is of. All are of the profile paper.
    """

    method: str
    backbone: str
    source: str
    protocol: str
    data: str
    gallery: str
    pairs: Pairs
    mean: Mapping[str, float]
    over: str
    single: Mapping[str, Mapping[tuple[str, str], float]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The row's name, which says that the figure is not ours."""
        return f"{self.method} (published, {self.backbone})"

    def of(self, metric: str, query: str, gallery: str) -> float | None:
        """The figure of one pair; None where it is not known."""
        return self.single.get(metric, {}).get((query, gallery))


_PROS = "Fang et al., ProS, CVPR 2024, arXiv:2312.12478"
_B32 = "CLIP ViT-B/32"
_TPSNET = "Yang et al., TPSNet, 2026, arXiv:2603.12711"


def _ucdr(method: str, backbone: str, source: str, average: float, precision: float) -> Published:
    """DomainNet: mean over the five held-out domains, unseen gallery."""
    mean, over = {"mAP@200": average, "P@200": precision}, "mean over five domains, unseen gallery"
    return Published(method, backbone, source, "ucdr", "domainnet", "unseen", UCDR_PAIRS, mean, over)


# The backbone is the default of the public code of ProS and of UCDR-Adapter; that of PF-UCDR could not be read, its
# abstract says "frozen vision-language backbones". The paper of TPSNet could not be read in full: that it scores as
# UCDIR's public code does, and which pairs its mean of DomainNet is over, is taken for granted.
PUBLISHED = (
    _ucdr("CLIP zero-shot", _B32, _PROS, 0.4435, 0.3840),
    _ucdr("ProS", _B32, _PROS, 0.6052, 0.5626),
    _ucdr("UCDR-Adapter", _B32, "Jiang et al., UCDR-Adapter, WACV 2025, arXiv:2412.10680", 0.6071, 0.5655),
    _ucdr(
        "PF-UCDR",
        "CLIP, size not known",
        "Wu et al., PF-UCDR, Pacific Graphics 2025, 10.2312/pg.20251279",
        0.6141,
        0.5744,
    ),
    Published(
        "TPSNet",
        "ViT-B",
        _TPSNET,
        "ucdir",
        "office_home",
        "",
        OFFICE_HOME,
        {"P@1": 0.8453},
        "mean over the twelve pairs, four of which are known; held to be scored as in the profile paper",
        {
            "P@1": {
                ("art", "real_world"): 0.8953,
                ("real_world", "art"): 0.9174,
                ("art", "product"): 0.8117,
                ("product", "art"): 0.8880,
            }
        },
    ),
    Published(
        "TPSNet",
        "backbone not known",
        _TPSNET,
        "ucdir",
        "domainnet",
        "",
        DOMAINNET,
        {"P@50": 0.8533},
        "mean over pairs that are held to be these; held to be scored as in the profile paper",
    ),
)


def published(result: Result, group: str) -> tuple[Published, ...]:
    """The figures that a result's pairs of one gallery may stand beside; none where anything differs."""
    if result.facts["profile"] != "paper" or _fewer_classes(result):
        return ()
    here = [(result.pairs[n].query, result.pairs[n].gallery) for n in result.members(group)]
    return tuple(
        each
        for each in PUBLISHED
        if each.gallery == group and _about(each, result) and len(here) == len(each.pairs) and each.pairs == set(here)
    )


def left_out(result: Result) -> str:
    """Why figures of the same protocol and data are not shown; empty where they are, or where there are none."""
    groups = {each.gallery: len(each.pairs) for each in PUBLISHED if _about(each, result)}
    if not groups or any(published(result, group) for group in groups):
        return ""
    if result.facts["profile"] != "paper":
        return "Figures published for this data and protocol can be compared with the profile paper only."
    if _fewer_classes(result):
        return "Published figures are for all classes, and not shown beside a part of them."
    return f"Published figures are for all {max(groups.values())} pairs, and not shown beside a part of them."


def _about(each: Published, result: Result) -> bool:
    return (each.protocol, each.data) == (result.facts["protocol"], result.facts["data"]["name"])


def _fewer_classes(result: Result) -> bool:
    return bool((result.facts.get("options") or {}).get("classes"))
