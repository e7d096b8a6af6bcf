"""Trainings of the tiny model that can be looked at after each update."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from fairseq import tasks
from fairseq.trainer import Trainer
from torch import Tensor

from nmt_ablation.model.config import StyleName
from nmt_ablation.model.parts import SUMS, Part, PartName
from nmt_ablation.segmentation import Words
from nmt_ablation.training.launch import Arguments, configure
from nmt_ablation.training.plan import ArmPlan
from nmt_ablation.transfer.start import Transfer, fold
from nmt_ablation.transfer.tuning import TUNINGS, Tuning
from tests.conftest import Run


def arguments_of(run: Run, arm: str = "random", **training: Any) -> Arguments:
    """Return what `run` trains its 200 pairs with, but for some options of training."""
    stage = run.pipeline.train(run.cell(200, arm))
    experiment = run.pipeline.experiment
    return Arguments(
        data=run.workspace.file(stage.binarise.data),
        source="xx",
        target="en",
        model=experiment.model,
        training=experiment.training.model_copy(update=training),
        seed=1,
        segmenter=Words(),
        bleu_tokenizer="13a",
    )


def tuning(part: PartName, **ways: Any) -> dict[Part, tuple[Tuning, ...]]:
    """Return the ways in which a part is tuned, as an arm has them."""
    made = tuple(TUNINGS[name].model_validate(value) for name, value in ways.items())
    return dict.fromkeys(SUMS[part], made)


FROZEN = tuning("embeddings", frozen=True)


class Stepwise:
    """fairseq's trainer on one arm or several."""

    def __init__(
        self,
        run: Run,
        folder: Path,
        *transfers: Transfer,
        style: StyleName = "plain",
        **training: Any,
    ) -> None:
        arms = [ArmPlan(arm, folder / str(number)) for number, arm in enumerate(transfers)]
        for arm in arms:
            arm.folder.mkdir(exist_ok=True)
        torch.set_num_threads(1)  # as trainings do
        arguments = arguments_of(run, **training)
        arguments = replace(arguments, model=arguments.model.model_copy(update={"style": style}))
        configuration, _ = configure(arguments, arms, folder, lambda *_: None)
        self.task: Any = tasks.setup_task(configuration.task)
        models = self.task.build_model(configuration.model)
        self.model = models.models[0]
        criterion = self.task.build_criterion(configuration.criterion)
        self.trainer = Trainer(configuration, self.task, models, criterion)
        self.epoch = self.trainer.get_train_iterator(epoch=1, load_dataset=True)
        self.batches = iter(self.epoch.next_epoch_itr(shuffle=False))

    def update(self, times: int = 1) -> dict[str, Tensor]:
        """Train on, and return what the first arm has come to."""
        for _ in range(times):
            self.trainer.train_step([next(self.batches)])
        return self.weights()

    def weights(self, number: int = 0) -> dict[str, Tensor]:
        """Return the weights of an arm's model, in the shape that fairseq knows."""
        state = fold(self.task.models[number].state_dict())
        return {name: weight.clone() for name, weight in state.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor], name: str) -> bool:
    return torch.equal(one[name], other[name])
