"""PACS: seven classes as photos, art paintings, cartoons and sketches."""

from samekind.datasets.declaration import Dataset

_CLASSES = ("dog", "elephant", "giraffe", "guitar", "horse", "house", "person")

_COUNTS = {
    "art_painting": (379, 255, 285, 184, 201, 295, 449),
    "cartoon": (389, 457, 346, 135, 324, 288, 405),
    "photo": (189, 202, 182, 186, 199, 280, 432),
    "sketch": (772, 740, 753, 608, 816, 80, 160),
}

PACS = Dataset(
    name="pacs",
    title="PACS",
    citation=(
        "Da Li, Yongxin Yang, Yi-Zhe Song, Timothy M. Hospedales: Deeper, Broader and Artier Domain Generalization. "
        "ICCV 2017."
    ),
    licence="none stated by the authors; collected from public pictures for research",
    source="the authors' page, http://www.eecs.qmul.ac.uk/~dl307/project_iccv2017; DomainBed keeps a copy",
    layout="root/{photo,art_painting,cartoon,sketch}/{dog,...,person}/picture; in the archive these lie in kfold/",
    domains={
        "art_painting": ("art_painting", "art"),
        "cartoon": ("cartoon",),
        "photo": ("photo",),
        "sketch": ("sketch",),
    },
    classes=_CLASSES,
    counts={domain: (sum(counts),) for domain, counts in _COUNTS.items()},
    class_counts={domain: dict(zip(_CLASSES, counts, strict=True)) for domain, counts in _COUNTS.items()},
    copies=None,
    known={
        "classes": "measured on a copy of 9,991 pictures",
        "counts": "measured on a copy of 9,991 pictures; as many as the literature counts",
        "class_counts": "measured on a copy of 9,991 pictures",
        "layout": "measured on a copy; kfold/ read in facebookresearch/DomainBed, domainbed/scripts/download.py",
    },
    notes=("227 x 227 pixels. The classes are far from even: 80 sketches of houses, 816 of horses.",),
)
