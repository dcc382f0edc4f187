"""A against another checkout: a process that waits for its turns."""

import pytest

from facefill_jax.bench import versus
from facefill_jax.bench.prepared import Prepared
from facefill_jax.bench.timing import Sample

OTHER = """
import json, sys
assert sys.argv[1:] == ["inference", "--size", "tiny", "--paced"], sys.argv
print(json.dumps({"photos": 2, "dtype": "float32"}), flush=True)
for line in sys.stdin:
  print(json.dumps({"samples": [[1 + float(line), 4.0]]}), flush=True)
"""


def clone(root, program):
  folder = root / "facefill_jax" / "bench"
  folder.mkdir(parents=True)
  for path in (root / "facefill_jax" / "__init__.py", folder / "__init__.py"):
    path.write_text("")
  (folder / "__main__.py").write_text(program)
  return str(root)


def test_turns(tmp_path):
  other = clone(tmp_path, OTHER)
  assert versus.is_checkout(other) and not versus.is_checkout(str(tmp_path / "facefill_jax"))
  a = Prepared({"photos": 1, "dtype": "float32"}, lambda: Sample(1.0, 1.0))
  found = versus.measure(
    lambda: a, lambda: versus.Checkout(other, ["inference", "--size", "tiny"]), versus.Pace(0.0, 3)
  )
  assert found["b"]["checkout"] == other and found["b"]["photos"] == 2
  assert found["ratio"]["rounds"] == 3
  assert found["cpu_ratio"]["median"] == 2  # four seconds for two photos, against one


def test_another_checkout_without_the_verb(tmp_path):
  other = clone(tmp_path, "raise SystemExit('No such command')")
  with pytest.raises(ValueError, match=r"--vs .*: No such command"):
    versus.Checkout(other, ["inference"])
