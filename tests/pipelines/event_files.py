#!/usr/bin/env python3
"""Reads TensorBoard's event files, knowing nothing of how they were written: a line `step tag value` each, with tabs between,
`version TEXT` and `start` for the records that say so. Every length, checksum and field is checked."""
import struct
import sys

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def check(data, stored, what):
    crc = crc32c(data)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    if masked != stored:
        sys.exit(f"{what}: checksum {stored:#x}, not {masked:#x}")


def records(data):
    at = 0
    while at < len(data):
        length, crc = struct.unpack_from("<QI", data, at)
        check(data[at:at + 8], crc, f"length at {at}")
        body = data[at + 12:at + 12 + length]
        (crc,) = struct.unpack_from("<I", data, at + 12 + length)
        check(body, crc, f"record at {at}")
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            if len(value) != length:
                sys.exit("a field that is cut")
        elif wire == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            sys.exit(f"wire type {wire}")
        yield number, value


for path in sys.argv[1:]:
    with open(path, "rb") as f:
        data = f.read()
    before = 0.0
    for place, body in enumerate(records(data)):
        event = dict(fields(body))
        if not 1e9 < event[1] < 1e10 or (5 in event and event[1] < before - 1):
            sys.exit(f"record {place}: wall time {event[1]}")
        before = event[1] if 5 in event else before
        if (place == 0) != (3 in event):
            sys.exit(f"record {place}: the version is the first record's")
        if 3 in event:
            print("version", event[3].decode())
        if 7 in event:
            print("start" if dict(fields(event[7])) == {1: 1} else "another status")
        for number, value in fields(event.get(5, b"")):
            scalar = dict(fields(value))
            if number != 1 or set(scalar) != {1, 2}:
                sys.exit(f"record {place}: no scalar")
            print(event.get(2, 0), scalar[1].decode(), repr(scalar[2]), sep="\t")
