"""A campaign: `python -m tests.fuzz TARGET --minutes 10` (needs the extra `fuzz`: `pip install -e '.[fuzz]'`).

Inputs are mutated, by atheris and by `targets.mutated`, with coverage of `pancreas_ssl` as guide. Each new kind of
failure is saved as a file in `--out`; put it into `tests/fuzz/corpus/TARGET/` once it is mended. Exits with 1 if
anything was found.
"""

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["pancreas_ssl"], enable_loader_override=False):
        from tests.fuzz import targets

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=list(targets.TARGETS))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder for what is found")
    parser.add_argument("--seed", type=int, default=0, help="of the campaign")
    parser.add_argument("--seeds", type=int, default=1, help="campaigns with so many seeds, in processes of their own")
    options = parser.parse_args()
    if options.seeds > 1:
        from pancreas_ssl.engines import completed  # not earlier: what is imported before is not instrumented

        words = [options.target, "--minutes", str(options.minutes), "--out", str(options.out)]
        jobs = [[sys.executable, "-m", "tests.fuzz", *words, "--seed", str(k)] for k in range(options.seeds)]
        sys.exit(max(one.result for one in completed(subprocess.call, jobs, folder=options.out)))
    kinds: dict[tuple, Path] = {}
    begin, runs = time.monotonic(), 0

    def one(data: bytes) -> None:
        nonlocal runs
        runs += 1
        try:
            targets.check(options.target, data)
        except (Exception, targets.Late) as error:
            where = [f for f in traceback.extract_tb(error.__traceback__) if "pancreas_ssl/" in f.filename]
            kind = (type(error).__name__, *((where[-1].filename, where[-1].lineno) if where else ()))
            if kind not in kinds:
                kinds[kind] = path = options.out / options.target / hashlib.sha256(data).hexdigest()[:12]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                print(f"FOUND {kind}: {str(error)[:200]} -> {path}", flush=True)
        if (seconds := time.monotonic() - begin) > 60 * options.minutes:
            found = len(kinds)
            print(f"{options.target}: {seconds / 60:.1f} minutes, {runs} executions, {found} findings", flush=True)
            os._exit(int(found > 0))

    kept = targets.corpus(options.target)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        return targets.mutated(bytes(data), kept, rng)[:most] if rng.random() < 0.5 else atheris.Mutate(data, most)

    growing = tempfile.mkdtemp(prefix=f"fuzz-corpus-{options.target}-")
    folders = [growing, str(targets.CORPUS / options.target)]
    limits = ["-max_len=65536", "-rss_limit_mb=6000", "-timeout=600", "-close_fd_mask=0", "-print_final_stats=0"]
    limits.append(f"-seed={options.seed + 1}")  # 0 would be drawn anew
    atheris.Setup([sys.argv[0], *limits, *folders], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
