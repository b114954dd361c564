"""A picture in a folder comes out as pixels."""

from pathlib import Path

from PIL import Image

from samekind.images.decode import open_image
from samekind.images.preprocess import Preprocess
from samekind.images.source import ImageRef, list_images


def test_a_picture_in_a_folder_comes_out_as_a_square_of_its_colour(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), (255, 0, 0)).save(tmp_path / "red.png")
    (found,) = list_images(tmp_path)
    assert isinstance(found, ImageRef)
    decoded = open_image(found.uri)
    assert (decoded.width, decoded.height, decoded.format) == (30, 20, "PNG")
    preprocess = Preprocess(8, "shortest", "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    pixels = preprocess.pixels(decoded.image)
    assert pixels.shape == (8, 8, 3)
    assert (pixels == (255, 0, 0)).all()
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess
