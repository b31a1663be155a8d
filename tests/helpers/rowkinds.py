# SPDX-License-Identifier: Apache-2.0
"""What a field of a record must say of one call, from what the program that made it says (workloads/all_calls_say.h): values of
the registers, the source text of its arguments, its own look at its descriptors. Nothing here reads the agent's tables.

A kind is a function of (made, want, field): it puts the field's value into want.request, or leaves it out, and says in
want.more and want.resources what else the record must hold because of it.
"""
import ast
import json
import re

AT_FDCWD = -100


class _Any:
    """Equal to every number."""

    def __eq__(self, other):
        return isinstance(other, int)


ANY = _Any()
EINPROGRESS = -115
# what the workload's own variables hold, by their names
LITERALS = {"self": "/proc/self/exe"}
FAMILIES = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6"}


def split_arguments(text):
    """At the commas outside of parentheses, braces and strings."""
    out, depth, quoted, at = [], 0, False, 0
    for i, c in enumerate(text):
        if c == '"' and text[i - 1:i] != "\\":
            quoted = not quoted
        elif not quoted and c in "({[":
            depth += 1
        elif not quoted and c in ")}]":
            depth -= 1
        elif not quoted and depth == 0 and c == ",":
            out.append(text[at:i].strip())
            at = i + 1
    return out + [text[at:].strip()]


def halves(text):
    """HALVES(x) of a 32-bit program is two arguments."""
    return re.sub(r"HALVES\((\w+)\)", r"LOW(\1), HIGH(\1)", text)


class Made:
    """One call, as its maker tells it."""

    def __init__(self, line):
        self.name, pid, result, said = line.split(" ", 3)
        self.pid, self.result = int(pid), None if result == "never" else int(result)
        said = json.loads(said)
        self.bits, self.good = said["bits"], said["good"]
        self.texts = split_arguments(halves(said["text"]))
        self.args, self.fds, self.returned, self.cwd = said["args"], said["fds"], said["returned"], said["cwd"]
        self.directory, self.program = said["directory"], said["program"]
        self.own_after, self.peer_after, self.words = said["own_after"], said["peer_after"], said["words"]

    @property
    def failed(self):
        return self.result is not None and -4096 < self.result < 0

    @property
    def ok(self):
        return self.result is not None and not self.failed

    def signed(self, n, bits=32):
        bits = min(bits, self.bits)
        v = self.args[n] & (1 << bits) - 1
        return v - (1 << bits) if v >> bits - 1 else v

    def word(self, n):
        return self.args[n] & (1 << self.bits) - 1

    def text(self, n):
        return self.texts[n] if n < len(self.texts) else "0"

    def string(self, n):
        """None where the argument is no string."""
        text = self.text(n)
        return ast.literal_eval(text) if text.startswith('"') else LITERALS.get(text)

    def fd(self, n):
        return self.fds[n] if 0 <= self.args[n] < len(self.fds) * 1000 else None

    def __repr__(self):
        return "%d %s(%s) = %s" % (self.pid, self.name, ", ".join(self.texts), self.result)


class Want:
    """What the record must hold."""

    def __init__(self):
        self.request, self.response, self.more, self.resources = {}, {}, {}, []
        self.first_path = None  # its object is the one whose inode and mount the record has

    def source(self, field, grade):
        self.more.setdefault("sources", {})[field] = grade

    def unverified(self, field):
        self.more.setdefault("unverified", []).append(field)

    def resource(self, kind, name):
        self.resources.append((kind, name))


# ---- numbers

def number(value):
    def kind(n):
        def put(m, want, field):
            want.request[field] = value(m, n)
        return put
    return kind


off64 = number(lambda m, n: int.from_bytes((m.args[n] & 0xffffffff | (m.args[n + 1] & 0xffffffff) << 32).to_bytes(8, "little"), "little", signed=True))
id16 = number(lambda m, n: -1 if m.args[n] & 0xffff == 0xffff else m.args[n] & 0xffff)
int_ = number(lambda m, n: m.signed(n))
uint = number(lambda m, n: m.args[n] & 0xffffffff)
long_ = number(lambda m, n: m.signed(n, 64))
ulong = number(lambda m, n: m.word(n))
hex_ = number(lambda m, n: hex(m.word(n)))
mode = number(lambda m, n: "0%o" % (m.args[n] & 0o7777) if m.args[n] & 0o7777 else "0")
id_ = number(lambda m, n: -1 if m.args[n] & 0xffffffff == 0xffffffff else m.args[n] & 0xffffffff)


def pid(n):
    def put(m, want, field):
        want.request[field] = m.signed(n)
        want.resource("Linux::Process", "process/%d" % m.signed(n))
    return put


def value(v):
    """What the workload's variable holds, written out in the table; None: no such field."""
    def put(_, want, field):
        if v is not None:
            want.request[field] = v
    return put


def dirfd(n):
    def put(m, want, field):
        if m.signed(n) != AT_FDCWD:
            want.request[field] = m.signed(n)
    return put


def created(n, flags):
    """A mode, where the flags create something."""
    def put(m, want, field):
        if "O_CREAT" in m.text(flags) or "O_TMPFILE" in m.text(flags):
            mode(n)(m, want, field)
    return put


# ---- names

def as_number(text):
    m = re.fullmatch(r"(-?)(0x[0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)[uUlL]*", text)
    if not m:
        return None
    digits = m.group(2)
    return int(m.group(1) + (digits if digits.startswith("0x") else "0o" + digits if digits[0] == "0" else digits), 0)


def names_of(text, without_numbers=False):
    """Names as the source has them; a number without a name as it is."""
    out = []
    for word in (w.strip() for w in text.split("|")):
        n = as_number(word)
        if n is None:
            out.append(word)
        elif n and not without_numbers:
            out.append(hex(n))
    return out


def flags(n, without_numbers=False):
    def put(m, want, field):
        want.request[field] = sorted(names_of(m.text(n), without_numbers))
    return put


def member(n, name, absent=None, when=None, as_flags=True):
    """A member of the structure that the argument's text makes."""
    def put(m, want, field):
        found = re.search(r"\.%s = ([^,}]+)" % name, m.text(n))
        text = found.group(1).strip() if found else absent
        if text is not None:
            want.request[field] = sorted(names_of(text)) if as_flags else text
    return put


def enum(n):
    def put(m, want, field):
        text = m.text(n)
        want.request[field] = text if as_number(text) is None else str(m.signed(n))
    return put


def ioctl_request(n):
    def put(m, want, field):
        text = m.text(n)
        want.request[field] = text if as_number(text) is None else hex(m.args[n] & 0xffffffff)
    return put


def number_name(n):
    """A number that its header has as a name only inside the kernel: the table says which."""
    return lambda names: lambda m, want, field: want.request.__setitem__(field, names.get(m.signed(n), str(m.signed(n))))


def inode_flags(n):
    """Of an int written in place; text that is no pointer to one cannot be read."""
    def put(m, want, field):
        found = re.search(r"\(int\)\{ (.+) \}", m.text(n))
        if found:
            want.request[field] = sorted(names_of(found.group(1)))
        else:
            want.more["unreadable"] = ["argument"]
    return put


def lock(n):
    """A struct flock written in place."""
    def put(m, want, field):
        of = dict(re.findall(r"\.l_(\w+) = (-?\w+)", m.text(n)))
        want.request[field] = {"type": of["type"], "whence": of["whence"], "start": int(of["start"]), "length": int(of["len"])}
    return put


def interface(n):
    """interface(NAME, ...) of the workload."""
    def put(m, want, field):
        want.request[field] = re.match(r'interface\("(\w+)"', m.text(n)).group(1)
    return put


# ---- strings and paths

def string(n, resource=None):
    def put(m, want, field):
        s = m.string(n)
        if s is not None:
            want.request[field] = s
            if resource:
                want.resource(resource, "module/" + s)
    return put


def requested(field):
    return "requested" + field[0].upper() + field[1:]


def normal(path):
    return "/" + "/".join(p for p in path.split("/") if p not in ("", "."))


def put_object(m, want, field, o, grade=None):
    link = o["link"]
    kind = next((k for k in ("pipe", "socket", "anon_inode") if link.startswith(k + ":")), None)
    if re.match("(uts|net|mnt|pid|user|ipc|cgroup|time):", link):
        link, kind = "ns:" + link.split(":")[1], "namespace"
    if link.startswith("/memfd:"):
        kind = "memfd"
    if link.endswith(" (deleted)"):
        link, kind = link[:-len(" (deleted)")], kind or "deleted"
    want.request[field] = link
    want.resource("Linux::File", "file/" + link.lstrip("/"))
    if grade:
        want.source(field, grade)
    if kind:
        want.more[field + "Kind"] = kind
    if want.first_path == field and kind != "socket":
        want.more.update(mountId=o["mount"], device=o["device"], inode=o["inode"])


def put_asked(m, want, field, n, at):
    s = m.string(n)
    if s is None:
        if m.args[n]:
            want.more.setdefault("unreadable", []).append(field)
        return
    base = {"link": m.cwd} if at is None or m.signed(at) == AT_FDCWD else m.fd(at)
    if s == "" and base and "inode" in base:
        put_object(m, want, field, base)
        want.request[requested(field)] = ""
        want.source(field, "user")  # another string could have stood there before
        want.unverified(field)
        return
    path = normal(s) if s.startswith("/") else normal(base["link"] + "/" + s) if base else None
    if path is not None:
        want.request[field] = path
        want.resource("Linux::File", "file" + path)
        want.source(field, "user")
        want.unverified(field)
    if path != s:
        want.request[requested(field)] = s


def path(n, at=None):
    def put(m, want, field):
        want.first_path = want.first_path or field
        put_asked(m, want, field, n, at)
    return put


def opened(n, at=None):
    def put(m, want, field):
        want.first_path = want.first_path or field
        if not m.ok:
            put_asked(m, want, field, n, at)
            return
        put_object(m, want, field, m.returned, "fdAtExit")
        if m.string(n) != m.returned["link"]:
            want.request[requested(field)] = m.string(n)
    return put


def fdpath(n):
    def put(m, want, field):
        want.first_path = want.first_path or field
        if m.fd(n):
            put_object(m, want, field, m.fd(n))
    return put


def returned_path(m, want, field):
    want.first_path = want.first_path or field
    if m.ok:
        put_object(m, want, field, m.returned, "fdAtExit")


def entered(n):
    """Of chdir: a relative name is what the directory after the call shows, an absolute one is what was asked."""
    def put(m, want, field):
        want.first_path = want.first_path or field
        s = m.string(n)
        if not m.ok or s.startswith("/"):
            put_asked(m, want, field, n, None)
            return
        put_object(m, want, field, m.directory, "fdAtExit")
        want.request[requested(field)] = s
    return put


def executed(n, at=None):
    """Of exec: the program that runs then; of a refused one: what was asked."""
    def put(m, want, field):
        want.first_path = want.first_path or field
        if m.failed:
            put_asked(m, want, field, n, at)
            want.unverified("argv")  # it was read in the caller's memory, as the path was
            return
        want.more["cwd"] = m.cwd
        put_object(m, want, field, m.program)
        want.request[requested(field)] = m.string(n)
    return put


def moved(n, to):
    """A name that leads elsewhere after the call, which changed what names mean."""
    def put(m, want, field):
        path(n)(m, want, field)
        want.request[field] = to
        want.resources[-1] = ("Linux::File", "file" + to)
        want.request[requested(field)] = m.string(n)
    return put


def moved_mount(m, want, field):
    path(1, 0)(m, want, field)
    to = normal(m.cwd + "/" + m.string(3))
    want.request[field] = to
    want.resources[-1] = ("Linux::File", "file" + to)


def device(n, mode_text):
    def put(m, want, field):
        if "S_IFCHR" in m.text(mode_text) or "S_IFBLK" in m.text(mode_text):
            want.request[field] = "%s:%s" % re.match(r"makedev\((\d+), (\d+)\)", m.text(n)).groups()
    return put


# ---- addresses

def said_end(e):
    out = {"family": FAMILIES[e["family"]]}
    if e["address"]:
        out.update(address=e["address"], port=e["port"])
    return out


def put_end(want, field, e, resource=True):
    want.request[field] = said_end(e)
    if e["address"] and resource:
        want.resource("Linux::Socket", "socket/" + e["address"])


def local(n):
    """The address of the socket itself, after the call."""
    def put(m, want, field):
        o = m.fd(n)
        if o and o["link"].startswith("socket:"):
            put_end(want, field, m.own_after if m.own_after["family"] else o["own"])
    return put


def asked_address(text):
    """local(PORT) of the workload, or a struct sockaddr_un written in place."""
    m = re.fullmatch(r"local\((\d+)\)", text)
    if m:
        return {"family": "AF_INET", "address": "127.0.0.1", "port": int(m.group(1))}
    m = re.search(r'\(struct sockaddr_un\)\{ AF_UNIX, "(.*)" \}', text)
    return {"family": "AF_UNIX", "path": m.group(1)} if m else None


def own_end(m, want):
    o = m.fd(0)
    e = m.own_after if m.own_after["family"] else o and o["own"]
    if e and e["address"] and e["port"]:
        want.more["local"] = {"address": e["address"], "port": e["port"]}


def bound(n):
    def put(m, want, field):
        asked = asked_address(m.text(n))
        own_end(m, want)
        if not m.ok:
            put_user_address(want, field, asked)
            return
        put_end(want, field, m.own_after)
        if asked["port"] != m.own_after["port"]:
            want.request[requested(field)] = asked
    return put


def put_user_address(want, field, asked):
    want.request[field] = asked
    if len(asked) > 1:
        want.resource("Linux::Socket", "socket/" + (asked.get("address") or asked["path"].lstrip("/")))
    want.source(field, "user")
    want.unverified(field)


def peer(n):
    """Of a connect: the kernel's socket tells; of a message: what was asked, if anything was."""
    def put(m, want, field):
        own_end(m, want)
        if m.name == "connect" and (m.ok or m.result == EINPROGRESS):
            put_end(want, field, m.peer_after)
            return
        if m.name == "getpeername" and m.ok:
            put_end(want, field, m.fd(0)["peer"])
            return
        asked = asked_address(m.text(n))
        if asked:
            put_user_address(want, field, asked)
    return put


def message(ip, port):
    """The address in a message's header; None: one that is cut before it."""
    def put(m, want, field):
        own_end(m, want)
        asked = {"family": "AF_INET"}
        if ip:
            asked.update(address=ip, port=port)
        put_user_address(want, field, asked)
    return put


def capabilities(line):
    """Of this process, which the workload's have too: by the names in the system's header."""
    def put(_, want, field):
        with open("/usr/include/linux/capability.h") as f:
            numbers = dict(re.findall(r"^#define (CAP_\w+)\s+(\d+)$", f.read(), re.M))
        with open("/proc/self/status") as f:
            have = int(re.search(line + r":\t(\w+)", f.read()).group(1), 16)
        want.request[field] = sorted(n for n, bit in numbers.items() if have >> int(bit) & 1)
    return put


# ---- results

def gives(field):
    def put(m, want):
        want.response[field] = m.result
    return put


def gives_nothing(_, want):
    """Even of a call that answers with a number: 0 says no more than success."""


def result(m, want):
    if m.result:
        want.response["result"] = m.result


def gives_a_tracer(m, want):
    """PTRACE_TRACEME: when it ends there is one."""
    result(m, want)
    want.more["supervisedBy"] = ["tracer"]


def address(m, want):
    want.response["address"] = hex(m.result & (1 << m.bits) - 1)


def waited(m, want):
    """For a child that ended with status 3."""
    want.response.update(pid=m.result, exitStatus=3)


def found_lock(m, want):
    """Of another process, which nobody asked for its number: any is right, but it is there."""
    want.response["lock"] = {"type": "F_RDLCK", "whence": "SEEK_SET", "start": 10, "length": 5, "pid": ANY}


def pair(m, want):
    want.response["fds"] = m.words


def accepted(m, want):
    peer_end = m.returned["peer"]
    want.response.update(fd=m.result, address=said_end(peer_end))
    want.resource("Linux::Socket", "socket/" + peer_end["address"])
