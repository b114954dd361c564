"""Figures that papers report, as facts with their sources; shown beside a run's own where both are about the same."""

from collections.abc import Mapping
from dataclasses import dataclass

from samekind.evaluation.reports.files import Result

HELD_OUT = frozenset({"sketch", "quickdraw", "painting", "infograph", "clipart"})


@dataclass(frozen=True, slots=True)
class Published:
    """One row of somebody else's table: means by metric, and what they are means of."""

    method: str
    backbone: str
    source: str
    protocol: str
    data: str
    profile: str
    gallery: str
    mean: Mapping[str, float]
    over: str = "mean over five domains, unseen gallery"

    @property
    def label(self) -> str:
        """The row's name, which says that the figure is not ours."""
        return f"{self.method} (published, {self.backbone})"


_PROS = "Fang et al., ProS, CVPR 2024, arXiv:2312.12478"
_B32 = "CLIP ViT-B/32"


def _ucdr(method: str, backbone: str, source: str, average: float, precision: float) -> Published:
    mean = {"mAP@200": average, "P@200": precision}
    return Published(method, backbone, source, "ucdr", "domainnet", "paper", "unseen", mean)


# DomainNet, UCDR: mean over the five held-out domains, unseen gallery. The backbone is the default of the public code
# of ProS and of UCDR-Adapter; that of PF-UCDR could not be read, its abstract says "frozen vision-language backbones".
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
)


def published(result: Result, group: str) -> tuple[Published, ...]:
    """The figures that a result's mean over the pairs of one gallery may stand beside; none where anything differs."""
    same_data = [each for each in PUBLISHED if each.gallery == group and _about(each, result)]
    if result.facts["profile"] != "paper" or not _all_domains(result, group):
        return ()
    return tuple(same_data)


def left_out(result: Result) -> str:
    """Why figures of the same protocol and data are not shown; empty where they are, or where there are none."""
    groups = [each.gallery for each in PUBLISHED if _about(each, result)]
    if not groups:
        return ""
    if result.facts["profile"] != "paper":
        return "Figures published for this data and protocol can be compared with the profile paper only."
    if not any(_all_domains(result, group) for group in groups):
        return "Published figures are means over five domains, and not shown beside a part of them."
    return ""


def _about(each: Published, result: Result) -> bool:
    return (each.protocol, each.data) == (result.facts["protocol"], result.facts["data"]["name"])


def _all_domains(result: Result, group: str) -> bool:
    members = [result.pairs[n] for n in result.members(group)]
    return len(members) == len(HELD_OUT) and {pair.query for pair in members} == HELD_OUT
