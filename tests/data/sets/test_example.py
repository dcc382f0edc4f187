"""tf.train.Example without TensorFlow: known bytes, refusals, and TFDS's own protobuf."""

import numpy as np
import pytest

from facefill_jax.data.sets import example

# By hand: Features { {"a": BytesList ["xy"]} }.
KNOWN = b"\x0a\x0d" + b"\x0a\x0b" + b"\x0a\x01a" + b"\x12\x06" + b"\x0a\x04" + b"\x0a\x02xy"


def test_known_bytes():
  assert example.encode({"a": b"xy"}) == KNOWN
  assert example.decode(KNOWN) == {"a": [b"xy"]}


def test_round_trip_in_sorted_order():
  features = {"z": b"\0" * 300, "f": np.float32([1.5, np.nan]), "i": -3, "j": 2**62, "e": b""}
  data = example.encode(features)
  assert data == example.encode(dict(reversed(features.items())))
  found = example.decode(data)
  assert (found["z"], found["i"], found["j"], found["e"]) == ([b"\0" * 300], [-3], [2**62], [b""])
  np.testing.assert_array_equal(found["f"], features["f"])
  assert found["f"].dtype == np.float32


def test_protobuf_agrees():
  tf_example_pb2 = pytest.importorskip("tensorflow_datasets.proto").tf_example_pb2
  features = {"b": b"xyz" * 100, "f": np.float32([0.1, -2]), "i": -(2**63), "k": 2**63 - 1}
  parsed = tf_example_pb2.Example.FromString(example.encode(features)).features.feature
  assert parsed["b"].bytes_list.value[0] == features["b"]
  np.testing.assert_array_equal(np.float32(parsed["f"].float_list.value), features["f"])
  assert [parsed[k].int64_list.value[0] for k in "ik"] == [-(2**63), 2**63 - 1]
  made = tf_example_pb2.Example()
  made.features.feature["many"].bytes_list.value.extend([b"1", b"2"])
  made.features.feature["ints"].int64_list.value.extend([0, 300, -1])
  made.features.feature["none"].SetInParent()
  found = example.decode(made.SerializeToString())
  assert found == {"many": [b"1", b"2"], "ints": [0, 300, -1], "none": []}


@pytest.mark.parametrize("data", [KNOWN[:-1], KNOWN[:5], b"\xff" * 9, b"\x0a", b"\x0b\x00"])
def test_other_bytes_are_refused(data):
  with pytest.raises(ValueError, match=r"not a tf\.train\.Example"):
    example.decode(data)


def test_other_values_are_refused():
  with pytest.raises(TypeError, match=r"'x'.*float64"):
    example.encode({"x": np.float64(1)})
