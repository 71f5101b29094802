"""Generates the stubs in libs/parlance/v1 from protos/: path = package = import, nothing is rewritten.

python infra/local/protos.py            writes them
python infra/local/protos.py --check    tells which of them are stale; exit code 1 if any is
"""

import argparse
import filecmp
import importlib.resources
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
PACKAGE = Path("parlance/v1")


def generate(out: Path) -> None:
    """Writes all stubs below `out`; gRPC classes only where a proto has a service. Raises CalledProcessError."""
    protos = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    services = [path for path in protos if path.endswith("_service.proto")]
    _protoc(protos, f"--python_out={out}", f"--mypy_out=quiet:{out}", f"--plugin=protoc-gen-mypy={_plugin()}")
    _protoc(services, f"--grpc_python_out={out}")


def stale(made: Path, kept: Path) -> list[str]:
    """The names that differ between two folders of stubs, or stand in one of them alone."""
    names = {path.name for folder in (made, kept) for path in folder.glob("*_pb2*.py*")}
    return sorted(name for name in names if not _same(made / name, kept / name))


def check() -> list[str]:
    """The stale names in libs/parlance/v1."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        return stale(Path(folder) / PACKAGE, ROOT / "libs" / PACKAGE)


def write() -> None:
    kept = ROOT / "libs" / PACKAGE
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        made = Path(folder) / PACKAGE
        for name in stale(made, kept):
            (kept / name).unlink(missing_ok=True)
            if (made / name).exists():
                shutil.copyfile(made / name, kept / name)
            print(f"libs/{PACKAGE}/{name}")


def _protoc(protos: list[str], *arguments: str) -> None:
    bundled = importlib.resources.files("grpc_tools") / "_proto"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{bundled}", *arguments, *protos]
    subprocess.run(command, check=True)


def _plugin() -> Path:
    return Path(sys.executable).parent / "protoc-gen-mypy"


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and filecmp.cmp(one, other, shallow=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        write()
        return 0
    names = check()
    if names:
        print("stale in libs/parlance/v1, type `make proto`:", ", ".join(names))
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
