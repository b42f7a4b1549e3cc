"""Imports go one way; what runs on a board needs no training package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("edgecnn", "converters", "devices")

FLOORS = (
    {"edgecnn.errors"},
    {"edgecnn.storage"},
    {"edgecnn.images", "edgecnn.networks"},
    {"edgecnn.text"},
    {"edgecnn.runtime"},
    {"edgecnn.bundle"},
    {"edgecnn.faces", "edgecnn.classify", "edgecnn.report"},
    {"edgecnn.events", "edgecnn.data"},
    {"edgecnn.privacy"},
    {"edgecnn.camera"},
    {"edgecnn.training", "devices", "edgecnn.web"},
    {"converters"},
    {"edgecnn.cli"},
    {"edgecnn.__main__"},
)
"""From the ground up: a room imports itself and lower floors, never its neighbours."""

BOARD = {
    "errors", "storage", "images", "events", "runtime", "bundle", "classify", "faces", "camera",
    "text",
    "privacy",
}  # fmt: skip
BOARD_PACKAGES = {"numpy", "cv2", "ai_edge_litert", "tflite_runtime"}
WEB_PACKAGES = {"starlette", "uvicorn", "jinja2", "python_multipart", "argon2"}
SYSTEM_PACKAGES = {"edgecnn.camera.sources.csi": {"picamera2"}}
"""What a board may have from its system and pip cannot install, by the one module that may ask for
it, inside a function."""
BOARD_EXTRAS = {"cryptography", "paho", "prometheus_client"}
"""What a board may have besides; imported where it is used, never before."""
TRAINING_PACKAGES = (
    "tensorflow", "keras", "jax", "matplotlib", "sklearn", "skimage", "rich", "onnx",
    "onnxruntime", "optuna", "scipy",
)  # fmt: skip


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(p): p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))
}


def imports(text: str, module: str, is_package: bool, top_only: bool = False) -> Iterator[str]:
    """Dotted names that ``text`` imports; relative ones are resolved against ``module``.

    Args:
        top_only: only those that run when the module is imported.
    """
    todo: list[ast.AST] = [ast.parse(text)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: None if is_package else -1]
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            yield from (f"{base}.{a.name}" for a in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and top_only:
            continue
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
            continue
        todo.extend(ast.iter_child_nodes(node))


def imports_of(module: str, top_only: bool = False) -> set[str]:
    path = SOURCES[module]
    is_package = path.name == "__init__.py"
    return set(imports(path.read_text("utf-8"), module, is_package, top_only))


def room(name: str) -> str | None:
    """The room of :data:`FLOORS` that a dotted name lies in, None where it is not ours."""
    known = [r for floor in FLOORS for r in floor if name == r or name.startswith(f"{r}.")]
    return max(known, key=len) if known else None


def floor(room_name: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room_name in rooms)


@pytest.mark.parametrize(
    ("text", "module", "is_package", "top_only", "expected"),
    [
        ("import a.b, c", "x.y", False, False, {"a.b", "c"}),
        ("from a import b", "x.y", False, False, {"a.b"}),
        ("from . import b", "x.y", False, False, {"x.b"}),
        ("from . import b", "x.y", True, False, {"x.y.b"}),
        ("from ..z import b", "x.y.w", False, False, {"x.z.b"}),
        ("def f():\n import a", "x", False, False, {"a"}),
        ("def f():\n import a", "x", False, True, set()),
        ("class C:\n import a", "x", False, True, {"a"}),
        ("if TYPE_CHECKING:\n import a\nelse:\n import b", "x", False, False, {"b"}),
        ("", "x", False, False, set()),
    ],
)
def test_finds_imports(
    text: str, module: str, is_package: bool, top_only: bool, expected: set[str]
) -> None:
    assert set(imports(text, module, is_package, top_only)) == expected


def test_each_room_stands_on_one_floor() -> None:
    rooms = [r for floor_rooms in FLOORS for r in floor_rooms]
    assert len(rooms) == len(set(rooms))
    homeless = [m for m in SOURCES if room(m) is None and m not in ("edgecnn", "edgecnn.assets")]
    assert homeless == []


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_down(module: str) -> None:
    here = room(module)
    if here is None:
        assert not any(room(name) for name in imports_of(module))
        return
    up = {
        name
        for name in imports_of(module)
        if (there := room(name)) and there != here and floor(there) >= floor(here)
    }
    assert up == set(), f"{module} is on floor {floor(here)}"


@pytest.mark.parametrize("module", [m for m in SOURCES if not m.startswith("edgecnn.cli")])
def test_only_the_command_line_imports_all_packages(module: str) -> None:
    reached = {name.partition(".")[0] for name in imports_of(module)} & set(PACKAGES)
    allowed = {"edgecnn"} | {module.partition(".")[0]}
    assert reached <= allowed
    if module != "edgecnn.__main__":
        assert not any(room(name) == "edgecnn.cli" for name in imports_of(module))


BOARD_MODULES = [m for m in SOURCES if m.startswith("edgecnn.") and m.split(".")[1] in BOARD]


@pytest.mark.parametrize("module", BOARD_MODULES)
def test_board_code_needs_only_what_a_board_has(module: str) -> None:
    known = set(sys.stdlib_module_names) | BOARD_PACKAGES | {"edgecnn"}
    at_once, ever = (
        {name.partition(".")[0] for name in imports_of(module, top_only=top_only)} - known
        for top_only in (True, False)
    )
    assert at_once == set()
    assert ever - BOARD_EXTRAS == SYSTEM_PACKAGES.get(module, set())


@pytest.mark.parametrize("module", [m for m in SOURCES if m.startswith("edgecnn.cli")])
def test_a_command_imports_little_before_it_runs(module: str) -> None:
    light = {"edgecnn.cli", "edgecnn.errors", "edgecnn.__version__"}
    ours = {n for n in imports_of(module, top_only=True) if n.partition(".")[0] in PACKAGES}
    heavy = {n for n in ours if not any(n == k or n.startswith(f"{k}.") for k in light)}
    others = {n.partition(".")[0] for n in imports_of(module, top_only=True) - ours}
    assert heavy == set()
    assert others - set(sys.stdlib_module_names) <= {"click"}


@pytest.mark.parametrize("module", [m for m in SOURCES if not m.startswith("converters")])
def test_tensorflow_is_named_by_the_converters_and_one_layer_alone(module: str) -> None:
    # The layer asks for it only while Keras runs on it.
    top_only = module == "edgecnn.networks.layers"
    names = imports_of(module, top_only=top_only)
    assert not any(name.partition(".")[0] == "tensorflow" for name in names)


@pytest.mark.parametrize("module", [m for m in SOURCES if m.startswith("edgecnn.web")])
def test_the_page_needs_what_a_board_and_its_extra_have(module: str) -> None:
    top = {name.partition(".")[0] for name in imports_of(module)}
    allowed = set(sys.stdlib_module_names) | BOARD_PACKAGES | WEB_PACKAGES | {"edgecnn"}
    assert top - allowed == set()


def test_importing_all_board_modules_loads_no_training_package() -> None:
    code = (
        "import importlib, sys\n"
        f"for m in {BOARD_MODULES!r}: importlib.import_module(m)\n"
        f"print(sorted(set(sys.modules) & set({TRAINING_PACKAGES!r})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
