"""Keyway with what a measurement needs in it."""

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import subprocess
import time
import urllib.parse
import zlib
from pathlib import Path

from machine import Failed, Server, fetch, free_port, load

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
EMAIL = "bench@example.com"
PASSWORD = "correct horse battery staple"
OUT_OF_REACH = "1000000/s burst=1000000"
GRANT = "grant_type=client_credentials&scope=notes:read"


def new_key():
    """A key as Keyway makes it: its checksum is right."""
    body = "keyway_live_" + "".join(secrets.choice(ALPHABET) for _ in range(32))
    left, places = zlib.crc32(body.encode()), []
    for _ in range(6):
        left, place = divmod(left, 62)
        places.append(ALPHABET[place])
    return body + "".join(reversed(places))


def write_lines(path, lines):
    Path(path).write_text("\n".join(lines) + "\n")
    return path


class Keyway:
    """`keyway dev` in a folder of its own."""

    def __init__(self, binary, folder, **settings):
        self.binary, self.folder = binary, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        portal, api = free_port(), free_port()
        self.audience = f"http://localhost:{api}"
        self.issuer = f"http://localhost:{portal}"
        self.api_port, self.portal_port = api, portal
        limits = ["CREDENTIAL", "OWNER", "APP"]
        lifted = ["TOKEN", "INTROSPECT", "REVOKE", "SIGN_IN", "UNKNOWN_CREDENTIALS"]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("KEYWAY_")} | {
            "KEYWAY_DATA_DIR": str(self.folder / "var"),
            "KEYWAY_PORTAL_ADDR": f"127.0.0.1:{portal}",
            "KEYWAY_API_ADDR": f"127.0.0.1:{api}",
            "KEYWAY_PUBLIC_URL": self.issuer,
            "KEYWAY_DEMO_ADDR": "off",
            **{f"KEYWAY_LIMITS__{name}": OUT_OF_REACH for name in limits},
            **{f"KEYWAY_LIMITS__{name}": "off" for name in lifted},
            **settings,
        }
        self.server = None

    def start(self):
        command = [self.binary, "dev"]
        self.server = Server("keyway", command, self.folder, self.portal_port, "/readyz", self.environment)
        return self

    def stop(self):
        if self.server:
            self.server.stop()
        self.server = None

    # The same process, seen at each of its two ports.
    @property
    def api(self):
        return self._at(self.api_port)

    @property
    def portal(self):
        return self._at(self.portal_port)

    def _at(self, port):
        seen = object.__new__(Server)
        seen.__dict__ = dict(self.server.__dict__, port=port, url=f"http://127.0.0.1:{port}")
        return seen

    def command(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments, "--json"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"keyway {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def person(self):
        done = subprocess.run(
            [self.binary, "user", "create", "--email", EMAIL, "--password-stdin", "--json"],
            cwd=self.folder,
            env=self.environment,
            input=PASSWORD + "\n",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Failed(f"keyway user create: {done.stderr}")

    def import_keys(self, count, scopes=("notes:read",), users=(EMAIL,)):
        """Stores new keys; the keys, and how many a second were imported."""
        keys = [new_key() for _ in range(count)]
        lines = (
            json.dumps(
                {
                    "sha256": hashlib.sha256(key.encode()).hexdigest(),
                    "user": users[at % len(users)],
                    "name": "bench",
                    "scopes": list(scopes),
                }
            )
            for at, key in enumerate(keys)
        )
        file = write_lines(self.folder / "import.jsonl", lines)
        began = time.monotonic()
        told = self.command("key", "import", str(file))
        seconds = time.monotonic() - began
        if told["imported"] != count:
            raise Failed(f"{told['imported']} of {count} keys were imported")
        return keys, count / seconds

    def people(self, count):
        """Clones the one account: to make them one by one would take a password's time each."""
        database = sqlite3.connect(self.folder / "var" / "keyway.db", timeout=10)
        owner, email = database.execute(
            "SELECT owner_id, email FROM accounts WHERE email = ?", (EMAIL,)
        ).fetchone()
        emails = []

        def clone(table, key, changed):
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            values = ", ".join("?" if name in changed else name for name in names)
            given = [changed[name] for name in names if name in changed]
            database.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {key} = ?", (*given, owner))

        for at in range(count):
            new = f"{owner[:-6]}{at:06x}"
            emails.append(f"{at}.{email}")
            clone("owners", "id", {"id": new})
            clone("accounts", "owner_id", {"owner_id": new, "email": emails[-1]})
        database.commit()
        database.close()
        return emails

    def sign_ins(self, rate):
        """What tells the load driver that so many people sign in a second beside the load."""
        who = urllib.parse.urlencode({"email": EMAIL, "password": PASSWORD})
        portal = f"127.0.0.1:{self.portal_port}"
        return {"sign-ins": rate, "portal": portal, "origin": self.issuer, "who": who}

    def client(self, *arguments):
        """A client; its id and secret as HTTP Basic takes them."""
        made = self.command("client", "create", "--name", "bench", *arguments)
        pair = f"{made['client_id']}:{made['client_secret']}"
        return base64.b64encode(pair.encode()).decode()

    def tokens(self, program, client, count):
        """New access tokens of a client, in a file."""
        file = self.folder / f"tokens-{secrets.token_hex(4)}"
        load(program, self.portal, path="/oauth/token", form=GRANT, basic=client, count=count, tokens=file)
        return file

    def post(self, path, client, form):
        headers = {"Authorization": f"Basic {client}"}
        status, body = fetch(self.portal.url + path, form.encode(), headers)
        if status != 200:
            raise Failed(f"{path}: {status} {body}")
        return body
