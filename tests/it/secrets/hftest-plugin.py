#!/usr/bin/env python3
"""A plugin of age for tests: `age-plugin-hftest`. What a recipient and its identity carry is the same: a byte that says
how the plugin behaves, then 16 bytes that file keys are mixed with. Nothing in it is secret."""

import base64
import hashlib
import sys
import time

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
FINE, ASKS, HANGS, SAYS_ERROR, DIES, FLOODS = range(6)


def decode(text):
    """The bytes of a bech32 text; its checksum is the caller's business."""
    bits, count, out = 0, 0, bytearray()
    for char in text.lower().rsplit("1", 1)[1][:-6]:
        bits, count = bits << 5 | CHARSET.index(char), count + 5
        if count >= 8:
            count -= 8
            out.append(bits >> count & 255)
    return bytes(out)


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


def send(kind, args=(), body=b""):
    encoded = unpadded(body)
    lines = [encoded[at : at + 64] for at in range(0, len(encoded), 64)]
    if not lines or len(lines[-1]) == 64:
        lines.append("")
    sys.stdout.write("-> " + " ".join([kind, *args]) + "\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()


def receive():
    _, kind, *args = sys.stdin.readline().rstrip("\n").split(" ")
    body = ""
    while True:
        line = sys.stdin.readline().rstrip("\n")
        body += line
        if len(line) < 64:
            return kind, args, base64.b64decode(body + "=" * (-len(body) % 4))


def mix(seed, data):
    return bytes(a ^ b for a, b in zip(data, hashlib.sha256(b"hftest" + seed).digest()))


def misbehave(how):
    if how == HANGS:
        time.sleep(600)
    if how == DIES:
        sys.exit(1)
    if how == FLOODS:
        while True:
            sys.stdout.write("A" * 4096)


def main():
    machine = sys.argv[1].split("=", 1)[1]
    keys, stanzas, file_key = [], [], None
    while True:
        kind, args, body = receive()
        if kind == "done":
            break
        if kind in ("add-recipient", "add-identity"):
            keys.append(decode(args[0]))
        elif kind == "recipient-stanza":
            stanzas.append((args[1], args[2:], body))
        elif kind == "wrap-file-key":
            file_key = body
    for key in keys:
        misbehave(key[0])
        if key[0] == SAYS_ERROR:
            send("error", ["internal"], b"the token is not plugged in\n")
            receive()
        elif machine == "recipient-v1":
            send("recipient-stanza", ["0", "hftest", unpadded(key[1:])], mix(key[1:], file_key))
            receive()
        else:
            for tag, args, body in stanzas:
                if tag == "hftest" and args == [unpadded(key[1:])]:
                    if key[0] == ASKS:
                        send("request-secret", [], b"PIN of the token")
                        if receive()[::2] != ("ok", b"1234"):
                            send("error", ["identity", "0"], b"wrong PIN")
                            receive()
                            continue
                    send("file-key", ["0"], mix(key[1:], body))
                    receive()
                    break
    send("done")


main()
