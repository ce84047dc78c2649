"""The embedded cohort onto disk: each case made once, whole or not at all, with the digest of its voxels beside it.

Cases are made by two child processes (`python -m pancreas_ssl.data.generate`), so that it works alike in a script,
a notebook and a console, and an interrupted parent takes its children with it.
"""

import ast
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from pancreas_ssl.errors import RunError
from pancreas_ssl.files import atomic_path, make_folder

__all__ = ["generate_cases", "generator_version", "make_one", "voxels_digest"]

_FILES = ("image.nii.gz", "label.nii.gz", "organs.nii.gz")


@functools.cache
def generator_version() -> str:
    """Eight hex digits that change with the phantom's code (comments and docstrings aside), so none of its cases
    outlives a change of it in the cache."""
    import pancreas_ssl.phantom as phantom

    digest = hashlib.sha256()
    root = Path(phantom.__file__).parent
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
                value = body[0].value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    body[0] = ast.Expr(ast.Constant(""))
            if getattr(node, "type_params", None) == []:  # came with Python 3.12: as if it were not there
                del node.type_params
        digest.update(path.relative_to(root).as_posix().encode() + _dump(tree).encode())
    return digest.hexdigest()[:8]


def _dump(tree: ast.AST) -> str:
    """`ast.dump` as Python 3.11 writes it: from 3.13 on it leaves out empty lists unless asked."""
    return ast.dump(tree, **({"show_empty": True} if sys.version_info >= (3, 13) else {}))


def voxels_digest(folder: Path) -> str:
    """sha256 over shape, affine and voxels of the files of a case (compression and headers do not count)."""
    import nibabel
    import numpy as np

    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.nii.gz")):
        image = nibabel.load(path)
        voxels = np.ascontiguousarray(np.asanyarray(image.dataobj))
        digest.update(
            f"{path.name} {voxels.shape} {voxels.dtype} {np.round(image.affine, 3).tolist()}".encode()
        )
        digest.update(voxels.data)
    return digest.hexdigest()


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (*_FILES, "digest.json"))


def make_one(root: Path, source: str, case_id: str) -> None:
    """Make one case below `root`/`source`, read it back for its digest, and put it in place."""
    from pancreas_ssl.phantom.cohort import write_case

    goal = root / source / case_id
    if _complete(goal):
        return
    if goal.exists():
        shutil.rmtree(goal)
    try:
        with atomic_path(goal) as temporary:
            temporary.mkdir()
            write_case(source, int(case_id.rpartition("_")[2]), temporary)
            (temporary / "digest.json").write_text(json.dumps({"voxels": voxels_digest(temporary)}))
    except OSError:
        if not _complete(goal):  # otherwise another process was quicker with the same case
            raise


def generate_cases(
    root: Path, wanted: list[tuple[str, str]], *, progress: bool = True, processes: int = 2
) -> None:
    """Make those of `wanted` (source, id) that are not below `root` yet; up to two of them right here."""
    todo = [(source, case_id) for source, case_id in wanted if not _complete(root / source / case_id)]
    if not todo:
        return
    make_folder(root)
    start = time.perf_counter()
    with _Progress(len(todo), f"phantom cases into {root}", progress) as report:
        if len(todo) <= 2 or processes < 2:
            for source, case_id in todo:
                make_one(root, source, case_id)
                report.advance()
        else:
            _in_processes(root, todo, processes, report)
        report.done(time.perf_counter() - start)


def _in_processes(root: Path, todo: list[tuple[str, str]], processes: int, report: "_Progress") -> None:
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    children, readers = [], []
    try:
        for share in (todo[i::processes] for i in range(processes)):
            names = [f"{source}/{case_id}" for source, case_id in share]
            command = [sys.executable, "-m", "pancreas_ssl.data.generate", str(root)]
            child = subprocess.Popen(
                command,
                env=environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            children.append(child)
            child.stdin.write("\n".join(names))
            child.stdin.close()
            readers.append(
                threading.Thread(target=lambda c=child: [report.advance() for _ in c.stdout], daemon=True)
            )
            readers[-1].start()
        failures = []
        for child, reader in zip(children, readers, strict=True):
            problem = child.stderr.read()
            reader.join()
            if child.wait() != 0:
                failures.append((problem.strip().splitlines() or [f"exit code {child.returncode}"])[-1])
        if failures:
            raise RunError(
                f"making the phantom cases failed ({failures[0]}); those already whole were kept, run it again"
            )
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
            for stream in (child.stdout, child.stderr):
                stream.close()


class _Progress:
    """A bar in a terminal; elsewhere one line before and one after."""

    def __init__(self, total: int, what: str, shown: bool):
        self.total, self.what, self.shown = total, what, shown
        self.stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
        self.bar = None

    def __enter__(self) -> "_Progress":
        if self.shown and self.stream.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task(self.what, total=self.total)
        elif self.shown:
            print(f"Making {self.total} {self.what}, once ...", file=self.stream, flush=True)
        return self

    def advance(self) -> None:
        if self.bar:
            self.bar.advance(self.task)

    def done(self, seconds: float) -> None:
        if self.shown:
            print(f"Made {self.total} {self.what} in {seconds:.0f} s.", file=self.stream, flush=True)

    def __exit__(self, *_) -> None:
        if self.bar:
            self.bar.stop()


def _work() -> None:
    root = Path(sys.argv[1])
    for line in sys.stdin.read().split():
        source, _, case_id = line.partition("/")
        make_one(root, source, case_id)
        print(line, flush=True)


if __name__ == "__main__":
    _work()
