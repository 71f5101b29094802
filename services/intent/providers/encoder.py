"""Sentence embeddings by MiniLM-L6 (BERT, 6 layers, 384 wide) from its safetensors, on onnxruntime, without torch.

The graph is made in memory when loaded: matrices in 7-bit integers (8-bit ones overflow in the pairwise sums of
processors without VNNI, and then two machines disagree), activations quantised per call, word embeddings left in the
mapped file, so that only the rows of the words said are ever read.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from safetensors import safe_open
from tokenizers import Tokenizer

from parlance.errors import InvalidRequest
from services.intent.providers.onnx_graph import Graph

Floats = NDArray[np.float32]

WIDTH = 384
HEADS = 12
LAYERS = 6
MAX_TOKENS = 128
EPSILON = 1e-12
_WEIGHT_STEPS = 63


class _Weights:
    """A BERT's tensors by their short names, from one mapped safetensors file."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        if [config.get(key) for key in ("hidden_size", "num_hidden_layers", "num_attention_heads")] != [
            WIDTH,
            LAYERS,
            HEADS,
        ]:
            raise InvalidRequest(f"{folder.name} is no MiniLM-L6: 6 layers of 384 with 12 heads are needed")
        self._file = _open(folder / "model.safetensors")
        self.words = self._file.get_slice("embeddings.word_embeddings.weight")

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self._file.get_tensor(name), np.float32)


def _open(path: Path) -> Any:
    """A mapped safetensors file; the package declares no types for what it gives."""
    return safe_open(path, "np")


def _linear(graph: Graph, entry: str, weight: Floats, bias: Floats) -> str:
    """entry @ weight.T + bias, weight (out, in) in 7-bit integers with one scale per output."""
    scale = np.maximum(np.abs(weight).max(axis=1), np.float32(1e-8)) / np.float32(_WEIGHT_STEPS)
    steps = np.rint(weight / scale[:, None]).astype(np.int8)
    inputs = [entry, graph.constant(steps.T), graph.constant(scale.astype(np.float32))]
    inputs += [graph.constant(np.zeros(len(weight), np.int8)), graph.constant(bias)]
    return graph.add("ms:DynamicQuantizeMatMul", inputs)[0]


def _add_and_norm(graph: Graph, entry: str, skip: str, weights: _Weights, name: str) -> str:
    scale, shift = weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]
    inputs = [entry, skip, graph.constant(scale), graph.constant(shift)]
    return graph.add("ms:SkipLayerNormalization", inputs, epsilon=EPSILON)[0]


def _layer(graph: Graph, entry: str, weights: _Weights, name: str) -> str:
    def linear(value: str, part: str) -> str:
        return _linear(graph, value, weights[f"{name}.{part}.weight"], weights[f"{name}.{part}.bias"])

    asked = [linear(entry, f"attention.self.{part}") for part in ("query", "key", "value")]
    mixed = graph.add("ms:MultiHeadAttention", asked, num_heads=HEADS)[0]
    attended = _add_and_norm(graph, linear(mixed, "attention.output.dense"), entry, weights, f"{name}.attention.output")
    wide = graph.add("ms:Gelu", [linear(attended, "intermediate.dense")])[0]
    return _add_and_norm(graph, linear(wide, "output.dense"), attended, weights, f"{name}.output")


def _build(weights: _Weights) -> bytes:
    graph = Graph()
    value = "embedded"
    for number in range(LAYERS):
        value = _layer(graph, value, weights, f"encoder.layer.{number}")
    return graph.model("embedded", (1, "tokens", WIDTH), value, (1, "tokens", WIDTH))


def _normed(values: Floats, scale: Floats, shift: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + EPSILON)
    return np.asarray(centred / spread * scale + shift, np.float32)


class Encoder:
    """Text to a unit vector of 384 floats; the same text gives the same bits. Blocks for some milliseconds.

    `folder` holds model.safetensors, config.json and tokenizer.json, already verified.
    Source: sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), mean of the tokens, normalised."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        weights = _Weights(folder)
        self._words = weights.words
        types = weights["embeddings.token_type_embeddings.weight"]
        self._places = weights["embeddings.position_embeddings.weight"] + types[0]
        self._scale = weights["embeddings.LayerNorm.weight"]
        self._shift = weights["embeddings.LayerNorm.bias"]
        self._session: Any = ort.InferenceSession(_build(weights), _options(), providers=["CPUExecutionProvider"])

    def embed(self, text: str) -> Floats:
        ids = self._tokenizer.encode(text.lower()).ids
        words = np.concatenate([self._words[i : i + 1] for i in ids])
        embedded = _normed(words + self._places[: len(ids)], self._scale, self._shift)
        tokens = self._session.run(None, {"embedded": embedded[None]})[0][0]
        mean = tokens.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _options() -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
