"""The declaration of any folder with the layout root/domain/class/picture."""

from samekind.datasets.declaration import Dataset

FOLDER = Dataset(
    name="folder",
    title="a folder of your own",
    citation="whatever its pictures ask for",
    licence="that of its pictures",
    source="your disk",
    layout="root/domain/class/picture, as in photo/dog/1.jpg and sketch/dog/2.png",
    notes=(
        "The names of domains and classes are those of the folders; a class has one name in all domains.",
        "Folders deeper than the class belong to it. Hidden files and folders are passed over.",
    ),
)
