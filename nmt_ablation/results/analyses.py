"""The findings of analyses in trained models, as a report keeps them."""

from collections.abc import Container

from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.results.rows import AnalysisRow, Finding
from nmt_ablation.stage import AnyStage
from nmt_ablation.workspace import Workspace


def analysable(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> bool:
    """Return True if a cell's analyses are done, or can be made without training anything."""

    def there(*stages: AnyStage) -> bool:
        return all(map(workspace.done, stages))

    return all(there(it) or there(*it.inputs.values()) for it in pipeline.analyses(cell).values())


def findings(
    pipeline: Pipeline, workspace: Workspace, cell: Cell
) -> dict[str, tuple[Finding, ...]]:
    """Return what the analyses of a cell's model have found, as far as they were made."""
    return {
        name: tuple(Finding(**vars(it)) for it in workspace.record(stage))
        for name, stage in pipeline.analyses(cell).items()
        if workspace.done(stage)
    }


def analyses_of(pipeline: Pipeline, made: Container[str]) -> dict[str, AnalysisRow]:
    """Return the words in which a report tells of analyses.

    Args:
        made: the names of the analyses.
    """
    return {
        name: AnalysisRow(title=it.title, shows=it.shows, hides=it.hides, decimals=it.decimals)
        for name, it in pipeline.experiment.analyses.items()
        if name in made
    }
