"""Write crates/anoonly-data/src/fetch/adbench.csv: the ADBench data sets whose size and digest the project has checked.

    python xtask/data/adbench_catalogue.py FOLDER

FOLDER has the layout of adbench/datasets in https://github.com/Minqi824/ADBench (Classical/6_cardio.npz and so on), and each file is
byte for byte the one published there. Every file in the folder becomes one line of the list. An anomaly is a row whose `y` is 1.
"""

import ast
import csv
import hashlib
import struct
import sys
import zipfile
from pathlib import Path

FOLDERS = ["Classical", "CV_by_ResNet18", "CV_by_ViT", "NLP_by_BERT", "NLP_by_RoBERTa"]
OUT = Path(__file__).resolve().parents[2] / "crates" / "anoonly-data" / "src" / "fetch" / "adbench.csv"
# Letters of the struct module for NumPy's kinds and sizes.
LETTERS = {"b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
           "f4": "f", "f8": "d"}


def header(member):
    """The header of an array in NumPy's format; the elements come next in `member`."""
    magic = member.read(8)
    if magic[:6] != b"\x93NUMPY":
        raise ValueError("not in NumPy's format")
    size, length = (2, "<H") if magic[6] == 1 else (4, "<I")
    (length,) = struct.unpack(length, member.read(size))
    return ast.literal_eval(member.read(length).decode("latin-1"))


def described(path):
    with zipfile.ZipFile(path) as archive:
        with archive.open("X.npy") as member:
            rows, features = header(member)["shape"]
        with archive.open("y.npy") as member:
            about, content = header(member), member.read()
    order, kind = about["descr"][0], about["descr"][1:]
    labels = struct.unpack(f"{order if order in '<>' else '='}{rows}{LETTERS[kind]}", content)
    if set(labels) - {0, 1}:
        raise ValueError(f"{path}: labels other than 0 and 1")
    return rows, features, sum(label == 1 for label in labels)


def place(path):
    """Classical sets by their number, as ADBench does; the others by name."""
    number, _, _ = path.stem.partition("_")
    return (FOLDERS.index(path.parent.name), int(number) if number.isdigit() else 0, path.stem)


def main(folder):
    paths = sorted((path for name in FOLDERS for path in (folder / name).glob("*.npz")), key=place)
    if not paths:
        sys.exit(f"{folder}: no {' or '.join(FOLDERS)} with .npz files in it")
    with OUT.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow("folder name rows features anomalies bytes sha256".split())
        for path in paths:
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            lines.writerow([path.parent.name, path.stem, *described(path), len(content), digest])
    print(f"{OUT.name}: {len(paths)} data sets")


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(Path(sys.argv[1]))
