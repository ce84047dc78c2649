"""The embedded cohort onto disk: each case made once, whole or not at all, with the digest of its voxels beside it.

Cases are made by two child processes (`python -m pancreas_ssl.data.generate`), which works alike in a script, a
notebook and a console; an interrupted parent takes its children with it.
"""

import ast
import contextlib
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pancreas_ssl.errors import InputError, RunError, require
from pancreas_ssl.files import atomic_path, inside, make_folder, sweep, write_text

__all__ = ["generate_cases", "generator_version", "make_one", "voxels_digest"]

_INPUT = 3  # exit code of a child whose sentence is an `InputError`
_FILES = ("image.nii.gz", "label.nii.gz", "organs.nii.gz")


@functools.cache
def generator_version() -> str:
    """Eight hex digits that change with the phantom's code (comments and docstrings aside), so none of its cases
    outlives a change of it in the cache."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parents[1] / "phantom"
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
                node.body[0] = ast.Expr(ast.Constant(""))
            if getattr(node, "type_params", None) == []:  # came with Python 3.12: as if it were not there
                del node.type_params
        how = {"show_empty": True} if sys.version_info >= (3, 13) else {}  # as Python 3.11 writes it
        digest.update(path.relative_to(root).as_posix().encode() + ast.dump(tree, **how).encode())
    return digest.hexdigest()[:8]


def voxels_digest(folder: Path) -> str:
    """sha256 over shape, affine and voxels of the files of a case (compression and headers do not count)."""
    import nibabel
    import numpy as np

    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.nii.gz")):
        image = nibabel.load(path)
        voxels = np.ascontiguousarray(np.asanyarray(image.dataobj))
        digest.update(f"{path.name} {voxels.shape} {voxels.dtype} {np.round(image.affine, 3).tolist()}".encode())
        digest.update(voxels.data)
    return digest.hexdigest()


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in (*_FILES, "digest.json"))


def _free(goal: Path) -> None:
    """A case is made where nothing is yet: what lies there may be somebody's own."""
    if os.path.lexists(goal):
        raise InputError(
            f"expected to make a new case at {goal}, what is there is no complete case of this tool; move it away or "
            f"name another folder"
        )


def make_one(root: Path, source: str, case_id: str) -> None:
    """Make one case below `root`/`source`, read it back for its digest, and put it in place."""
    from pancreas_ssl.phantom.cohort import write_case

    goal, number = inside(root, root / source / case_id), re.fullmatch(r"\w+_(\d{1,9})", case_id, re.ASCII)
    require(number is not None, f"a case of the phantom such as {source}_000", case_id, "correct it in the card")
    if _complete(goal):
        return
    _free(goal)
    try:
        with atomic_path(goal) as temporary:
            temporary.mkdir()
            write_case(source, int(number[1]), temporary)
            write_text(temporary / "digest.json", json.dumps({"voxels": voxels_digest(temporary)}))
    except (OSError, InputError):
        if not _complete(goal):  # otherwise another process was quicker with the same case
            raise


def generate_cases(root: Path, wanted: list[tuple[str, str]], *, progress: bool = True, processes: int = 2) -> None:
    """Make those of `wanted` (source, id) that are not below `root` yet; up to two of them right here."""
    todo = [(source, case_id) for source, case_id in wanted if not _complete(root / source / case_id)]
    if not todo:
        return
    for source, case_id in todo:
        _free(inside(root, root / source / case_id))
    make_folder(root)
    with _progress(len(todo), f"phantom cases into {root}", progress) as advance:
        if len(todo) <= 2 or processes < 2:
            for source, case_id in todo:
                make_one(root, source, case_id)
                advance()
        else:
            _in_processes(root, todo, processes, advance)


def _in_processes(root: Path, todo: list[tuple[str, str]], processes: int, advance: Callable[[], None]) -> None:
    environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    command = [sys.executable, "-m", "pancreas_ssl.data.generate", str(root)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    children, readers, failures = [], [], []
    try:
        for share in (todo[i::processes] for i in range(processes)):
            child = subprocess.Popen(command, env=environment, text=True, **pipes)
            children.append(child)
            child.stdin.write("\n".join(f"{source}/{case_id}" for source, case_id in share))
            child.stdin.close()
            readers.append(threading.Thread(target=lambda c=child: [advance() for _ in c.stdout], daemon=True))
            readers[-1].start()
        for child, reader in zip(children, readers, strict=True):
            problem = child.stderr.read()
            reader.join()
            if child.wait() != 0:
                failures.append((problem.strip().splitlines() or [f"exit code {child.returncode}"])[-1])
                if child.returncode == _INPUT:
                    raise InputError(failures[-1])
    finally:
        for child in children:
            if child.poll() is None:
                child.terminate()
                child.wait()
            child.stdout.close()
            child.stderr.close()
        for source in {source for source, _ in todo}:  # what a child that was ended had begun
            sweep(root / source)
    if failures:
        raise RunError(f"making the phantom cases failed ({failures[0]}); those already whole were kept, run it again")


@contextlib.contextmanager
def _progress(total: int, what: str, shown: bool) -> Iterator[Callable[[], None]]:
    """A bar in a terminal, advanced by the function that is yielded; elsewhere one line before and one after."""
    stream = sys.stdout if "ipykernel" in sys.modules else sys.stderr
    start = time.perf_counter()
    if shown and stream.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
    else:
        if shown:
            print(f"Making {total} {what}, once ...", file=stream, flush=True)
        yield lambda: None
    if shown:
        print(f"Made {total} {what} in {time.perf_counter() - start:.0f} s.", file=stream, flush=True)


if __name__ == "__main__":  # a child: the folder is its argument, its share of the cases comes in by stdin
    for line in sys.stdin.read().split():
        try:
            make_one(Path(sys.argv[1]), *line.split("/"))
        except InputError as error:
            print(error, file=sys.stderr)
            sys.exit(_INPUT)
        print(line, flush=True)
