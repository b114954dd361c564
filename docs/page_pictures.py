"""Makes docs/images/page-*.png: the page of `samekind serve` in a real browser, on the gallery of the demo.

    python docs/page_pictures.py [--gallery demo/gallery-world] [--gallery ANOTHER]

Run `samekind demo` first. With two galleries there is also a picture of both side by side. Needs a Chromium and the
package playwright; the star is drawn with the mouse, stroke by stroke, and everything that is seen was found.
"""

import argparse
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

OUT = Path(__file__).parent / "images"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
CALM = 900  # milliseconds until thumbnails are there and nothing moves
COLOURS = 256  # of the palette: a third of the bytes


def main() -> None:
    """Start the service, look at the page in each state, and keep what is seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gallery", type=Path, action="append", metavar="DIR")
    galleries = parser.parse_args().gallery or [Path("demo") / "gallery-world"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with serving(galleries[:1]) as address:
            draw_desktop(browser, address)
            draw_phone(browser, address)
        if len(galleries) > 1:
            with serving(galleries) as address:
                draw_two(browser, address)
        browser.close()


@contextmanager
def serving(galleries: list[Path]) -> Iterator[str]:
    """The address of a service on the galleries. Raises RuntimeError where it does not start."""
    options = [option for gallery in galleries for option in ("--gallery", str(gallery))]
    command = [sys.executable, "-m", "samekind", "serve", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline() if process.stdout else "")
            if address is None:
                raise RuntimeError(f"{' '.join(command)} does not start; run `samekind demo` first.")
            yield address[0]
        finally:
            process.terminate()


def draw_desktop(browser: Browser, address: str) -> None:
    """Before anything is asked, a star with what it finds, and a hit beside the query in the dark."""
    page = opened(browser, address, "light", DESKTOP)
    keep(page, "welcome")
    draw_star(page)
    keep(page, "star")
    page.close()
    page = opened(browser, address, "dark", DESKTOP)
    draw_star(page)
    page.locator("#domains .chip").nth(2).click()
    page.wait_for_timeout(CALM)
    page.locator(".card .open").first.click()
    keep(page, "dialog")
    page.close()


def draw_phone(browser: Browser, address: str) -> None:
    """The star on a small screen, light and dark beside each other."""
    shots = []
    for scheme in ("light", "dark"):
        page = opened(browser, address, scheme, PHONE)
        draw_star(page)
        shots.append(seen(page))
        page.close()
    sheet = Image.new("RGB", (2 * shots[0].width + 40, shots[0].height), "white")
    for place, shot in enumerate(shots):
        sheet.paste(shot, (place * (shot.width + 40), 0))
    save(sheet, "phone")


def draw_two(browser: Browser, address: str) -> None:
    """Two galleries for one drawing."""
    page = opened(browser, address, "light", DESKTOP)
    draw_star(page)
    page.select_option("#compare", index=2)
    page.locator("#domains .chip").nth(2).click()
    page.wait_for_timeout(CALM)
    page.locator(".card .open").nth(2).focus()
    keep(page, "two")
    page.close()


def opened(browser: Browser, address: str, scheme: str, viewport: dict[str, int]) -> Page:
    """The page in a browser of its own, as soon as the gallery's pictures welcome."""
    phone = viewport is PHONE
    factor = 2 if phone else 1
    page = browser.new_page(viewport=viewport, color_scheme=scheme, has_touch=phone, device_scale_factor=factor)
    page.goto(address)
    page.wait_for_selector("#wall .open")
    return page


def draw_star(page: Page) -> None:
    """The outline of a star, with the mouse; wait for what it finds."""
    box = page.locator("#paper").bounding_box()
    turns = [(0.38 if at % 2 == 0 else 0.165, at * math.pi / 5) for at in range(11)]
    points = [(0.5 + radius * math.sin(angle), 0.53 - radius * math.cos(angle)) for radius, angle in turns]
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()
    page.mouse.move(0, 0)
    page.wait_for_selector(".column[data-state=ready]")


def seen(page: Page) -> Image.Image:
    """What the window shows once it is calm."""
    page.wait_for_timeout(CALM)
    return Image.open(BytesIO(page.screenshot())).convert("RGB")


def keep(page: Page, name: str) -> None:
    """What the window shows, as a file."""
    save(seen(page), name)


def save(image: Image.Image, name: str) -> None:
    """With a palette, which is much smaller and hardly to be told from the original."""
    image.quantize(COLOURS, kmeans=2).save(OUT / f"page-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
