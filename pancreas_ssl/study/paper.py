"""A finished study for a paper: LaTeX tables, vector figures with their numbers and words, and their captions."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pancreas_ssl.data.roles import SIMULATED
from pancreas_ssl.errors import require, without_paths
from pancreas_ssl.evaluation.metrics import EMPTY_DISTANCE_MM
from pancreas_ssl.figures.described import Described
from pancreas_ssl.figures.style import printed
from pancreas_ssl.files import claim, write_text
from pancreas_ssl.study.pictures import pictures
from pancreas_ssl.study.shipped import ShippedStudy, shipped_study
from pancreas_ssl.study.tables import write_table
from pancreas_ssl.study.verdicts import verdicts

__all__ = ["paper"]

FORMATS = ("pdf", "svg")
PAGE = 55  # rows; a longer table is broken over pages
_WORDS = ("Arm", "Comparison", "Source", "Target: outcome")  # columns of words; the others are of numbers
_SIGNS = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "−": "$-$", "±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "\n": " ",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}  # fmt: skip
_DOCUMENT = r"""% All tables, and the figures where they are PDF; for `pdflatex`, or `lualatex` for more alphabets
\documentclass[10pt]{article}
\usepackage[margin=0.65in]{geometry}
\usepackage{booktabs,graphicx,longtable}
\begin{document}
%s\end{document}
"""


def paper(
    study: str | Path, out: str | Path, *, formats: Sequence[str] = FORMATS, width: float = 3.5, overwrite: bool = False
) -> dict[str, Path]:
    """Write a study's tables and figures as a paper needs them.

    Written: `summary` and `comparisons` as `.tex` (`booktabs`) and `.csv` (every digit); `tables.tex`, which shows all;
    every figure in the formats, with `.csv` (its numbers) and `.txt` (its alt text); `figures.tex` if PDF is among
    the formats; and `CAPTIONS.md`. Titles of figures stand in the captions. The same study gives the same bytes.

    Args:
        study: the folder of a finished study, or the name of one that comes with the package.
        formats: of `pdf` and `svg`.
        width: of a column, in inches; figures with much in them take two, unless it is 5 or more.
        overwrite: replace files of these names that this tool did not write, too; never the study's.

    Returns:
        The written files by name.

    Raises:
        InputError: no such study; an unknown format; foreign files in `out`.

    Example:
        >>> paper("controls", "for_paper")["tables.tex"]    # doctest: +SKIP
        PosixPath('for_paper/tables.tex')
    """
    strange = sorted(set(formats) - set(FORMATS))
    require(formats and not strange, "figures as PDF or SVG", ", ".join(strange) or "none", "name one or both")
    found, out = shipped_study(study), Path(out)
    with printed(width):
        drawn = pictures(found.rows, found.comparisons, found.curves)
    captions = {figure.name: _caption(figure, found) for figure in drawn}
    tables = {"summary": (found.summary, _summary(found))}
    if len(found.comparisons):
        tables["comparisons"] = (found.comparisons, _comparisons(found))
    texts = {f"{name}.tex": text for name, (_, text) in tables.items()}
    if "pdf" in formats:
        texts["figures.tex"] = "".join(_included(figure, captions[figure.name]) for figure in drawn)
    texts["tables.tex"] = _DOCUMENT.replace("%s", "".join(f"\\input{{{Path(name).stem}}}\n" for name in texts))
    texts["CAPTIONS.md"] = _captions(found, drawn, captions, tables, formats, width)
    files = [*texts, *(f"{name}.csv" for name in tables)]
    files += [f"{figure.name}.{kind}" for figure in drawn for kind in dict.fromkeys((*formats, "csv", "txt"))]
    claim([out / name for name in files], overwrite=overwrite, inputs=found.files)
    for name, text in texts.items():
        write_text(out / name, text)
    for name, (table, _) in tables.items():
        write_table(table, out / f"{name}.csv")
    for figure in drawn:
        figure.save(out, dict.fromkeys(formats))
    return {name: out / name for name in files}


def tex(text: object) -> str:
    """Text as LaTeX shows it: its special signs written out.

    Example:
        >>> print(tex("labels_8 & 50 %"))
        labels\\_8 \\& 50 \\%
    """
    return "".join(_SIGNS.get(sign, sign) for sign in str(text))


def _limits(found: ShippedStudy) -> str:
    """What every caption has to say: on phantoms a check of mechanism, and leaks."""
    sources = (found.config.train, *found.summary["source"])
    phantoms = all(str(source).startswith(SIMULATED) for source in sources)
    said = ["Simulated CT (phantom): a check of mechanism, no clinical result."] * phantoms
    if leaks := found.facts.get("leaks"):
        said.append(f"Leak: {leaks} rows are of scans that trained the network they measure; they say nothing of new "
                    f"patients.")  # fmt: skip
    return " ".join(said)


def _caption(figure: Described, found: ShippedStudy) -> str:
    """What a figure shows and how to read it, without its numbers; its title goes from the picture to here."""
    if len(figure.figure.axes) == 1:
        figure.figure.axes[0].set_title("", loc="left")
    said = figure.alt.split(". ")[0] + "."
    if figure.name == "differences":
        said = (
            "Differences between arms on each source, with 95 % intervals (bootstrap over patients and seeds); a star "
            "marks the lines that decide, with Holm's correction. Diamond: zero is outside the interval; grey circle: "
            "zero is inside."
        )
    elif figure.name == "convergence":
        said += " Thin lines: single trainings; thick lines: an arm's mean."
    return f"{said} {_limits(found)}".strip()


def _number(value: float, form: str = ".3f") -> str:
    """A number with its sign in mathematics' minus; `--` where there is none."""
    return "--" if pd.isna(value) else tex(format(value, form).replace("-", "−"))


def _p(value: float) -> str:
    """A p with three decimals, four where it lies beside 0.05."""
    if pd.isna(value):
        return "--"
    return r"$<$ 0.001" if value < 0.001 else f"{value:.{4 if abs(value - 0.05) < 0.005 else 3}f}"


def _summary(found: ShippedStudy) -> str:
    table = found.summary
    arms = table["arm"].map(tex).mask(table["arm"].eq(table["arm"].shift()), "")  # named once
    cells = pd.DataFrame({"Arm": arms, "Source": table["source"].map(tex), "Patients": table["n"].astype(str)})
    cells["Seeds"] = table["seeds"].astype(str)
    for column, name, form in (("dice", "Dice", ".3f"), ("nsd", "NSD", ".3f"), ("hd95", "HD95, mm", ".1f")):
        pairs = zip(table[f"{column}_mean"], table[f"{column}_sd"], strict=True)
        cells[name] = [rf"{_number(mean, form)} $\pm$ {_number(sd, form)}" for mean, sd in pairs]
    cells.insert(5, "sd of seeds", table["dice_sd_seeds"].map(_number))
    cells["Misses"] = [f"{a}/{b}" for a, b in zip(table["misses"], table["predictions"], strict=True)]
    cells[tex("Dice < 0.5")] = [f"{100 * share:.0f}" + r" \%" if pd.notna(share) else "--"
                                for share in table["share_below_half"]]  # fmt: skip
    parts = [name for name in table if name.startswith(("dice_without_", "recall_"))]
    more = {"ece_band_mean": "ECE in the band"} | {name: name.removesuffix("_mean").replace("_", " ") for name in parts}
    for column, name in more.items():
        if column in table:
            cells[tex(name)] = table[column].map(_number)
    if "leaks" in table:
        cells["Leaks"] = table["leaks"].astype(str)
    return _tabular(cells, "summary", _summary_caption(found))


def _summary_caption(found: ShippedStudy) -> str:
    empty = found.summary["empty_labels"].sum()
    return (
        f"Study '{found.config.name}', arms and sources: mean ± sd of patients (each the mean over its trainings); sd "
        f"of seeds: of the seeds' means of Dice. Misses: empty predictions of all predictions; a missed pancreas has "
        f"Dice 0 and HD95 {EMPTY_DISTANCE_MM:g} mm. Dice < 0.5: share of predictions, misses included. "
        + f"{empty} predictions without a pancreas in the label are left out. " * bool(empty)
        + _limits(found)
    ).strip()


def _comparisons(found: ShippedStudy) -> str:
    table, rows, labels = found.comparisons, [], []
    for name, group in table.groupby("comparison", sort=False):
        arms = f"{group['arm'].iloc[0]} − {group['against'].iloc[0]}"
        if group["metric"].iloc[0] != "dice":
            arms += f" ({group['metric'].iloc[0]})"
        head = [tex(name), r"\quad " + tex(arms)] if len(group) > 1 else [f"{tex(name)}: {tex(arms)}"]
        labels += head + [""] * (len(group) - len(head))
        for row in group.itertuples():
            interval = f"{_number(row.low, '+.3f')} to {_number(row.high, '+.3f')}"
            cells = [_number(row.difference, "+.3f"), interval, f"{row.better}/{row.worse}"]
            outcome = ""
            if row.decides:
                least = rf"$\geq$ {row.target:.3f}" if row.target > 0 else r"$>$ 0"
                kind = "not met" if not row.met else "shown" if row.shown else "met, not shown"
                outcome = f"{least}: {'open' if pd.isna(row.met) else kind}"
            cells += [_p(row.p), _p(row.holm_p) if pd.notna(row.holm_p) else "", outcome]
            bold = [rf"\textbf{{{cell}}}" if cell and row.decides else cell for cell in (tex(row.source), *cells)]
            rows.append([bold[0], str(row.patients), str(row.seeds), *bold[1:]])
    heads = ["Source", "n", "Seeds", "Difference", r"95 \% interval", "Better/worse", "p", "Holm p", "Target: outcome"]
    cells = pd.DataFrame(rows, columns=heads)
    cells.insert(0, "Comparison", labels)
    return _tabular(cells, "comparisons", _comparisons_caption(found))


def _comparisons_caption(found: ShippedStudy) -> str:
    deciding = found.comparisons[found.comparisons["decides"].astype(bool)]
    met, shown, unmet = deciding["met"].eq(True), deciding["shown"].eq(True), deciding["met"].eq(False)
    left = f", {len(deciding) - (met | unmet).sum()} open, as seeds are missing" if not (met | unmet).all() else ""
    return (
        f"Study '{found.config.name}', comparisons named beforehand: differences in Dice unless another metric is "
        f"named, with 95 % intervals (bootstrap, patients and seeds crossed). Bold lines decide. Met: the difference "
        f"reaches its target and is above 0; shown: besides, p after Holm's correction is below 0.05. n, better and "
        f"worse count patients. Of {len(deciding)} comparisons {shown.sum()} met and shown, {(met & ~shown).sum()} "
        f"met but not shown, {unmet.sum()} not met{left}. {_limits(found)}"
    ).strip()


def _tabular(cells: pd.DataFrame, name: str, caption: str) -> str:
    """The table as LaTeX, over both columns and never wider than they are; names in it are LaTeX already."""
    how = {"hrules": True, "column_format": "".join("l" if name in _WORDS else "r" for name in cells)}
    style = cells.style.hide(axis="index")
    if len(cells) > PAGE:
        long = style.to_latex(**how, environment="longtable", caption=tex(caption), label=f"tab:{name}")
        return f"\\begingroup\\scriptsize\\setlength{{\\tabcolsep}}{{3pt}}\n{long}\\endgroup\n"
    return (
        "\\begin{table*}\n\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}\n"
        f"\\caption{{{tex(caption)}}}\\label{{tab:{name}}}\n"
        f"\\vspace{{4pt}}\\setbox0=\\hbox{{%\n{style.to_latex(**how)}}}%\n"
        "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}\\else\\box0\\fi\n\\end{table*}\n"
    )


def _included(figure: Described, caption: str) -> str:
    star = "*" if figure.figure.get_figwidth() > 5 else ""
    return (
        f"\\begin{{figure{star}}}\n\\centering\n\\includegraphics{{{figure.name}.pdf}}\n"
        f"\\caption{{{tex(caption)}}}\\label{{fig:{figure.name}}}\n\\end{{figure{star}}}\n"
    )


def _captions(found: ShippedStudy, drawn: Sequence[Described], captions, tables, formats, width: float) -> str:
    """`CAPTIONS.md`: where all of it comes from, what the comparisons decided, and every caption with its alt text."""
    facts, name = found.facts, Path(found.name).name
    again = ["pancreas-ssl", "paper", name, "--out", "DIR", "--format", ",".join(formats), "--width", f"{width:g}"]
    lines = [
        f"# Figures and tables: {found.config.name}", "", f"- made by `{shlex.join(again)}`",
        f"- the study by `{found.command}`; pancreas-ssl {facts.get('version', 'unknown')}, "
        f"configuration `{found.config.digest()}`", *([f"- {_limits(found)}"] if _limits(found) else []),
    ]  # fmt: skip
    if facts.get("commit"):
        lines.insert(4, f"- commit {facts['commit']}")
    lines += ["", "## What the comparisons decided", "", *(f"- {line}" for line in verdicts(found.comparisons))]
    lines += [] if len(found.comparisons) else ["None was named beforehand: what follows is description."]
    said = {"summary": _summary_caption, "comparisons": _comparisons_caption}
    for table in tables:
        lines += ["", f"## Table `{table}`", "", said[table](found), "", f"Numbers: `{table}.csv`"]
    for figure in drawn:
        size = f"{figure.figure.get_figwidth():.2f} x {figure.figure.get_figheight():.2f} inches"
        lines += ["", f"## Figure `{figure.name}`", "", captions[figure.name], "", f"In words: {figure.alt}", "",
                  f"Numbers: `{figure.name}.csv`; {size}"]  # fmt: skip
    return without_paths("\n".join(lines)) + "\n"
