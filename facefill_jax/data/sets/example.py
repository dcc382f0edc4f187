"""tf.train.Example to and from bytes, without TensorFlow or protobuf: what TFDS puts in a record.

The wire format is that of protobuf (protobuf.dev/programming-guides/encoding): fields of a tag
(number << 3 | wire type) and a value; wire type 0 is a varint, 1 eight bytes, 2 a varint length
and that many bytes, 5 four bytes. The messages, from tensorflow/core/example/example.proto:

    Example  { Features features = 1 }
    Features { map<string, Feature> feature = 1 }    each entry: { key = 1, value = 2 }
    Feature  { BytesList = 1 | FloatList = 2 | Int64List = 3 }    each list: { repeated value = 1 }
"""

import struct
from collections.abc import Iterator

import numpy as np

_BYTES, _FLOATS, _INTS = 1, 2, 3
_VARINT, _EIGHT, _LENGTH, _FOUR = 0, 1, 2, 5


def encode(features: dict[str, bytes | int | np.ndarray]) -> bytes:
  """One Example: the same features always give the same bytes (keys in their sorted order).

  Args:
    features: bytes become a list of one bytes, an int (64-bit) a list of one int, a float32
      array a list of its values in C order.
  """
  entries = b""
  for name in sorted(features):
    entry = _field(1, name.encode()) + _field(2, _feature(name, features[name]))
    entries += _field(1, entry)
  return _field(1, entries)


def decode(data: bytes) -> dict[str, list[bytes] | list[int] | np.ndarray]:
  """The features of one Example: lists of bytes, lists of int, float32 arrays (n,).

  Raises:
    ValueError: these bytes are not an Example.
  """
  found = {}
  try:
    for number, features in _fields(data):
      for inner, entry in _fields(features) if number == 1 else ():
        if inner == 1:
          parts = dict(_fields(entry))
          found[bytes(parts[1]).decode()] = _values(parts.get(2, b""))
  except (IndexError, KeyError, TypeError, UnicodeDecodeError, struct.error) as error:
    raise ValueError(f"not a tf.train.Example: {error or type(error).__name__}") from error
  return found


def _feature(name: str, value) -> bytes:
  if isinstance(value, bytes):
    return _field(_BYTES, _field(1, value))
  if isinstance(value, int):
    return _field(_INTS, _field(1, _varint(value & (2**64 - 1))))
  if isinstance(value, np.ndarray) and value.dtype == np.float32:
    return _field(_FLOATS, _field(1, np.ascontiguousarray(value, "<f4").tobytes()))
  raise TypeError(f"feature {name!r}: bytes, int or a float32 array, not {type(value).__name__}")


def _field(number: int, value: bytes) -> bytes:
  return bytes([number << 3 | _LENGTH]) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
  out = bytearray()
  while value > 127:
    out.append(value & 127 | 128)
    value >>= 7
  out.append(value)
  return bytes(out)


def _read_varint(data, at: int) -> tuple[int, int]:
  """(value, the place after it)."""
  value = shift = 0
  while True:
    byte = data[at]
    at += 1
    value |= (byte & 127) << shift
    if byte < 128:
      return value, at
    shift += 7


def _fields(data) -> Iterator[tuple[int, memoryview | int]]:
  """(field number, value) of each field of a message; a varint is given as int."""
  data = memoryview(data)
  at, end = 0, len(data)
  while at < end:
    tag, at = _read_varint(data, at)
    kind = tag & 7
    if kind == _VARINT:
      value, at = _read_varint(data, at)
      yield tag >> 3, value
      continue
    if kind == _LENGTH:
      length, at = _read_varint(data, at)
    elif kind in (_EIGHT, _FOUR):
      length = 8 if kind == _EIGHT else 4
    else:
      raise TypeError(f"wire type {kind}")
    if at + length > end:
      raise IndexError(f"{length} bytes announced, {end - at} left")
    yield tag >> 3, data[at : at + length]
    at += length


def _values(feature) -> list[bytes] | list[int] | np.ndarray:
  values: list = []
  for kind, listed in _fields(feature):
    items = [value for number, value in _fields(listed) if number == 1]
    if kind == _BYTES:
      values = [bytes(item) for item in items]
    elif kind == _FLOATS:  # packed, or each on its own: both are lists of four bytes
      values = np.frombuffer(b"".join(items), "<f4").astype(np.float32)
    elif kind == _INTS:
      values = [_signed(value) for item in items for value in _integers(item)]
  return values


def _integers(item) -> Iterator[int]:
  if isinstance(item, int):
    yield item
    return
  at = 0
  while at < len(item):
    value, at = _read_varint(item, at)
    yield value


def _signed(value: int) -> int:
  return value - 2**64 if value >= 2**63 else value
