"""Ways in which a file comes to hold something else: its bytes, its words, or the values in it."""

import copy
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import yaml
from fuzz_images import IMAGES

TOKENS = [
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"{",
    b"[",
    b"'",
    b'"',
    b"*a",
    b"&a ",
    b"!!",
    b"<<: *a\n",
    b"\r",
]
TOKENS += [
    b"NaN",
    b"-1",
    b"1e999",
    b"9" * 5000,
    b"\n- ",
    b": ",
    b"../",
    b"/dev/null",
    b"$(id)",
    b",",
    b"%s",
    b"\x1b[2J",
]
BOMB = "&a0 [x,x,x,x,x,x,x,x,x,x]" + "".join(f", &a{k} [{','.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12))
_LONG = ["[" * 5000, "{" * 5000, "[" * 300 + "]" * 300, "9" * 5000, "1" + "0" * 400, '"' + "x" * 100_000 + '"']
_TAGS = ["!!python/name:os.system x", "!!binary eA==", "!!set {a, b}", "!!timestamp x", "!!int x", "!!float {}", "!x y"]
_KEYS = ["{? [a, b] : c}", "{1: 2}", "{null: 1}", "{<<: 3}", "{<<: [a]}", "=", "|", '"\\0"', "@"]
_NUMBERS = [
    "2001-01-01",
    "2001-99-99",
    "0x" + "f" * 5000,
    ":".join(["59"] * 5000),
    ".nan",
    ".inf",
    "~",
    "1e-4",
    "-0.0",
    "1e999",
]
RAW = {
    "yaml": [*_LONG, *_TAGS, *_KEYS, *_NUMBERS, f"[{BOMB}]", "&r [*r]", "*missing"],
    "json": [*_LONG, "NaN", "-Infinity", '"\\ud800"', '"\\u0000"', '{"a": 1, "a": 2}', "1e309"],
}
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    10**30,
    0.5,
    -0.5,
    "",
    "x",
    "1",
    "../x",
    "a.b",
    "é\u202e",
    [],
    {},
    [[]],
    [None],
]
VALUES += [
    [1, 2],
    ["a"],
    {"a": 1},
    {"class_path": "os.system", "init_args": {}},
    {"class_path": 3},
    [0] * 1000,
    "null",
    "-h",
    "--x",
]


def mutate(kind: str, content: bytes, rng: random.Random) -> bytes:
    """The content of a file of some kind ("yaml", "json", "npz", "npy", "torch", "text", "bytes"), changed."""
    structured = STRUCTURED.get(kind)
    if structured is not None and rng.random() < 0.7:
        return structured(content, rng)
    changed = content
    for _ in range(rng.choice([1, 1, 2, 4])):
        changed = rng.choice(BYTES)(changed, rng)
    return changed


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 8, 64])):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)] if rng.random() < 0.9 else b""


def _repeat(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    part = content[start : start + rng.choice([1, 10, 100, 1000])]
    return content[:start] + part * rng.choice([2, 10, 1000]) + content[start:]


def _remove(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + content[start + rng.choice([1, 1, 4, 32, 256]) :]


def _insert(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.choice(TOKENS) * rng.choice([1, 1, 1, 3, 2000]) + content[start:]


def _shuffle_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    rng.shuffle(lines) if rng.random() < 0.3 else lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return b"\n".join(lines)


def _replace(content: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        [b"", b"\n", b"null", b"[]", b"{}", b"3", b'"x"', b"PK\x03\x04", bytes(4096), b"\x93NUMPY\x01\0", b"\x80\x02."]
    )


BYTES = [_flip, _flip, _truncate, _repeat, _remove, _insert, _insert, _shuffle_lines, _replace]


def list_places(value: Any, place: tuple = ()) -> list[tuple]:
    """Where a nested value has parts, as far as a file of ours goes down."""
    found = [place]
    if len(place) > 10:
        return found
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += list_places(part, (*place, key))
    return found


def _get_part(value: Any, place: tuple) -> Any:
    for key in place:
        value = value[key]
    return value


def change(value: Any, rng: random.Random, draw: Callable[[], Any]) -> Any:
    """The value with one part replaced, removed, renamed, swapped or repeated."""
    place = rng.choice(sorted(list_places(value), key=len)[: rng.choice([5, 30, 10**9])])
    if not place:
        return draw() if rng.random() < 0.2 else value
    parent, key = _get_part(value, place[:-1]), place[-1]
    how = rng.random()
    if how < 0.6:
        parent[key] = draw()
    elif how < 0.75:
        del parent[key]
    elif how < 0.85:
        other = rng.choice(list_places(value))
        parent[key] = _copy(_get_part(value, other)) if other else 3
    elif isinstance(parent, dict):
        parent[rng.choice(["x", "", "class_path", "a" * 5000])] = parent.pop(key)
    else:
        parent += parent * rng.choice([1, 100])
    return value


def _copy(value: Any) -> Any:
    """The value once more, of its own, what is shared or holds itself included; a number for what is too deep."""
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return 3


def _make_text_mutation(language: str) -> Callable[[bytes, random.Random], bytes]:
    """Of YAML or JSON: written as JSON, with words in it that JSON would not write."""

    def changed(content: bytes, rng: random.Random) -> bytes:
        raw: list[str] = []

        def draw() -> Any:
            if rng.random() < 0.5:
                return _copy(rng.choice(VALUES))  # a change would change it for all inputs to come
            raw.append(rng.choice(RAW[language]))
            return f"@@{len(raw) - 1}@@"

        value = yaml.safe_load(content)
        for _ in range(rng.choice([1, 1, 2, 4])):
            value = change(value, rng, draw)
        text = json.dumps(value, default=str, allow_nan=True)
        for number, word in enumerate(raw):
            text = text.replace(f'"@@{number}@@"', word, 1)
        return text.encode()

    return changed


def _make_odd_array(array: np.ndarray, rng: random.Random) -> np.ndarray:
    odd: list[Callable[[], np.ndarray]] = [
        lambda: np.array(array.flat[0] if array.size else 0),
        lambda: array[:0],
        lambda: array.astype("U20"),
        lambda: array.reshape(-1),
        lambda: array[None],
        lambda: np.zeros(array.shape, [("a", int)]),
        lambda: np.zeros(array.shape, "M8[s]"),
        lambda: np.zeros(array.shape, complex),
        lambda: np.full(array.shape, np.nan),
        lambda: np.full(array.shape, -1),
        lambda: np.full(array.shape, 2**62),
        lambda: np.array([{"a": 1}], object),
        lambda: np.zeros((10**6, 100), np.uint8),
        lambda: np.zeros((0, 10**9), np.uint8),
        lambda: np.concatenate([array, array]) if array.ndim else array,
        lambda: array.astype(np.float32) if array.dtype.kind in "iu" else array,
        lambda: array[::-1] if array.ndim else array,
    ]
    return rng.choice(odd)()


def make_npy(array: np.ndarray, rng: random.Random) -> bytes:
    """An array in NumPy's format, perhaps with a header that says something else."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    content = file.getvalue()
    if rng.random() < 0.4:
        shape = f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})".encode()
        lies = [
            b"(10**9,)",
            b"(9999999999999,)",
            b"(-1,)",
            b"(0, 9999999999999999999)",
            b"()",
            b"None",
            b"(1.5,)",
            b"(" * 60,
        ]
        content = (
            content.replace(shape, rng.choice(lies), 1)
            if rng.random() < 0.7
            else _flip(content[:128], rng) + content[128:]
        )
    return content


def _mutate_npy(content: bytes, rng: random.Random) -> bytes:
    return make_npy(_make_odd_array(np.load(io.BytesIO(content)), rng), rng)


def _mutate_npz(content: bytes, rng: random.Random) -> bytes:
    with np.load(io.BytesIO(content)) as found:
        arrays = {name: found[name] for name in found.files}
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(sorted(arrays))
        how = rng.random()
        if how < 0.7:
            arrays[name] = _make_odd_array(arrays[name], rng)
        elif how < 0.85:
            arrays[rng.choice(["x", "units", "../x", "gaps"])] = arrays.pop(name)
        else:
            arrays["ids" if rng.random() < 0.5 else "task_boundary"] = arrays[name]
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
    ) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy" if rng.random() < 0.98 else name, make_npy(array, rng))
    return file.getvalue()


def _make_doubled() -> list:
    doubled: list = [0]
    for _ in range(40):
        doubled = [doubled, doubled]
    return doubled


def _make_cycle() -> list:
    cycle: list = []
    cycle.append(cycle)
    return cycle


def _make_nested() -> list:
    nested: list = []
    for _ in range(400):
        nested = [nested]
    return nested


TENSORS: list[Callable[[], Any]] = [
    lambda: torch.zeros(3),
    lambda: torch.tensor(float("nan")),
    lambda: torch.zeros(1).expand(10**6, 10**6),
    lambda: torch.zeros(2, 2).to_sparse(),
    lambda: torch.zeros(2, dtype=torch.complex64),
    lambda: torch.zeros(0),
    lambda: torch.zeros(4, dtype=torch.bool),
    _make_doubled,
    _make_cycle,
    _make_nested,
]


def _mutate_torch(content: bytes, rng: random.Random) -> bytes:
    value = torch.load(io.BytesIO(content), weights_only=True)

    def draw() -> Any:
        if rng.random() < 0.3:
            return rng.choice(TENSORS)()
        return _copy(rng.choice([*VALUES, float("nan"), "9" * 5000, 1 << 5000]))

    for _ in range(rng.choice([1, 1, 2, 3])):
        weights = value.pop("state_dict", None) if isinstance(value, dict) and rng.random() < 0.8 else None
        if isinstance(value, dict) and value and rng.random() < 0.8:  # one section, however many entries others have
            key = rng.choice(sorted(value, key=str))
            value[key] = change(value[key], rng, draw) if isinstance(value[key], dict | list) else draw()
        else:
            value = change(value, rng, draw)
        if weights is not None and isinstance(value, dict):
            value["state_dict"] = weights
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


STRUCTURED = {
    "yaml": _make_text_mutation("yaml"),
    "json": _make_text_mutation("json"),
    "npz": _mutate_npz,
    "npy": _mutate_npy,
    "torch": _mutate_torch,
    "small npy": lambda content, rng: _mutate_npy(content, rng)[: 2**22],  # 100 million pixels take their time, rightly
    **IMAGES,
}
