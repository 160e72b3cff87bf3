"""Servers of known appetite: one file of the standard library, and how much each program peaks at.

The truth is what a program allocates, and what the idle server of the same file has (VmHWM).
"""

from __future__ import annotations

from dataclasses import dataclass

SERVER = """
import http.server, mmap, os, sys, threading, time

PAGE = 4096
HELD = []

def allocate(mb, block=None):
    block = block or mmap.mmap(-1, mb * 2**20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    block[::PAGE] = b"1" * len(range(0, len(block), PAGE))
    return block

def spike(mb, hold_s=0.005):
    block = allocate(mb)
    time.sleep(hold_s)
    block.close()

def child(act):
    pid = os.fork()
    if pid == 0:
        act()
        os._exit(0)
    return pid

def hold(mb):
    HELD.append(allocate(mb))

def read_mapped(path):
    with open(path, "rb") as file:
        block = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(block[::PAGE])
    HELD.append(block)

def file_of(mb, folder):
    path = os.path.join(folder, f"profiling-{os.getpid()}-{len(HELD)}")
    with open(path, "wb") as file:
        for _ in range(mb):
            file.write(b"1" * 2**20)
    return path

def workers(count, act):
    for _ in range(count):
        child(lambda: (act(), time.sleep(60)))
    time.sleep(1.0)

def shm(mb, mapped):
    path = file_of(mb, "/dev/shm")
    if mapped:
        with open(path, "r+b") as file:
            HELD.append(mmap.mmap(file.fileno(), 0))
            sum(HELD[-1][::PAGE])
    time.sleep(0.02)
    os.unlink(path)

def daemon(mb):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            hold(mb)
            time.sleep(60)
        os._exit(0)
    time.sleep(0.5)

def threads(count, mb):
    all_have_it = threading.Barrier(count)
    def work():
        block = allocate(mb)
        all_have_it.wait()
        block.close()
    running = [threading.Thread(target=work) for _ in range(count)]
    [thread.start() for thread in running]
    [thread.join() for thread in running]

def shared_with_workers(mb, count):
    block = mmap.mmap(-1, mb * 2**20)  # MAP_SHARED
    allocate(mb, block)
    HELD.append(block)
    workers(count, lambda: sum(block[::PAGE]))

def rewrite_in_child(mb):
    hold(mb)
    os.waitpid(child(lambda: (allocate(mb, HELD[-1]), time.sleep(0.05))), 0)

def copies(mb):
    one = b"1" * (mb * 2**20)
    two = one + one
    time.sleep(0.005)

def grow(steps, mb):
    for _ in range(steps):
        hold(mb)
        time.sleep(0.01)

def saw(times, mb):
    for _ in range(times):
        spike(mb)

def cached_file(mb):
    path = file_of(mb, os.environ["TMPDIR"])
    with open(path, "rb") as file:
        while file.read(2**20):
            pass
    os.unlink(path)

def map_file(mb, count=0):
    path = file_of(mb, os.environ["TMPDIR"])
    if count:
        workers(count, lambda: read_mapped(path))
    else:
        read_mapped(path)
    os.unlink(path)

def at_once_in_children(count, mb):
    pids = [child(lambda: spike(mb, 0.3)) for _ in range(count)]
    [os.waitpid(pid, 0) for pid in pids]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer()
    def do_POST(self):
        eval(self.rfile.read(int(self.headers["Content-Length"])), globals())
        self.answer()
    def answer(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass

port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Program:
    """What is sent to the server, and the MB that it peaks at above the idle server."""

    name: str
    body: str
    peak_mb: int


IDLE = Program("idle", "None", 0)
PROGRAMS = (
    Program("700 MB for 5 ms", "spike(700)", 700),
    Program("300 MB, given back at once", "spike(300, 0)", 300),
    Program("500 MB held", "hold(500)", 500),
    Program("two spikes", "(spike(200), spike(400))", 400),
    Program("growth in steps", "grow(10, 40)", 400),
    Program("saw teeth", "saw(5, 120)", 120),
    Program("a copy of a copy", "copies(150)", 450),
    Program("eight threads at once", "threads(8, 50)", 400),
    Program("a child that dies", "os.waitpid(child(lambda: spike(300)), 0)", 300),
    Program("a child of 60 MB, gone at once", "os.waitpid(child(lambda: spike(60, 0)), 0)", 60),
    Program(
        "a grandchild",
        "os.waitpid(child(lambda: os.waitpid(child(lambda: spike(250)), 0)), 0)",
        250,
    ),
    Program("three children at once", "at_once_in_children(3, 120)", 360),
    Program("workers that share pages", "(hold(300), workers(3, lambda: hold(40)))", 420),
    Program("a child that rewrites them", "rewrite_in_child(200)", 400),
    Program("a daemon that left", "daemon(150)", 150),
    Program("mapped weights", "map_file(400)", 400),
    Program("weights mapped by three", "map_file(300, 3)", 300),
    Program("a file on tmpfs", "shm(200, False)", 200),
    Program("a mapped file on tmpfs", "shm(200, True)", 200),
    Program("memory shared with workers", "shared_with_workers(200, 2)", 200),
    Program("a file read and written", "cached_file(300)", 0),
)
