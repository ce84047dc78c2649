"""Install the course from a kit, without a network: python install.py [--to FOLDER]. Run again, it goes on.

Nothing that is there already is replaced. Only Python's own library is used.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

KIT = Path(__file__).resolve().parent
OWN = ".pancreas_ssl.jsonl"


def stop(sentence: str, code: int = 2) -> None:
    print(f"install: {sentence}", file=sys.stderr)
    sys.exit(code)


def digest(path: Path) -> str:
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_kit() -> dict:
    """The kit's facts; stops where the Python is another one or a file was damaged on the way."""
    facts = json.loads((KIT / "kit.json").read_text(encoding="utf-8"))
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if here != facts["python"]:
        stop(f"expected Python {facts['python']}, got {here}; start install.py with that version")
    made_for = {"win": "Windows", "mac": "Darwin"}.get(facts["system"][:3], facts["system"])
    if made_for != platform.system():
        stop(f"expected {made_for}, got {platform.system()}; this kit was made for another kind of machine")
    if not (KIT / "SHA256SUMS").is_file():
        stop("expected a whole kit, got one without SHA256SUMS; make it again")
    for line in (KIT / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        known, name = line.split("  ", 1)
        if not (KIT / name).is_file() or digest(KIT / name) != known:
            stop(f"expected {name} as it was made, got a damaged or missing file; copy the kit again")
    return facts


def copy(source: Path, goal: Path, keep: bool) -> int:
    """Copy a folder's files; one that differs is kept (`keep`) or stops all before anything is copied."""
    files = [path for path in sorted(source.rglob("*")) if path.is_file()]
    pairs = [(path, goal / path.relative_to(source)) for path in files if path.name != OWN or keep]
    for path, to in pairs:
        if not keep and to.exists() and digest(to) != digest(path):
            stop(f"expected a new folder or this kit's own, {to.name} there differs; name another with --to")
    made = 0
    for path, to in pairs:
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            partial = to.with_name(to.name + ".part")
            shutil.copyfile(path, partial)
            os.replace(partial, to)
            made += 1
    return made


def run(*command, what: str) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        stop(f"{what} did not work ({last}); run install.py again, or ask the teacher", 1)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Install the course from this kit, without a network.")
    parser.add_argument("--to", type=Path, default=Path.home() / "pancreas_ssl_course", help="folder for the course")
    parser.add_argument("--no-doctor", action="store_true", help="leave out the check at the end")
    chosen, begun = parser.parse_args(), time.time()
    to = chosen.to.absolute()
    print("1 of 5: checking the kit")
    facts = check_kit()
    if to.exists() and any(to.iterdir()) and not (to / "pyproject.toml").is_file():
        stop(f"expected a new folder, {to.name} holds other files; name another with --to")
    print("2 of 5: copying the course")
    copy(KIT / "source", to, keep=False)
    print("3 of 5: installing (a few minutes)")
    python = to / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    seen = os.environ.get("PANCREAS_SSL_KIT_SEES")  # for tests: packages of another environment, pip among them
    if not python.is_file():
        run(sys.executable, "-m", "venv", *["--without-pip"] * bool(seen), to / ".venv", what="making the environment")
    if seen:
        inside = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", what="Python").strip()
        Path(inside, "seen.pth").write_text(seen + "\n")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    pip += ["--find-links", KIT / "wheels", "-c", to / "constraints.txt"]
    run(*pip, "setuptools>=77", what="installing setuptools")
    run(*pip, "--no-build-isolation", "-e", f"{to}[{facts['extras']}]", what="installing the course")
    print("4 of 5: filling the cache")
    says = "from pancreas_ssl.data.access import cache_dir; print(cache_dir())"
    cache = Path(run(python, "-c", says, what="starting the course").strip())
    if (KIT / "cache").is_dir():
        print(f"        {copy(KIT / 'cache', cache, keep=True)} files new")
    print("5 of 5: the doctor")
    sys.stdout.flush()
    healthy = chosen.no_doctor or subprocess.run([str(python), "-m", "pancreas_ssl", "doctor"]).returncode == 0
    start = python.with_name("jupyter")
    print(f"Installed in {(time.time() - begun) / 60:.1f} minutes." + (" See FAIL above." if not healthy else ""))
    print(f'Next:  "{start}" lab "{to / "notebooks" / "00_start_here.ipynb"}"')
    sys.exit(0 if healthy else 1)


if __name__ == "__main__":
    main()
