"""Splits by name: the published numbers, and that a part of a set is divided as the whole is."""

import hashlib

import pytest

from facefill_jax.data.sets import splits, splits_lama

HQ = [str(i) for i in range(30_000)]
FFHQ = [f"{i:05d}" for i in range(70_000)]


def divide(split, ids, numbers=None, official=None):
  return splits.divide(split, ids, numbers or [0] * len(ids), official or [""] * len(ids))


def counts(parts):
  return tuple(len(parts[part]) for part in splits.PARTS)


def test_celeba_is_the_official_partition():
  numbers = list(range(1, 202_600))
  parts = divide("celeba", list(map(str, numbers)), numbers)
  assert counts(parts) == (162_770, 19_867, 19_962)  # as published
  assert parts["validation"][0] == 162_770 and parts["test"][0] == 182_637  # indices: number - 1


def test_celeba_takes_the_set_s_own_parts_if_it_has_no_numbers():
  assert divide("celeba", ["a", "b"], [0, 5], ["test", ""])["test"] == [0]
  with pytest.raises(ValueError, match=r"number of photo 'a' is unknown.*mapping"):
    divide("celeba", ["a"])
  with pytest.raises(ValueError, match=r"1\.\.202599, not 202600"):
    divide("celeba", ["a"], [202_600])


def test_lama():
  text = ",".join(map(str, sorted(splits_lama.TEST)))
  assert hashlib.sha256(text.encode()).hexdigest() in splits_lama.__doc__
  parts = divide("lama", HQ)
  assert counts(parts) == (26_000, 2_000, 2_000)
  assert parts["test"][:6] == [3, 14, 63, 75, 81, 87]
  few = divide("lama", HQ[5_000:6_000])
  assert [i + 5_000 for i in few["validation"]] == [
    i for i in parts["validation"] if 5_000 <= i < 6_000
  ]


def test_ffhq():
  parts = divide("ffhq", FFHQ)
  assert counts(parts) == (60_000, 10_000, 0) and parts["validation"][0] == 60_000


def test_hash_goes_by_the_id_alone():
  ids = [f"{i}.png" for i in range(4_000)]
  parts = divide("hash:0.1", ids)
  assert 320 < len(parts["validation"]) < 480 and not parts["test"]
  back = divide("hash:0.1", ids[::-1])
  assert {ids[i] for i in parts["validation"]} == {ids[::-1][i] for i in back["validation"]}
  assert set(divide("hash", ids)["validation"]) < set(parts["validation"])


@pytest.mark.parametrize("split", splits.RULES)
def test_parts_are_disjoint(split):
  ids, numbers = (FFHQ, None) if split == "ffhq" else (HQ, [i + 160_000 for i in range(30_000)])
  parts = divide(split, ids, numbers)
  assert sorted(i for part in parts.values() for i in part) == list(range(len(ids)))


@pytest.mark.parametrize(
  ("split", "ids", "words"),
  [
    ("bogus", [], "'bogus' is not one of all, celeba, ffhq, hash, lama"),
    ("lama:1", [], "'lama:1' is not one of"),
    ("hash:2", ["a"], "'hash:2'.*between 0 and 1"),
    ("hash:x", ["a"], "'hash:x'.*between 0 and 1"),
    ("ffhq", ["7"], r"'7' is not one of 00000\.\.69999"),
    ("ffhq", ["70000"], r"'70000' is not one of"),
    ("lama", ["00007"], r"'00007' is not one of 0\.\.29999"),
    ("lama", ["²"], "'²' is not one of"),
  ],
)
def test_refusals(split, ids, words):
  with pytest.raises(ValueError, match=words):
    divide(split, ids)
