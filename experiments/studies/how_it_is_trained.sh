#!/usr/bin/env bash
# The records of docs/networks.md on how a network is trained: U-Net under other optimisers and regularisation, all else as in
# the table of networks.
#   experiments/studies/how_it_is_trained.sh kvasir                        # all parts, in this order
#   experiments/studies/how_it_is_trained.sh camvid optimisers mixing      # some of them; what is done is skipped
#   SEED=1 experiments/studies/how_it_is_trained.sh kvasir                 # once more, from another seed
# RUNS says where the runs go; docs/data.md where data and encoder lie.
set -euo pipefail
case "${1:-}" in
    kvasir) config=kvasir_unet ;;
    camvid) config=camvid_fpn ;;
    *) echo "which data: kvasir or camvid" >&2 && exit 2 ;;
esac
runs="${RUNS:-runs/how_it_is_trained_$1}"
seed="${SEED:-0}"
[ "$seed" = 0 ] && of_seed="" || of_seed="-seed_everything=$seed"
suite=imagenet_c_middle
recipe=("--config=experiments/configs/recipe/$config.yaml" "--budget=experiments/configs/budget/$1.yaml")
source experiments/studies/steps.sh

# NAME OPTIONS...: U-Net, as in the table but for OPTIONS.
unet() { network "$1$of_seed" "$seed" unet --model.init_args.network.init_args.encoder=mobilenet_v2 "${@:2}"; }

# NAME OPTIMIZER OPTIONS...
optimiser() { unet "$1" "--model.init_args.optimizer=experiments/configs/optimizer/$2.yaml" "${@:3}"; }

optimisers() { for name in adam sgd sgd_heavy_ball sam; do optimiser "unet-$name" "$name"; done; }

decay() { for value in 0 0.1; do optimiser "unet-weight_decay=$value" adamw "--model.init_args.optimizer.init_args.weight_decay=$value"; done; }

# Smoothed labels, beside the loss that they smooth.
smoothing() {
    for name in cross_entropy cross_entropy_smooth; do unet "unet-$name" "--model.init_args.loss=experiments/configs/loss/$name.yaml"; done
}

dropout() { unet unet-dropout=0.2 --model.init_args.network.init_args.dropout=0.2; }

mixing() {
    for name in mixup cutmix; do unet "unet-$name" "--model.init_args.batch_transforms+=experiments/configs/batch_transform/$name.yaml"; done
}

averaging() { unet unet-ema --trainer.callbacks+=pytorch_lightning.callbacks.EMAWeightAveraging; }

# Stochastic depth needs an encoder with residual branches that can be skipped: SegFormer's, from random weights.
depth() {
    for rate in 0 0.1; do
        trial "segformer-drop_path=$rate$of_seed" "--seed_everything=$seed" --model.init_args.encoder_weights=null \
            "--model.init_args.network=$networks/segformer.yaml" "--model.init_args.network.init_args.drop_path=$rate"
    done
}

# What the others are held against: the same training as in the table of networks, on the same machine as theirs.
plain() { optimiser unet-adamw adamw; }

# The two-step CNN-SVM: the features of that U-Net, and a linear SVM in place of its last layer.
machine() {
    made "unet-svm$of_seed" svm "--checkpoint=$runs/unet-adamw$of_seed/best.ckpt"
}

shift
[ $# -gt 0 ] || set -- plain machine optimisers decay smoothing dropout mixing averaging depth
parts "$@"
