#!/usr/bin/env bash
# What the parts of the texture stage are worth: size tiny, 64 px, on one frozen layout network,
# each variant with two seeds, scored with two masks of each folder of MASKS a held-out face.
#
#   launch/ablations.sh OUT
#
# reads the environment: TRAIN (with images/ and labels/), HELD_OUT (likewise), MASKS (a folder a
# hole ratio), SQUEEZENET (weights, as `facefill weights convert` wrote them: a directory)
# and, if they are to be others, IMAGES, LAYOUT_IMAGES, WGAN_IMAGES, SEEDS, VARIANTS and ABOUT.
# Run it again and it goes on where it stopped. Results: OUT/compare_SEED/compare.json.
set -euo pipefail
out=$1
images=${IMAGES:-12000}   # of the texture stage; its critic joins after a third of them
seeds=${SEEDS:-1 2}
variants=${VARIANTS:-base no_class_style pooled no_attention predicted_only wgan_gp}
data=(
  --config=configs/folder.py --config.size=tiny
  --config.data.path="$TRAIN/images" --config.data.labels="$TRAIN/labels"
  --config.data.held_out_path="$HELD_OUT/images" --config.data.held_out_labels="$HELD_OUT/labels"
  --config.data.about="${ABOUT:-photos of the user}" --config.masks.ratio="(0.05, 0.8)"
  --config.eval.every_steps=1000000 --config.checkpoint.every_steps=1000000
)

flags_of() { # what sets a variant apart
  case $1 in
    base) ;;
    no_class_style) echo --config.model.class_style=False ;;
    pooled) echo --config.model.attention_values=pooled ;;
    no_attention) echo --config.model.attention_values=none ;;
    predicted_only) # only layouts as they are when it fills, none swapped, and features always given
      echo --config.texture.true_layout_share=0.0 --config.texture.swapped_layout_share=0.0 \
        --config.texture.drop_features_share=0.0 ;;
    wgan_gp) # WGAN_IMAGES: as many as take the time of the others, for its penalty is asked each step
      echo --config.texture.adversary=wgan_gp --config.texture.penalty=10.0 \
        --config.texture.penalty_every=1 --config.texture.drift=1e-3 \
        --config.total_images="${WGAN_IMAGES:-$images}" ;;
    *) echo "unknown variant $1" >&2; exit 2 ;;
  esac
}

train() { # WORKDIR FLAG...: unless it is trained
  [ -d "$1/model" ] || python -m facefill_jax.main --workdir="$1" "${data[@]}" "${@:2}"
}

mkdir -p "$out"
train "$out/layout" --config.stages=layout --config.total_images="${LAYOUT_IMAGES:-24000}" \
  --config.layout.losses.adversarial=0.0
for seed in $seeds; do
  runs=()
  for variant in $variants; do
    work=$out/${variant}_$seed
    flags=$(flags_of "$variant")
    # shellcheck disable=SC2086
    train "$work" --config.stages=texture --config.init_from="$out/layout" --config.seed="$seed" \
      --config.total_images="$images" --config.texture.optimiser.decay_images=$((images / 4)) \
      --config.texture.adversary_starts_at_images=$((images / 3)) $flags
    [ -f "$work/scores/metrics.json" ] || facefill eval --model "$work/model" --name "$variant" \
      --photos "$HELD_OUT/images" --labels "$HELD_OUT/labels" --masks "$MASKS" --masks-per-photo 2 \
      --size 64 --weights "$SQUEEZENET" --out "$work/scores"
    runs+=("$work/scores")
  done
  mkdir -p "$out/compare_$seed"
  facefill eval compare "${runs[@]}" --out "$out/compare_$seed" --overwrite
done
