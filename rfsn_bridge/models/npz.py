"""An .npz archive with the same bytes on every platform.

numpy.savez leaves the details to `zipfile`, whose headers differ between Python versions and between Windows and
the rest; a file known by its sha256 cannot afford that. These are the bytes that numpy 2 writes on Linux with
Python 3.11.4 or newer: stored members in zip64 local headers, dated 1980.
"""

import math
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

_DATED_1980 = (0, 33)
_ZIP64_VERSION = 45
_ON_UNIX = 3 << 8
_OWNER_MAY_WRITE = 0o600 << 16


def write_npz(out: BinaryIO, arrays: Iterable[tuple[str, bytes]], shape: tuple[int, ...]) -> None:
    """Write little-endian float32 `arrays` (name and raw bytes), all of one shape; ValueError if one is not."""
    header = npy_header(shape)
    directory = bytearray()
    count = position = 0
    for name, raw in arrays:
        if len(raw) != 4 * math.prod(shape):
            raise ValueError(f"{name} has {len(raw):,} bytes, not those of float32 {shape}")
        file = f"{name}.npy".encode()
        size = len(header) + len(raw)
        about = (*_DATED_1980, zlib.crc32(raw, zlib.crc32(header)))
        in_extra = 0xFFFFFFFF
        local = struct.pack(
            "<4s5H3I2H", b"PK\x03\x04", _ZIP64_VERSION, 0, 0, *about, in_extra, in_extra, len(file), 20
        )
        zip64 = struct.pack("<2H2Q", 1, 16, size, size)
        for block in (local, file, zip64, header, raw):
            out.write(block)
        directory += struct.pack(
            "<4s6H3I5H2I",
            *(b"PK\x01\x02", _ZIP64_VERSION | _ON_UNIX, _ZIP64_VERSION, 0, 0, *about, size, size),
            *(len(file), 0, 0, 0, 0, _OWNER_MAY_WRITE, position),
        )
        directory += file
        position += len(local) + len(file) + len(zip64) + size
        count += 1
    out.write(directory)
    out.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), position, 0))


def npy_header(shape: tuple[int, ...]) -> bytes:
    """The .npy header (version 1.0) of a C-ordered little-endian float32 array, padded to 64 bytes."""
    description = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    length = -(-(10 + len(description) + 1) // 64) * 64
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", length - 10) + description.ljust(length - 11) + b"\n"
