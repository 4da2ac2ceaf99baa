"""Data flows one way: which room of the library may know which other, and what must not load with it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Rooms in the order of the flow; each may import those listed, and itself. A new room gets its line here.
ALLOWED = {
    "errors": set(),
    "weights": {"errors"},
    "data": {"errors"},
    "transforms": {"errors", "data"},
    "networks": {"errors"},
    "losses": {"errors", "networks"},
    "modulation": {"errors", "losses"},
    "metrics": {"errors"},
    "reporting": {"errors", "metrics"},
    "ingest": {"errors", "data", "reporting"},
    "engines": {"errors", "losses", "modulation", "networks"},
    "deploy": {"errors", "weights", "data", "networks", "metrics", "reporting"},
    "handlers": {"errors", "weights", "data", "losses", "modulation", "engines", "metrics", "reporting", "deploy"},
    "config": {"errors", "engines", "reporting"},
    "baselines": {"errors", "data", "metrics", "reporting"},
    "comparison": {"errors", "data", "metrics", "reporting"},
    "doctor": {"errors", "data", "metrics", "reporting"},
}


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module in ("bundle", "scripts"):
                yield from (f"{node.module}.{name.name}" for name in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: a relative import; write the full name")


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "bundle").parts[0].removesuffix(".py")


def test_every_room_imports_only_those_before_it() -> None:
    wrong = []
    for path in files("bundle"):
        room, name = room_of(path), path.relative_to(ROOT).as_posix()
        if room == "__init__":
            continue
        assert room in ALLOWED, f"bundle/{room}: a new room; say in ALLOWED what it may import"
        for module in imports(path):
            if module.startswith("bundle."):
                other = module.split(".")[1]
                if other != room and other not in ALLOWED[room]:
                    wrong.append(f"{name} imports {module}")
    assert wrong == []


def test_comparison_flows_from_methods_to_outcome() -> None:
    rooms = ["methods", "planning", "running", "outcome"]
    folder = ROOT / "bundle" / "comparison"
    assert sorted(one.parent.name for one in folder.glob("*/__init__.py")) == sorted(rooms)
    wrong = [
        f"{path.relative_to(folder)} imports {module}"
        for number, room in enumerate(rooms)
        for path in (folder / room).glob("*.py")
        for module in imports(path)
        for later in rooms[number + 1 :]
        if module.startswith(f"bundle.comparison.{later}")
    ]
    assert wrong == []


def test_table_has_no_way_back() -> None:
    """Removing rooms that need none of the remaining ones must empty the table."""
    remaining = dict(ALLOWED)
    while remaining:
        free = [room for room, needs in remaining.items() if not needs & remaining.keys()]
        assert free, f"a circle among {sorted(remaining)}"
        for room in free:
            del remaining[room]


@pytest.mark.parametrize(
    ("folder", "forbidden"), [("bundle", ("scripts", "tests", "torchvision")), ("scripts", ("tests", "torchvision"))]
)
def test_nothing_imports_scripts_tests_or_torchvision(folder: str, forbidden: tuple[str, ...]) -> None:
    found = {
        (path.name, module) for path in files(folder) for module in imports(path) if module.split(".")[0] in forbidden
    }
    assert found == set()


def test_packages_load_without_ignite_mlflow_and_torchvision() -> None:
    """MONAI Deploy imports them where these are not installed."""
    packages = [".".join(p.parent.relative_to(ROOT).parts) for p in files("bundle") if p.name == "__init__.py"]
    code = (
        "import importlib, sys\n"
        "for name in ('ignite', 'mlflow', 'torchvision'): sys.modules[name] = None\n"  # an import of it now fails
        f"for name in {packages!r}: importlib.import_module(name)\n"
        "from bundle.networks import MDRegressor\n"
        "from bundle.deploy.predictor import Predictor\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "bundle.handlers" in packages
