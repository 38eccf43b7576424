"""The files of the report: tables, figures, data, charts, metrics.json, headline.json and index.html."""

import json
import subprocess
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from sedlib.base.atomic import replacing
from sedlib.base.strict_json import json_text
from sedlib.report.claims.definitions import TEXT
from sedlib.report.claims.verdicts import INSIDE
from sedlib.report.drawn.figure_files import save_figures
from sedlib.report.drawn.geometry_figures import geometry_figures
from sedlib.report.drawn.headline import headline
from sedlib.report.drawn.intervention_figures import intervention_figures
from sedlib.report.drawn.null_figure import null_figure
from sedlib.report.drawn.overview import overview
from sedlib.report.drawn.specification import charts_of
from sedlib.report.judged.listing import claims
from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.metrics.headline_numbers import report_headline
from sedlib.report.metrics.reading import Numbers
from sedlib.report.metrics.tidy import tidy
from sedlib.report.numbers.collection import Collection
from sedlib.report.numbers.paper_seeds import first_and_fresh
from sedlib.report.page.as_written import WRITTEN, record, require_as_written
from sedlib.report.page.html import Content, page
from sedlib.report.page.outgoing import as_csv, as_markdown, without_formulas
from sedlib.report.tabled.cost_tables import cost_tables
from sedlib.report.tabled.fresh_seeds import fresh_tables
from sedlib.report.tabled.geometry_tables import geometry_tables
from sedlib.report.tabled.paper_tables import tables

CODE = ("sedlib", "stages", "study.py", "params.yaml", "dvc.yaml", "ablations", "geometry", "interventions")
"""What determines the results; the commit that changed it last is the report's revision."""
PACKAGES = ("torch", "numpy", "scipy", "h5py", "pandas", "dvc", "matplotlib", "vl-convert-python")
COMPUTED_WITH = Path("data/computed_with.json")
"""What the page says of how its numbers were computed, and of what is missing."""


def write_report(found: Collection, folder: Path) -> None:
    """Write everything under ``folder``; files of an earlier report that has more are removed."""
    numbers = metrics(found)
    summary, data = claims(numbers), {name: without_formulas(table) for name, table in tidy(found).items()}
    inside = int(((summary["verdict"] == INSIDE) & (summary["definition"] == TEXT)).sum())
    built = all_tables(numbers)
    computed_with = {"missing": found.missing, "with": _computed_with()}
    files: dict[Path, str] = {
        Path("metrics.json"): json_text(numbers, indent=2) + "\n",
        Path("headline.json"): json_text(report_headline(numbers, inside), indent=2) + "\n",
        Path("claims.md"): as_markdown(summary),
        **{Path(f"tables/{name}.csv"): as_csv(name, table) for name, table in built.items()},
        **{Path(f"tables/{name}.md"): as_markdown(table) for name, table in built.items()},
        **{Path(f"data/{name}.csv"): as_csv(name, table) for name, table in data.items()},
        COMPUTED_WITH: json_text(computed_with, indent=1) + "\n",
        **{Path(f"charts/{chart.name}.json"): json_text(spec, indent=1) + "\n" for chart, spec in charts_of(data)},
    }
    for name, text in files.items():
        _write(folder / name, text)
    first, _ = first_and_fresh(found)  # whose numbers the claims are
    drawn = overview(first, numbers) | intervention_figures(first, numbers) | geometry_figures(first)
    drawn |= null_figure(first)
    if "coupling" in data:
        drawn |= headline(data["coupling"], numbers)
    figures = {path.relative_to(folder) for path in save_figures(drawn, folder / "figures")}
    for owned in ("tables", "figures", "data", "charts"):
        for old in (folder / owned).glob("*"):
            if old.relative_to(folder) not in {*files, *figures, WRITTEN}:
                old.unlink()
    record(folder, {*files, *figures})
    write_page(folder)


def write_page(folder: Path) -> None:
    """Write index.html from the other files of a report alone.

    Raises
    ------
    UserError
        One of them is missing, or is not as the report wrote it.
    """
    require_as_written(folder)
    numbers = json.loads((folder / "metrics.json").read_text())
    computed_with = json.loads((folder / COMPUTED_WITH).read_text())
    data = {
        path.stem: pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in (folder / "data").glob("*.csv")
    }
    content = Content(
        numbers,
        folder / "figures",
        all_tables(numbers) | cost_tables(folder),
        data,
        computed_with["missing"],
        computed_with["with"],
    )
    _write(folder / "index.html", page(content))


def all_tables(numbers: Numbers) -> dict[str, pd.DataFrame]:
    """Every table of reports/tables."""
    return tables(numbers) | geometry_tables(numbers) | fresh_tables(numbers)


def _write(target: Path, text: str) -> None:
    with replacing(target) as path:
        path.write_text(text)


def _computed_with() -> dict[str, str]:
    return {
        "parameters": Path("params.yaml").read_text(),
        "packages": "\n".join(f"{package} {version(package)}" for package in PACKAGES),
        "git revision": _revision(),
    }


def _revision() -> str:
    """The commit that changed code or parameters last: it stays the same when the report itself is committed."""
    asked = ["git", "log", "-1", "--format=%H", "--", *CODE]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    if found.returncode or not found.stdout.strip():
        return "not under git"
    changed = subprocess.run(["git", "status", "--porcelain", "--", *CODE], capture_output=True, text=True, check=False)
    return found.stdout.strip() + (" with uncommitted changes" if changed.stdout.strip() else "")
