"""Rows of each reference fit, read from the formula that R was given."""

import json

import pandas as pd

NAMES = (
    "lung",
    "veteran",
    "veteran_strata",
    "ovarian",
    "rats",
    "rats_cluster",
    "pbc",
    "mgus2_cs_pcm",
    "mgus2_cs_death",
    "heart_tv",
    "heart_tv_cluster",
    "cgd_ag",
    "pbcseq_tv",
    "rossi",
    "hdfail_st3000",
    "hdfail_wdc",
    "hdfail_all",
    "relife_insulator",
    "pysurvival_maintenance_num",
    "cmapss_fd001_tv",
)


def column(frame, name):
    """A column, or the event flag `name == code`."""
    name, _, code = name.partition("==")
    values = frame[name.strip()].to_numpy()
    return values == int(code) if code else values


def inside(formula, word):
    """What stands in `word(...)` in the formula, or None."""
    return formula.split(f"{word}(")[1].split(")")[0] if f"{word}(" in formula else None


def load(folder, name, ties):
    """Arguments for `fit_cox`, the cluster column, and R's results."""
    path = folder / "reference/r_coxph.json"
    case = json.loads(path.read_text())["cases"][name]
    frame = pd.read_csv(folder / case["data"])
    expected = case["fits"][ties]
    formula = expected["formula"]
    names = [part.strip() for part in inside(formula, "Surv").split(",")]
    *entry, time, event = (column(frame, part) for part in names)
    strata, cluster = inside(formula, "strata"), inside(formula, "cluster")
    options = {"ties": ties}
    if entry:
        options["entry"] = entry[0]
    if strata:
        options["strata"] = frame[strata].to_numpy()
    x = frame[list(expected["coef"])].to_numpy(dtype=float)
    return (time, event, x), options, frame[cluster].to_numpy() if cluster else None, expected
