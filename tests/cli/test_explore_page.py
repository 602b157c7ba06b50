"""The page of `stylegan explore` in a browser: what its controls do to the command, the picture and the address."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
import test_explore
from PIL import Image
from small_families import make

from stylegan_cli import modelfile, recipes
from stylegan_cli.cli.explorer import server as serving
from stylegan_cli.cli.photos import projecting
from stylegan_cli.latents.people import from_seed


def browser():
    """One that is there, and whole."""
    for path in filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


BROWSER = browser()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
# It asks nobody but the page's server. Time that the page only waits does not pass, so that nothing depends on how
# fast this machine is.
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=100000", "--dump-dom"),
]
# Does what a user does, and leaves what was seen in the page: the answer of `steps`, or what went wrong.
DRIVER = """
<script>
const of = name => document.querySelector(`[title="${name}, in figures"]`);
const box = band => document.querySelector(`#noise [value=${band}]`);
const command = () => at("command").textContent;
const seen = () => ({ command: command(), picture: at("picture").src.split(",")[1] });
async function until(what) {
  for (let i = 0; i < 200; i++, await new Promise(done => setTimeout(done, 20))) if (what()) return seen();
  throw Error(`in vain: ${what}; the page shows: ${command()}; ${at("note").textContent}`);
}
const shows = words => until(() => command().startsWith(`stylegan ${words} --model`));
function type(input, text) {
  input.value = text;
  for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind, { bubbles: true }));
}
function leave(answer, error = "") {
  const textContent = encodeURIComponent(JSON.stringify([answer, `${error}`]));
  if (!at("told")) document.body.append(Object.assign(document.createElement("pre"), { id: "told", textContent }));
}
addEventListener("error", event => leave(null, event.message));
addEventListener("unhandledrejection", event => leave(null, event.reason));
(async () => { STEPS })().then(leave, error => leave(null, error));
</script>
"""
own = test_explore.own  # two sliders
wish = test_explore.wish


@pytest.fixture
def browse(tmp_path, monkeypatch):
    """Opens a page, and says what `steps` on it return."""
    plain = serving.PAGE.read_text()
    monkeypatch.setattr(serving, "PAGE", tmp_path / "page.html")

    def run(page, steps, address=""):
        serving.PAGE.write_text(plain + DRIVER.replace("STEPS", steps))
        url = f"http://{page.host}{page.path}{address}"
        words = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'browser'}", url]
        shown = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
        told = re.search(r'<pre id="told">(.*?)</pre>', shown)
        assert told, shown
        answer, error = json.loads(unquote(told[1]))
        assert not error
        return answer

    return run


@pytest.fixture
def page(tiny_model, own):
    with test_explore.opened(tiny_model) as found:
        yield found


def drawn(page, **wanted):
    """What the server answers to a wish, as the page shows it."""
    answer = page.face(**wanted)[1]
    return {name: answer[name] for name in ("command", "picture")}


def test_sliders_and_people(page, browse):
    first, moved, other, child = browse(
        page,
        """
        const found = [await shows("sample 0")];
        type(of("age"), 3);
        found.push(await shows("edit 0 --age 3"));
        type(at("person"), "2");
        found.push(await shows("edit 2 --age 3"));
        const wasHidden = at("shares").hidden;
        type(at("other"), "1");
        await until(() => command().startsWith("stylegan blend-parents 2 1 "));
        type(of("coarse"), 0.25);
        found.push(await until(() => command().includes("--coarse 0.25 ")));
        if (!wasHidden || at("shares").hidden) throw Error("shares are for children");
        return found;
        """,
    )
    shares = test_explore.HALF | {"coarse": 0.25}
    assert first == drawn(page, person="0")
    assert moved == drawn(page, person="0", age=3)
    assert other == drawn(page, person="2", age=3)
    assert child == drawn(page, person="2", other="1", shares=shares, age=3)


def test_one_question_at_a_time(page, browse):
    """However fast a slider moves, and the last one counts."""
    asked, most = browse(
        page,
        """
        await shows("sample 0");
        const really = fetch;
        let asked = 0, now = 0, most = 0;
        window.fetch = async (...what) => {
          asked++;
          most = Math.max(most, ++now);
          return really(...what).finally(() => now--);
        };
        for (let amount = 1; amount <= 9; amount++) type(of("age"), amount);
        await shows("edit 0 --age 9");
        return [asked, most];
        """,
    )
    assert (asked, most) == (2, 1)


def test_another_seed_and_the_way_back(page, browse):
    first, other, again = browse(
        page,
        """
        const first = await shows("sample 0");
        at("seed").click();
        const other = await until(() => command() !== first.command);
        history.back();
        return [first, other, await shows("sample 0")];
        """,
    )
    assert re.match(r"stylegan sample [1-9]\d* ", other["command"]) and other["picture"] != first["picture"]
    assert again == first


def test_noise(page, browse):
    fine, second, back, everywhere, child = browse(
        page,
        """
        await shows("sample 0");
        box("fine").click();
        const found = [await shows("noise 0 --layers fine --seed 0 --count 1")];
        at("vary").click();
        found.push(await shows("noise 0 --layers fine --seed 1 --count 1"));
        history.back();
        found.push(await shows("noise 0 --layers fine --seed 0 --count 1"));
        box("fine").click();
        await shows("sample 0");
        at("vary").click();  // all bands, if there were none
        found.push(await shows("noise 0 --layers coarse,middle,fine --seed 0 --count 1"));
        type(at("other"), "1");
        type(of("odd"), -1);
        found.push(await until(() => / noise child-\\w+.png --layers .* edit noise-\\w+.png .*odd=-1/.test(command())));
        return found;
        """,
    )
    every = ["coarse", "middle", "fine"]
    assert fine == back == drawn(page, person="0", noise=["fine"])
    assert second == drawn(page, person="0", noise=["fine"], variation=1)
    assert everywhere == drawn(page, person="0", noise=every)
    assert child == drawn(page, person="0", other="1", noise=every, odd=-1)


def test_the_face_without_directions(page, browse):
    """While the picture is held: with its noise."""
    held, released = browse(
        page,
        """
        await shows("sample 0");
        box("coarse").click();
        type(of("age"), 3);
        const { picture } = await until(() => command().includes("--age 3"));
        const first = { isPrimary: true, pointerId: 1 };
        at("picture").dispatchEvent(new PointerEvent("pointerdown", first));
        const held = await until(() => seen().picture !== picture);
        dispatchEvent(new PointerEvent("pointerup", { ...first, pointerId: 2 }));  // another finger
        if (seen().picture === picture) throw Error("it was not released");
        dispatchEvent(new PointerEvent("pointerup", first));
        return [held.picture, seen().picture];
        """,
    )
    assert held == drawn(page, person="0", noise=["coarse"])["picture"]
    assert released == drawn(page, person="0", noise=["coarse"], age=3)["picture"]


def test_reset(page, browse):
    first, figures, boxes, seed = browse(
        page,
        """
        await shows("sample 0");
        type(at("other"), "1");
        const first = await until(() => command().startsWith("stylegan blend-parents 0 1 --coarse 0.5 "));
        const names = ["coarse", "middle", "fine", "psi", "age", "odd"];
        for (const name of names) type(of(name), 0.25);
        at("vary").click();
        at("vary").click();
        await until(() => ["0.25", "--psi", "--seed 1", "age", "odd"].every(word => command().includes(word)));
        at("reset").click();
        await until(() => command() === first.command);
        if (seen().picture !== first.picture) throw Error("the picture is another");
        history.back();
        await until(() => command().includes("--seed 1"));
        history.forward();
        await until(() => command() === first.command);
        const checked = document.querySelectorAll("#noise :checked");
        return [first, names.map(name => +of(name).value), checked.length, at("vary").value];
        """,
    )
    assert first == drawn(page, person="0", other="1")
    assert (figures, boxes, seed) == ([0.5, 0.5, 0.5, 0.7, 0, 0], 0, "0")


def test_the_way_back_undoes_every_step(page, browse):
    """All that one control was moved by without a click in between is a step, and so is a name; the way forward does
    them again. What nobody waited for is not forgotten."""
    there, back, again, moved = browse(
        page,
        """
        const click = () => dispatchEvent(new PointerEvent("pointerdown"));
        const slide = (name, ...steps) => {
          const range = of(name).previousElementSibling;
          for (range.value of steps) range.dispatchEvent(new Event("input", { bubbles: true }));
        };
        const there = [await shows("sample 0")], back = [], again = [];
        const step = async words => there.push(await until(() => !drawing && command().includes(words)));
        slide("age", 1, 2, 3);
        slide("age", 4);
        await step("edit 0 --age");
        click();
        slide("age", 9);
        await step("edit 0 --age");
        type(at("person"), "1");
        await step("edit 1");
        type(at("person"), "2");
        await step("edit 2");
        type(of("psi"), 0.4);
        await step("--psi 0.4");
        box("fine").click();
        await step("--layers fine");
        for (let i = there.length - 2; i >= 0; i--) {
          history.back();
          back.unshift(await until(() => command() === there[i].command));
        }
        for (let i = 1; i < there.length; i++) {
          history.forward();
          again.push(await until(() => command() === there[i].command));
        }
        click();
        slide("odd", 5);
        at("seed").click();  // while that is drawn
        history.back();
        await until(() => !drawing && command().includes("odd="));
        return [there, back, again, seen().command];
        """,
    )
    assert len({step["command"] for step in there}) == len(there) == 7
    assert back == there[:-1]
    assert again == there[1:]
    assert " edit noise-" in moved and "odd=" in moved


def test_an_unknown_person(page, browse):
    """The command stays that of what can still be seen, but is not to be copied."""
    wrong, right = browse(
        page,
        """
        const look = () =>
          [at("note").textContent, at("note").className, at("picture").className, at("copy").disabled, seen().command];
        if (!at("copy").disabled) throw Error("there is nothing to copy");
        await shows("sample 0");
        type(at("person"), "nobody");
        await until(() => at("note").textContent);
        const wrong = look();
        type(at("person"), "1");
        await shows("sample 1");
        return [wrong, look()];
        """,
    )
    sentence, *looks, command = wrong
    assert re.match("unknown person 'nobody'.*[.]$", sentence) and looks == ["error", "old", True]
    assert command == drawn(page, person="0")["command"]  # of what can still be seen
    assert right == ["", "", "", False, drawn(page, person="1")["command"]]


def test_the_address_keeps_everything(page, browse):
    address, found = browse(
        page,
        """
        await shows("sample 0");
        for (const [id, text] of [["person", "3"], ["other", "1"]]) type(at(id), text);
        await until(() => command().startsWith("stylegan blend-parents 3 1 "));
        type(of("fine"), 0.05);
        type(of("psi"), 0.4);
        type(of("odd"), -0.75);
        for (let i = 0; i < 3; i++) at("vary").click();
        box("middle").click();
        const parts = ["--fine 0.05", "--psi 0.4", "odd=-0.75", "--layers coarse,fine --seed 2"];
        const found = await until(() => parts.every(part => command().includes(part)));
        return [location.hash, found];
        """,
    )
    assert found == drawn(
        page,
        person="3",
        other="1",
        psi=0.4,
        shares=test_explore.HALF | {"fine": 0.05},
        noise=["coarse", "fine"],
        variation=2,
        odd=-0.75,
    )
    assert browse(page, "return until(command);", address) == found
    older = "#" + json.dumps({name: value for name, value in wish(age=1).items() if name not in ("noise", "variation")})
    assert browse(page, "return until(command);", older) == drawn(page, age=1)
    assert browse(page, "return until(command);", "#odd") == drawn(page, person="0")


def test_saving(page, browse):
    note, later = browse(
        page,
        """
        await shows("sample 0");
        at("save").click();
        await until(() => at("note").textContent);
        const note = at("note").textContent;
        type(at("person"), "1");
        await shows("sample 1");
        return [note, at("note").textContent];
        """,
    )
    assert note == "Saved as explored.png." and Path("explored.png").exists()
    assert later == ""  # what is shown now is not saved


def test_dragging(page, browse):
    """With arrows, and a point that is held; they can be cleared, and the way back leads to who was there before."""
    shapes, hidden, again, dragged, back, note = browse(
        page,
        """
        const point = (kind, x, y, target = at("picture"), more = {}) => {
          const box = at("picture").getBoundingClientRect(), side = Math.min(box.width, box.height);
          const clientX = (box.left + box.right) / 2 + (x - 0.5) * side;
          const clientY = (box.top + box.bottom) / 2 + (y - 0.5) * side;
          target.dispatchEvent(new PointerEvent(kind, { clientX, clientY, isPrimary: true, pointerId: 1, ...more }));
        };
        const draws = (x, y, u, v) => {
          point("pointerdown", x, y);
          for (const part of [0.5, 1]) point("pointermove", x + part * (u - x), y + part * (v - y), window);
          point("pointerup", u, v, window);
        };
        const shapes = () => [...at("arrows").children].map(shape => shape.tagName);
        await shows("sample 0");
        type(of("age"), 1);
        await shows("edit 0 --age 1");
        draws(0.5, 0.5, 0.25, 0.25);
        const first = shapes();
        at("clear").click();
        const hidden = [shapes().length, at("dragging").hidden];
        draws(0.25, 0.5, 0.375, 0.5);
        point("pointerdown", 0.1, 0.1, at("picture"), { button: 2 });
        point("pointermove", 0.9, 0.9, window);
        point("pointerup", 0.9, 0.9, window);
        point("dblclick", 0.75, 0.75);
        const again = shapes();
        at("drag").click();
        const dragged = await shows("sample dragged.png");
        await until(() => at("note").textContent);
        if (shapes().length) throw Error("the arrows are still there");
        const note = at("note").textContent;
        window.prompt = () => "mine";
        at("keep").click();
        await until(() => at("note").textContent.startsWith("mine is a slider now"));
        history.back();
        const back = await shows("edit 0 --age 1");
        if (!at("keep").hidden) throw Error("0 was not dragged");
        type(of("mine"), 1e9);
        await until(() => command().includes("--direction mine="));
        return [first, hidden, again, dragged, back, note];
        """,
    )
    assert (shapes, hidden, again) == (["circle", "path"], [0, True], ["circle", "path", "circle"])
    assert dragged == drawn(page, person="dragged.png") != drawn(page, person="0")
    assert back == drawn(page, person="0", age=1)
    assert note.startswith("Saved as dragged.png.")
    # The pointer's places are whole pixels of the screen.
    assert re.search(r" --move 3[123],64..4[789],64 --hold 9[567],96 ", recipes.read(Path("dragged.png")).command)


@pytest.mark.parametrize(
    ("family", "resolution", "bands"), [("stylegan3", 64, []), ("stylegan2", 32, ["coarse", "middle"])]
)
def test_models_offer_the_noise_that_they_have(here, browse, monkeypatch, family, resolution, bands):
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    modelfile.save(make(family, resolution=resolution), here / "other.safetensors", {})
    with test_explore.opened("other.safetensors") as page:
        offered, shares = browse(
            page,
            """
            type(at("other"), "1");
            await until(() => command().startsWith("stylegan blend-parents 0 1"));
            const labels = section => [...document.querySelectorAll(`#${section}:not([hidden]) label`)];
            return ["noise", "shares"].map(section => labels(section).map(label => label.textContent));
            """,
        )
    assert offered == bands and shares == (bands or ["coarse", "middle", "fine"])


def test_only_who_is_in_a_photo_can_be_saved_in_it(page, browse, tiny, monkeypatch):
    Image.new("RGB", (8, 8)).save("me.jpg")
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: from_seed(tiny, 9, 1.0))
    asked = browse(
        page,
        """
        await shows("sample 0");  // and not the file that is here
        const found = [];
        for (const [person, other] of [["1", ""], ["me.jpg", ""], ["me.jpg", "1"]]) {
          type(at("person"), person);
          type(at("other"), other);
          await until(() => command().startsWith(`stylegan ${other ? "blend-parents me.jpg 1" : `sample ${person}`} `));
          found.push(at("paste").hidden);
        }
        type(at("other"), "");
        await until(() => !at("paste").hidden);
        at("paste").click();
        await until(() => at("note").textContent);
        return [...found, at("note").textContent, at("paste").disabled];
        """,
    )
    assert asked == [True, False, True, asked[3], False]
    assert "me.jpg" in asked[3]  # which shows no face
