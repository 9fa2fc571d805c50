"""Ray Tune's schedulers, each with a note of what it decided and why.

A module of its own, so that a resumed driver finds their classes again.
"""
import types

from ray.tune.schedulers import (AsyncHyperBandScheduler, FIFOScheduler, HyperBandScheduler, MedianStoppingRule,
                                 PopulationBasedTraining, TrialScheduler)

import strata_ray
import strata_space


class Recorded:
    """Notes each decision of a scheduler with its grounds."""

    def on_trial_result(self, controller, trial, result):
        grounds = self.grounds(trial, result)
        decision = super().on_trial_result(controller, trial, result)
        words = {TrialScheduler.CONTINUE: "continue", TrialScheduler.STOP: "stop", TrialScheduler.PAUSE: "pause",
                 TrialScheduler.NOOP: "pause"}
        iteration = result["training_iteration"]
        strata_ray.STUDY.decisions[(trial.trial_id, iteration)] = (words.get(decision, "continue"), *grounds)
        return decision

    def grounds(self, trial, result):
        """Rung, cutoff and number of competitors, where the scheduler has them."""
        return None, None, 0


class Fifo(Recorded, FIFOScheduler):
    pass


class Asha(Recorded, AsyncHyperBandScheduler):
    def grounds(self, trial, result):
        step = result["training_iteration"]
        for rung, recorded in self._trial_info[trial.trial_id]._rungs:
            if step >= rung and trial.trial_id not in recorded:
                cutoff = self._trial_info[trial.trial_id].cutoff(recorded)
                # Its values are to be large; a cutoff is told in the sign of the metric.
                cutoff = None if cutoff is None else self._metric_op * float(cutoff)
                return float(rung), cutoff, len(recorded)
        return None, None, 0


class HyperBand(Recorded, HyperBandScheduler):
    pass


class Median(Recorded, MedianStoppingRule):
    pass


class Pbt(Recorded, PopulationBasedTraining):
    def on_trial_add(self, controller, trial):
        # Ray refuses searchers beside it; `StudySearch` only numbers the first configurations, which are random.
        super().on_trial_add(types.SimpleNamespace(search_alg=None), trial)

    def _get_new_config(self, trial, trial_to_clone):
        config, operations = super()._get_new_config(trial, trial_to_clone)
        # A trial keeps its number, and so its seed, whatever it takes over.
        return {**config, "trial": trial.config["trial"]}, operations


SCHEDULERS = ("none", "asha", "hyperband", "median", "pbt")


def scheduler(name, options, parameters):
    """The scheduler of Ray called `name`."""
    epochs = options.epochs
    if name == "none":
        return Fifo()
    if name == "asha":
        return Asha(time_attr="training_iteration", max_t=epochs, grace_period=options.grace_period,
                    reduction_factor=options.reduction_factor or 2, brackets=options.brackets)
    if name == "hyperband":
        return HyperBand(time_attr="training_iteration", max_t=epochs,
                         reduction_factor=options.reduction_factor or 3)
    if name == "median":
        return Median(time_attr="training_iteration", grace_period=options.grace_period)
    # Checkpoints fit a net of their own sizes only.
    mutable = {p["name"]: neighbours(p) for p in parameters if strata_ray.is_free(p) and p["name"] not in ("l1", "l2", "net")}
    return Pbt(time_attr="training_iteration", perturbation_interval=options.perturbation_interval,
               hyperparam_mutations=mutable)


def neighbours(parameter):
    """What population-based training moves a value among: a list by steps to the left and right."""
    if parameter["kind"] == "categorical":
        return parameter["choices"]
    return list(range(strata_space.levels(parameter))) if strata_space.is_stepped(parameter) else strata_ray.domain(parameter)
