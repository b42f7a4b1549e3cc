"""The page in Debian's Chromium: what somebody sees and does, with the models that ship.

Screenshots of every page stand in ``build/screenshots`` afterwards, to be looked at.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from web_tools import PASSWORD, feeding, until

from edgecnn.bundle import ASSETS, Bundle
from edgecnn.camera.pipeline import Result, load
from edgecnn.camera.sources import Frame
from edgecnn.images import Image
from edgecnn.web.server import serving
from edgecnn.web.site import Settings, Site

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright.expect
expect.set_options(timeout=30_000)  # other tests run beside this one

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "build" / "screenshots"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FACES = {"Eileen": (222, 120), "Grace": (258, 220)}
"""Where the face's middle is in the portrait."""

DESKTOP, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: sudo apt-get install chromium"),
]


def portraits() -> dict[str, Image]:
    """Two public-domain portraits out of installed packages: Eileen Collins, Grace Hopper."""
    import matplotlib
    import skimage

    found = {
        "Eileen": Path(skimage.__file__).parent / "data" / "astronaut.png",
        "Grace": Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg",
    }
    return {name: np.asarray(cv2.imread(str(path)), np.uint8) for name, path in found.items()}


@dataclass
class Room:
    """What the camera sees: portraits side by side on a grey wall, moving a little, in a light.

    Attributes:
        here: whose portraits.
        light: factor on all pixels.
        zoom: of the portraits.
    """

    portraits: dict[str, Image] = field(default_factory=portraits)
    here: tuple[str, ...] = ()
    light: float = 1.0
    zoom: float = 0.6
    blur: float = 0.0

    def frame(self, index: int) -> Image:
        """``(480, 854, 3)`` uint8."""
        picture = np.full((480, 854, 3), (150, 142, 134), np.uint8)
        here = self.here  # the test changes it meanwhile
        for k, name in enumerate(here):
            at = (2 * k + 1) * 854 / (2 * len(here)) + 6 * np.sin(index / 9)
            offset = (at, 210 + 4 * np.cos(index / 7)) - self.zoom * np.array(FACES[name])
            where = np.column_stack([self.zoom * np.eye(2), offset])
            how = {"flags": cv2.INTER_AREA, "borderMode": cv2.BORDER_TRANSPARENT}
            cv2.warpAffine(self.portraits[name], where, (854, 480), dst=picture, **how)
        if self.blur:
            picture = cv2.GaussianBlur(picture, (0, 0), self.blur)
        return np.clip(picture * self.light, 0, 255).astype(np.uint8)


@dataclass
class Home:
    """A page that is served, the camera's room, and a browser."""

    address: str
    site: Site
    room: Room
    browser: Any

    def open(self, viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        """A fresh browser window; complaints of the browser's console are faults."""
        context = self.browser.new_context(viewport=viewport, **options)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.complaints = []
        page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.goto(self.address)
        return page

    def logged_in(self, viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        """A window that is logged in."""
        page = self.open(viewport, **options)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="There now")).to_be_visible()
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def home(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One page for the tests of this file, from its first password on; they run in order."""
    folder, room = tmp_path_factory.mktemp("home"), Room()
    bundle = Bundle(ASSETS)
    settings = Settings(port=0, password=folder / "web-password", keep_faces=True)
    site = Site.of(bundle, folder / "gallery.sqlite", "the synthetic camera", settings)
    site.people().close()
    recognise = load(bundle, folder / "gallery.sqlite", 1)

    def give(index: int) -> Result:
        frame = Frame(room.frame(index), index / 8, index)
        return Result(
            frame, "a camera", recognise(frame.image_bgr, frame.time_s),
            datetime.now(timezone.utc), 12.0,
        )  # fmt: skip

    with ExitStack() as stack:
        sink, address = stack.enter_context(serving(site))
        stack.enter_context(feeding(sink, give, fps=8))
        yield Home(address, site, room, browser)


@pytest.fixture(autouse=True)
def nobody_there(home: Home) -> Iterator[None]:
    yield
    home.room.here, home.room.light, home.room.zoom, home.room.blur = (), 1.0, 0.6, 0.0


def shoot(page: Any, name: str) -> None:
    """Keep a picture of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0, "nothing sticks out to the right"


STRANGER = re.compile("Somebody(, not sure who| unknown)")
"""A face that is a little like somebody enrolled may stay undecided."""


def there(page: Any, text: str | re.Pattern[str]) -> Any:
    """What stands under *There now*, as it is seen."""
    return page.locator("[data-refresh='/now']").get_by_text(text)


def no_complaints(page: Any) -> None:
    assert page.complaints == []
    page.context.close()


def test_the_first_password(home: Home) -> None:
    page = home.open()
    expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    shoot(page, "setup")
    page.get_by_label("Password, 10").fill(PASSWORD)
    page.get_by_label("Once more").fill("another one")
    page.get_by_role("button").click()
    expect(page.get_by_role("alert")).to_have_text("These two differ: type them again.")
    page.complaints.clear()  # chromium tells of the answer 400
    page.get_by_label("Password, 10").fill(PASSWORD)
    page.get_by_label("Once more").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="There now")).to_be_visible()
    expect(there(page, "Nobody.")).to_be_visible()
    no_complaints(page)


def test_log_in_and_out(home: Home) -> None:
    page = home.open()
    shoot(page, "login")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the password.")
    page.complaints.clear()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    no_complaints(page)


def test_the_live_picture_comes_and_can_be_paused(home: Home) -> None:
    home.room.here = ("Eileen",)
    page = home.logged_in()
    until(lambda: page.evaluate("document.getElementById('live').naturalWidth") == 854)
    expect(there(page, STRANGER)).to_be_visible()
    expect(page.locator("#speak")).to_have_text("Somebody unknown")
    expect(page.get_by_text("frames a second")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")
    until_viewers(home, 0)
    page.get_by_role("button", name="Go on").click()
    until_viewers(home, 1)
    no_complaints(page)
    until_viewers(home, 0)


def until_viewers(home: Home, count: int) -> None:
    until(lambda: home.site.pictures.viewers == count)


def test_guided_enrolment_names_who_stood_there(home: Home) -> None:
    page = home.logged_in()
    page.get_by_role("link", name="People").click()
    shoot(page, "people-empty")
    page.get_by_role("link", name="Enrol somebody").click()
    shoot(page, "enrol")
    page.get_by_label("Name").first.fill("Eileen")
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_text("No face is seen: step in front of the camera.")).to_be_visible()
    home.room.here, home.room.zoom = ("Eileen", "Grace"), 0.6
    expect(page.get_by_text("More than one face is seen")).to_be_visible()
    home.room.here, home.room.blur = ("Eileen",), 3.0
    expect(page.get_by_text("Blurred: hold still for a moment.")).to_be_visible()
    home.room.blur = 0.0
    expect(page.get_by_text("This look is there already: move a little.")).to_be_visible()
    expect(page.locator("dd.on", has_text="farther")).to_be_visible()
    home.room.zoom = 1.5
    expect(page.locator("dd.on", has_text="near")).to_be_visible()
    home.room.light = 0.6
    expect(page.locator("dd.on", has_text="another light")).to_be_visible()
    shoot(page, "guided")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("heading", name="Eileen is enrolled")).to_be_visible()
    shoot(page, "enrolled")
    for_the_readme(home, page)
    home.room.light, home.room.zoom, home.room.here = 1.0, 0.6, ("Eileen", "Grace")
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("button", name="This is not Eileen", exact=True)).to_be_visible()
    expect(there(page, STRANGER)).to_be_visible()
    expect(page.locator(".rows img.face").nth(1)).to_be_visible()
    shoot(page, "live")
    page.emulate_media(color_scheme="dark")
    shoot(page, "live-dark")
    no_complaints(page)


def for_the_readme(home: Home, page: Any) -> None:
    """``docs/web.png`` is this, in 256 colours."""
    home.site.visits.forget_visits([v.number for v in home.site.visits.settled()])
    home.room.light, home.room.zoom = 1.0, 1.2
    page.set_viewport_size({"width": 1100, "height": 600})
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("button", name="This is not Eileen", exact=True)).to_be_visible()
    expect(page.locator(".rows img.face")).to_be_visible()
    shoot(page, "readme")
    page.set_viewport_size(DESKTOP)


def test_an_unknown_face_gets_a_name(home: Home) -> None:
    home.site.visits.forget_visits([v.number for v in home.site.visits.settled()])
    home.room.here, home.room.zoom = ("Grace",), 0.6
    page = home.logged_in()
    page.get_by_role("link", name="Who is it?").click()
    until(lambda: any(v.face for v in home.site.visits.settled()))
    page.reload()
    expect(page.get_by_role("heading", name="Unknown 1")).to_be_visible()
    expect(page.get_by_alt_text("Unknown face").first).to_be_visible()
    shoot(page, "unknowns")
    page.get_by_label("Who is it?").first.fill("Grace")
    page.get_by_role("button", name="Enrol").first.click()
    expect(page.get_by_role("heading", name="Grace is enrolled")).to_be_visible()
    page.get_by_role("link", name="Live").click()
    expect(page.get_by_role("button", name="This is not Grace", exact=True)).to_be_visible()
    no_complaints(page)


def test_photos_can_be_sent(home: Home, tmp_path: Path) -> None:
    """Two good ones, one of nobody, and one that is no picture; decoded in a child."""
    for name, image in portraits().items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    cv2.imwrite(str(tmp_path / "wall.png"), Room().frame(0))
    (tmp_path / "notes.jpg").write_bytes(b"not a picture")
    page = home.logged_in()
    page.goto(f"{home.address}enrol?name=Sent")
    files = [tmp_path / n for n in ("Grace.png", "wall.png", "notes.jpg")]
    photos = page.get_by_label("Photos")
    (tmp_path / "large.png").write_bytes(bytes(24 << 20))
    photos.set_input_files([tmp_path / "large.png"])
    page.get_by_role("button", name="Send").click()
    said = photos.evaluate("e => e.validationMessage")
    assert said == "At most 12 photos and 23 MB at once.", "and nothing is sent"
    photos.set_input_files(files)
    page.get_by_role("button", name="Send").click()
    table = page.get_by_role("table")
    expect(table).to_contain_text("someone else: looks like Grace", timeout=60_000)
    expect(table).to_contain_text("no face")
    expect(table).to_contain_text("expected a JPEG, PNG or WebP picture")
    shoot(page, "refused")
    no_complaints(page)


def test_this_is_not_her(home: Home) -> None:
    home.room.here, home.room.zoom = ("Eileen",), 1.2
    page = home.logged_in()
    page.get_by_role("button", name="This is not Eileen", exact=True).click()
    # It is one of her own photos, and the page says so instead of learning nonsense.
    expect(page.get_by_role("alert")).to_contain_text("expected a photo of somebody else")
    page.complaints.clear()
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_role("heading", name="There now")).to_be_visible()
    no_complaints(page)


def test_people_their_photos_and_forgetting_by_keyboard_alone(home: Home) -> None:
    home.room.here = ("Eileen",)
    page = home.open()
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="There now")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    tab_to(page, "People")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Eileen")).to_be_visible()
    shoot(page, "people")
    tab_to(page, "Eileen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Eileen")).to_be_visible()
    shoot(page, "person")
    tab_to(page, "Forget Eileen …")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Forget Eileen?")).to_be_visible()
    shoot(page, "forget")
    tab_to(page, "Forget Eileen")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Eileen is forgotten")
    with home.site.people() as gallery:
        assert "Eileen" not in [p.name for p in gallery.people()]
    tab_to(page, "Live")
    page.keyboard.press("Enter")
    expect(there(page, STRANGER)).to_be_visible()
    no_complaints(page)


def tab_to(page: Any, text: str) -> None:
    """Press Tab until what has that text has the focus, and can be seen to have it."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert page.evaluate(outline) != "none", "the focus is visible"
            return
    raise AssertionError(f"Tab does not reach {text!r}")


def test_the_focus_stays_while_the_page_changes(home: Home) -> None:
    home.room.here, home.room.zoom = ("Grace",), 0.6
    page = home.logged_in()
    page.get_by_role("button", name="This is not Grace", exact=True).focus()
    home.room.here = ("Grace", "Eileen")
    expect(there(page, STRANGER)).to_be_visible()
    said = page.evaluate("document.activeElement.textContent.trim()")
    assert said == "This is not Grace"
    no_complaints(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_on_a_phone(home: Home, scheme: str) -> None:
    home.room.here, home.room.zoom = ("Eileen", "Grace"), 0.6
    options = {"color_scheme": scheme, "has_touch": True, "is_mobile": True}
    page = home.logged_in(PHONE, device_scale_factor=2, **options)
    expect(there(page, STRANGER)).to_be_visible()
    page.wait_for_timeout(500)
    for path in ("", "people", "person?name=Grace", "enrol", "unknowns", "about"):
        page.goto(home.address + path)
        if not path:
            expect(there(page, STRANGER)).to_be_visible()
        shoot(page, f"phone-{scheme}-{path.partition('?')[0] or 'live'}")
    no_complaints(page)


CONTRAST = """() => {
  const light = c => { const v = c.map(x => { x /= 255;
    return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const ground = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
    return [255, 255, 255]; };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('.hidden, .skip, option')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(e.outerHTML.slice(0, 90));
  }
  return faint;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_everything_has_a_name(home: Home, scheme: str) -> None:
    """Contrast of WCAG 2.2 AA (4.5 to 1), a label for each field, a language, landmarks."""
    home.room.here, home.room.zoom = ("Eileen", "Grace"), 0.6
    page = home.logged_in(color_scheme=scheme)
    for path in ("", "people", "person?name=Grace", "forget?name=Grace", "enrol", "unknowns",
                 "about", "none"):  # fmt: skip
        page.goto(home.address + path)
        assert page.evaluate(CONTRAST) == [], path
        nameless = page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden])')].filter("
            "e => !e.labels.length).map(e => e.outerHTML)"
        )
        assert nameless == [], path
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("main, nav, header").count() == 3
        assert page.locator("h1").count() == 1
    page.complaints = [c for c in page.complaints if "404" not in c]
    no_complaints(page)


def test_without_script_everything_works_by_reloading(home: Home) -> None:
    home.room.here, home.room.zoom = ("Grace",), 0.6
    page = home.logged_in(java_script_enabled=False)
    page.reload()
    expect(page.get_by_role("button", name="This is not Grace", exact=True)).to_be_visible()
    page.get_by_role("link", name="People").click()
    expect(page.get_by_role("link", name="Grace")).to_be_visible()
    no_complaints(page)


def test_a_session_that_ended_leads_to_the_log_in(home: Home) -> None:
    page = home.logged_in()
    home.site.sessions.end_all()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.context.close()


def test_a_session_that_ended_before_the_script_came(home: Home) -> None:
    page = home.open()

    def late(route: Any) -> None:
        home.site.sessions.end_all()
        route.continue_()

    page.route("**/page.js", late)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="There now")).to_be_visible()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.context.close()
