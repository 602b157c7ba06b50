"""`stylegan explore`: what its page is told, that the commands it shows draw the same, and who may ask."""

import base64
import io
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from looking import pixels, ws_of
from PIL import Image
from small_families import make
from test_tuning import make_tuning

from stylegan_cli import modelfile, recipes, store, tuning
from stylegan_cli.cli import stopping
from stylegan_cli.cli.commands import explore as command
from stylegan_cli.cli.edits import open_direction
from stylegan_cli.cli.explorer import server as serving
from stylegan_cli.cli.explorer.desk import Desk
from stylegan_cli.cli.explorer.server import MOST, Server
from stylegan_cli.cli.options import Generation, PictureOutput
from stylegan_cli.cli.photos import projecting
from stylegan_cli.cli.studio import Studio
from stylegan_cli.latents import directions, references
from stylegan_cli.latents.directions import Direction
from stylegan_cli.latents.people import from_seed
from stylegan_cli.noise import Noise

HALF = {"coarse": 0.5, "middle": 0.5, "fine": 0.5}
LENGTHS = {"age": 0.5, "odd": 2.0}


def wish(person="1", other="", psi=0.7, shares=HALF, noise=(), variation=0, **amounts):
    plain = {"person": person, "other": other, "psi": psi, "shares": shares, "amounts": amounts}
    return plain | {"noise": noise, "variation": variation}


class Page:
    """Asks a server as its page does."""

    def __init__(self, url):
        self.host, self.path = urlsplit(url).netloc, urlsplit(url).path

    def ask(self, what="", question=None, host=None, path=None):
        """The status and the answer."""
        connection = HTTPConnection(self.host, timeout=60)
        content = json.dumps(question) if isinstance(question, dict) else question
        method = "GET" if question is None else "POST"
        connection.request(method, (path or self.path) + what, content, {"Host": host or self.host})
        answer = connection.getresponse()
        found = answer.read()
        is_plain = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(found) if is_plain else found.decode()

    def face(self, **more):
        status, found = self.ask("face", wish(**more))
        assert status == 200, found
        image = Image.open(io.BytesIO(base64.b64decode(found["picture"])))
        return np.asarray(image).astype(float), found

    def save(self, how="save", **more):
        status, found = self.ask(how, wish(**more))
        assert status == 200, found
        return found["path"]


@pytest.fixture
def own(tiny_model, here, monkeypatch):
    """The directions of the tiny model, among the user's own."""
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    tiny, vectors = store.load(str(tiny_model)), {}
    for i, (name, length) in enumerate(LENGTHS.items()):
        vector = torch.randn(tiny.w_dim, generator=torch.Generator().manual_seed(i))
        vectors[name] = length * vector / vector.norm()
        direction = Direction(name, vectors[name].expand(tiny.num_ws, -1), title=f"how {name}")
        directions.write(store.source(str(tiny_model)).own_directions / f"{name}.npz", direction, tiny.origin)
    return vectors


@contextmanager
def opened(model, known=None, **more):
    """The page of a server in this process, where those who are `known` were found before."""
    studio = Studio(Generation(model=str(model), device="cpu", precision="fp32", **more), PictureOutput(out=Path()))
    sliders = {name: open_direction(studio, name) for name in studio.directions}
    words = ["--model", str(model), "--device", "cpu", "--precision", "fp32"]
    with Server(0) as server:
        desk = Desk(studio, Path(), known or {}, sliders, words)
        server.serve_forever = partial(server.serve_forever, poll_interval=0.01)  # it ends at once
        threading.Thread(target=server.serve, args=(desk,), daemon=True).start()
        yield Page(server.url)
        server.shutdown()


@pytest.fixture
def page(tiny_model, own):
    with opened(tiny_model) as found:
        yield found


@pytest.fixture
def same(stylegan):
    """Whether the command that the page shows, typed in, draws what it saves."""

    def check(page, *more, **wanted):
        saved, shown = Path(page.save(**wanted)), page.face(**wanted)[1]["command"]
        for line in shown.split(" && "):
            words = shlex.split(line)
            assert words[0] == "stylegan"
            result = stylegan(*words[1:])
            assert result.exit_code == 0, result.stderr
        made = Path(result.stdout.splitlines()[0])
        assert np.array_equal(pixels(made), pixels(saved)), shown
        assert recipes.read(saved).command == shown
        made.unlink()
        return shown

    return check


def test_the_page_knows_the_model(page):
    status, text = page.ask()
    assert status == 200 and "<title>stylegan explore</title>" in text and "http" not in text
    assert page.ask("about") == (
        200,
        {
            "model": "tiny",
            "first": "0",
            "people": [],
            "psi": 0.7,
            "bands": ["coarse", "middle", "fine"],
            "noise": True,
            "directions": [
                {"name": "age", "title": "how age", "reach": 10},
                {"name": "odd", "title": "how odd", "reach": 2.5},
            ],
        },
    )


def test_every_id_that_the_page_uses_is_there(page):
    _, text = page.ask()
    there = set(re.findall(r' id="(\w+)"', text))
    used = set(re.findall(r'at\("(\w+)"\)', text)) | set(re.findall(r'slider\("(\w+)"', text))
    assert used and used <= there


def test_faces_are_as_asked_for(page, own, tiny_model):
    plain, found = page.face()
    assert plain.shape == (128, 128, 3)
    how = f"--model {tiny_model} --device cpu --precision fp32"
    assert found["command"] == f"stylegan sample 1 {how}"
    assert found["drift"] > 0
    moved, found = page.face(age=3)
    assert np.abs(moved - plain).mean() > 1
    assert found["command"] == f"stylegan edit 1 --age 3 {how}"
    ws = [ws_of(page.save(**wanted)) for wanted in ({}, {"age": 3, "odd": -1})]
    assert torch.allclose(ws[1] - ws[0], 3 * own["age"] - own["odd"], atol=1e-5)


def test_the_commands_draw_the_same(page, same, stylegan, tiny_model, monkeypatch):
    stylegan("sample", 5, "--save-latents", "--model", tiny_model, "--out", "five.png")
    shares = {"coarse": 1, "middle": 0.25, "fine": 0}
    assert " --psi 0.5 " in same(page, psi=0.5)
    same(page, person="2", age=-1.5, odd=0.75)
    assert "psi" not in same(page, person="five.npz", psi=0.5)
    same(page, person="five.png", other="2", shares=shares, psi=0.4)
    for age in (2, 1):  # the same child twice
        assert " && stylegan edit child-" in same(page, person="1", other="five.npz", shares=shares, age=age)
    monkeypatch.setenv("HOME", str(Path().resolve()))
    assert f" {Path('five.npz').resolve()} " in same(page, person="~/five.npz")  # no shell looks at what is typed there
    Path("five.npz").rename("-5.npz")
    same(page, person="-5.npz", odd=1)


ARROWS = [[0.25, 0.5, 0.375, 0.5], [0.75, 0.75, 0.75, 0.75]]  # one is held


def test_who_was_dragged_is_somebody_to_go_on_with(page, same, stylegan):
    dragged = [page.ask("drag", wish(other="2", age=1) | {"moves": ARROWS})[1]]
    dragged.append(page.ask("drag", wish(person="dragged.png", odd=1) | {"moves": ARROWS[:1]})[1])
    assert [found["person"] for found in dragged] == ["dragged.png", "dragged-2.png"]
    assert all(isinstance(found["remarks"], list) for found in dragged)
    for name, before in (("dragged.png", page.face(other="2", age=1)[0]), ("dragged-2.png", pixels("dragged.png"))):
        assert np.abs(page.face(person=name)[0] - before).mean() > 1
        shown = recipes.read(Path(name)).command
        for line in shown.split(" && "):
            assert stylegan(*shlex.split(line)[1:]).exit_code == 0, shown
        assert np.array_equal(pixels("drag.png"), pixels(name)), shown
        Path("drag.png").unlink()
    assert re.search(
        r" --out (edited-\w+.png) .* drag \1 --move 32,64..48,64 --hold 96,96 --model", command_of("dragged.png")
    )
    assert re.match(r"stylegan edit dragged.png .* && stylegan drag edited-", command_of("dragged-2.png"))
    same(page, person="dragged.png", odd=1)


def test_what_a_drag_changed_becomes_a_slider(page, stylegan, tiny_model):
    page.ask("drag", wish(age=1) | {"moves": ARROWS})
    assert page.face(person="dragged.png")[1]["isDragged"] is True
    assert page.face(person="1")[1]["isDragged"] is page.face(person="dragged.png", other="2")[1]["isDragged"] is False
    status, found = page.ask("keep", {"person": "dragged.png", "name": "mine"})
    assert (status, found["name"], found["title"]) == (
        200,
        "mine",
        "what makes dragged differ from age +1; 1 is all of it",
    ), found
    assert found["reach"] in (1, 2, 2.5, 5, 10, 25, 50)  # whose fiftieth parts divide 1
    listed = stylegan("directions", "show", "mine", "--model", tiny_model, "--size", 16).stderr
    assert f"command: {command_of('dragged.png')}" in listed.replace("\n", " ")
    moved = page.face(age=1, mine=1)
    np.testing.assert_allclose(moved[0], page.face(person="dragged.png")[0], atol=24)  # rounding, and JPEG
    assert "--direction mine=1" in moved[1]["command"]
    assert stylegan("edit", 3, "--direction", "mine=0.5", "--model", tiny_model).exit_code == 0


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({"person": "1", "name": "mine"}, "the page asked for something that is not known here"),
        ({"person": "dragged.png", "name": "a/b"}, "cannot be a direction's name"),
        ({"person": "dragged.png"}, "cannot be a direction's name"),
        ({"person": "dragged.png", "name": "age"}, "there is a slider called age; choose another name"),
        ({"person": "dragged.png", "name": "taken"}, "taken.npz is another direction; choose another name"),
    ],
)
def test_what_becomes_no_slider(page, own, tiny_model, question, sentence):
    (store.source(str(tiny_model)).own_directions / "taken.npz").write_bytes(b"broken")
    page.ask("drag", wish() | {"moves": ARROWS})
    before = {path.name for path in store.source(str(tiny_model)).own_directions.iterdir()}
    status, found = page.ask("keep", question)
    assert (status, sentence in found["error"]) == (400, True), found
    assert {path.name for path in store.source(str(tiny_model)).own_directions.iterdir()} == before


def command_of(name):
    return recipes.read(Path(name)).command


@pytest.mark.parametrize(
    "moves", [None, 1, [1], [[0.1, 0.2, 0.3]], [[0.1, 0.2, 0.3, "much"]], [[0.1, 0.2, 0.3, 1e999]]]
)
def test_odd_arrows_are_refused(page, here, moves):
    assert page.ask("drag", json.dumps(wish() | {"moves": moves}))[0] == 400
    assert not [*here.glob("*.png")]


@pytest.mark.parametrize(
    ("moves", "sentence"), [([], "1 to 20 points"), ([[0, 0, 1, 1]] * 21, "these are 21"), ([[0, 0, 2, 1]], "256,128")]
)
def test_arrows_that_cannot_be_followed_are_told(page, here, moves, sentence):
    status, found = page.ask("drag", wish() | {"moves": moves})
    assert (status, sentence in found["error"]) == (400, True), found
    assert not [*here.glob("*.png")]


def test_noise_is_part_of_the_command(page, same, tiny_model):
    how = f"--model {tiny_model} --device cpu --precision fp32"
    shown = same(page, noise=["fine"], variation=3, psi=0.5)
    assert shown == f"stylegan noise 1 --psi 0.5 --layers fine --seed 3 --count 1 {how}"
    shown = same(page, noise=["fine", "coarse"], age=1)
    assert re.search(r" --layers coarse,fine --seed 0 .* --out (noise-\w+.png) .* edit \1 --age 1 ", shown)
    assert " && stylegan noise child-" in same(page, other="2", noise=["coarse", "middle", "fine"], variation=1)
    assert len(same(page, other="2", noise=["middle"], odd=-1).split(" && ")) == 3
    saved = page.save(noise=["middle"], variation=2)
    assert recipes.read(Path(saved)).picture.noise == Noise("random", 2, coarse=0, fine=0)
    kept = [page.face(person=saved, **more)[0] for more in ({}, {"noise": ["middle"], "variation": 2}, {"age": 1})]
    assert np.array_equal(kept[0], kept[1])  # they keep theirs
    assert np.array_equal(kept[2], page.face(noise=["middle"], variation=2, age=1)[0])
    assert " edit explored" in same(page, person=saved, age=1)


def test_photos_get_other_noise_too(page, same, tiny, monkeypatch):
    Image.new("RGB", (8, 8)).save("me.jpg")
    someone = replace(from_seed(tiny, 9, 1.0), tuned=tuning.whole(make_tuning(tiny), tiny.num_ws))
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: someone)
    plain = page.face(person="me.jpg")[0]
    assert np.abs(page.face(person="me.jpg", noise=["fine"])[0] - plain).mean() > 1
    same(page, person="me.jpg", noise=["fine"])
    same(page, person="me.jpg", noise=["fine", "middle"], variation=1, age=1)
    same(page, person="2", other="me.jpg", noise=["fine"], age=1)


def test_noise_where_there_is_none(here, same, monkeypatch):
    """StyleGAN3 has no noise, and small models have no fine layers, in whose stead nothing is blended either."""
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    for name, model in (("three", make("stylegan3")), ("small", make("stylegan2", resolution=32))):
        modelfile.save(model, here / f"{name}.safetensors", {})
    with opened("three.safetensors") as page:
        assert page.ask("about")[1]["noise"] is False
        error = {"error": "this model has no noise in coarse and fine layers; reload the page"}
        assert page.ask("face", wish(noise=["coarse", "fine"])) == (400, error)
        same(page, other="2")
    with opened("small.safetensors") as page:
        assert page.ask("about")[1]["bands"] == ["coarse", "middle"]
        assert page.ask("save", wish(noise=["fine"]))[0] == 400
        assert "fine" not in same(page, other="2", noise=["middle"])


def test_seeds_follow_psi_and_people_who_are_known_do_not(tiny_model, own, tiny):
    someone = from_seed(tiny, 9, 1.0)
    with opened(tiny_model, {"me.jpg": someone, "3": from_seed(tiny, 3, 1.0)}) as page:
        assert page.ask("about")[1]["people"] == ["me.jpg", "3"]
        known = [page.face(person="me.jpg", psi=psi)[0] for psi in (0, 1)]
        assert np.array_equal(*known)
        seeds = [page.face(person="3", psi=psi)[0] for psi in (0, 1)]
        assert np.abs(seeds[0] - seeds[1]).mean() > 1


def test_classes_and_cutoffs_are_part_of_the_command(here, same, monkeypatch):
    monkeypatch.setenv("STYLEGAN_DATA", str(here / "data"))
    generator = make("stylegan2", c_dim=3)
    modelfile.save(generator, here / "classes.safetensors", {})
    turn = Direction("turn", torch.ones(generator.num_ws, generator.w_dim))
    origin = store.load("classes.safetensors").origin
    directions.write(store.source("classes.safetensors").own_directions / "turn.npz", turn, origin)
    with opened("classes.safetensors", class_index=2, cutoff=4) as page:
        shown = same(page, psi=0.3)
        same(page, person="1", other="2", turn=1)
    assert shown.startswith("stylegan sample 1 --psi 0.3 --cutoff 4 --class 2 --model classes.safetensors")


def test_a_new_centre_is_part_of_the_command_where_it_does_something(tiny_model, own, same):
    with opened(tiny_model, new_center="7") as page:
        assert same(page, psi=0.3).startswith("stylegan sample 1 --psi 0.3 --new-center 7 ")
        assert same(page, noise=["fine"]).startswith("stylegan noise 1 --new-center 7 ")
        assert "--new-center" not in same(page, psi=1)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"person": "nobody"}, "unknown person 'nobody'"),
        ({"person": " "}, "name a person: a seed"),
        ({"person": "~not-a-user/me.npy"}, "unknown person '~not-a-user/me.npy'"),
        ({"smile": 1}, "there is no direction 'smile'; reload the page"),
        ({"psi": float("nan")}, "psi is a number from -2 to 2"),
        ({"age": float("inf")}, "amounts are numbers up to 1000"),
        ({"age": float("nan")}, "amounts are numbers up to 1000"),
        ({"age": "much"}, "the page asked for something that is not known here; reload it"),
        ({"shares": {"coarse": 0.5}}, "the page asked for something that is not known here; reload it"),
        ({"shares": HALF | {"fine": 1.5}}, "shares are from 0 to 1"),
        ({"noise": 1}, "the page asked for something that is not known here; reload it"),
        ({"variation": float("inf")}, "the page asked for something that is not known here; reload it"),
        ({"variation": -1}, "seeds of noise go from 0 to "),
    ],
)
def test_what_cannot_be_drawn_is_told(page, here, wanted, sentence):
    for what in ("face", "save"):
        status, found = page.ask(what, wish(**wanted))
        assert (status, sentence in found["error"]) == (400, True), found
    assert page.face()[1]["drift"] > 0  # and it goes on


def test_a_photo_is_searched_when_the_page_asks_for_it(page, own, tiny, monkeypatch):
    Image.new("RGB", (8, 8)).save("me.jpg")
    someone, asked = from_seed(tiny, 9, 1.0), []
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: None)
    monkeypatch.setattr(projecting, "person", lambda _studio, photo: asked.append(str(photo.path)) or someone)
    sentence = "me.jpg is a photo: finding who is in it can take minutes, but only the first time"
    for people in ({"person": "me.jpg"}, {"other": "me.jpg"}):
        assert page.ask("face", wish(**people)) == (200, {"photo": "me.jpg", "sentence": f"{sentence}."})
        assert page.ask("save", wish(**people)) == (400, {"error": sentence})
    assert not asked
    assert page.ask("find", {"photo": "me.jpg"}) == (200, {})
    assert asked == ["me.jpg"]
    assert torch.allclose(ws_of(page.save(person="me.jpg", psi=0.1)), someone.ws)
    for odd in ({"photo": "1"}, {"photo": ""}, {}, [1]):
        status, found = page.ask("find", json.dumps(odd))
        assert (status, "is no photo" in found["error"]) == (400, True)


def test_a_photo_that_was_searched_before_needs_no_search(page, tiny, monkeypatch):
    Image.new("RGB", (8, 8)).save("me.jpg")
    someone = from_seed(tiny, 9, 1.0)
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: someone)
    assert torch.allclose(ws_of(page.save(person="me.jpg")), someone.ws)


def test_a_face_goes_back_into_its_photo(page, stylegan, tiny_model, astronaut, coarse_features, monkeypatch):
    """As `edit --paste` puts it there; also from another folder than the page's."""
    Path("photos").mkdir()
    photo = astronaut.resize((512, 512))
    photo.save("photos/me.png")
    words = ("--model", tiny_model, "--device", "cpu", "--precision", "fp32")
    assert stylegan("project", "photos/me.png", "--steps", 1, "-o", "me.npz", *words).exit_code == 0
    (someone,) = references.from_file(Path("me.npz"), store.load(str(tiny_model)))
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: someone)
    assert page.face(person="photos/me.png")[1]["isInPhoto"] is True
    saved = [page.save("paste", person="photos/me.png", age=2)]
    saved.append(page.save("paste", person="photos/me.png#1", age=2, noise=["fine"]))
    assert saved == ["me-edited.png", "me-edited-2.png"]
    age = store.source(str(tiny_model)).own_directions / "age.npz"
    edit = ("edit", "me.npz", "--direction", f"{age}=2", "--paste", "photos/me.png", "-o", "typed.png", *words)
    assert stylegan(*edit).exit_code == 0
    assert np.array_equal(pixels("typed.png"), pixels(saved[0]))
    assert 0 < (pixels(saved[0]) != np.asarray(photo)).any(axis=2).mean() < 0.5
    dragged = page.ask("drag", wish(person="photos/me.png") | {"moves": ARROWS})[1]["person"]
    assert page.face(person=dragged, age=1)[1]["isInPhoto"] is True
    moves = ("--move", "32,64..48,64", "--hold", "96,96")
    drag = ("drag", "me.npz", *moves, "--paste", "photos/me.png", "-o", "typed-2.png", *words)
    assert stylegan(*drag).exit_code == 0
    assert np.array_equal(pixels("typed-2.png"), pixels(page.save("paste", person=dragged)))
    again = page.ask("drag", wish(person=dragged) | {"moves": ARROWS[:1]})[1]["person"]
    assert page.face(person=again)[1]["isInPhoto"] is True and page.save("paste", person=again)
    assert not np.array_equal(pixels(saved[0]), pixels(saved[1]))


@pytest.mark.parametrize(
    "people", [{"person": "2"}, {"person": "me.jpg", "other": "2"}, {"person": "2", "other": "me.jpg"}]
)
def test_who_is_in_no_photo_goes_back_into_none(page, tiny, people, monkeypatch):
    Image.new("RGB", (8, 8)).save("me.jpg")
    monkeypatch.setattr(projecting, "remembered", lambda _studio, _photo: from_seed(tiny, 9, 1.0))
    assert page.face(**people)[1]["isInPhoto"] is False
    status, found = page.ask("paste", wish(**people))
    assert (status, "only somebody found in a photo" in found["error"]) == (400, True)
    assert [path.name for path in Path().glob("*.png")] == []


def test_files_in_the_folder_are_offered(page):
    for name in ("me.JPG", "her.npz", "notes.txt", ".hidden.png"):
        Path(name).touch()
    assert page.ask("about")[1]["people"] == ["her.npz", "me.JPG"]


def test_no_search_outlives_the_command(page, monkeypatch):
    """A search runs in a thread, which hears no signals."""
    Image.new("RGB", (8, 8)).save("me.jpg")
    begun, told = threading.Event(), projecting.telling(lambda *_: None, None)

    def search(*_):
        begun.set()
        while True:
            told(SimpleNamespace(done=1, distance=1.0, image=None))
            time.sleep(0.01)

    monkeypatch.setattr(projecting, "person", search)
    with futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(page.ask, "find", {"photo": "me.jpg"})
        assert begun.wait(60)
        monkeypatch.setattr(stopping, "_since", 1.0)
        with pytest.raises(HTTPException):
            answer.result(60)


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 90_000, b'{"a": "' + b"x" * MOST + b'"}', b"\xff"])
def test_what_no_page_asks_is_refused(page, content):
    status, _ = page.ask("face", content)
    assert status in (400, 404)
    assert page.ask("nothing", wish())[0] == page.ask("nothing")[0] == 404
    assert page.ask("about")[0] == 200


def test_latents_beyond_all_measure(page):
    np.save("huge.npy", np.full(16, 1e30, np.float32))
    assert page.face(person="huge.npy")[1]["drift"] == 999


def test_only_the_page_is_answered(page):
    """Another site in the same browser knows the port at best; or it gives this machine a name of its own."""
    port = page.host.rpartition(":")[2]
    assert page.ask("about", host=f"localhost:{port}")[0] == 200
    assert page.ask("about", host=f"evil.example:{port}")[0] == 404
    for path in ("/", "/x/", page.path[:-2] + "/", page.path[:-1]):
        assert page.ask("about", path=path)[0] == 404
        assert page.ask("save", wish(), path=path)[0] == 404
    assert not Path("explored.png").exists()


def test_only_this_machine_is_answered(page):
    port = int(page.host.rpartition(":")[2])
    for other in ("127.0.0.2", "127.0.0.1"):
        with socket.socket() as asking:
            assert (asking.connect_ex((other, port)) == 0) == (other == serving.HERE)


def test_a_mistake_of_ours_is_told_and_the_page_goes_on(page, monkeypatch, capfd):
    monkeypatch.setattr(Desk, "face", lambda *_: 1 / 0)
    with pytest.raises(HTTPException):
        page.ask("face", wish())
    assert "an unexpected error occurred (ZeroDivisionError" in " ".join(capfd.readouterr().err.split())
    assert page.ask("about")[0] == 200


def test_a_port_that_is_taken(page, stylegan, tiny_model, monkeypatch):
    """It is told before anybody is searched for."""
    monkeypatch.setattr("stylegan_cli.cli.casting.several", lambda *_: pytest.fail("searched"))
    port = page.host.rpartition(":")[2]
    result = stylegan("explore", 1, "--port", port, "--no-browser", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"--port {port} is used by another program; choose another, or leave it out" in result.stderr


def test_psi_is_for_whoever_is_named_on_the_page(stylegan, tiny_model, own, here, monkeypatch):
    seen = []
    monkeypatch.setattr(
        serving,
        "Server",
        lambda _port: nullcontext(SimpleNamespace(url="", serve=seen.append, turns=futures.ThreadPoolExecutor(1))),
    )
    folder = store.source(str(tiny_model)).own_directions
    (folder / "broken.npz").write_bytes(b"no zip")
    tiny = store.load(str(tiny_model))
    directions.write(folder / "nothing.npz", Direction("nothing", torch.zeros(tiny.num_ws, tiny.w_dim)), tiny.origin)
    directions.write(here / "more.npz", Direction("more", torch.ones(tiny.num_ws, tiny.w_dim)), tiny.origin)
    for words in (["--psi", 0.5, "--precision", "fp32", "--direction", "more.npz"], [1, "--class", 2]):
        result = stylegan("explore", *words, "--no-browser", "--model", tiny_model)
    (desk,) = seen
    assert [*desk.directions] == ["age", "odd", "more.npz"]  # as far as they can be read, and move anybody
    assert desk.about()["psi"] == 0.5 and desk.words == ["--model", str(tiny_model), "--precision", "fp32"]
    assert (result.exit_code, "--class 2: tiny has no classes" in result.stderr) == (2, True), result.stderr


def test_people_who_are_not_there_open_no_page(stylegan, tiny_model):
    result = stylegan("explore", "nobody", "--no-browser", "--model", tiny_model)
    assert (result.exit_code, result.stdout) == (2, "")
    result = stylegan("explore", "--out", "faces.png", "--no-browser", "--model", tiny_model)
    assert (result.exit_code, "faces are saved in a folder" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("system", "display", "opens"), [("linux", "", False), ("linux", ":0", True), ("darwin", "", 1)]
)
def test_no_browser_is_opened_inside_a_terminal(monkeypatch, system, display, opens):
    seen = []
    monkeypatch.setattr("webbrowser.open", seen.append)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    command._open("http://127.0.0.1:1/x/")
    assert bool(seen) == bool(opens)


def test_the_thread_that_compiles_is_the_one_that_draws(stylegan, tiny_model, monkeypatch):
    """CUDA graphs do not work in another."""
    threads = []

    def drawing(server, _desk):
        threads.append(server.turns.submit(threading.get_ident).result())
        raise KeyboardInterrupt

    monkeypatch.setattr(Studio, "speed_up", lambda _studio, _faces: threads.append(threading.get_ident()))
    monkeypatch.setattr(Server, "serve", drawing)
    assert stylegan("explore", 1, "--model", tiny_model, "--no-browser").exit_code == 130
    assert len(threads) == 2 and threads[0] == threads[1] != threading.get_ident()


def test_from_the_command_to_a_saved_face(here, ffhq):
    """In a process, until Ctrl-C."""
    words = [sys.executable, "-m", "stylegan_cli", "explore", "dany", "jon", "--no-browser", "-o", "mine"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        page = Page(process.stdout.readline().strip())
        assert page.ask("about")[1]["people"][:2] == ["dany", "jon"]
        image, found = page.face(person="dany", other="jon", age=-2)
        assert image.shape == (1024, 1024, 3) and image.std() > 20
        assert re.search(r" --fine 0.5 --out (child-\w+.png) --force && stylegan edit \1 --age -2$", found["command"])
        assert page.save(person="dany", smile=2) == str(Path("mine/explored.png"))
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "mine/explored.png\n"), error
    assert error.splitlines()[-1] == "The page is closed; faces that were saved are kept."
    assert Image.open("mine/explored.png").size == (1024, 1024)
