"""bench inference: that it runs and says something sane; the times are the machine's."""

import json

import pytest

from facefill_jax.bench import inference
from facefill_jax.bench.__main__ import main
from facefill_jax.bench.inference import Case


def test_a_row_and_a_file(tmp_path, capsys):
  out = tmp_path / "i.json"
  arguments = ["--size", "tiny", "--resolution", "64", "--seconds", "0", "--vs", "batch=1"]
  assert main(["inference", *arguments, "--rounds", "2", "--json", str(out)]) == 0
  found = json.loads(out.read_text())
  assert found["machine"]["cores"] >= 1 and found["machine"]["backend"] == "cpu"
  assert found["versions"]["jax"] and found["peak"]["float32"]["gflops"] > 0
  (both,) = found["rows"]
  for row in (both["a"], both["b"]):
    assert (row["size"], row["resolution"], row["batch"], row["looks"]) == ("tiny", 64, 1, 2)
    assert 0.1 < row["gflop_per_photo"] < 1  # as `bench cost` counts: .3 with both looks
    assert row["first_call_s"] > row["compile_s"] > 0 and row["ms"]["count"] >= 2
    assert row["ms"]["least"] <= row["ms"]["median"] <= row["ms"]["p95"] <= row["ms"]["most"]
    assert row["cpu_s_per_photo"]["median"] > 0 and row["compiled_mib"]["temporary"] > 0
    assert row["peak_mib"] is None or 0 <= row["peak_mib"] <= row["process_mib"]
  assert both["ratio"]["least"] <= both["ratio"]["median"] <= both["ratio"]["most"]
  said = capsys.readouterr().out
  assert "| A " in said and "| B " in said and "B takes" in said and "of 2 rounds)" in said


def test_the_other_side(tmp_path):
  case = Case("small", 256)
  assert inference.changed(case, "tiny") == Case("tiny", 256)
  assert inference.changed(case, "looks=1") == Case("small", 256, looks=1)
  assert inference.changed(case, str(tmp_path)).model == str(tmp_path)
  assert inference.changed(case, "pretrained").model.endswith("pretrained")
  with pytest.raises(ValueError, match="batch is a whole number"):
    inference.changed(case, "batch=two")
  with pytest.raises(ValueError, match="looks is 3: give 1 or 2"):
    inference.changed(case, "looks=3")
  with pytest.raises(ValueError, match="--vs nothing: neither a checkout, a model's directory"):
    inference.changed(case, "nothing")


def test_arguments_for_another_checkout(monkeypatch, tmp_path):
  """They lead back to the same case."""
  found = []
  monkeypatch.setattr(
    "facefill_jax.bench.measuring.run", lambda cases, *_, paced, **__: found.extend([*cases, paced])
  )
  (tmp_path / "config.json").write_text("{}")
  for case in (Case("tiny", 64, 3, looks=1, layout_resolution=64, dtype="bfloat16"),
               Case("", 96, model=str(tmp_path))):  # fmt: skip
    assert main([*case.arguments(), "--paced"]) == 0
    assert found == [case, True]
    found.clear()
