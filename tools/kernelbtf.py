#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The types (BTF) that lie in a kernel's image, which need not run: kernelbtf.py IMAGE OUT. Images that are compressed by gzip or xz, x86's own
unpacker before that or not, or not compressed."""
import lzma
import re
import struct
import sys
import zlib

HEADER = struct.Struct("<HBBIIIII")
MAGIC = re.compile(struct.pack("<HBBI", 0xEB9F, 1, 0, HEADER.size), re.S)


def found(image):
    for m in MAGIC.finditer(image):
        if len(image) < m.start() + HEADER.size:
            continue
        _, _, _, size, types_at, types, strings_at, strings = HEADER.unpack_from(image, m.start())
        end = m.start() + size + strings_at + strings
        if types_at == 0 and strings_at == types and end <= len(image):
            yield image[m.start():end]


def unpacked(image):
    """What is compressed in it; else the image."""
    if image[:2] == b"\x1f\x8b":
        return zlib.decompress(image, 31)
    at = image.find(b"\xfd7zXZ\x00")
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[at:]) if at >= 0 else image


def main():
    with open(sys.argv[1], "rb") as f:
        image = f.read()
    # as it is first: one that is not compressed has the unpacker's magic numbers in its own code
    btf = max(found(image), key=len, default=None) or max(found(unpacked(image)), key=len, default=None)
    if not btf:
        sys.exit("kernelbtf: %s has no BTF that can be seen" % sys.argv[1])
    with open(sys.argv[2], "wb") as f:
        f.write(btf)


if __name__ == "__main__":
    main()
