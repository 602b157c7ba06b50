"""The house's arrows run one way, and nothing drags in heavy imports that it does not need."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stylegan_cli"
# Who may import whom, from the ground up; a room may import the rooms before it and itself.
FLOORS = [
    {"errors", "bands", "allocation", "pillow", "plain", "processors", "psnr", "tensorfile"},
    {"files", "folders"},
    {"noise", "hardware", "parallel"},
    {"generator", "ops", "assets"},
    {"architectures", "tuning"},
    {"modelfile", "pictures", "compilation"},
    {"importers"},
    {"scorers"},
    {"recipes", "encoders"},
    {"store"},
    {"latents"},
    {"operations", "media"},
    {"datasets"},
    {"training", "faces"},
    {"metrics"},
    {"cli"},
]
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("stylegan_cli.")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = room(path)
    if here in ("__init__", "__main__"):
        return
    floor = next((i for i, rooms in enumerate(FLOORS) if here in rooms), None)
    assert floor is not None, f"{here} has no floor: add it to FLOORS"
    allowed = set().union(*FLOORS[:floor], {here, "__version__"})
    assert imported_rooms(ast.parse(path.read_text(encoding="utf-8"))) <= allowed


def module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_nobody_imports_in_circles():
    """Not even inside functions, or for types only."""
    modules = set(map(module, SOURCES)) - {"stylegan_cli"}
    imports = {}
    for path in SOURCES:
        nodes = [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        names = {(f"{node.module}.{alias.name}", node.module) for node in nodes for alias in node.names}
        imports[module(path)] = {one if one in modules else other for one, other in names} & modules
    TopologicalSorter(imports).prepare()


def test_only_the_app_knows_the_commands():
    """What commands share is in modules beside them; no command builds on another."""
    importers = [path for path in SOURCES if "stylegan_cli.cli.commands" in path.read_text(encoding="utf-8")]
    assert importers == [PACKAGE / "cli" / "app.py"]


def test_nobody_imports_click():
    assert not [path for path in SOURCES if "import click" in path.read_text(encoding="utf-8")]


def test_drawing_does_not_wait_for_the_compiler():
    """Importing it takes more than a second, and a single picture has no use for it."""
    code = "import sys; import stylegan_cli.cli.studio; print({'torch._dynamo', 'torch._inductor'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "set()"


def test_pictures_are_collected_without_torch():
    imports = "import sys; from stylegan_cli.datasets import collecting, framing, layout, sources"
    code = f"{imports}; from stylegan_cli.media import encode; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"
