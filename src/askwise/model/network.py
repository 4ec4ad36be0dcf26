"""A model of numbers as an ONNX graph, which runs where there is no Python."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from askwise.core import Array, BadInput, MissingExtra
from askwise.learners import SoftmaxRegression
from askwise.model.card import Card

OPSET, IR_VERSION = 20, 9
CARD = "askwise.card"
"""Key of the graph's metadata that holds the card."""


def to_onnx(model: Any) -> tuple[bytes, Card]:
    """A `Model` that is a softmax regression on rows of features as the bytes of an ONNX graph, and its card.

    Input `features`, (n, d) float32; outputs `label`, (n,) texts, and `probabilities`, (n, classes) float32 in the
    order of `model.classes_`. What it says is the same up to rounding, as it computes in another order.

    Raises:
        BadInput: The model starts from raw items, or its learner is another one.
        MissingExtra: onnx is not installed.
    """
    learner = model.learner_
    if not model.item_kind.features or model.task != "one" or not isinstance(learner, SoftmaxRegression):
        what = "items of the kind " + repr(model.kind) if not model.item_kind.features else type(learner).__name__
        raise BadInput(
            f"ONNX holds a softmax regression on rows of features, one class for each; this model is one of {what}, "
            "whose steps no ONNX operators do alike. Save it as .skops."
        )
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtra('ONNX needs the package onnx: `pip install "askwise[embed]"`, or save as .skops.') from error
    constants: dict[str, Any] = {}
    nodes: list[Any] = []

    def constant(name: str, value: Array) -> str:
        constants[name] = numpy_helper.from_array(value, name)
        return name

    def op(kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"value_{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{len(nodes)}", **attributes))
        return name

    rows = "features"
    if learner.center_ is not None:  # taken away in double precision, as where it learned
        wide = op("Sub", op("Cast", rows, to=TensorProto.DOUBLE), constant("center", learner.center_))
        rows = op("Cast", wide, to=TensorProto.FLOAT)
    heat = np.float32(learner.temperature_)
    weights, intercepts = constant("weights", learner.coef_ / heat), constant("intercepts", learner.intercept_ / heat)
    logits = op("Add", op("MatMul", rows, weights), intercepts)
    numbers = np.asarray(learner.classes_, int)
    place = np.zeros((len(numbers), len(model.labels_)), np.float32)  # classes that it has not met have probability 0
    place[np.arange(len(numbers)), numbers] = 1
    each = op("MatMul", op("Softmax", logits, axis=1), constant("place", place))
    best = op("ArgMax", each, axis=1, keepdims=0)
    names = np.array([str(name) for name in model.labels_], object)
    op("Gather", constant("labels", names), best, output="label", axis=0)
    op("Gather", each, constant("order", model._order.astype(np.int64)), output="probabilities", axis=1)
    graph = helper.make_graph(
        nodes,
        "askwise",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", model.n_features_in_])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(model._order)]),
        ],
        list(constants.values()),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(made)
    if model.card is None:
        raise BadInput("A model that was fitted by hand has no card to save in ONNX. Save it as .skops.")
    card = replace(model.card, digest=hashlib.sha256(graph.SerializeToString(deterministic=True)).hexdigest())
    helper.set_model_props(made, {CARD: json.dumps(card.data(), ensure_ascii=False)})
    data: bytes = made.SerializeToString()
    return data, card
