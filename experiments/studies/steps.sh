# The steps that studies are made of. A study sets `runs` (where the runs go), `suite` and `recipe` (the options of every
# training) and sources this file from the repository's root. PYTHON says which interpreter runs it; docs/data.md where data
# and encoder lie.
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"

weights=weights/mobilenet_v2_imagenet.safetensors
networks=experiments/configs/network
order="${ORDER:-resize_then_corrupt}" # of the committed records; see docs/corruptions.md

run() { "${PYTHON:-.venv/bin/python}" -m experiments "$@"; }

# NAME OPTIONS...: train and sweep.
trial() { run trial "--run=$runs/$1" "--suite=$suite" "--order=$order" --pictures=0 "${recipe[@]}" "${@:2}"; }

# NAME SEED NETWORK OPTIONS...: train a network of ours from the ImageNet encoder, and sweep it.
network() {
    trial "$1" "--model.init_args.encoder_weights=$weights" "--seed_everything=$2" "--model.init_args.network=$networks/$3.yaml" "${@:4}"
}

# NAME VERB OPTIONS...: make a checkpoint of others, and sweep it.
made() {
    [ -e "$runs/$1/best.ckpt" ] || run "$2" "${@:3}" "--output=$runs/$1/best.ckpt"
    [ -e "$runs/$1/record-$suite.json" ] || run benchmark "--checkpoint=$runs/$1/best.ckpt" "--suite=$suite" "--order=$order" --pictures=0
}

# PARTS...: functions of the study, one after the other.
parts() { for part in "$@"; do "$part"; done; }
