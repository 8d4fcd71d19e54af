"""Records worth a report: several corruptions, a real shift, pictures, and names that would like to run."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from records import make_record

from experiments.evaluation.record import Picture
from experiments.files.digest import compute_sha256
from experiments.record_files.record_file import open_record, write_record

CELLS = [("clean", 0), ("light=dusk", 0)] + [(name, k) for name in ("fog", "gaussian_noise") for k in range(1, 6)]
HOSTILE = ("</script><script>document.title='run'</script>", '"><img src=x onerror="document.title=\'run\'">')


def make_records(folder: Path, names: tuple[str, ...] = ("net 10", "net 9", "net 8"), pictures: int = 1) -> list[Path]:
    """Records of a suite, each worse than the one before, with `pictures` beside each."""
    paths = []
    for place, name in enumerate(names):
        path = make_record(folder / f"r{place}.json", name, place, 24, CELLS, noise=0.25 + 0.1 * place)
        add_pictures(path, pictures, name)
        paths.append(path)
    return paths


def add_pictures(path: Path, number: int, name: str) -> None:
    record, images = open_record(path)
    assert images is not None
    for place in range(number):
        file = path.with_name(f"{path.stem}.worst-{place + 1}.png")
        pixels = np.random.default_rng(place).integers(0, 255, (24, 108, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file)
        record.pictures.append(
            Picture(
                file=file.name,
                sha256=compute_sha256(file),
                id=f"image of {name}",
                corruption="fog",
                severity=5,
                clean_miou=0.9,
                miou=0.123,
            )
        )
    write_record(record, path, images)


def alter_record(path: Path, **changes: object) -> Path:
    """The record with other entries at its top."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path
