"""The notebooks of launch/colab: valid, stripped, and they run from top to bottom."""

import re
from pathlib import Path

import nbformat
import pytest
import tiny_model
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from facefill_jax.filling import model_directory, model_files

ROOT = Path(__file__).parent.parent.parent
NAMES = ("fill", "train")


def read(name: str):
  return nbformat.read(ROOT / "launch" / "colab" / f"{name}.ipynb", as_version=4)


def given(notebook, **values):
  """The notebook with other values in its forms' fields; each field must be there once."""
  for field, value in values.items():
    found = 0
    for cell in notebook.cells:
      cell.source, count = re.subn(
        rf"^{field} = .*?(?=  # @param)", f"{field} = {value!r}", cell.source, flags=re.MULTILINE
      )
      found += count
    assert found == 1, field
  return notebook


def execute(notebook, folder: Path) -> list[str]:
  """Runs all cells in `folder`; what each printed, and "[picture]" for each that it showed."""
  settings = {"metadata": {"path": str(folder)}}
  NotebookClient(notebook, timeout=600, kernel_name="python3", resources=settings).execute()
  said = []
  for cell in notebook.cells:
    if cell.cell_type == "code":
      shown = [x.get("text", "") or "[picture]" * ("image/png" in x.data) for x in cell.outputs]
      said.append("".join(shown))
  return said


@pytest.mark.parametrize("name", NAMES)
def test_valid_stripped_and_sound(name):
  notebook = read(name)
  nbformat.validate(notebook)
  first = notebook.cells[0]
  home = (
    f"https://colab.research.google.com/github/OWNER/facefill_jax/blob/main/launch/colab/{name}"
  )
  assert first.cell_type == "markdown" and f"({home}.ipynb)" in first.source
  code = [cell for cell in notebook.cells if cell.cell_type == "code"]
  assert len(code) >= 5 and "OWNER/facefill_jax" in code[0].source
  for cell in code:
    assert cell.outputs == [] and cell.execution_count is None
    assert cell.source.startswith("# @title ")
    compile(TransformerManager().transform_cell(cell.source), f"{name}.ipynb", "exec")


def test_the_fill_notebook_runs(tmp_path, monkeypatch):
  model_files.save_model(tmp_path / "tiny", tiny_model.random_params(), tiny_model.CONFIG)
  monkeypatch.setenv(model_directory.VARIABLE, str(tmp_path / "tiny"))
  said = execute(given(read("fill"), seed=3), tmp_path)
  assert [text.count("[picture]") for text in said] == [0, 1, 1, 1, 1, 0]
  assert (tmp_path / "filled.png").is_file()


@pytest.mark.slow  # two minutes, most of them compiling
def test_the_train_notebook_runs_and_goes_on(tmp_path):
  short = {"batch_size": 8, "total_images": 32, "texture_starts_at_images": 0}
  short |= {"data.drawn_faces": 64, "texture.adversary_starts_at_images": 0}
  short |= {"log_every_steps": 1, "eval.every_steps": 2, "eval.count": 8}
  more = " ".join(f"--config.{key}={value}" for key, value in short.items())
  notebook = given(read("train"), repository=str(ROOT), minutes=30, more=more)
  training = next(cell for cell in notebook.cells if "facefill_jax.main" in cell.source)
  again = nbformat.v4.new_code_cell(training.source)
  notebook.cells.insert(notebook.cells.index(training) + 1, again)
  said = execute(notebook, tmp_path)
  assert "all is well" in said[0] and "quickstart.py" in said[1]
  assert "step 4" in said[2] and "model:" in said[2]
  assert "resuming at step 4" in said[3]
  assert "[picture]" in said[4] and "[picture]" in said[6]
  assert (tmp_path / "model.zip").stat().st_size > 1_000_000
