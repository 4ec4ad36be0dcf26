"""The network of all-MiniLM-L6-v2 as an ONNX graph, built from its published weights without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from askwise.core import Array

LAYERS, HEADS, WIDTH, EPSILON = 6, 12, 384, 1e-12
OPSET, IR_VERSION = 20, 9


class _Graph:
    """Collects nodes by name, so that the network below reads like its formula."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def const(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def ints(self, *values: int) -> str:
        return self.const("ints_" + "_".join(map(str, values)), np.array(values, np.int64))

    def number(self, name: str, value: float) -> str:
        return self.const(name, np.array(value, np.float32))

    def op(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        output = output or f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"node_{len(self.nodes)}", **attributes))
        return output

    def linear(self, x: str, layer: str) -> str:
        """`x · Wᵀ + b`; published weights are (out, in)."""
        weight = self.const(f"{layer}.weight_t", self.weights[f"{layer}.weight"].T.astype(np.float32))
        bias = self.const(f"{layer}.bias", self.weights[f"{layer}.bias"].astype(np.float32))
        return self.op("Add", self.op("MatMul", x, weight), bias)

    def norm(self, x: str, layer: str) -> str:
        scale = self.const(f"{layer}.weight", self.weights[f"{layer}.weight"].astype(np.float32))
        bias = self.const(f"{layer}.bias", self.weights[f"{layer}.bias"].astype(np.float32))
        return self.op("LayerNormalization", x, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(self, x: str, layer: str, order: list[int]) -> str:
        """(batch, tokens, width) → (batch, heads, …), the last two axes as `order` says."""
        split = self.op("Reshape", self.linear(x, layer), self.ints(0, 0, HEADS, WIDTH // HEADS))
        return self.op("Transpose", split, perm=order)


def _embed(graph: _Graph) -> str:
    weights = graph.weights
    words = graph.op(
        "Gather", graph.const("words", weights["embeddings.word_embeddings.weight"].astype(np.float32)), "input_ids"
    )
    table = graph.const("positions", weights["embeddings.position_embeddings.weight"].astype(np.float32))
    length = graph.op("Shape", "input_ids", start=1, end=2)
    positions = graph.op("Slice", table, graph.ints(0), length, graph.ints(0))
    segment = graph.const("segment", weights["embeddings.token_type_embeddings.weight"][0].astype(np.float32))
    return graph.norm(
        graph.op("Add", graph.op("Add", words, positions), segment),
        "embeddings.LayerNorm",
    )


def _layer(graph: _Graph, x: str, number: int, bias: str) -> str:
    """One transformer layer (Vaswani et al., 2017; post-norm as in BERT, Devlin et al., 2019)."""
    name = f"encoder.layer.{number}"
    query = graph.heads(x, f"{name}.attention.self.query", [0, 2, 1, 3])
    key = graph.heads(x, f"{name}.attention.self.key", [0, 2, 3, 1])
    value = graph.heads(x, f"{name}.attention.self.value", [0, 2, 1, 3])
    scaled = graph.op("Mul", graph.op("MatMul", query, key), graph.number("attention_scale", (WIDTH // HEADS) ** -0.5))
    attention = graph.op("Softmax", graph.op("Add", scaled, bias), axis=-1)
    mixed = graph.op("Transpose", graph.op("MatMul", attention, value), perm=[0, 2, 1, 3])
    joined = graph.op("Reshape", mixed, graph.ints(0, 0, WIDTH))
    x = graph.norm(
        graph.op("Add", x, graph.linear(joined, f"{name}.attention.output.dense")), f"{name}.attention.output.LayerNorm"
    )
    hidden = graph.op("Gelu", graph.linear(x, f"{name}.intermediate.dense"))
    return graph.norm(graph.op("Add", x, graph.linear(hidden, f"{name}.output.dense")), f"{name}.output.LayerNorm")


def _pool(graph: _Graph, x: str, mask: str) -> None:
    """Mean over the tokens that count, then unit length (Reimers & Gurevych, 2019)."""
    masked = graph.op("Mul", x, graph.op("Unsqueeze", mask, graph.ints(2)))
    total = graph.op("ReduceSum", masked, graph.ints(1), keepdims=0)
    count = graph.op("ReduceSum", mask, graph.ints(1), keepdims=1)
    graph.op("LpNormalization", graph.op("Div", total, count), output="sentence_embedding", axis=1, p=2)


def build(weights: Mapping[str, Array], target: Path) -> None:
    """Write the 32-bit ONNX model.

    Args:
        weights: Parameter name → array, as published (safetensors).
        target: Where `model.onnx` goes. Inputs `input_ids` and `attention_mask`, (batch, tokens) int64; output
            `sentence_embedding`, (batch, 384) float32, rows of length 1.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = _Graph(weights)
    mask = graph.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    absent = graph.op("Sub", graph.number("one", 1.0), graph.op("Unsqueeze", mask, graph.ints(1, 2)))
    bias = graph.op("Mul", absent, graph.number("never", -1e9))
    x = _embed(graph)
    for number in range(LAYERS):
        x = _layer(graph, x, number, bias)
    _pool(graph, x, mask)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["batch", WIDTH])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", inputs, [output], list(graph.constants.values())),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    # The graph has nothing to simplify; without this mark the quantizer would advise to simplify it.
    helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def quantize(source: Path, target: Path, *, reduce_range: bool) -> None:
    """Write the model with 8-bit weights, one scale a channel: a quarter of the size and about twice the speed.

    Args:
        source: The 32-bit model.
        target: Where the 8-bit model goes.
        reduce_range: Use 7 of the 8 bits, for processors whose 8-bit products saturate.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"],
        per_channel=True,
        reduce_range=reduce_range,
    )
