"""Processes on CPU 0, load from CPU 1, and what both cost."""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
ROUNDS = 3
CONNECTIONS = 64


class Failed(Exception):
    """What is said before the end."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def need(command, how):
    if not shutil.which(command):
        raise Failed(f"{command} is missing; {how}")


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def fetch(url, data=None, headers=None):
    """The body of an answer, and its status."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Server:
    """A process pinned to CPU 0, killed in the end."""

    def __init__(self, name, command, folder, port, ready="/", environment=None):
        self.name, self.port = name, port
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(folder) / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["taskset", "--cpu-list", "0", *map(str, command)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.started = self._wait(ready, time.monotonic())

    def _wait(self, path, began):
        """How many seconds it took to answer."""
        while time.monotonic() - began < 60:
            if self.process.poll() is not None:
                break
            try:
                if fetch(self.url + path)[0] < 500:
                    return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.002)
        raise Failed(f"{self.name} did not start:\n{self.log.read_text(errors='replace')[-2000:]}")

    def cpu(self):
        """Its processor time so far, in seconds: user and system, all threads and children of nginx."""
        total = 0
        for pid in self._pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Its resident memory, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024

    def _pids(self):
        main = self.process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *children]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Figure:
    """Requests a second, and microseconds of the server's processor time a request."""

    rate: float
    cpu: float


def wrk(server, seconds, path, script, good=True, **environment):
    """One run of wrk. `good`: whether the answers have to be."""
    command = ["taskset", "--cpu-list", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    command += ["--script", str(HERE / script), server.url + path]
    before = server.cpu()
    done = subprocess.run(
        command, env=os.environ | {k: str(v) for k, v in environment.items()}, capture_output=True, text=True
    )
    cpu = server.cpu() - before
    count = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if done.returncode or not count or not int(count[1]):
        raise Failed(f"wrk at {server.name}{path}: {done.stdout}{done.stderr}")
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    if bool(bad) == good:
        raise Failed(f"{server.name}{path}: {bad[0] if bad else 'nothing was refused'}")
    return Figure(float(rate[1]), cpu * 1e6 / int(count[1]))


def alternate(seconds, targets):
    """Medians of the rounds, every target in turn; a short first round warms up."""
    runs = {name: [] for name in targets}
    for turn in range(ROUNDS + 1):
        for name, run in targets.items():
            figure = run(seconds if turn else 1)
            if turn:
                runs[name].append(figure)
                say(f"    {turn}  {name:<40} {figure.rate:>10,.0f}/s {figure.cpu:>8.2f} µs")
    median = statistics.median
    return {
        name: Figure(median(f.rate for f in figures), median(f.cpu for f in figures))
        for name, figures in runs.items()
    }


def load(program, server, **arguments):
    """One run of our own load driver; its figures, and microseconds of processor time a request."""
    command = ["taskset", "--cpu-list", "1", str(program), "--address", f"127.0.0.1:{server.port}"]
    for name, value in arguments.items():
        command += [f"--{name}", str(value)]
    before = server.cpu()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"load at {server.name}: {done.stderr}")
    figures = json.loads(done.stdout)
    figures["cpu"] = (server.cpu() - before) * 1e6 / figures["requests"]
    return figures
