"""The house stands: who may import whom, read from the source of every module.

    floor 0  ground       types, labels, images, files, sharding, compile_cache (in this order)
    floor 1  world        data/, pretrained_nets/
    floor 2  maths        models/, metrics/
    floor 3  stages       stages/, filling/
    floor 4  evaluation   evaluation/
    floor 5  runs         training/, web/, cli/ (which may use training/)
    edge                  main, bench/
A module imports lower floors only; two rooms of one floor never import each other.
"""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "facefill_jax"
FLOORS = {
  0: ("types", "labels", "images", "files", "sharding", "compile_cache"),
  1: ("data", "pretrained_nets"),
  2: ("models", "metrics"),
  3: ("stages", "filling"),
  4: ("evaluation",),
  5: ("training", "web", "cli"),
  6: ("main", "bench"),
}
FLOOR_OF = {part: floor for floor, parts in FLOORS.items() for part in parts}
LONGEST = 350  # lines; what is meant is "about 300"

NUMPY_ONLY = (
  "data", "labels", "files", "filling.frame", "filling.photo_files", "filling.classical",
  "filling.photo_output", "filling.layout_files", "filling.deep_pictures", "filling.exif",
  "filling.picture_kinds", "filling.tiff_files", "filling.align", "filling.membrane",
  "filling.detail", "filling.passes",
)  # fmt: skip

FOREIGN = (  # (packages, the modules that may import them, why)
  (("tensorflow", "tensorboard"), lambda module: False, "is not a dependency"),
  (
    ("tensorflow_datasets",),
    lambda module: module in ("data.sets.prepared", "data.sets.tfds_builders"),
    "only these two know TFDS, which takes seconds to import",
  ),
  (
    ("torch",),
    lambda module: within(module, ["pretrained_nets"]),
    "only pretrained_nets/ reads torch's files",
  ),
  (
    ("sklearn",),
    lambda module: within(module, ["metrics"]),
    "only P-IDS and U-IDS need scikit-learn",
  ),
  (
    ("jinja2", "markupsafe", "matplotlib"),
    lambda module: within(module, ["evaluation.report", "bench.growth"]),
    "only the pages of evaluation/report/ (and one plot of bench/) need templates and plots",
  ),
  (
    ("ml_collections",),
    lambda module: floor_of(module) >= 5,
    "ConfigDicts stay on floor 5 and above",
  ),
  (
    ("orbax",),
    lambda module: module == "training.checkpoint",
    "only training/checkpoint.py knows orbax",
  ),
  (
    ("jax.sharding", "jax.experimental.shard_map", "jax.experimental.mesh_utils"),
    lambda module: module == "sharding",
    "only sharding.py names a mesh axis",
  ),
  (
    ("jax", "jaxlib", "flax", "optax", "jaxtyping", "chex", "clu"),
    lambda module: not within(module, NUMPY_ONLY),
    "numpy only: no arrays of JAX here",
  ),
  (
    ("time", "logging", "absl", "random", "datetime"),
    lambda module: not within(module, ["types", "labels", "images", "models", "metrics", "stages"]),
    "pure maths: no clock, no log, no flag",
  ),
)
MESH_WORDS = ("jax.make_mesh", "jax.shard_map", "jax.pmap", "jax.set_mesh")


def dotted(node) -> str:
  """ "a.b.c" for an attribute of an attribute of a name, else ""."""
  if isinstance(node, ast.Name):
    return node.id
  inside = dotted(node.value) if isinstance(node, ast.Attribute) else ""
  return f"{inside}.{node.attr}" if inside else ""


def imported(module: str, source: str, modules: set[str]) -> list[tuple[int, str]]:
  """(line, absolute name) of each import, also within functions; to the module, not its names."""
  found = []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Import):
      found += [(node.lineno, alias.name) for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      parents = module.split(".")[: -node.level] if node.level else []
      base = ".".join([*parents, *filter(None, [node.module])])
      for alias in node.names:
        name = f"{base}.{alias.name}"
        is_module = name in modules or not base.startswith(PACKAGE)
        found.append((node.lineno, name if is_module else base))
  return found


def part_of(module: str) -> str:
  """The room that a module belongs to: "data" for facefill_jax.data.masks.training."""
  return module.split(".")[1] if "." in module else ""


def floor_of(module: str) -> int:
  """The floor of a module that is named from the package on: "data.masks.training"."""
  return FLOOR_OF[module.split(".")[0]]


def may_import(part: str, other: str) -> bool:
  """Whether the import law lets a module of `part` import one of `other`."""
  if not other or part == other:  # the package's version; its own part
    return True
  here, there = FLOOR_OF[part], FLOOR_OF[other]
  if here == there == 0:
    return FLOORS[0].index(other) < FLOORS[0].index(part)
  return there < here or (part, other) == ("cli", "training")


def within(name: str, packages) -> bool:
  return any(name == package or name.startswith(f"{package}.") for package in packages)


def violations(sources: dict[str, str]) -> list[str]:
  """Every breach of the law, a line each. sources: module name -> source."""
  modules, found, graph = set(sources), [], {}
  for module, source in sources.items():
    part = part_of(module)
    if part and part not in FLOOR_OF:
      found.append(f"{module}: {part!r} is on no floor; floors: {FLOORS}")
      continue
    if "utils" in module.split("."):
      found.append(f"{module}: no module is called utils: say what it is for")
    lines = source.count("\n")
    if lines > LONGEST:
      found.append(f"{module}: {lines} lines; one idea a file, about 300 lines at most")
    names = imported(module, source, modules)
    graph[module] = {name for _, name in names if name in modules}
    for line, name in names:
      where = f"{module}:{line} imports {name}"
      if within(name, [PACKAGE]):
        if part and part_of(name) in {"", *FLOOR_OF} and not may_import(part, part_of(name)):
          found.append(
            f"{where}: floor {FLOOR_OF[part]} may not import floor {FLOOR_OF[part_of(name)]} there"
          )
        continue
      # `from jax.sharding import Mesh` is an import of jax.sharding, and of jax.
      for packages, allowed, why in FOREIGN:
        if part and within(name, packages) and not allowed(module.partition(".")[2]):
          found.append(f"{where}: {why}")
    found += _axes(module, part, source)
  try:
    graphlib.TopologicalSorter(graph).prepare()
  except graphlib.CycleError as error:
    found.append(f"imports in a circle: {' -> '.join(error.args[1])}")
  return found


def _axes(module: str, part: str, source: str) -> list[str]:
  """Mesh axes that are named without an import of jax.sharding."""
  if part == "sharding":
    return []
  found = []
  for node in ast.walk(ast.parse(source)):
    name = dotted(node) if isinstance(node, ast.Attribute) else ""
    if name in MESH_WORDS or name.startswith("jax.sharding."):
      found.append(f"{module}:{node.lineno} {name}: only sharding.py names a mesh axis")
    if isinstance(node, ast.keyword) and node.arg in ("axis_name", "axis_names"):
      found.append(f"{module}:{node.lineno} {node.arg}=: only sharding.py names a mesh axis")
  return found


def house() -> dict[str, str]:
  """All our modules: name -> source."""
  found = {}
  for path in sorted((ROOT / PACKAGE).rglob("*.py")):
    parts = path.relative_to(ROOT).with_suffix("").parts
    found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
  return found


def test_the_house_stands():
  sources = house()
  assert len(sources) > 40 and f"{PACKAGE}.models.layers" in sources
  assert violations(sources) == []


@pytest.mark.parametrize(
  ("module", "source", "word"),
  [
    ("models.layers", "from facefill_jax.stages import stage", "floor 2 may not import floor 3"),
    ("metrics.image", "from facefill_jax.models.layers import icnr", "floor 2 may not import"),
    ("metrics.image", "from ..models import layers", "floor 2 may not import floor 2"),
    ("pretrained_nets.kinds", "from facefill_jax.data import sources", "floor 1 may not import"),
    ("labels", "from facefill_jax import images", "floor 0 may not import floor 0"),
    ("data.sources", "def f():\n  import facefill_jax.filling.frame", "data.sources:2 imports"),
    ("stages.step", "from facefill_jax.filling import filler", "floor 3 may not import floor 3"),
    ("data.masks.training", "import jax.numpy as jnp", "numpy only"),
    ("filling.frame", "import jax", "numpy only"),
    ("labels", "from jax import numpy", "numpy only"),
    ("evaluation.runner", "from facefill_jax.bench import cost", "floor 4 may not import floor 6"),
    ("training.loop", "from facefill_jax import cli", "floor 5 may not import floor 5"),
    ("filling.model_files", "from ml_collections import ConfigDict", "ConfigDicts stay"),
    ("training.loop", "import orbax.checkpoint as ocp", "only training/checkpoint.py knows orbax"),
    ("training.loop", "from jax.sharding import PartitionSpec", "only sharding.py names a mesh"),
    ("training.run", "import jax\nm = jax.make_mesh((1,), ('data',))", "run:2 jax.make_mesh: only"),
    ("stages.step", "f(axis_name='data')", "axis_name=: only sharding.py"),
    ("training.progress", "import tensorflow as tf", "is not a dependency"),
    ("filling.model_files", "import torch", "only pretrained_nets/ reads torch's files"),
    ("evaluation.runner", "import sklearn", "only P-IDS and U-IDS need"),
    ("evaluation.runner", "import matplotlib", "only the pages of evaluation/report/"),
    ("data.sources", "def f():\n  from tensorflow.io import gfile", "is not a dependency"),
    ("stages.step", "import time", "pure maths"),
    ("utils", "", "'utils' is on no floor"),
    ("data.utils", "", "no module is called utils"),
    ("stages.losses", "x = 1\n" * 351, "351 lines; one idea a file, about 300 lines"),
    ("models.layers", "from facefill_jax.models import layout_net", "in a circle"),
  ],
)
def test_the_law_bites(module, source, word):
  found = violations(house() | {f"{PACKAGE}.{module}": source})
  assert any(word in line and module.split(".")[0] in line for line in found), found


def test_what_the_law_allows():
  sources = {
    "facefill_jax": "",
    "facefill_jax.filling.model_files": "from facefill_jax import __version__\nimport jax",
    "facefill_jax.stages.stage": "from facefill_jax.stages import objectives",
    "facefill_jax.stages.objectives": "import jax\nfrom jax import lax",
    "facefill_jax.training.checkpoint": "import orbax.checkpoint",
    "facefill_jax.data.pipeline": "from facefill_jax.data.masks.training import MaskMix",
    "facefill_jax.data.masks.training": "import numpy as np",
    "facefill_jax.bench.cost": "from facefill_jax.training import loop",
    "facefill_jax.cli.train": "from facefill_jax.training import loop",
    "facefill_jax.evaluation.runner": "import time",
    "facefill_jax.training.loop": "from facefill_jax.evaluation import runner",
  }
  assert violations(sources) == []


def test_configs_import_nothing_of_ours():
  paths = sorted((ROOT / "configs").glob("*.py"))
  assert paths
  for path in paths:
    names = [name for _, name in imported(f"configs.{path.stem}", path.read_text("utf-8"), set())]
    assert not [name for name in names if name.split(".")[0] != "ml_collections"], path.name


def test_the_top_level_is_the_one_agreed_on():
  packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
  assert packages <= {PACKAGE, "configs"}
  assert not [name for name in ("docs", "scripts", "utils") if (ROOT / name).exists()]


def test_nothing_loads_tensorflow_or_plots():
  program = (
    "import sys; import facefill_jax.training.loop, facefill_jax.filling.pipeline; "
    "import facefill_jax.cli.fill, facefill_jax.pretrained_nets.weights, facefill_jax.main; "
    "import facefill_jax.evaluation.runner, facefill_jax.evaluation.compare; "
    "bad = {'tensorflow', 'tensorflow_datasets', 'tensorboard', 'torch', 'sklearn', 'jinja2'}; "
    "bad.add('matplotlib'); "
    "bad &= set(sys.modules); "
    "sys.exit(', '.join(sorted(bad)) + ' loaded' if bad else 0)"
  )
  done = subprocess.run(
    [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
