"""Print the first word of the stream for seed 7 and purpose ["x"], from the definitions of SHA-256 and ChaCha8 alone.

    python xtask/golden/golden_seed.py
"""

import hashlib
import struct


def rotate(x, n):
    return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF


def quarter(s, a, b, c, d):
    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = rotate(s[z] ^ s[x], n)


def first_block(key, rounds=8):
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key)) + [0] * 4
    s = start[:]
    for _ in range(rounds // 2):
        for i in range(4):
            quarter(s, i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(x + y) & 0xFFFFFFFF for x, y in zip(s, start)]


digest = hashlib.sha256(struct.pack("<Q", 7))
for word in ["x"]:
    digest.update(struct.pack("<Q", len(word)) + word.encode())
low, high = first_block(digest.digest())[:2]
print(high << 32 | low)
