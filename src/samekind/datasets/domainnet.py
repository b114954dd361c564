"""DomainNet: 345 classes in six domains, with the seven classes of UCDIR and the 245/55/45 classes of UCDR."""

from samekind.datasets.declaration import Archive, Dataset, names

# In the order of the public lists; U(d)CDR takes the first 45.
_TRAIN = names(
    """
    aircraft_carrier alarm_clock ambulance ant apple arm backpack banana barn baseball basket basketball bat
    bathtub beach bear bed bee belt bench bicycle binoculars bird book bottlecap bowtie brain bridge broccoli
    broom bucket bus butterfly camel camera candle cannon canoe car castle cat cello cell_phone chair church
    clock compass computer couch cow crab crocodile cup diamond dishwasher dog door dragon drill drums duck
    dumbbell ear elephant envelope eraser eye face fan feather fence fish flamingo flower foot fork frog
    frying_pan garden grass guitar hammer hand harp hat hedgehog helmet hockey_puck horse hot_dog hot_tub
    hourglass house ice_cream jacket kangaroo key keyboard knee knife lantern laptop leaf leg lighter lighthouse
    line lion lipstick lobster lollipop mailbox microphone microwave monkey mosquito mountain mouse mouth mug
    mushroom nail necklace nose ocean oven owl paintbrush panda parachute pear pencil penguin piano pickup_truck
    pig pillow pineapple pizza pool popsicle potato purse rabbit radio rain rake remote_control rhinoceros rifle
    river saw saxophone school_bus scorpion screwdriver shark sheep shoe shovel sleeping_bag snail snake snorkel
    soccer_ball sock speedboat spider spoon squirrel star stethoscope stove strawberry submarine sun swan
    swing_set sword syringe table teapot telephone television tent tiger toaster toe toilet tractor
    traffic_light train tree trombone truck trumpet umbrella van vase violin washing_machine whale wheel
    wine_bottle zebra t-shirt stereo waterslide underwear floor_lamp toothbrush diving_board bush calculator
    light_bulb cooler dresser blackberry stitches fireplace pond string_bean yoga triangle map picture_frame
    headphones eyeglasses The_Eiffel_Tower streetlight baseball_bat square hot_air_balloon roller_coaster
    palm_tree wine_glass flip_flops garden_hose cruise_ship circle calendar The_Mona_Lisa flashlight snowflake
    bulldozer
    """
)
_VAL = names(
    """
    angel animal_migration anvil birthday_cake teddy-bear camouflage carrot ceiling_fan chandelier clarinet
    coffee_cup cookie crayon crown fire_hydrant firetruck flying_saucer goatee golf_club hexagon hockey_stick
    hospital house_plant jail matches mermaid moustache octagon paint_can pants paper_clip passport pliers
    police_car postcard power_outlet raccoon sandwich sea_turtle see_saw shorts sink skull smiley_face
    spreadsheet squiggle stairs steak stop_sign tennis_racquet The_Great_Wall_of_China toothpaste cactus
    wristwatch zigzag
    """
)
_TEST = names(
    """
    airplane asparagus axe bandage beard blueberry boomerang bracelet bread cake campfire cloud dolphin donut
    elbow finger giraffe grapes hamburger helicopter hurricane ladder lightning marker megaphone moon motorbike
    octopus onion parrot peanut peas rainbow rollerskates sailboat scissors skateboard skyscraper snowman
    suitcase sweater tooth tornado watermelon windmill
    """
)

_URL = "http://csr.bu.edu/ftp/visda/2019/multi-source"
_DOMAINS = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")

DOMAINNET = Dataset(
    name="domainnet",
    title="DomainNet",
    citation=(
        "Xingchao Peng, Qinxun Bai, Xide Xia, Zijun Huang, Kate Saenko, Bo Wang: Moment Matching for Multi-Source "
        "Domain Adaptation. ICCV 2019."
    ),
    licence="a fair-use notice of the authors: for research, no commercial use; the pictures belong to their owners",
    source="the authors' page, https://ai.bu.edu/M3SDA: for clipart and painting take the archives of groundtruth/",
    layout="root/{clipart,infograph,painting,quickdraw,real,sketch}/{aircraft_carrier,...,zigzag}/picture",
    domains={name: (name,) for name in _DOMAINS},
    classes=tuple(sorted(_TRAIN + _VAL + _TEST)),
    # As cleaned by the authors, and as first published.
    counts={
        "clipart": (48129, 48837),
        "infograph": (51605, 53201),
        "painting": (72266, 75759),
        "quickdraw": (172500,),
        "real": (172947, 175327),
        "sketch": (69128, 70386),
    },
    copies=None,
    archives=tuple(
        Archive(f"{name}.zip", f"{_URL}/{'groundtruth/' if name in ('clipart', 'painting') else ''}{name}.zip")
        for name in _DOMAINS
    ),
    class_splits={
        "ucdir": ("bird", "feather", "teapot", "tiger", "whale", "windmill", "zebra"),
        "train": _TRAIN,
        "val": _VAL,
        "test": _TEST,
    },
    split_hashes={
        "ucdir": "9460ec2cf46c3d057e338ae3d1b0f7f5deb63a1667aac2d349431679cbabbc9b",
        "train": "84460b335baefb7b24aef2050273cef67dc715ceed435b89c8c8d12259ddab0d",
        "val": "8192323f973994801b22bf3834956e99a88ae339a042c4df53e7abd66deb069d",
        "test": "1a9953560aebfdba9aebbb08f1105ca847eeeaf086c67da3a74e0bc60e408b34",
    },
    known={
        "classes": "read in fangkaipeng/ProS, src/data/DomainNet/dict_clss.json and test_classes.txt",
        "class_splits": "read in the same files; the arrays that the public code loads (CuMix) were not at hand",
        "counts": "read on the authors' page",
        "archives": "read in facebookresearch/DomainBed, domainbed/scripts/download.py; sizes and hashes unknown",
        "licence": "from memory",
    },
    notes=(
        "As first published the set has duplicates, which the authors removed later: `check` lists what is there.",
        "windmill is a class of UCDIR and a test class of UCDR: keep the two vocabularies apart.",
        "The class t-shirt is missing in the authors' training list of painting.",
    ),
)
