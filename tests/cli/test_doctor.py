"""`facefill doctor`: all parts, whatever is broken, and the exit code that says what is."""

import dataclasses
import json
import tomllib
from pathlib import Path

import jax
import pytest
import tiny_model

import facefill_jax
from facefill_jax import cli
from facefill_jax.cli import doctor_checks, main
from facefill_jax.filling import filler, model_files

PARTS = ["versions", "platform", "devices", "compile cache", "model", "optional", "self-test"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
  directory = tmp_path_factory.mktemp("models") / "tiny"
  model_files.save_model(directory, tiny_model.random_params(), tiny_model.CONFIG)
  return directory


def report(capsys, code, *arguments) -> list[str]:
  """The lines of the report, all parts of which must be there."""
  assert main(["doctor", *map(str, arguments)]) == code
  said = capsys.readouterr()
  assert said.err == ""
  lines = said.out.splitlines()
  assert list(dict.fromkeys(line.split(":")[0] for line in lines))[:7] == PARTS
  return lines


def test_all_is_well(model, capsys, monkeypatch):
  lines = report(capsys, 0, "--model", model)
  assert lines[-1] == "all is well"
  text = "\n".join(lines)
  assert f"facefill_jax {facefill_jax.__version__}" in text and f"jax {jax.__version__}" in text
  assert f"yours, {model}: size tiny, 64 px" in text and "2 x cpu" in text
  assert "every pixel outside the hole came back" in text
  assert f"compile cache: {jax.config.jax_compilation_cache_dir}" in text

  assert main(["doctor", "--model", str(model), "--json"]) == 0
  found = json.loads(capsys.readouterr().out)
  assert found["exit_code"] == 0 and found["to_do"] == []
  assert found["self_test"]["known_pixels_kept"] is True and found["self_test"]["seconds"] > 0
  assert found["versions"]["jax"] == jax.__version__
  assert [x["platform"] for x in found["devices"]["found"]] == ["cpu", "cpu"]
  assert set(found["extras"]) == set(doctor_checks.EXTRAS)

  fill_many = filler.Filler.fill_many

  def careless(self, requests):
    (answer,) = fill_many(self, requests)
    return [dataclasses.replace(answer, whole=255 - answer.whole)]

  monkeypatch.setattr(filler.Filler, "fill_many", careless)
  lines = report(capsys, 1, "--model", model)
  assert lines[-1].startswith("to do: pixels outside the hole were changed")


def test_a_model_that_cannot_be_used_is_4(model, tmp_path, capsys):
  lines = report(capsys, 4, "--model", tmp_path / "none")
  assert lines[-1] == f"to do: model: {tmp_path / 'none'}: no such model directory"
  assert "self-test: not run, because of the above" in lines
  for path in model.iterdir():
    (tmp_path / path.name).write_bytes(path.read_bytes())
  weights = tmp_path / "texture.safetensors"
  weights.write_bytes(weights.read_bytes()[:-1] + b"x")
  assert "changed or damaged" in report(capsys, 4, "--model", tmp_path)[-1]


def test_a_device_that_is_not_there_is_3(model, capsys, monkeypatch):
  def none():
    raise AssertionError  # as jax says it of cuda

  monkeypatch.setattr(jax, "local_devices", none)
  lines = report(capsys, 3, "--model", model)
  assert lines[-1].startswith("to do: devices: JAX_PLATFORMS=cpu, but jax finds no such device")
  assert "self-test: not run, because of the above" in lines
  monkeypatch.setattr(doctor_checks, "PACKAGES", ("jax", "not-a-package"))
  lines = report(capsys, 1, "--model", model)
  assert lines[-2] == "to do: not-a-package is missing: pip install --upgrade facefill_jax"


def test_what_is_broken_stops_nothing_else(model, capsys, monkeypatch):
  def broken():
    raise RuntimeError("two\nlines")

  monkeypatch.setattr(doctor_checks, "devices", broken)
  monkeypatch.setattr(doctor_checks, "compile_cache", broken)
  lines = report(capsys, 1, "--model", model)
  assert "devices: RuntimeError: two lines" in lines
  assert lines[-2:] == [
    "to do: devices: RuntimeError: two lines",
    "to do: compile cache: RuntimeError: two lines",
  ]


def test_it_starts_where_a_library_of_the_other_verbs_is_broken(model, capsys, monkeypatch):
  def broken():
    raise ImportError("libGL.so.1: cannot open")

  monkeypatch.setattr(cli, "_others", broken)
  monkeypatch.setattr(doctor_checks, "devices", broken)
  lines = report(capsys, 1, "--model", model)
  assert lines[-1].startswith("to do: devices: ImportError: libGL.so.1: cannot open (a package is")
  assert main(["fill"]) == 1


def test_a_gpu_that_jax_does_not_see():
  (line,) = doctor_checks._missed("", {"cpu"}, nvidia=True)
  assert "only the CPU though an NVIDIA GPU is there: pip install 'jax[cuda13]'" in line
  assert doctor_checks._missed("cpu", {"cpu"}, nvidia=True) == ()
  assert doctor_checks._missed("", {"gpu"}, nvidia=True) == ()
  assert doctor_checks._missed("", {"cpu"}, nvidia=False) == ()


def test_the_extras_are_those_of_the_project():
  project = Path(__file__).parent.parent.parent / "pyproject.toml"
  extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
  assert set(doctor_checks.EXTRAS) == set(extras) - {"test", "parity"}


def test_a_missing_extra_says_how_to_install_it(monkeypatch):
  monkeypatch.setattr(doctor_checks, "EXTRAS", {"a": ("json", "reading"), "b": ("no_such", "joy")})
  part = doctor_checks.extras()
  assert part.found == {"a": True, "b": False}
  assert part.lines == (
    "optional: a, for reading: there",
    "optional: b, for joy: not there: pip install 'facefill_jax[b]'",
  )
