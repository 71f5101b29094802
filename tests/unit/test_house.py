"""The size and the order of the house: what neither ruff nor import-linter looks at."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES, MAIN_LINES = 250, 40, 40
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def sources(*folders: str) -> list[Path]:
    """Our Python files, without the generated ones."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not path.is_relative_to(ROOT / "libs/parlance/v1"))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def long_functions(path: Path) -> list[str]:
    functions = (
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    sizes = ((f.end_lineno - f.lineno + 1, f.name) for f in functions if f.end_lineno)
    return [f"{name(path)} {function}: {size} lines" for size, function in sizes if size > FUNCTION_LINES]


def test_every_file_can_be_read_in_one_go() -> None:
    everything = sources("libs", "services", "tests", "infra", "benchmarks")
    assert [f"{name(path)}: {lines(path)} lines" for path in everything if lines(path) > FILE_LINES] == []


def test_every_function_fits_a_screen() -> None:
    assert [line for path in sources("libs", "services") for line in long_functions(path)] == []


def test_a_main_only_begins() -> None:
    assert [name(p) for p in sources("services") if p.name == "__main__.py" and lines(p) > MAIN_LINES] == []


def test_inits_are_empty_except_those_of_providers() -> None:
    inits = (path for path in sources("libs", "services") if path.name == "__init__.py")
    assert [name(path) for path in inits if path.parent.name != "providers" and path.read_text().strip()] == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name(path) for path in sources("libs", "services") if VAGUE & {path.stem, path.parent.name}] == []


@pytest.mark.parametrize("lock", ["requirements/run.txt", "requirements/dev.txt", "infra/node/package-lock.json"])
def test_locks_hold_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert "sha256:" in text or "sha512-" in text


@pytest.mark.parametrize("lock", ["run", "dev"])
def test_a_package_that_only_carries_weights_drags_in_no_framework(lock: str) -> None:
    packages = {
        line.split("==")[0] for line in (ROOT / f"requirements/{lock}.txt").read_text().splitlines() if "==" in line
    }
    assert packages & {"torch", "triton", "transformers", "sentence-transformers", "llama-cpp-python"} == set()
    assert not any(package.startswith("nvidia-") for package in packages)
