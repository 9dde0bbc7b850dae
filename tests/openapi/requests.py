#!/usr/bin/env python3
"""Asks the operator's interface thousands of things that its document allows, and things that it does not, by schemathesis.

    requests.py SCHEMATHESIS SERVER-BINARY [SECONDS]

Starts the server of this checkout on a free port of this machine with a key, and holds what it answers against the document
that it serves, in two runs: without anybody there, and with the names of a call of three (which is not told to end). Exits
with 1 if anything is not as described, or if the call was disturbed.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# What the document cannot say: whether a filter of the log is one.
CONFIGURATION = """
[[operations]]
include-name = "PATCH /api/v1/server"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "429", "503"]
"""
# What would end the call, and streams that have no end: their answers are held against the document by the server's own tests.
LEFT_ALONE = ["--exclude-method", "DELETE", "--exclude-path-regex", "/(server|events|decisions)$"]
CALL = '\n[parameters]\n"path.room" = "load-0"\n"path.participant" = "{participant}"\n'


def main():
    tool, server = sys.argv[1], sys.argv[2]
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 30
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(run(tool, server, seconds, folder))


def run(tool, server, seconds, folder):
    def terrace(*arguments):
        return subprocess.run([server, *arguments], check=True, capture_output=True, text=True).stdout

    configuration = os.path.join(folder, "terrace.toml")
    with open(configuration, "w") as file:
        file.write(terrace("token", "--new-key"))
    operator = terrace("token", "--config", configuration, "--rights", "administrate").strip()
    guest = terrace("token", "--config", configuration).strip()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    serving = subprocess.Popen(
        [server, "serve", "--config", configuration, "--plain-http", "--listen", address, "--workers", "2",
         "--data-dir", folder], stdout=subprocess.DEVNULL)
    call = None

    def ask(path, change=None):
        request = urllib.request.Request(
            f"http://{address}{path}", headers={"authorization": f"Bearer {operator}"},
            method="PATCH" if change else "GET", data=json.dumps(change).encode() if change else None)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    try:
        until(lambda: ask("/api/v1/server"), 20)
        failed = attack(tool, address, operator, seconds, folder, CONFIGURATION, [])
        ask("/api/v1/server", {"draining": False, "log": "info"})
        call = subprocess.Popen(
            [server, "load", "--url", f"http://{address}", "--publishers", "1", "--subscribers", "2", "--settle", "1",
             "--seconds", "3600", "--token", guest, "--json"], stdout=subprocess.DEVNULL)
        until(lambda: ask("/api/v1/rooms/load-0/history") and len(ask("/api/v1/rooms/load-0")["participants"]) == 3, 30)
        watcher = ask("/api/v1/rooms/load-0")["participants"][2]["id"]
        failed |= attack(tool, address, operator, seconds, folder, CONFIGURATION + CALL.format(participant=watcher),
                         LEFT_ALONE)
        left = [one["connection"] for one in ask("/api/v1/rooms/load-0")["participants"]]
        print(f"the call: {left}")
        return 1 if failed or left != ["connected"] * 3 else 0
    finally:
        for process in (call, serving):
            if process:
                process.terminate()
                process.wait(20)


def attack(tool, address, token, seconds, folder, configuration, extra):
    with open(os.path.join(folder, "schemathesis.toml"), "w") as file:
        file.write(configuration)
    command = [tool, "--config-file", "schemathesis.toml", "run", f"http://{address}/api/v1/openapi.json", "--checks", "all",
               "--max-time", str(seconds), "--request-timeout", "5", "--no-color", "--header",
               f"Authorization: Bearer {token}", "--warnings", "off", *extra]
    return subprocess.run(command, cwd=folder).returncode != 0


def until(true, seconds):
    """Waits for something; what it raises counts as no."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if true():
                return
        except OSError as error:
            last = error
        else:
            last = None
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds} s in vain; last: {last}")
        time.sleep(0.1)


main()
