"""Writes an ONNX model file: the few protobuf messages of the format (onnx.proto, IR version 8) that a plain chain of
operators needs, so that nobody has to install the onnx package to run an encoder from its safetensors.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Attribute = int | float

_ELEMENT_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int64": 7}
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2
_FLOAT_TENSOR = 1


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _block(field: int, data: bytes | str) -> bytes:
    raw = data.encode() if isinstance(data, str) else data
    return _varint(field << 3 | 2) + _varint(len(raw)) + raw


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        return _block(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, _FLOAT_ATTRIBUTE)
    return _block(1, name) + _number(3, value) + _number(20, _INT_ATTRIBUTE)


def _tensor(name: str, array: NDArray[np.generic]) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, _ELEMENT_TYPES[array.dtype.name]) + _block(8, name) + _block(9, array.tobytes())


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    sizes = (_block(2, s) if isinstance(s, str) else _number(1, s) for s in shape)
    dims = b"".join(_block(1, size) for size in sizes)
    return _block(1, name) + _block(2, _block(1, _number(1, _FLOAT_TENSOR) + _block(2, dims)))


class Graph:
    """A model under construction. Names of values are made here; operators of com.microsoft are written "ms:Name"."""

    def __init__(self) -> None:
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._count = 0

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def constant(self, array: NDArray[np.generic]) -> str:
        name = self._name()
        self._tensors.append(_tensor(name, np.ascontiguousarray(array)))
        return name

    def add(self, operator: str, inputs: Sequence[str], *, outputs: int = 1, **attributes: Attribute) -> list[str]:
        """Appends an operator; gives the names of its outputs."""
        domain, _, kind = operator.rpartition(":")
        names = [self._name() for _ in range(outputs)]
        node = b"".join([*(_block(1, i) for i in inputs), *(_block(2, o) for o in names), _block(4, kind)])
        node += b"".join(_block(5, _attribute(k, v)) for k, v in attributes.items())
        self._nodes.append(node + (_block(7, "com.microsoft") if domain else b""))
        return names

    def model(self, entry: str, entry_shape: Sequence[int | str], exit_: str, exit_shape: Sequence[int | str]) -> bytes:
        """The model's bytes, with one float input and one float output; a str in a shape is a free size."""
        graph = b"".join(_block(1, node) for node in self._nodes) + _block(2, "encoder")
        graph += b"".join(_block(5, tensor) for tensor in self._tensors)
        graph += _block(11, _value(entry, entry_shape)) + _block(12, _value(exit_, exit_shape))
        opsets = _block(8, _number(2, 17)) + _block(8, _block(1, "com.microsoft") + _number(2, 1))
        return _number(1, 8) + _block(7, graph) + opsets
