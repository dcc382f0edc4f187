"""Whether a run resumes, or starts from, the data that it was trained on."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import short_run
from drawn_sets import save

from facefill_jax.training import from_config, restoring
from facefill_jax.training.batches import Feed
from facefill_jax.training.data_identity import check_resumed, check_started


@pytest.fixture
def faces(tmp_path):
  """Eight photos with labels."""
  make_faces(tmp_path / "a", range(8))
  return tmp_path / "a"


def make_faces(root, numbers, seed=0):
  for i in numbers:
    rng = np.random.default_rng((seed, i))
    save(root / "photos" / f"{i}.png", rng.integers(0, 256, (64, 64, 3), np.uint8))
    save(root / "labels" / f"{i}.png", rng.integers(0, 19, (64, 64), np.uint8))


def feed(root, phases=(), **changes) -> Feed:
  c = short_run.config(
    data__kind="folder", data__path=str(root / "photos"), data__labels=str(root / "labels"),
    data__held_out=2, texture_starts_at_images=0, **changes,
  )  # fmt: skip
  c.phases = phases
  made = Feed(c, from_config.make_plan(c)[0])
  made.identity(1)  # of the files as they are now
  return made


def resumed(before: Feed, here: Feed, step=1) -> list[str]:
  return check_resumed(before.identity(step), here.identity(step), "runs/a")


def refused(before: Feed, here: Feed, *words, step=1) -> None:
  with pytest.raises(ValueError, match="runs/a holds a run on other data: ") as caught:
    resumed(before, here, step)
  said = str(caught.value)
  assert "\n" not in said and "or another --workdir" in said, said
  for word in words:
    assert word in said, f"{word!r} is not in {said}"


def test_the_same_data_are_the_same(faces):
  assert resumed(feed(faces), feed(faces)) == []


def test_a_folder_that_moved_is_named_and_goes_on(faces, tmp_path):
  before = feed(faces)
  (tmp_path / "b").mkdir()
  faces.rename(tmp_path / "b" / "c")
  lines = resumed(before, feed(tmp_path / "b" / "c"))
  assert lines == [
    f"data.{name} has moved from {faces}/{part} to {tmp_path}/b/c/{part}"
    for name, part in (("path", "photos"), ("labels", "labels"))
  ]


def test_other_photos_are_refused(faces, tmp_path):
  before = feed(faces)
  make_faces(tmp_path / "names", range(10, 18))
  refused(before, feed(tmp_path / "names"), f"6 photos of {faces}/photos", "have other names")
  make_faces(tmp_path / "count", range(6))
  refused(before, feed(tmp_path / "count"), "6 photos of", "there are 4 in")
  make_faces(tmp_path / "contents", range(8), seed=1)
  refused(before, feed(tmp_path / "contents"), "the photos have the names of before and other")
  make_faces(faces, [8])
  refused(before, feed(faces), "there are 7 now")


def test_faces_that_were_held_out_are_not_trained_on_unsaid(faces, tmp_path):
  before = feed(faces)
  make_faces(tmp_path / "held_out", range(90, 93))
  here = feed(faces, data__held_out_path=str(tmp_path / "held_out" / "photos"))
  refused(before, here, "there are 8 now", "2 of its held-out faces are no longer held out")


@pytest.mark.parametrize(
  ("changes", "word"),
  [
    ({"data__labels": ""}, "data.labels was '"),
    ({"data__vocabulary": "helen11"}, "data.vocabulary was 'celebamask_hq', is 'helen11'"),
    ({"resolution": 96}, "resolution was 64 from image 0 on, is 96 from image 0 on"),
    ({"data__kind": "drawn", "data__path": "", "data__labels": ""}, "data.kind was 'folder'"),
  ],
)
def test_what_must_not_change(faces, changes, word):
  before, here = feed(faces), short_run.config(data__kind="folder", texture_starts_at_images=0)
  here.data.path, here.data.labels, here.data.held_out = (
    str(faces / "photos"), str(faces / "labels"), 2,
  )  # fmt: skip
  for name, value in changes.items():
    section, _, key = name.rpartition("__")
    (here[section] if section else here)[key] = value
  if "data__vocabulary" in changes:  # whose ids these labels are not
    identity = before.identity(1) | {"vocabulary": "helen11"}
    with pytest.raises(ValueError, match=word):
      check_resumed(before.identity(1), identity, "runs/a")
    return
  refused(before, Feed(here, from_config.make_plan(here)[0]), word)


def test_confidence_that_comes_or_goes(faces):
  refused(
    feed(faces), feed(faces, data__confidence=str(faces / "labels")), "data.confidence was ''"
  )


def test_unlabelled_photos_count_from_the_phase_that_has_them(faces, tmp_path):
  make_faces(tmp_path / "more", range(90, 93))
  later = ({"from_images": 12, "unlabelled": (str(tmp_path / "more" / "photos"),)},)
  before, here = feed(faces), feed(faces, phases=later)
  assert resumed(before, here, step=3) == []
  refused(before, here, "data.unlabelled", step=4)


def test_other_labels_are_refused_and_a_few_that_changed_are_said(faces):
  before = feed(faces)
  (faces / "labels" / f"{before.sources[0][0].ids[0]}").unlink()
  assert resumed(before, feed(faces)) == [
    "1 of 6 labels looked at are not what they were; going on"
  ]
  for path in (faces / "labels").iterdir():
    save(path, np.zeros((64, 64), np.uint8))
  refused(before, feed(faces), "the labels have the names of before and other contents")


def test_other_held_out_faces_or_holes_start_the_best_anew(faces, tmp_path):
  make_faces(tmp_path / "b", range(20, 24))
  make_faces(tmp_path / "c", range(30, 34))
  make_faces(tmp_path / "d", range(20, 24), seed=1)

  def of(name, **changes):
    root = tmp_path / name
    return feed(faces, data__held_out_path=str(root / "photos"),
                data__held_out_labels=str(root / "labels"), **changes)  # fmt: skip

  before = of("b")
  for here in (of("c"), of("d"), of("b", eval__count=2), of("b", eval__ratio=(0.2, 0.3))):
    (line,) = [line for line in resumed(before, here) if "has moved" not in line]
    assert "best/ starts anew" in line and here.digest != before.digest
  shutil.copytree(tmp_path / "b", tmp_path / "e")
  assert of("e").digest == before.digest


def test_held_out_faces_that_are_trained_on_are_said(faces, tmp_path):
  assert feed(faces).check_held_out() == []
  (line,) = feed(faces, data__unlabelled=(str(faces / "photos"),)).check_held_out()
  assert line.startswith("2 or more of the 2 held-out faces are trained on, too, say ")
  make_faces(tmp_path / "b", range(8), seed=1)  # other faces of the same names
  here = feed(faces, data__held_out_path=str(tmp_path / "b" / "photos"))
  assert here.check_held_out() == []


def test_a_start_from_a_run_that_knew_other_faces(faces, tmp_path):
  before = feed(faces)

  def lines(here):
    return check_started(before.identity(1), here.sources, here.held_out, "runs/a")

  assert lines(before) == []
  make_faces(tmp_path / "b", range(8), seed=1)
  assert lines(feed(tmp_path / "b")) == []  # other faces, the same names
  trained, kept = lines(feed(faces, seed=5))
  assert "of the faces that runs/a held out are trained on now" in trained
  assert "held-out faces were not held out by runs/a" in kept


def test_a_checkpoint_tells_its_data(faces, tmp_path):
  make_faces(tmp_path / "b", range(10, 18))
  c = short_run.config(texture_starts_at_images=0)
  plan, _ = from_config.make_plan(c)
  run, other = (
    SimpleNamespace(config=c, plan=plan, feed=feed(root), workdir="runs/a")
    for root in (faces, tmp_path / "b")
  )
  record = json.loads(json.dumps(restoring.record(run, 3)))
  restoring.check_same(run, 3, record)
  with pytest.raises(ValueError, match="runs/a holds a run on other data"):
    restoring.check_same(other, 3, record)
