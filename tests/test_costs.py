"""The costs of cells, with their share of pretraining and with all of it."""

from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.report import cost_figure, data_tables
from nmt_ablation.report.page import page
from nmt_ablation.report.write import COST_FIGURES, write
from nmt_ablation.results.cost import costs
from nmt_ablation.results.results import Results
from tests.rows import BART, CELLS, MEANS, cell, mean, results

OTHER = BART.model_copy(update={"name": "lm", "digest": "m", "seconds": 10.0})


@pytest.fixture
def with_networks() -> Results:
    """Two seeds of arms that start from a network of 60 core-seconds, or also from one of 20."""
    networks = {"random": (), "whole": (BART,), "both": (BART, OTHER)}
    cells = [
        cell(100, arm, 5.0, seed=seed, networks=of, seconds=100.0 * seed)
        for arm, of in networks.items()
        for seed in (1, 2)
    ]
    means = [mean(100, "random", None), mean(100, "whole", 3.0), mean(100, "both", 4.0)]
    return results(means, cells)


def test_a_network_s_cost_is_shared_by_the_cells_that_start_from_it(
    with_networks: Results,
) -> None:
    random, whole, both = costs(with_networks)
    assert (random.training, random.pretraining, random.share, random.gain) == (150, 0, 0, None)
    assert (whole.pretraining, whole.share) == (60, 60 / 4)
    assert (both.pretraining, both.share) == (60 + 20, 60 / 4 + 20 / 2)
    assert (both.alone, both.shared) == (150 + 80, 150 + 25)


def test_shares_of_all_cells_add_up_to_what_all_networks_cost(with_networks: Results) -> None:
    assert 2 * sum(it.share for it in costs(with_networks)) == BART.core_seconds + 20


def test_a_training_counts_its_threads_and_processes_but_not_other_arms(
    with_networks: Results,
) -> None:
    definition = with_networks.definition | {"training": {"threads": 4, "processes": 2}}
    cells = [
        row.model_copy(update={"training": row.training.model_copy(update={"together": 5})})
        for row in with_networks.cells
    ]
    shown = with_networks.model_copy(update={"definition": definition, "cells": cells})
    assert [it.training for it in costs(shown)] == [150 * 4 * 2 / 5] * 3


def test_the_table_says_gain_and_cost(with_networks: Results) -> None:
    table = data_tables.costs(with_networks)
    lines = [[str(entry) for entry in line] for line in table.lines]
    assert [header.text for header in table.headers[3:]] == [
        "training",
        "pretraining",
        "a cell's share",
        "whole cost",
    ]
    assert lines[0][1:] == ["random", "–", "150", "0", "0", "150"]
    assert lines[2][3:] == ["150", "80", "25", "175"]


def test_the_figure_has_each_arm_at_both_its_costs(with_networks: Results) -> None:
    figure = cost_figure.draw([with_networks])
    assert figure is not None
    (axes,) = figure.axes
    marked = [line for line in axes.lines if line.get_marker() != "None"]
    drawn = {tuple(float(of[0]) for of in np.array(line.get_data())) for line in marked}
    assert drawn == {(150, 0), (165, 3), (210, 3), (175, 4), (230, 4)}


def test_a_report_shows_it_where_there_are_networks(with_networks: Results, tmp_path: Path) -> None:
    write([with_networks], tmp_path, "with", "c")
    assert all((tmp_path / f"with.{kind}").stat().st_size for kind in COST_FIGURES)
    assert "![gain against cost](with.cost.svg)" in (tmp_path / "with.md").read_text()
    assert "Gain against cost" in (tmp_path / "with.html").read_text()
    without = results(MEANS, CELLS)
    assert cost_figure.draw([without]) is None
    assert "Gain against cost" not in page([without], "c")


def test_the_figure_says_where_arms_differ_in_parameters() -> None:
    cells = [
        cell(100, "random", 5.0, parameters=2_000_000, learned=2_000_000),
        cell(100, "fed", 6.0, parameters=22_000_000, learned=3_000_000),
    ]
    shown = results([mean(100, "random", None), mean(100, "fed", 1.0)], cells)
    figure = cost_figure.draw([shown])
    assert figure is not None
    table = data_tables.costs(shown)
    assert [header.text for header in table.headers[3:]] == ["parameters", "that learn", "training"]
    assert [str(it) for it in table.lines[1][3:5]] == ["22,000,000", "3,000,000"]
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said[:2] == ["random (2.0M parameters)", "fed (22.0M parameters, 3.0M learn)"]
