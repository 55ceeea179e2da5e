from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import training
from benchmarks.jobs import JOBS, Job
from benchmarks.measure import BenchmarkError, Timing
from benchmarks.peers import PEERS, AbsentError, chainrule, fann, gather, numpy, optional, sklearn


def few_steps(job: Job) -> Job:
    return replace(job, rows=min(job.rows, 2 * job.batch), epochs=3)


@pytest.mark.parametrize("name", JOBS)
def test_ours_and_numpy_reach_the_same_loss(name: str) -> None:
    job = few_steps(JOBS[name])
    before = job.evaluate(job.initial())
    ours, theirs = job.evaluate(chainrule.train(job)), job.evaluate(numpy.train(job))
    assert ours < before
    assert abs(ours - theirs) <= 100 * float(np.finfo(job.dtype).eps) * theirs
    assert abs(ours - theirs) <= job.tolerance * (before - ours), "the check could not tell training from none"


@pytest.mark.parametrize("name", ["tabular", "adam"])
def test_scikit_learn_is_given_the_same_job(name: str) -> None:
    job = few_steps(JOBS[name])
    (contender,) = sklearn.contenders(job)
    for _ in range(2):
        loss = job.evaluate(contender.run())
        assert abs(loss - job.evaluate(numpy.train(job))) <= job.tolerance * loss


def test_the_operations_of_the_products() -> None:
    assert JOBS["mlp"].product_operations == 2 * 128 * (2 * 784 * 128 + 3 * 128 * 10)


def test_batches_divide_the_rows() -> None:
    with pytest.raises(ValueError, match="do not divide"):
        replace(JOBS["mlp"], rows=129)


def test_another_loss_is_refused() -> None:
    job = JOBS["tabular"]
    timings = [Timing(name, 0.0, (1.0,), None) for name in ("ours", "theirs")]
    training.check_losses(job, timings, [0.5, 0.5 + 0.4 * job.tolerance])
    for other in (0.5 + 2 * job.tolerance, float("nan")):
        with pytest.raises(BenchmarkError, match="tabular: theirs reached the loss"):
            training.check_losses(job, timings, [0.5, other])


def test_fann_gets_its_weights_unit_by_unit() -> None:
    job = JOBS["xor"]
    W1, b1, W2, b2 = parameters = [p + k for k, p in enumerate(job.initial())]
    flat = fann.flattened(parameters)
    np.testing.assert_array_equal(flat[:3], np.array([W1[0, 0], W1[1, 0], b1[0]], np.float32))
    np.testing.assert_array_equal(flat[-5:], np.array([*W2[:, 0], b2[0]], np.float32))
    for given, back in zip(parameters, fann.separated(flat, job.sizes), strict=True):
        np.testing.assert_array_equal(given.astype(np.float32), back)


def test_a_peer_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AbsentError, match="not installed \\(pip install no-such-package\\)"):
        optional("no_such_module.part", "no-such-package")
    monkeypatch.setenv(fann.VARIABLE, "/no/such/place")
    monkeypatch.setattr(
        "benchmarks.peers.PEERS", {name: PEERS[name] for name in (chainrule.NAME, fann.NAME, sklearn.NAME)}
    )
    contenders, absent = gather(JOBS["xor"])
    assert [contender.name for contender in contenders] == [chainrule.NAME]
    assert "/no/such/place" in absent[fann.NAME]
    assert "no squared error" in absent[sklearn.NAME]
