"""Sketchy: 125 classes as sketches and photos, with the 104/21 classes of zero-shot retrieval."""

from samekind.datasets.declaration import Dataset, names

_CLASSES = names(
    """
    airplane alarm_clock ant ape apple armor axe banana bat bear bee beetle bell bench bicycle blimp bread
    butterfly cabin camel candle cannon car_(sedan) castle cat chair chicken church couch cow crab crocodilian
    cup deer dog dolphin door duck elephant eyeglasses fan fish flower frog geyser giraffe guitar hamburger
    hammer harp hat hedgehog helicopter hermit_crab horse hot-air_balloon hotdog hourglass jack-o-lantern
    jellyfish kangaroo knife lion lizard lobster motorcycle mouse mushroom owl parrot pear penguin piano
    pickup_truck pig pineapple pistol pizza pretzel rabbit raccoon racket ray rhinoceros rifle rocket sailboat
    saw saxophone scissors scorpion sea_turtle seagull seal shark sheep shoe skyscraper snail snake songbird
    spider spoon squirrel starfish strawberry swan sword table tank teapot teddy_bear tiger tree trumpet turtle
    umbrella violin volcano wading_bird wheelchair windmill window wine_bottle zebra
    """
)
_TEST = names(
    """
    bat cabin cow dolphin door giraffe helicopter mouse pear raccoon rhinoceros saw scissors seagull skyscraper
    songbird sword tree wheelchair windmill window
    """
)
# The placements of one sketch on its canvas that the authors rendered; that of the public code first.
_SKETCHES = ("000000000000", "000100000000", "000000000010", "000000000110", "000000001010", "000000001110")

SKETCHY = Dataset(
    name="sketchy",
    title="Sketchy",
    citation=(
        "Patsorn Sangkloy, Nathan Burnell, Cusuh Ham, James Hays: The Sketchy Database: Learning to Retrieve Badly "
        "Drawn Bunnies. SIGGRAPH 2016. Photos of the extended set: Li Liu, Fumin Shen, Yuming Shen, Xianglong Liu, "
        "Ling Shao: Deep Sketch Hashing. CVPR 2017."
    ),
    licence="that of the authors' page for the sketches; the photos are from ImageNet, under its terms",
    source="http://sketchy.eye.gatech.edu; the extended photos are linked by the code of the zero-shot papers",
    layout=(
        "root/sketch/tx_000000000000/{airplane,...,zebra}/picture and root/extended_photo/... (or photo/tx_...); in "
        "the archive these lie in 256x256/"
    ),
    domains={
        "photo": ("extended_photo", "EXTEND_image_sketchy", "photo/tx_000000000000", "photo/tx_000100000000", "photo"),
        "sketch": (*(f"sketch/tx_{placed}" for placed in _SKETCHES), "sketch"),
    },
    renderings=True,
    classes=_CLASSES,
    # The photos: the extended set, and the 100 of each class that were sketched.
    counts={"photo": (73002, 12500), "sketch": (75471,)},
    copies=None,
    class_splits={"train": tuple(name for name in _CLASSES if name not in _TEST), "test": _TEST},
    split_hashes={
        "train": "2409bc9b3972d861ffe12b99616e611440c92f34b441299b725a2f0622b1c773",
        "test": "b4251ad75e8a35b5852b6e280c150ca5ad55e832e9bd36553721e17b757e9531",
    },
    known={
        "classes": "read in public code that lists the folders",
        "class_splits": "read in several public loaders, which agree: the classes of Yelamarthi et al., ECCV 2018",
        "counts.photo": "from memory of the papers: 73,002; the 12,500 are on the authors' page",
        "counts.sketch": "read on the authors' page",
        "layout": "read in fangkaipeng/ProS, src/data/downloads/download_sketchy.sh",
        "licence": "from memory",
    },
    notes=(
        "A sketch is there in up to six renderings: the first of them that is there is read, the others are named.",
        "Public code renames hot-air_balloon and jack-o-lantern to hot_air_balloon and jack_o_lantern: both are read.",
    ),
)
