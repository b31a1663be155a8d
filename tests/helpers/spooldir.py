# SPDX-License-Identifier: Apache-2.0
"""What lies in an agent's spool, read by Python alone: frames by docs/frame-format.md, batches by protoc's own code."""
import collections
import ctypes
import glob
import hashlib
import importlib
import os
import struct
import subprocess
import sys
import tempfile

import tap

CHAINS = ("control", "data", "tls")
FIXED = struct.Struct("<4sHHBBH16sQ32s32sIIIQQqH")
RANGE = struct.Struct("<BHQQ")
TRAILER = 68
Frame = collections.namedtuple("Frame", "chain kind stream number previous hash records ranges wall_offset first_time message")
Record = collections.namedtuple("Record", "ring_class cpu seq name source time fields executable type identity arn repeats first_time user_agent")


def _schema():
    with tempfile.TemporaryDirectory(prefix="hosttrail-proto-") as d:
        subprocess.run(["protoc", "--proto_path=" + os.path.join(tap.TOP, "proto"), "--python_out=" + d, "hosttrail.proto"],
                       check=True)
        sys.path.insert(0, d)
        module = importlib.import_module("hosttrail_pb2")
        sys.path.remove(d)
    return module


_pb = None
_zstd = ctypes.CDLL("libzstd.so.1")
_zstd.ZSTD_decompress.restype = ctypes.c_size_t


def _decompress(data, n):
    out = ctypes.create_string_buffer(n)
    got = _zstd.ZSTD_decompress(out, ctypes.c_size_t(n), data, ctypes.c_size_t(len(data)))
    if got != n:
        raise tap.Failed("a frame's payload does not decompress to the length that its header says")
    return out.raw


def frames_of(data):
    """Frames of a segment; a cut last one is left out."""
    global _pb
    _pb = _pb or _schema()
    at = 0
    while len(data) - at >= FIXED.size:
        (magic, header, version, chain, kind, _flags, stream, number, previous, payload_hash, records, payload, raw, first,
         _last, offset, n) = FIXED.unpack_from(data, at)
        if magic != b"HTF1" or version != 1 or header != FIXED.size + n * RANGE.size + TRAILER:
            raise tap.Failed("no frame at %d" % at)
        if len(data) - at < header + payload:
            return
        body = data[at + header:at + header + payload]
        if hashlib.sha256(body).digest() != payload_hash:
            raise tap.Failed("frame %d: wrong payload hash" % number)
        ranges = [RANGE.unpack_from(data, at + FIXED.size + i * RANGE.size) for i in range(n)]
        message = (_pb.RecordBatch if kind == 0 else _pb.Tombstone).FromString(_decompress(body, raw))
        yield Frame(CHAINS[chain], kind, stream, number, previous, hashlib.sha256(data[at:at + header - TRAILER]).digest(), records,
                    ranges, offset, first, message)
        at += header + payload


def streams(spool):
    return sorted(d for d in os.listdir(spool) if len(d) == 32 and os.path.isdir(os.path.join(spool, d)))


def chained(spool, stream, name, holes=False):
    """The frames of a chain, one after the other, and proof that they are one chain (with holes where segments were set aside)."""
    a = None
    for path in sorted(glob.glob(os.path.join(spool, stream, name, "*.seg"))):
        with open(path, "rb") as f:
            for b in frames_of(f.read()):
                if a and ((b.number != a.number + 1 and not holes) or (b.number == a.number + 1 and b.previous != a.hash)):
                    raise tap.Failed("%s: frame %d does not follow frame %d" % (name, b.number, a.number))
                yield b
                a = b


def chain(spool, stream, name, holes=False):
    """All of them."""
    return list(chained(spool, stream, name, holes))


def text(batch, i):
    return batch.strings[i].decode("utf-8", "surrogateescape")


def _values(batch, shape, record):
    """Fields present, by name; the kinds that tests look at."""
    out, at = {}, 1
    for i, field in enumerate(shape.fields):
        if not record.values or not record.values[0] >> i & 1:
            continue
        name = text(batch, field.name)
        if name == "*":	# JSON: a section's members
            name = "*%d" % field.section
        if field.kind in (7, 8):
            n = record.values[at]
            got = record.values[at + 1:at + 1 + n]
            out[name] = [text(batch, v) for v in got] if field.kind == 7 else list(got)
            at += 1 + n
        else:
            v = record.values[at]
            out[name] = text(batch, v) if field.kind == 6 or name[0] == "*" else v
            at += 1
    return out


def records(frame):
    """Records of a batch, in order."""
    batch, time, seqs = frame.message, frame.first_time, {}
    for r in batch.records:
        shape, ring, who = batch.shapes[r.shape], batch.rings[r.ring], batch.identities[r.identity]
        seq = seqs.get(r.ring, ring.first_seq) + r.seq_delta
        seqs[r.ring] = seq
        time += r.time_delta
        yield Record(ring.ring_class, ring.cpu, seq, text(batch, shape.event_name), text(batch, shape.event_source), time,
                     _values(batch, shape, r), text(batch, batch.processes[who.process].executable), who.type, who,
                     text(batch, who.arn_tail), r.repeat_count or 1, time + r.first_time_delta,
                     text(batch, r.user_agent) if r.user_agent else None)


def each(spool):
    """The frames of every stream and chain, one at a time: a spool may hold more than memory does."""
    for s in streams(spool):
        for c in CHAINS:
            yield from chained(spool, s, c)


def everything(spool, holes=False):
    """Frames and records of every stream and chain."""
    frames = [f for s in streams(spool) for c in CHAINS for f in chain(spool, s, c, holes)]
    return frames, [r for f in frames if f.kind == 0 for r in records(f)]
