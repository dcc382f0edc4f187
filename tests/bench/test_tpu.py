"""bench tpu: what is read from a compiled program's text, and what is said without a compiler."""

import gzip
import importlib.util
import json

import pytest

from facefill_jax import sharding
from facefill_jax.bench import hlo, tpu
from facefill_jax.bench.__main__ import main

PROGRAM = """HloModule jit_run, is_scheduled=true

%body (p: (s32[], f32[8,16])) -> (s32[], f32[8,16]) {
  %p = (s32[]{:T(128)}, f32[8,16]{1,0:T(8,128)}) parameter(0)
  %x = f32[8,16]{1,0:T(8,128)} get-tuple-element(%p), index=1
  ROOT %twice = f32[8,16]{1,0:T(8,128)} add(%x, %x), metadata={op_name="jit(run)/while/body/add"}
}

%condition (p: (s32[], f32[8,16])) -> pred[] {
  %bound = s32[]{:T(128)} constant(6)
  %q = (s32[]{:T(128)}, f32[8,16]{1,0:T(8,128)}) parameter(0)
  %i = s32[]{:T(128)} get-tuple-element(%q), index=0
  ROOT %less = pred[]{:T(512)} compare(%i, %bound), direction=LT
}

ENTRY %main (photo: f32[2,64,64,3]) -> f32[8,16] {
  %photo = f32[2,64,64,3]{2,1,3,0:T(8,128)} parameter(0), metadata={op_name="photo"}
  %start = (f32[2,64,64,3]{2,1,3,0:T(8,128)}, f32[2,64,64,3]{2,1,3,0:T(8,128)S(1)}, u32[]{:S(2)}) \
copy-start(%photo)
  %done = f32[2,64,64,3]{2,1,3,0:T(8,128)S(1)} copy-done(%start)
  %conv = bf16[2,64,64,16]{3,2,1,0:T(8,128)(2,1)} fusion(%done), kind=kOutput, calls=%fused, \
metadata={op_name="jit(run)/LayoutNet/stem/conv_general_dilated"}
  %sum = f32[8,16]{1,0:T(8,128)} all-reduce(%conv), to_apply=%add
  %init = (s32[]{:T(128)}, f32[8,16]{1,0:T(8,128)}) tuple(%zero, %sum)
  %while = (s32[]{:T(128)}, f32[8,16]{1,0:T(8,128)}) while(%init), condition=%condition, body=%body
  ROOT %result = f32[8,16]{1,0:T(8,128)} get-tuple-element(%while), index=1
}
"""
PADDED_PHOTO = 2 * 3 * 64 * 128 * 4  # 64 along the last axis fill 128 lanes
PADDED_CONV = 2 * 64 * 64 * 128 * 2
SMALL = 8 * 128 * 4


def test_tensors():
  assert hlo.tensor_bytes("f32[2,64,64,3]{2,1,3,0:T(8,128)}") == PADDED_PHOTO
  assert hlo.tensor_bytes("f32[2,64,64,3]{2,1,3,0:T(8,128)S(1)}") == 0  # in the fast memory
  assert hlo.tensor_bytes("bf16[2,64,64,16]{3,2,1,0:T(8,128)(2,1)}") == PADDED_CONV
  assert hlo.tensor_bytes("(f32[4], pred[3]{0})") == 19


def test_operations():
  found = {op.opcode: op for op in hlo.operations(PROGRAM)}
  move, conv, exchange, add = (
    found[opcode] for opcode in ("copy-start", "fusion", "all-reduce", "add")
  )
  assert (move.bytes, move.result_bytes, move.where) == (PADDED_PHOTO, 0, "move of photo")
  assert (conv.bytes, conv.tensor, conv.times) == (PADDED_CONV, "bf16[2,64,64,16]", 1)
  assert exchange.bytes == PADDED_CONV + SMALL
  assert (add.bytes, add.times) == (3 * SMALL, 6)  # x twice, and the result; six turns


def test_what_is_read():
  found = tpu.read(PROGRAM)
  assert found["collectives"] == {"all-reduce": 1}
  assert found["largest_tensors"][0] == {
    "tensor": "bf16[2,64,64,16]", "mib": 2.0, "count": 1,
    "in_fast_memory": 0, "first": "LayoutNet/stem/conv_general_dilated",
  }  # fmt: skip
  total = PADDED_PHOTO + 2 * PADDED_CONV + SMALL + 18 * SMALL
  assert found["gb_of_hbm"] == pytest.approx(total / 1e9)
  assert sum(op["gb"] for op in found["largest_operations"]) == pytest.approx(total / 1e9)


def test_what_binds():
  found = tpu.roofline(197, 0.819, "v5e", photos=8)
  assert found["arithmetic_ms"] == pytest.approx(1) and found["traffic_ms"] == pytest.approx(1)
  found = tpu.roofline(197, 2 * 0.819, "v5e", photos=8)
  assert found["bound_by"] == "memory"
  assert found["photos_per_second_at_most"] == pytest.approx(4000)


@pytest.mark.parametrize("topology", ["v5e", "v9:1x1", "v5e:2"])
def test_unknown_topologies(topology, capsys):
  assert main(["tpu", "--topology", topology]) == 3
  assert f"--topology {topology}: give CHIP:AxB" in capsys.readouterr().err


def test_the_command(monkeypatch, tmp_path, capsys):
  """All but the compiler, which takes minutes."""
  monkeypatch.setattr(tpu, "mesh_of", lambda topology: sharding.local_mesh(1))
  facts = tpu.read(PROGRAM) | tpu.roofline(1.0, 1.0, "v5e", 1)
  facts |= {"compile_s": 1.0, "compiled_mib": {"temporary": 5.0}, "gb": 2.0}
  monkeypatch.setattr(tpu, "measure", lambda lowered, photos, chip: (facts, PROGRAM))
  out = tmp_path / "t.json"
  arguments = ["--size", "tiny", "--resolution", "64", "--batch", "1", "--hlo", str(tmp_path)]
  assert main(["tpu", *arguments, "--json", str(out)]) == 0
  (row,) = json.loads(out.read_text())["rows"]
  assert (row["program"], row["topology"], row["bound_by"]) == ("fill", "v5e:1x1", "memory")
  with gzip.open(tmp_path / "fill_64_x1_v5e_1x1.txt.gz", "rt") as file:
    assert file.read() == PROGRAM
  said = capsys.readouterr().out
  assert "fill, tiny, 64 px x 1, bfloat16, on v5e:1x1: bound by memory" in said
  assert "1 (0)  bf16[2,64,64,16]  LayoutNet/stem/conv_general_dilated" in said


def test_without_a_compiler(monkeypatch, capsys):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  assert main(["tpu"]) == 3
  assert capsys.readouterr().err == (
    "error: the TPU's compiler is not installed: pip install libtpu\n"
  )
