"""Office-Home: 65 classes of things in offices and homes, in four domains."""

from samekind.datasets.declaration import Dataset, names

OFFICE_HOME = Dataset(
    name="office_home",
    title="Office-Home",
    citation=(
        "Hemanth Venkateswara, Jose Eusebio, Shayok Chakraborty, Sethuraman Panchanathan: Deep Hashing Network for "
        "Unsupervised Domain Adaptation. CVPR 2017."
    ),
    licence="a fair-use notice of the authors: for research, no commercial use; the pictures belong to their owners",
    source="the authors' page, https://www.hemanthdv.org/officeHomeDataset.html",
    layout="root/{Art,Clipart,Product,Real World}/{Alarm_Clock,...,Webcam}/picture, below OfficeHomeDataset_10072016/",
    domains={
        "art": ("Art",),
        "clipart": ("Clipart",),
        "product": ("Product",),
        "real_world": ("Real World", "Real"),
    },
    classes=names(
        """
        Alarm_Clock Backpack Batteries Bed Bike Bottle Bucket Calculator Calendar Candles Chair Clipboards
        Computer Couch Curtains Desk_Lamp Drill Eraser Exit_Sign Fan File_Cabinet Flipflops Flowers Folder Fork
        Glasses Hammer Helmet Kettle Keyboard Knives Lamp_Shade Laptop Marker Monitor Mop Mouse Mug Notebook
        Oven Pan Paper_Clip Pen Pencil Postit_Notes Printer Push_Pin Radio Refrigerator Ruler Scissors
        Screwdriver Shelf Sink Sneakers Soda Speaker Spoon TV Table Telephone ToothBrush Toys Trash_Can Webcam
        """
    ),
    counts={"art": (2427,), "clipart": (4365,), "product": (4439,), "real_world": (4357,)},
    copies=None,
    known={
        "classes": "read in hemanthdv/profile, the authors' page, and in public loaders, which spell the folders",
        "counts": "from memory; they add up to the 15,588 pictures that the literature counts",
        "licence": "read in hemanthdv/profile, the authors' page",
        "layout": "read in facebookresearch/DomainBed, domainbed/scripts/download.py",
    },
    notes=("The folder of the fourth domain is called Real World, Real, RealWorld or Real_World: all are read.",),
)
