"""The words of other projects' tools: taken where they mean the same, told their name here where not."""

import json
import re

import pytest
from command_tree import TOP, options_of
from looking import pixels
from PIL import Image
from small_runs import write_pictures

from stylegan_cli import store
from stylegan_cli.cli import foreign
from stylegan_cli.cli.spellings import ARGUMENTS, IDLE, LOOKED_AT, RENAMED, SAME, spelled
from stylegan_cli.errors import UsageError

COMMANDS = TOP.commands


@pytest.fixture
def planned(stylegan, here):
    """The options of a run of `train`, by --dry-run."""
    write_pictures(here / "faces", classes=2)

    def run(*more):
        result = stylegan("train", "--data=faces", "--outdir=run", "--dry-run", *more)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def refused(stylegan, here):
    """The sentence that a command line costs; nothing is written."""

    def run(*words):
        result = stylegan(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert list(here.iterdir()) == []
        return re.fullmatch(r"Error: (.+)\.\n", result.stderr)[1]

    return run


def test_a_dry_run_prints_the_pace_that_a_run_would_have(planned):
    options = planned("--kimg", 3, "--tick=0.5", "--snap", 7)
    assert (options["kimg"], options["tick"], options["snap"]) == (3, 0.5, 7)
    options = planned("--preset", "laptop", "--resolution", 16)
    assert options["kimg"] > 100 and options["snap"] == 10


@pytest.mark.parametrize(
    ("said", "option", "value"),
    [
        ("--mirror=TRUE", "mirror", True),
        ("--mirror 1", "mirror", True),
        ("--mirror no", "mirror", False),
        ("--mirror --seed 1", "mirror", True),
        ("--cond=yes", "c_dim", 2),
        ("--cond on", "c_dim", 2),
        ("--cond False", "c_dim", 0),
        ("--gamma=auto", "gamma", "0.0016"),
        ("--fp32=1", "precision", "fp32"),
        ("--aug=noaug", "aug", "none"),
        ("--cfg=auto", "cfg", "stylegan2"),
        ("--cfg auto --seed 1", "cfg", "stylegan2"),
        ("--resume=noresume", "resume", ""),
        ("--map_depth=3 --batch_gpu 4 --mbstd_group 4", "batch_gpu", "4"),
        ("--workers=3 --nobench 1 --nhwc=0 --allow-tf32 true --desc x --kimg 3", "kimg", 3),
        ("--nobench --kimg 3", "kimg", 3),
    ],
)
def test_train_as_nvidia_spells_it(planned, said, option, value):
    assert planned(*said.split())[option] == value


@pytest.mark.parametrize("said", ["--metrics None", "--metrics=NONE", "--metrics none"])
def test_no_metrics_in_any_letters(said):
    assert spelled(["train", *said.split()]) == ["train", "--metrics=none"]


def test_underscores_reach_every_command(stylegan, here):
    for said in ("blend_parents --save_latents -h", "models convert --out_of -h", "directions find --with_out x -h"):
        words = spelled(said.split())
        assert words[0] == said.split()[0].replace("_", "-")
        assert not [word for word in words if word.startswith("--") and "_" in word]
    result = stylegan("blend_parents", 1, 2, "--model=faces-64", "--save_latents", "--outdir", "a_b")
    assert result.exit_code == 0, result.stderr
    assert {path.suffix for path in (here / "a_b").iterdir()} == {".png", ".npz"}


def test_what_is_no_option_stays_as_it_is():
    assert spelled(["mix", "--coarse=a_b.npy", "-o", "c_d.png"]) == ["mix", "--coarse=a_b.npy", "-o", "c_d.png"]
    assert spelled(["noise", "--", "--a_b"]) == ["noise", "--", "--a_b"]
    assert spelled(["--version"]) == ["--version"]


@pytest.mark.parametrize("word", ["-age", "-seeds=1-3", "-hair-length"])
def test_long_names_with_one_dash(word):
    with pytest.raises(UsageError, match=f"there is no option {word}; if you mean -{word}, it has two dashes"):
        spelled(["edit", "jon", word, "3"])


def test_short_names_and_numbers_have_one_dash():
    words = ["sample", "-n10", "-qn", "5", "--psi", "-0.5", "-o", "a.png", "-1"]
    assert spelled(words) == words


def test_home(monkeypatch, stylegan, here, tmp_path):
    """Shells expand ~ at the beginning of words only, not in quotes, and not at all on Windows."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    result = stylegan("sample", "--seeds", 1, "--model=faces-64", "--outdir=~/x")
    assert (result.exit_code, result.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "home/x").iterdir()] == ["seed0001.png"]
    assert list(here.iterdir()) == []
    assert f"there is no folder or zip {tmp_path}/home/x.zip" in stylegan(
        "train", "--data=~/x.zip", "--outdir=run"
    ).stderr.replace("\n", "")
    assert spelled(["sample", "--network=~nobody-of-this-name/x", "--psi=0"])[1:] == [
        "--network=~nobody-of-this-name/x",
        "--psi=0",
    ]
    assert spelled(["edit", "~/me.jpg", "-o", "~/a.png"]) == [
        "edit",
        f"{tmp_path}/home/me.jpg",
        "-o",
        f"{tmp_path}/home/a.png",
    ]


FOLDERS = ["--outdir=run.v2", "--outdir=solo.png", "--outdir ./out.d", "--outdir=v2/", "-o run.v2/", "--out=solo.png/"]


@pytest.mark.parametrize("said", FOLDERS)
def test_outdir_and_a_slash_mean_a_folder(stylegan, here, said):
    for seed in (1, 2):
        result = stylegan("sample", "--seeds", seed, "--model", "faces-64", *said.split())
        assert result.exit_code == 0, result.stderr
    assert [path.relative_to(here).parts[1:] for path in sorted(here.rglob("*.png")) if path.is_file()] == [
        ("seed0001.png",),
        ("seed0002.png",),
    ]


def test_a_folder_of_frames_and_one_of_a_data_set(stylegan, here):
    assert stylegan("interpolate", 1, 2, "--frames=2", "--model=faces-64", "--outdir=x.mp4").exit_code == 0
    assert len(list((here / "x.mp4").iterdir())) == 3
    (here / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save("pictures/a.png")
    assert stylegan("dataset", "pictures", "--outdir", "run.v2", "--size", 8).exit_code == 0
    assert stylegan("sample", "-n", 2, "--dataset", "set.v2/", "--model=faces-64").exit_code == 0
    assert (here / "run.v2/dataset.json").is_file() and (here / "set.v2/dataset.json").is_file()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "sample -o run.v2",
            "run.v2: unknown format 'v2'; formats are png, webp, jpg; for a folder of this name, use ",
        ),
        (
            "dataset . -o c.tar --size 8",
            "c.tar: data sets are .zip files or folders; for a folder of this name, use c.tar/",
        ),
        ("sample --dataset c.tar", "c.tar: data sets are .zip files or folders; for a folder of this name, use c.tar/"),
        ("generate --outdir=out", "there is no command 'generate'; use stylegan sample"),
        ("gen_images.py", "there is no command 'gen_images.py'; use stylegan sample"),
        ("closed_form_factorization", "use stylegan directions discover --method sefa"),
        ("blend jon dany", "there is no command 'blend'; use stylegan blend-parents"),
        ("child jon dany", "there is no command 'child'; use stylegan blend-parents"),
        ("age me.jpg", "there is no command 'age'; use stylegan edit me.jpg --age 3"),
        ("younger me.jpg", "there is no command 'younger'; use stylegan edit me.jpg --age -3"),
        ("face_swap jon me.jpg", "there is no command 'face_swap'; use stylegan paste"),
        ("morph jon dany", "there is no command 'morph'; use stylegan interpolate"),
        ("toonify me.jpg", "there is no command 'toonify'; use stylegan models blend faces.pkl cartoon.pkl --at 32"),
        ("edit me.jpg --old", "stylegan edit has no --old; use --age 3, or -3"),
        ("sample jon --age 3", "stylegan sample has no --age; use stylegan edit jon --age 3"),
        ("noise jon --smile=2", "stylegan noise has no --smile; use stylegan edit jon --smile 3"),
        ("train --ckpt a.pt", "stylegan train has no --ckpt; use --resume"),
        (
            "train --data x --outdir y --resume=ffhq512",
            "'ffhq512' is what NVIDIA's train.py calls ffhq-res512-mirror-stylegan2-noaug.pkl; download that file",
        ),
        ("train --fp16", "stylegan train has no --fp16; use --precision fp16"),
        ("train --ada_length 500000", "has no --ada-length; use --ada-kimg, in thousands of pictures"),
        ("train --iter 9", "use --kimg, in thousands of pictures: steps times --batch, divided by 1000"),
        ("train --mirrory=1", "stylegan train has no --mirrory, and nothing that does the same; leave it out"),
        ("sample --anchor-latent-space", "has no --anchor-latent-space, and nothing that does the same"),
        ("sample --num-image-tiles 4", "use --count 16 --grid --columns 4, for 4 x 4"),
        ("sample --force-fp32 1", "stylegan sample has no --force-fp32; use --precision fp32"),
        ("generate.py circular-video", "there is no command 'circular-video'; use stylegan interpolate 1 2 --method"),
        ("interpolate 1 2 --circular", "stylegan interpolate has no --circular; use --method circle, with two people"),
        ("discriminator_synthesis.py random-vector", "'discriminator_synthesis.py', and none that does the same"),
        ("generate random-video --seeds 1-3", "there is no command 'random-video'; use stylegan interpolate"),
        ("--data photos --name me", "--data comes without a command; use stylegan train"),
        ("--generate", "--generate comes without a command; use stylegan sample"),
        ("train --lr=0.1", "stylegan train has no --lr; use --glr and --dlr"),
        ("interpolate --num_steps 3", "stylegan interpolate has no --num-steps; use --frames"),
        ("project --save-video=1 --target a.png", "stylegan project has no --save-video; use --film search.mp4"),
        ("sample --seeds 1 --projected-w a.npz", "--seeds and --latents (--projected-w) exclude each other"),
        ("sample --seeds 1 2 3-5 --grid", "--seeds takes one list with commas: 1,2,3-5"),
        ("train --cfg=paper512 --gpus=8 --data x --outdir y", "stylegan3-t or stylegan3-r, and --preset for sizes"),
        ("train --gpus=8 --data x --outdir y", "--gpus 8: use torchrun --nproc-per-node 8"),
    ],
)
def test_sentences(refused, said, sentence):
    assert sentence in refused(*said.split())


def test_a_model_of_ones_own_may_have_nvidias_name(monkeypatch):
    with pytest.raises(UsageError, match="'ffhq256' is what NVIDIA"):
        foreign.check_network("ffhq256")
    monkeypatch.setattr(store, "models", lambda: {"ffhq256": None})
    foreign.check_network("ffhq256")


def test_foreign_words_are_foreign():
    """A word that we have ourselves must not be told another name."""
    assert not {word for words in foreign.VERBS.values() for word in words.split()} & set(COMMANDS)
    for verb, table in foreign.OPTIONS.items():
        theirs = [word for words in table.values() for word in words.split()]
        assert len(theirs) == len(set(theirs)), verb
        assert not options_of(COMMANDS[verb]) & set(theirs), verb


def test_what_nothing_does_is_not_here():
    assert not set(foreign.NO_VERBS.split()) & set(COMMANDS)
    assert set(foreign.FIRST.values()) <= set(COMMANDS) and not set(foreign.FIRST) & options_of(TOP)
    for verb, words in foreign.NO_OPTIONS.items():
        answered = {word for told in foreign.OPTIONS[verb].values() for word in told.split()}
        assert not set(words.split()) & (options_of(COMMANDS[verb]) | set(RENAMED) | answered), verb


def test_what_is_said_instead_is_here():
    for words in foreign.VERBS:
        verb, *rest = words.split()
        command = COMMANDS[verb]
        for word in rest:
            if hasattr(command, "commands"):
                command = command.commands[word]
            else:
                assert word in options_of(command) or not word.startswith("--")
    for verb, table in foreign.OPTIONS.items():
        for words in table:
            other = re.match(r"stylegan (\w+)", words)  # the answer is another command
            known = options_of(COMMANDS[other[1] if other else verb])
            said = set(re.findall(r"--[\w-]+", words))
            assert said <= known | {one.split()[1] for one in ARGUMENTS if one.startswith(f"{verb} ")}, verb


def test_other_spellings_are_no_options_of_ours():
    for word in IDLE | ARGUMENTS:
        verb, option = word.split()
        assert option not in options_of(COMMANDS[verb])
    assert not set(RENAMED) & set().union(*map(options_of, COMMANDS.values()))
    said = {answer.partition("=")[0] for answers in SAME.values() for answer in answers.values()}
    said |= {*LOOKED_AT, *RENAMED.values()}
    assert said - {""} - {"--save-video"} <= set().union(*map(options_of, COMMANDS.values()))


def test_a_film_as_nvidia_orders_it(stylegan, here):
    nvidias = ("--output=a.gif", "--trunc=1", "--seeds=3,0-1", "--w-frames=2", "--network=faces-64")
    for said in (nvidias, (3, "0-1", "--frames=2", "--psi=1", "--model=faces-64", "-o", "b.gif")):
        result = stylegan("interpolate", *said)
        assert (result.exit_code, result.stderr) == (0, "")
    assert (here / "a.gif").read_bytes() == (here / "b.gif").read_bytes()


def test_other_names_of_psi_cutoff_and_model(stylegan, here):
    theirs = ("--truncation-psi=0.5", "--trunc_cutoff", 4, "--network_pkl", "faces-64")
    for said in (theirs, ("--psi=0.5", "--cutoff=4", "--model=faces-64")):
        result = stylegan("sample", "--seeds=3", *said)
        assert (result.exit_code, result.stderr) == (0, "")
    assert (pixels("seed0003.png") == pixels("seed0003-2.png")).all()
    assert spelled(["project", "--ckpt", "a.pt", "b.png"]) == ["project", "--model", "a.pt", "b.png"]


def test_slerp_and_jpeg_are_words_for_ours(stylegan, here):
    for said in (("--method=slerp", "--format", "JPEG"), ("--method", "spherical", "--format=jpg")):
        result = stylegan("interpolate", 1, 2, "--frames=2", "--model=faces-64", *said)
        assert result.exit_code == 0, result.stderr
    assert stylegan("interpolate", 1, 2, "--frames=2", "--model=faces-64", "--format=jpg").exit_code == 0
    # Pictures carry their command line, so that files differ; what is on them does not.
    looks = [[pixels(path) for path in sorted((here / name).iterdir())] for name in ("film", "film-2", "film-3")]
    assert all((a == b).all() for a, b in zip(*looks[:2], strict=True))
    assert (looks[0][1] != looks[2][1]).any()


@pytest.mark.parametrize("said", [["jon", "--seeds=1-2"], [], ["--psi=1"]])
def test_people_or_seeds(refused, said):
    assert "name people in order (jon 3 5-9), or use --seeds without people" in refused(
        "interpolate", *said, "--model=faces-64"
    )


def test_mix_takes_noise(stylegan, here):
    looks = {}
    for name, said in (
        ("const", []), ("none", ["--noise_mode=none"]), ("1", ["--noise-mode=random", "--seed=1"]),
        ("again", ["--noise=random", "--seed=1"]), ("2", ["--noise=random", "--seed=2"]),
        ("sheet", ["--rows=1", "--cols=2"]), ("quiet", ["--rows=1", "--cols=2", "--noise=none"]),
    ):  # fmt: skip
        people = [] if "--rows=1" in said else ["--coarse=1", "--fine=2"]
        result = stylegan("mix", *people, *said, "--model=faces-64", "-o", f"{name}.png")
        assert (result.exit_code, result.stderr) == (0, "")
        looks[name] = pixels(f"{name}.png")
    assert (looks["1"] == looks["again"]).all()
    singles = [looks[name] for name in ("const", "none", "1", "2")]
    assert all((a != b).any() for i, a in enumerate(singles) for b in singles[:i])
    assert (looks["sheet"] != looks["quiet"]).any()
    assert (
        "--noise must be one of const, random, none, not 'loud'" in stylegan("mix", "--coarse=1", "--noise=loud").stderr
    )
