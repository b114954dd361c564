"""TU-Berlin: 250 classes as sketches, with photos collected later, and the 220/30 classes of zero-shot retrieval."""

from samekind.datasets.declaration import Archive, Dataset, names

_CLASSES = names(
    """
    airplane alarm_clock angel ant apple arm armchair ashtray axe backpack banana barn baseball_bat basket
    bathtub bear_(animal) bed bee beer_mug bell bench bicycle binoculars blimp book bookshelf boomerang
    bottle_opener bowl brain bread bridge bulldozer bus bush butterfly cabinet cactus cake calculator camel
    camera candle cannon canoe car_(sedan) carrot castle cat cell_phone chair chandelier church cigarette cloud
    comb computer_monitor computer_mouse couch cow crab crane_(machine) crocodile crown cup diamond dog dolphin
    donut door door_handle dragon duck ear elephant envelope eye eyeglasses face fan feather fire_hydrant fish
    flashlight floor_lamp flower_with_stem flying_bird flying_saucer foot fork frog frying_pan giraffe grapes
    grenade guitar hamburger hammer hand harp hat head head_phones hedgehog helicopter helmet horse
    hot_air_balloon hot_dog hourglass house human_skeleton ice_cream_cone ipod kangaroo key keyboard knife
    ladder laptop leaf lightbulb lighter lion lobster loudspeaker mailbox megaphone mermaid microphone
    microscope monkey moon mosquito motorbike mouse_(animal) mouth mug mushroom nose octopus owl palm_tree panda
    paper_clip parachute parking_meter parrot pear pen penguin person_sitting person_walking piano pickup_truck
    pig pigeon pineapple pipe_(for_smoking) pizza potted_plant power_outlet present pretzel pumpkin purse rabbit
    race_car radio rainbow revolver rifle rollerblades rooster sailboat santa_claus satellite satellite_dish
    saxophone scissors scorpion screwdriver sea_turtle seagull shark sheep ship shoe shovel skateboard skull
    skyscraper snail snake snowboard snowman socks space_shuttle speed_boat spider sponge_bob spoon squirrel
    standing_bird stapler strawberry streetlight submarine suitcase sun suv swan sword syringe t_shirt table
    tablelamp teacup teapot teddy_bear telephone tennis_racket tent tiger tire toilet tomato tooth toothbrush
    tractor traffic_light train tree trombone trousers truck trumpet tv umbrella van vase violin walkie_talkie
    wheel wheelbarrow windmill wine_bottle wineglass wrist_watch zebra
    """
)
_TEST = names(
    """
    banana bus tractor suitcase streetlight telephone bottle_opener canoe fan teacup penguin laptop shoe lighter
    hot_air_balloon pizza brain ant t_shirt trombone windmill snowboard table rollerblades parachute
    space_shuttle bridge frying_pan bread horse
    """
)

TU_BERLIN = Dataset(
    name="tu_berlin",
    title="TU-Berlin",
    citation=(
        "Mathias Eitz, James Hays, Marc Alexa: How Do Humans Sketch Objects? SIGGRAPH 2012. Photos of the extended "
        "set: Hua Zhang, Si Liu, Changqing Zhang, Wenqi Ren, Rui Wang, Xiaochun Cao: SketchNet: Sketch Classification "
        "with Web Images. CVPR 2016."
    ),
    licence="sketches: Creative Commons Attribution 4.0; photos: none stated, they belong to their owners",
    source=(
        "https://cybertron.cg.tu-berlin.de/eitz/projects/classifysketch; the photos are linked by the code of the "
        "zero-shot papers"
    ),
    layout="root/sketches/{airplane,...,zebra}/picture and root/images/...; in the archives png/ and ImageResized/",
    domains={"photo": ("images", "ImageResized", "photo", "photos"), "sketch": ("sketches", "png", "sketch")},
    classes=_CLASSES,
    class_aliases={
        "chandeler": "chandelier",
        "diamod": "diamond",
        "griaffe": "giraffe",
        "mouse": "mouse_(animal)",
        "pipe": "pipe_(for_smoking)",
        "spacesshuttle": "space_shuttle",
        "spidar": "spider",
        "tromobone": "trombone",
        "wristwatching": "wrist_watch",
    },
    counts={"photo": (204489,), "sketch": (20000,)},
    class_counts={"sketch": dict.fromkeys(_CLASSES, 80)},
    copies=None,
    archives=(
        Archive("sketches_png.zip", "http://cybertron.cg.tu-berlin.de/eitz/projects/classifysketch/sketches_png.zip"),
    ),
    class_splits={"train": tuple(name for name in _CLASSES if name not in _TEST), "test": _TEST},
    split_hashes={
        "train": "43206a62a82382d80167cb00857d42d3bf5ec80c358c157bf74b921de71fa99b",
        "test": "ff23219fa505962a4e1d6428d3288e12950335a782e6925e8f6afc05dec29b92",
    },
    known={
        "classes": "read in public code that lists the folders; spelled as in fangkaipeng/ProS",
        "class_splits": "read in fangkaipeng/ProS, src/data/TUBerlin/test_classes_random_split.txt",
        "class_aliases": "read in fangkaipeng/ProS, src/data/downloads/download_tuberlin.sh",
        "counts.photo": "from memory of the papers",
        "counts.sketch": "read on the authors' page",
        "class_counts": "read on the authors' page: 20,000 sketches, evenly over 250 classes",
        "archives": "read in fangkaipeng/ProS, src/data/downloads/download_tuberlin.sh; size and hash unknown",
        "licence": "read on the authors' page, for the sketches; photos from memory",
    },
    notes=(
        "The photos of some copies have misspelled folders (spidar, griaffe, ...): they are read as what is meant.",
        "Folders with blanks or hyphens (alarm clock, t-shirt) and without (alarmclock) are read alike.",
    ),
)
