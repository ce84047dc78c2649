"""Is everything there that the course needs? One line per part of the environment, OK or FAIL, with what to do.

The ranges are read from the installed project's own metadata and the tested versions from constraints.txt, so that
nothing is written down twice.
"""

import importlib
import importlib.metadata
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pancreas_ssl.progress import duration
from pancreas_ssl.runs.formatting import megabytes, print_table
from pancreas_ssl.versions import PACKAGE, requirements, tested_versions

__all__ = ["Check", "examine", "healthy", "print_checks"]

REAL_CT = "lidc_idri_0001"
REMEDY = "pip install -c constraints.txt -e ."
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LEAST_MEMORY, LEAST_DISK = 3e9, 1e9  # bytes; below these the tour cannot succeed
COMFORTABLE_MEMORY, COMFORTABLE_DISK = 6e9, 4e9  # bytes; below these a note says so


@dataclass(frozen=True)
class Check:
    """One part of the environment: whether it is fine, what was found, and a note (what to do, what is optional)."""

    part: str
    ok: bool
    found: str
    note: str = ""


def examine() -> Iterator[Check]:
    """Yield the checks one by one; a check that breaks is a FAIL, never an exception.

    Example:
        >>> all(check.ok for check in examine())    # doctest: +SKIP
        True
    """
    yield python()
    tested = tested_versions()
    for extra in ("", "cluster", "dicom", "itk"):
        yield from (package(requirement, tested, extra) for requirement in requirements(extra))
    for part, check in PARTS.items():
        try:
            yield check()
        except Exception as error:  # whatever breaks is what the reader needs to know
            yield Check(part, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def healthy(checks: list[Check]) -> bool:
    """Whether no check failed."""
    return all(check.ok for check in checks)


def python() -> Check:
    """The interpreter against the project's `requires-python`."""
    from packaging.specifiers import SpecifierSet

    wanted = importlib.metadata.metadata(PACKAGE)["Requires-Python"] or ""
    here = platform.python_version()
    ok = SpecifierSet(wanted).contains(here, prereleases=True)
    return Check("Python", ok, f"{here} ({sys.prefix})", "" if ok else f"needs {wanted}: make PYTHON=python3.12")


def package(requirement, tested: dict[str, str], extra: str = "") -> Check:
    """The installed version of one requirement against its range and the tested version.

    A missing package of an extra is fine; one that is there in a version outside the range is not.

    Args:
        requirement, tested: of `versions.requirements` and `versions.tested_versions`.
        extra: name of the optional extra that it belongs to, if any.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    name, needs = requirement.name, f"needs {requirement.specifier}: {REMEDY}"
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Check(name, bool(extra), "not installed", f"optional: pip install -e '.[{extra}]'" if extra else needs)
    if not requirement.specifier.contains(version, prereleases=True):
        return Check(name, False, version, needs)
    known = tested.get(canonicalize_name(name))
    if known is None or Version(version).public == Version(known).public:
        return Check(name, True, version, "the tested version" if known else "")
    return Check(name, True, version, f"in range; tested with {known}")


def device() -> Check:
    """The device that `auto` chooses."""
    from pancreas_ssl.runs.machine import device_name

    return Check("Device", True, device_name())


def bfloat16() -> Check:
    """Which precision is faster here: by what the processor has units for, and a probe of less than a second."""
    from pancreas_ssl.devices import describe

    return Check("bfloat16 speed", True, describe())


def minutes() -> Check:
    """What the notebooks should take on this machine: a reference pass of a second, scaled from measured tours."""
    from pancreas_ssl.runs.minutes import expected_seconds

    spent = expected_seconds()
    if not spent:
        return Check("Time", True, "no tour was measured yet")
    each = ", ".join(f"{name.split('_')[0]}: {duration(seconds, tenths=True)}" for name, seconds in spent.items())
    return Check("Time", True, f"all notebooks about {duration(sum(spent.values()), tenths=True)}", each)


def memory() -> Check:
    """Memory of the machine and what is free of it."""
    import psutil

    found = psutil.virtual_memory()
    amount = f"{megabytes(found.available)} free of {megabytes(found.total)}"
    if found.total < LEAST_MEMORY:
        return Check("Memory", False, amount, f"the notebooks need {megabytes(LEAST_MEMORY)}")
    note = "close other programs before training" if found.available < COMFORTABLE_MEMORY else ""
    return Check("Memory", True, amount, note)


def disk() -> Check:
    """Free space where the cache is."""
    from pancreas_ssl.data.access import cache_dir
    from pancreas_ssl.files import free_bytes

    free = free_bytes(cache_dir())
    if free < LEAST_DISK:
        return Check("Disk", False, f"{megabytes(free)} free", f"the data need {megabytes(LEAST_DISK)}: make room")
    note = "enough for the course, little for public data sets" if free < COMFORTABLE_DISK else ""
    return Check("Disk", True, f"{megabytes(free)} free", note)


def cache() -> Check:
    """Whether the cache folder can be written."""
    from pancreas_ssl.data.access import cache_dir

    folder = cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        note = f"cannot be written ({error.strerror}): set PANCREAS_SSL_CACHE to another folder"
        return Check("Cache folder", False, str(folder), note)
    return Check("Cache folder", True, str(folder))


def viewer() -> Check:
    """The live volume viewers, by importing them."""
    importlib.import_module("ipyniivue")
    found = f"ipyniivue {importlib.metadata.version('ipyniivue')}"
    try:
        version = importlib.metadata.version("itkwidgets")
    except importlib.metadata.PackageNotFoundError:
        return Check("Viewer", True, found)
    # In a process of its own: imported in a kernel without its front end, itkwidgets holds back all later outputs.
    done = subprocess.run([sys.executable, "-c", "import itkwidgets"], capture_output=True, text=True, timeout=120)
    if done.returncode:  # it raises RuntimeError without its JupyterLab part
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1].split(":")[0]
        return Check("Viewer", True, found, f"itkwidgets {version} cannot be used ({reason})")
    from pancreas_ssl.widgets.itk_copies import COMMAND, complete

    note = "" if complete() else f"itkwidgets needs the internet to draw, or copies (`{COMMAND}`)"
    return Check("Viewer", True, f"{found}, itkwidgets {version}", note)


def kernel() -> Check:
    """Start the kernel that notebooks run in, and see whose `python3` JupyterLab would start."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    from pancreas_ssl.runs.kernel import KERNEL, answers

    if not answers():
        return Check("Jupyter kernel", False, "no answer", REMEDY)
    try:
        program = KernelSpecManager().get_kernel_spec(KERNEL).argv[0]
    except NoSuchKernel:
        program = sys.executable
    own = program in ("python", "python3") or Path(program).parent == Path(sys.executable).parent
    remedy = f"JupyterLab would start {program}: {sys.executable} -m ipykernel install --sys-prefix"
    return Check("Jupyter kernel", True, f"answers ({sys.executable})", "" if own else remedy)


def real_ct() -> Check:
    """Whether the real CT of the course is in the cache; it is optional."""
    from pancreas_ssl.data.access import cases
    from pancreas_ssl.errors import InputError

    try:
        found = cases(REAL_CT)[0].image
    except InputError:
        return Check("Real CT", True, "not fetched yet", f"pancreas-ssl data fetch {REAL_CT} (35 MB, once)")
    return Check("Real CT", True, str(found))


def weights() -> Check:
    """Whether the shipped weights are there and fit the network."""
    from pancreas_ssl.inference import load_weights

    model = load_weights("baseline")
    count = sum(parameter.numel() for parameter in model.network.parameters())
    return Check("Baseline weights", True, f"{count / 1e3:.0f} thousand parameters")


def browser() -> Check:
    """Chromium, which only the browser tests need."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found:
        return Check("Chromium", True, found)
    return Check("Chromium", True, "not found", "optional: the browser tests are skipped without it")


PARTS: dict[str, Callable[[], Check]] = {
    "Device": device,
    "bfloat16 speed": bfloat16,
    "Time": minutes,
    "Memory": memory,
    "Disk": disk,
    "Cache folder": cache,
    "Viewer": viewer,
    "Jupyter kernel": kernel,
    "Real CT": real_ct,
    "Baseline weights": weights,
    "Chromium": browser,
}


def print_checks(checks: list[Check]) -> None:
    """The checks as a table on standard output, and one closing line."""
    rows = [("OK" if check.ok else "FAIL", check.part, check.found, check.note) for check in checks]
    print_table(("", "Part", "Found", "Note"), rows, {"OK": "bold green", "FAIL": "bold red"})
    bad = [check.part for check in checks if not check.ok]
    attention = f"{len(bad)} of {len(checks)} parts need attention: {', '.join(bad)}."
    print(f"\n{attention if bad else 'Everything is in order.'}")
