"""A cohort at full size: preparing, checking, epochs, memory of 200 cases at 1 mm and of one very large scan."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from pancreas_ssl.engines import Engine

SCANS = 6  # on disk, 512 x 512 x 120 at 0.75 x 0.75 x 2.5 mm, prepared at 1.5 mm
CASES, STEPS = 200, 6  # cases at 1 mm, training steps on them
FINE = (350, 350, 300)
LARGE = (512, 512, 600)
WINDOW = (-150.0, 250.0)
SPACING = 1.5
WAYS = ("prepare 1", "prepare 2", "prepare MONAI", "check 1", "check 2", "epoch uncached", "epoch cached",
        "epoch MONAI", "train 200", "maps", "predict large")  # fmt: skip


def run(ways=WAYS) -> list[dict]:
    """A process for each way, so that each has its own peak; the data is made once."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="cohort-") as folder:
        make_scans(Path(folder))
        for way in ways:
            command = [sys.executable, "-m", "tests.benchmarks.cohort", way, folder]
            environment = os.environ | {"PANCREAS_SSL_CACHE": f"{folder}/cache"}
            worker = subprocess.run(command, capture_output=True, text=True, env=environment)
            told = worker.stderr.strip().splitlines()[-1:] or ["killed"]
            found = {"failed": told[0]} if worker.returncode else json.loads(worker.stdout.strip().splitlines()[-1])
            rows.append({"way": way} | found)
    return rows


def body(shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """HU (int16) of an ellipse of fat and soft tissue with a spine, and a bent organ of about 80 mL in it."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in shape[:2]), indexing="ij")
    plane = np.full(shape[:2], -1000, np.int16)
    plane[(x / 0.85) ** 2 + (y / 0.65) ** 2 < 1] = -100
    plane[(x / 0.78) ** 2 + (y / 0.58) ** 2 < 1] = 40
    plane[(x / 0.08) ** 2 + ((y + 0.35) / 0.1) ** 2 < 1] = 400
    noise = rng.normal(0, 12, (*shape[:2], 16)).astype(np.int16)
    hu = np.empty(shape, np.int16, order="F")
    for k in range(shape[2]):
        hu[:, :, k] = plane + noise[:, :, k % 16]
    label = np.zeros(shape, np.uint8, order="F")
    a, b, c = (int(n * (0.4 + 0.03 * rng.random())) for n in shape)
    across, deep, high = int(0.34 * shape[0]), max(2, int(0.055 * shape[1])), max(2, int(0.085 * shape[2]))
    label[a : a + across, b + 30 : b + 30 + deep, c : c + high] = 1
    label[a : a + deep, b + 30 : b + 30 + 2 * deep, c : c + 3 * high] = 1
    hu[label > 0] += 60
    return hu, label


def make_scans(folder: Path) -> None:
    import nibabel

    affine = np.diag([-0.75, -0.75, 2.5, 1.0])  # as most scanners store it
    for k in range(SCANS):
        for name, array in zip(("images", "labels"), body((512, 512, 120), k), strict=True):
            path = folder / "set" / name / f"p{k}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(array, affine)
            image.set_sform(affine, 1)
            image.header.set_xyzt_units("mm")
            nibabel.save(image, path)


def listed(folder: Path) -> list:
    from pancreas_ssl.data.access import cases

    return cases("folder", root=folder / "set")


def prepare(folder: Path, workers: str) -> dict:
    if workers == "MONAI":
        return prepare_by_monai(folder)
    from pancreas_ssl.data.preparing import prepare_set

    shutil.rmtree(folder / "cache", ignore_errors=True)
    done = prepare_set(listed(folder), spacing=SPACING, engine=Engine(workers=int(workers)), progress=False)
    return {"cases per minute": 60 * done.cases / done.seconds, "MB a case": done.bytes / done.cases / 1e6}


def monai_set(folder: Path, more=()):
    from monai.data import PersistentDataset
    from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged, Orientationd, ScaleIntensityRanged, Spacingd

    both = ["image", "label"]
    steps = [
        LoadImaged(both),
        EnsureChannelFirstd(both),
        Orientationd(both, axcodes="RAS", labels=None),
        Spacingd(both, pixdim=(SPACING,) * 3, mode=("bilinear", "nearest")),
        ScaleIntensityRanged("image", *WINDOW, -1, 1, clip=True),
    ]
    data = [{"image": str(case.image), "label": str(case.label)} for case in listed(folder)]
    return PersistentDataset(data, Compose([*steps, *more]), cache_dir=folder / "monai")


def prepare_by_monai(folder: Path) -> dict:
    import torch

    torch.set_num_threads(1)
    found, start = monai_set(folder), perf_counter()
    for k in range(len(found)):
        found[k]
    seconds = perf_counter() - start
    size = sum(path.stat().st_size for path in (folder / "monai").iterdir())
    return {"cases per minute": 60 * SCANS / seconds, "MB a case": size / SCANS / 1e6}


def check(folder: Path, workers: str) -> dict:
    from pancreas_ssl.data.preflight import examine

    start = perf_counter()
    examine(listed(folder), engine=Engine(workers=int(workers)), progress=False)
    return {"cases per minute": 60 * SCANS / (perf_counter() - start)}


def epoch(folder: Path, way: str) -> dict:
    """Every case once: opened, and two patches of 96 voxels a side cut from each."""
    import torch

    from pancreas_ssl.data.preprocessing import prepare_case
    from pancreas_ssl.training import Recipe
    from pancreas_ssl.training.patches import Patches

    torch.set_num_threads(1)
    recipe = Recipe(spacing=SPACING, patch=(96, 96, 96), augmentation="none")
    if way == "MONAI":
        from monai.transforms import RandCropByPosNegLabeld

        crop = RandCropByPosNegLabeld(["image", "label"], "label", (96,) * 3, pos=1, neg=1, num_samples=2)
        found = monai_set(folder, [crop])
        start = perf_counter()
        for k in range(SCANS):
            found[k]
    else:
        start = perf_counter()
        for case in listed(folder):
            how = {"cache": False} if way == "uncached" else {"mapped": True}
            Patches([prepare_case(case, spacing=SPACING, **how)], recipe)(0)
    return {"cases per minute": 60 * SCANS / (perf_counter() - start)}


def fine_cases(folder: Path, count: int) -> list:
    """Prepared cases at 1 mm in files; a few distinct ones, the others by hard links."""
    from pancreas_ssl.data.prepared_cache import restore
    from pancreas_ssl.data.preprocessing import Prepared, _save

    place = folder / "cache" / "prepared"
    for k in range(2):
        if not (place / f"fine{k}.safetensors").exists():
            hu, label = body(FINE, k)
            image = (np.clip(hu, *WINDOW) - 50) / np.float32(200)
            image = image.astype(np.float16).astype(np.float32)
            grid = (1.0,) * 3, np.eye(4), WINDOW
            case = Prepared(f"c{k}", "bench/fine", image[None], np.ascontiguousarray(label[None]), *grid)
            _save(place / f"fine{k}.safetensors", case, [])
    found = []
    for k in range(count):
        path = place / f"link{k}.safetensors"
        if not path.exists():
            os.link(place / f"fine{k % 2}.safetensors", path)
        file = restore(path, whole=False)
        arrays = file.mapped("image"), file.mapped("label")
        found.append(Prepared(f"c{k}", "bench/fine", *arrays, (1.0,) * 3, np.eye(4), WINDOW))
    return found


def train(folder: Path, count: str) -> dict:
    from pancreas_ssl.training import Recipe, fit

    cases = fine_cases(folder, int(count))
    size = sum(case.image.nbytes + case.label.nbytes for case in cases)
    start, recipe = perf_counter(), Recipe(spacing=1.0, patch=(96, 96, 96), steps=STEPS, evaluate_every=0)
    fit(recipe, cases, [cases[0]], device="cpu", progress=False)
    as_before = sum(4 * case.image.size + case.label.size for case in cases)
    return {"seconds": perf_counter() - start, "cases GB": size / 1e9, "in memory they were GB": as_before / 1e9}


def maps(folder: Path, *_) -> dict:
    """The maps of a guided recipe: bytes a case in their boxes, and what whole grids would take."""
    from pancreas_ssl.training import Recipe
    from pancreas_ssl.training.arms import with_arm
    from pancreas_ssl.training.teacher_maps import TeacherMaps, map_bytes

    cases = fine_cases(folder, 4)
    start, recipe = perf_counter(), replace(with_arm(Recipe(), "dual"), spacing=1.0)
    TeacherMaps(cases, recipe, folder=folder)
    return {
        "seconds a case": (perf_counter() - start) / len(cases),
        "MB a case": map_bytes(cases) / len(cases) / 1e6,
        "whole grids MB": 6 * np.prod(FINE) / 1e6,
    }


def predict(folder: Path, *_) -> dict:
    import nibabel

    from pancreas_ssl.inference import predict_path

    path = folder / "large.nii.gz"
    if not path.exists():  # in a process of its own: its peak is not ours
        make = f"from tests.benchmarks.cohort import *; write_large({str(path)!r})"
        subprocess.run([sys.executable, "-c", make], check=True)
    start = perf_counter()
    predict_path(path, folder / "mask.nii.gz", uncertainty=folder / "doubt.nii.gz", device="cpu", progress=False)
    shape = nibabel.load(folder / "mask.nii.gz").shape
    return {"seconds": perf_counter() - start, "mask": "x".join(map(str, shape))}


def write_large(path: str) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(body(LARGE, 0)[0], np.diag([-0.75, -0.75, 0.8, 1.0])), path)


def work(way: str, folder: Path) -> None:
    from pancreas_ssl.training.memory import peak_memory

    name, _, rest = way.partition(" ")
    call = {"prepare": prepare, "check": check, "epoch": epoch, "train": train, "maps": maps, "predict": predict}[name]
    before = sum(os.times()[:4])
    found = call(folder, rest)
    spent = sum(os.times()[:4]) - before  # of the workers, too: what other programs beside do not change
    print(json.dumps(found | {"processor s": spent, "peak GB": peak_memory("cpu") / 1e9}))


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]))
